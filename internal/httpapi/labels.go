package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// labelForm is a label on the wire.
type labelForm struct {
	TransactionID string `json:"transaction_id"`
	Verdict       string `json:"verdict"`
	Source        string `json:"source"`
	KnownAt       string `json:"known_at"`
}

// labelAnswer is what became of a label.
type labelAnswer struct {
	TransactionID string   `json:"transaction_id,omitempty"`
	Status        string   `json:"status"` // stored, not_stored or refused
	Problem       *Problem `json:"problem,omitempty"`
}

// notStored is the problem of a label whose transaction is not there.
func notStored() *Problem {
	return newProblem("not-found", "The transaction is not stored (yet). If it was sent a moment ago, send the label again later; nothing was kept of it.")
}

// postLabels stores one label, or each one of an array by itself.
func (a *api) postLabels(c call) error {
	if err := a.charge(c, 1); err != nil {
		return err
	}
	body, err := a.bodies.read(c, a.Limits.Body, false)
	if err != nil {
		return err
	}
	defer a.bodies.release(body)
	data := bytes.TrimSpace(body.Bytes())
	if len(data) == 0 || data[0] != '[' {
		return a.postLabel(c, data)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil || len(items) == 0 {
		return newProblem("malformed", "The body is not an array of labels with at least one element.")
	}
	if len(items) > a.Limits.Labels {
		return newProblem("body-too-large", "Send at most "+strconv.Itoa(a.Limits.Labels)+" labels at once.")
	}
	if err := a.charge(c, len(items)-1); err != nil {
		return err
	}
	return a.postLabelArray(c, items)
}

func (a *api) postLabel(c call, data []byte) error {
	label, problem := decodeLabel(data, a.Now())
	if problem != nil {
		return problem
	}
	stored, err := a.storeLabels(c, []review.Label{label})
	if err != nil {
		return err
	}
	if !stored[0] {
		return notStored()
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, labelAnswer{TransactionID: label.TransactionID, Status: "stored"})
	return nil
}

func (a *api) postLabelArray(c call, items []json.RawMessage) error {
	answers := make([]labelAnswer, len(items))
	var labels []review.Label
	var places []int // of labels in answers
	now := a.Now()
	for i, item := range items {
		label, problem := decodeLabel(item, now)
		if problem != nil {
			a.Metrics.Refused(problem.code)
			answers[i] = labelAnswer{Status: "refused", Problem: problem}
			continue
		}
		answers[i].TransactionID = label.TransactionID
		labels, places = append(labels, label), append(places, i)
	}
	stored, err := a.storeLabels(c, labels)
	if err != nil {
		return err
	}
	for i, place := range places {
		answers[place].Status = "stored"
		if !stored[i] {
			answers[place].Status, answers[place].Problem = "not_stored", notStored()
		}
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, answers)
	return nil
}

func (a *api) storeLabels(c call, labels []review.Label) ([]bool, error) {
	if len(labels) == 0 {
		return nil, nil
	}
	stored, err := a.Labels.Label(c.r.Context(), labels)
	if err != nil {
		return nil, fmt.Errorf("store labels: %w", err)
	}
	if len(stored) != len(labels) {
		return nil, fmt.Errorf("store labels: got %d answers for %d labels", len(stored), len(labels))
	}
	for i, l := range labels {
		if stored[i] {
			a.Metrics.Labeled(l.Verdict.String(), l.Source.String())
		}
	}
	return stored, nil
}

// decodeLabel reads and validates one label.
func decodeLabel(data []byte, now time.Time) (review.Label, *Problem) {
	var form labelForm
	if problem := decodeStrict(data, &form, "transaction_id", "verdict", "source", "known_at"); problem != nil {
		return review.Label{}, problem
	}
	var faults []FieldError
	if !payment.ValidID(form.TransactionID) {
		faults = append(faults, FieldError{"/transaction_id", "invalid", "use the id that the transaction was sent with"})
	}
	verdict, ok := review.ParseVerdict(form.Verdict)
	if !ok {
		faults = append(faults, FieldError{"/verdict", "invalid", "use fraud or genuine"})
	}
	source, ok := review.ParseSource(form.Source)
	if !ok || source == review.Benchmark { // which comes from files only
		faults = append(faults, FieldError{"/source", "invalid", "use chargeback, pix_med, disposition or report"})
	}
	known, fault := moment("/known_at", form.KnownAt)
	if fault == nil && known.After(now.Add(clockSkew)) {
		fault = &FieldError{"/known_at", "in_the_future", "send a label once it is known"}
	}
	if fault != nil {
		faults = append(faults, *fault)
	}
	if len(faults) > 0 {
		return review.Label{}, invalid(faults...)
	}
	return review.Label{TransactionID: form.TransactionID, Verdict: verdict, Source: source, KnownAt: known}, nil
}

// clockSkew is how far a client's clock may be ahead, as for occurred_at.
const clockSkew = 5 * time.Minute
