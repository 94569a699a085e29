package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fastshop/pipeline/internal/ingest"
)

// Problem is a problem document (RFC 9457). As an error it is what an endpoint returns instead of writing an answer.
// No member ever repeats what the client sent.
type Problem struct {
	Type     string        `json:"type"`               // "/problems/" and a code of problems.go
	Title    string        `json:"title"`              // the same for all problems of a type
	Status   int           `json:"status"`             // the HTTP status
	Detail   string        `json:"detail,omitempty"`   // what to do about this one
	Instance string        `json:"instance,omitempty"` // the request id
	Errors   []FieldError  `json:"errors,omitempty"`   // which fields are wrong
	Checks   []CheckResult `json:"checks,omitempty"`   // which parts are not ready

	code       string
	retryAfter time.Duration
	allow      string // of 405
}

// FieldError tells what is wrong with one field.
type FieldError struct {
	Field  string `json:"field"`            // JSON pointer (RFC 6901) to a field that the API knows, such as "/customer/document"; "" is the whole
	Code   string `json:"code"`             // from a closed set
	Detail string `json:"detail,omitempty"` // what is wanted
}

// Error is the code and the detail.
func (p *Problem) Error() string { return p.code + ": " + p.Detail }

func newProblem(code, detail string) *Problem {
	kind := kinds[code]
	return &Problem{
		Type: "/problems/" + code, Title: kind.Title, Status: kind.Status, Detail: detail,
		code: code, retryAfter: kind.retryAfter,
	}
}

// invalid is the problem of a request whose fields are wrong.
func invalid(errors ...FieldError) *Problem {
	p := newProblem("invalid-fields", "Correct the fields named in errors and send the request again.")
	p.Errors = errors
	return p
}

// refusal is the problem of a submission that ingest refused.
func refusal(err error) *Problem {
	var r *ingest.Refusal
	if !errors.As(err, &r) {
		return newProblem("internal", "")
	}
	faults := make([]FieldError, len(r.Faults))
	for i, f := range r.Faults {
		faults[i] = FieldError{Field: f.Field, Code: string(f.Code), Detail: f.Detail}
	}
	p := invalid(faults...)
	if len(faults) > 0 {
		switch r.Faults[0].Code {
		case ingest.Malformed:
			p = newProblem("malformed", "The body is not one JSON object.")
		case ingest.TooLarge:
			p = tooLarge()
		}
		p.Errors = faults
	}
	return p
}

// problemOf turns any error of an endpoint into the problem that is answered.
func problemOf(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, ErrConflict):
		return newProblem("id-conflict", "Use a new id for a new transaction; a retry must repeat the body it was first sent with.")
	case errors.Is(err, ErrErased):
		return newProblem("erased", "The customer's data were erased at their request; do not send this transaction again.")
	case errors.Is(err, ErrNotFound):
		return newProblem("not-found", "Nothing is stored under this id.")
	case errors.Is(err, ErrOverloaded):
		return newProblem("overloaded", "Nothing was taken; send it again after the time in Retry-After.")
	case errors.Is(err, ErrUnavailable):
		return newProblem("unavailable", "Send the same request again after the time in Retry-After.")
	case errors.Is(err, ErrIdentifier):
		return invalid(FieldError{"/value", "invalid", "must be a valid identifier of the kind"})
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newProblem("deadline-exceeded", "Its fate is unknown; send the same request again, which does no harm.")
	}
	return newProblem("internal", "The request id identifies this failure in the log.")
}

// write answers with p.
func (p *Problem) write(w http.ResponseWriter, requestID string) {
	q := *p
	q.Instance = requestID
	h := w.Header()
	if p.retryAfter > 0 {
		h.Set("Retry-After", seconds(p.retryAfter))
	}
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `ApiKey realm="fastshop", header="X-Api-Key"`)
	}
	writeJSON(w, p.Status, "application/problem+json", &q)
}

// seconds is d as Retry-After wants it: whole seconds, rounded up, at least one.
func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// writeJSON answers with v, whose kind is always encodable.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("encode answer: " + err.Error()) // a bug of this package; answered 500
	}
	writeBody(w, status, contentType, append(body, '\n'))
}

// writeBody answers with body in one piece. A client that has gone away is no error.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
