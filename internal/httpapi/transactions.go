package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// submission reads the one submission that a request holds.
func (a *api) submission(c call) (*ingest.Submission, error) {
	if err := a.charge(c, 1); err != nil {
		return nil, err
	}
	body, err := a.bodies.read(c, a.Limits.Body, false)
	if err != nil {
		return nil, err
	}
	defer a.bodies.release(body)
	s, err := ingest.Decode(body.Bytes(), a.Now())
	if err != nil {
		return nil, refusal(err)
	}
	return s, nil
}

// taken is the answer to POST /v1/transactions.
type taken struct {
	TransactionID string `json:"transaction_id"`
	Status        string `json:"status"` // accepted or duplicate
}

// postTransaction takes one transaction in; it will be decided through the stream.
func (a *api) postTransaction(c call) error {
	s, err := a.submission(c)
	if err != nil {
		return err
	}
	acceptances, err := a.Intake.Accept(c.r.Context(), []*ingest.Submission{s})
	if err != nil {
		return fmt.Errorf("accept transaction: %w", err)
	}
	if len(acceptances) != 1 {
		return fmt.Errorf("accept transaction: got %d acceptances", len(acceptances))
	}
	if problem := notTaken(acceptances[0]); problem != nil {
		return problem
	}
	status := acceptances[0].String()
	if status == "" {
		return fmt.Errorf("accept transaction: acceptance %d is none", acceptances[0])
	}
	c.w.Header().Set("Location", "/v1/decisions/"+s.ID)
	writeJSON(c.w, http.StatusAccepted, mediaJSON, taken{s.ID, status})
	return nil
}

// postDecision decides one transaction while the caller waits.
func (a *api) postDecision(c call) error {
	s, err := a.submission(c)
	if err != nil {
		return err
	}
	d, err := a.decide(c.r.Context(), s)
	if err != nil {
		return err
	}
	v, err := a.verdict(&d)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, v)
	return nil
}

func (a *api) decide(ctx context.Context, s *ingest.Submission) (decision.Decision, error) {
	sealed, err := a.Intake.Seal(ctx, []*ingest.Submission{s})
	if err != nil {
		return decision.Decision{}, fmt.Errorf("seal transaction: %w", err)
	}
	if len(sealed) != 1 {
		return decision.Decision{}, fmt.Errorf("seal transaction: got %d", len(sealed))
	}
	d, err := a.Decider.Decide(ctx, sealed[0])
	if err != nil {
		return decision.Decision{}, fmt.Errorf("decide: %w", err)
	}
	return d, nil
}

// verdict is a decision on the wire.
type verdict struct {
	TransactionID string    `json:"transaction_id"`
	Outcome       string    `json:"outcome"`
	Score         int       `json:"score"`
	Reasons       []reason  `json:"reasons"` // strongest first, each code once
	RuleSet       string    `json:"rule_set"`
	Policy        string    `json:"policy"`
	Model         string    `json:"model,omitempty"`
	Degraded      []string  `json:"degraded"`
	DecidedAt     time.Time `json:"decided_at"`
}

type reason struct {
	Code string `json:"code"`
	Text *Text  `json:"text,omitempty"`
}

// verdict puts a decision on the wire. One without an outcome is an error, never an answer: a client could take it for an approval.
func (a *api) verdict(d *decision.Decision) (verdict, error) {
	if !d.Outcome.Valid() {
		return verdict{}, fmt.Errorf("read decision: outcome %d is none", d.Outcome)
	}
	v := verdict{
		TransactionID: d.TransactionID, Outcome: d.Outcome.String(), Score: d.Score, Reasons: []reason{},
		RuleSet: d.RuleSet, Policy: d.Policy, Model: d.Model, Degraded: d.Degraded.Names(), DecidedAt: d.DecidedAt.UTC(),
	}
	if v.Degraded == nil {
		v.Degraded = []string{}
	}
	seen := map[string]bool{}
	for _, r := range d.Reasons {
		if r.Shadow || seen[r.Code] {
			continue // a shadow rule is the analyst's trial, no ground of this decision
		}
		seen[r.Code] = true
		item := reason{Code: r.Code}
		if text := a.Reasons(r.Code); text != (Text{}) {
			item.Text = &text
		}
		v.Reasons = append(v.Reasons, item)
	}
	return v, nil
}

// record is the answer to GET /v1/decisions/{id}.
type record struct {
	verdict
	Path       string    `json:"path"`
	OccurredAt time.Time `json:"occurred_at"`
	ReceivedAt time.Time `json:"received_at"`
	Label      *labeled  `json:"label"` // null while nothing is known
}

type labeled struct {
	Verdict string    `json:"verdict"`
	Source  string    `json:"source"`
	KnownAt time.Time `json:"known_at"`
}

// decisionID charges for a read and takes the id from the path.
func (a *api) decisionID(c call) (string, error) {
	if err := a.charge(c, 1); err != nil {
		return "", err
	}
	id := c.r.PathValue("id")
	if !payment.ValidID(id) {
		return "", newProblem("not-found", "An id has 1 to 64 of A-Z, a-z, 0-9, point, underscore, colon and hyphen.")
	}
	return id, nil
}

// getExplanation says why a stored decision was made.
func (a *api) getExplanation(c call) error {
	id, err := a.decisionID(c)
	if err != nil {
		return err
	}
	e, err := a.Explanations.Explanation(c.r.Context(), id)
	if err != nil {
		return fmt.Errorf("explain decision: %w", err)
	}
	if decision.ParseOutcome(e.Outcome) == decision.Invalid {
		return fmt.Errorf("explain decision: outcome %q is none", e.Outcome)
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, e)
	return nil
}

// getDecision reads a stored decision.
func (a *api) getDecision(c call) error {
	id, err := a.decisionID(c)
	if err != nil {
		return err
	}
	stored, err := a.Decisions.Decision(c.r.Context(), id)
	if err != nil {
		return fmt.Errorf("read decision: %w", err)
	}
	v, err := a.verdict(&stored.Decision)
	if err != nil {
		return err
	}
	answer := record{verdict: v, Path: stored.Decision.Path.String(), OccurredAt: stored.OccurredAt.UTC(), ReceivedAt: stored.ReceivedAt.UTC()}
	if stored.Label != nil {
		answer.Label = wireLabel(stored.Label)
	}
	writeJSON(c.w, http.StatusOK, mediaJSON, answer)
	return nil
}

func wireLabel(l *review.Label) *labeled {
	return &labeled{Verdict: l.Verdict.String(), Source: l.Source.String(), KnownAt: l.KnownAt.UTC()}
}

// charge takes n from the rate of the caller's key.
func (a *api) charge(c call, n int) error {
	err := a.rates.take(c.key, n, a.Now())
	if err != nil {
		a.Metrics.RateLimited()
	}
	return err
}
