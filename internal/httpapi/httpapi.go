// Package httpapi is the JSON interface of the pipeline: what a checkout sends its
// transactions to and reads its verdicts from.
//
// The contract is openapi.yaml, which the program serves at /openapi.yaml; a test
// drives every route and every status of it against these handlers, and fails when
// either side has one that the other lacks. docs/api.md tells the same to a person.
//
// # Idempotency
//
// The client makes the id of a transaction, and may send the same transaction again
// whenever it does not know what became of it: the same id with the same body gets
// the same answer, on every route. The same id with another body is refused (409),
// and so is an id whose customer was erased (410).
//
// # Errors
//
// Every error is a problem document (RFC 9457). It names the field at fault and
// never repeats a value, not even the name of a field that the API does not know:
// what a client sends by mistake may be a person's. The types are listed in
// problems.go and served at /problems/{code}.
//
// # Limits
//
// Every limit is a field of [Limits]. Work is bounded before it is begun: by size
// and number of lines, by rate for each API key (429), and by the number of
// requests in flight for each class (503), so that memory is bounded as well. An
// error is never a verdict: when a decision cannot be made or stored, the answer is
// 503 or 504 and the shop asks again.
package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/time/rate"

	"github.com/fastshop/pipeline/internal/telemetry"
)

// Config is what an API is made of. All of the first group must be set.
type Config struct {
	Intake       Intake
	Decider      Decider
	Decisions    Decisions
	Explanations Explanations
	Labels       Labels
	Lists        Lists
	ListVault    ListVault
	Keys         Authenticator

	// Reasons returns the texts of a reason code, for people; nil or an empty Text leaves them out.
	Reasons func(code string) Text
	// Checks are what /readyz asks, in this order; none means always ready.
	Checks []Check
	// Limits bound what a client can ask for; a zero field has the value of DefaultLimits.
	Limits Limits

	Logger  *slog.Logger       // nil logs nothing
	Metrics *telemetry.Metrics // nil counts nothing
	Now     func() time.Time   // nil is time.Now
}

// Text is a sentence for people in the two languages of the shop.
type Text struct {
	PT string `json:"pt"`
	EN string `json:"en"`
}

// Check is a part that must work before the program can take traffic.
type Check struct {
	Name  string                          // lower case, shown to anyone who asks
	Ready func(ctx context.Context) error // nil when it works; the error is logged, not shown
}

// Limits bound what a client can ask for. The defaults are for two cores and 512 MiB.
type Limits struct {
	Body       int64 // bytes of a request with one object, and of a line of a batch
	BatchBody  int64 // bytes of a batch, as sent and when inflated
	BatchLines int   // lines of a batch
	Labels     int   // labels in one request
	ListPage   int   // entries on a page of a list

	// Rate is how many transactions a second an API key may send when its entry in the key file does not say; a batch
	// costs its lines, a label one. A key can save up Burst of them, which is at least BatchLines.
	Rate  float64
	Burst int

	// InFlight is how many requests of each class are handled at once; the next one is answered 503.
	InFlight InFlight
	// Deadline is how long a request of each class may take until it is answered 504.
	Deadline Deadline
}

// InFlight is a number of requests for each class.
type InFlight struct {
	Sync  int // POST /v1/decisions
	Async int // POST /v1/transactions
	Batch int // POST /v1/transactions:batch; each holds up to two BatchBody of memory
	Desk  int // everything else behind a key
}

// Deadline is a duration for each class.
type Deadline struct {
	Sync, Async, Batch, Desk time.Duration
}

// DefaultLimits returns the limits of docs/api.md.
func DefaultLimits() Limits {
	return Limits{
		Body: 64 << 10, BatchBody: 5 << 20, BatchLines: 5000, Labels: 100, ListPage: 100,
		Rate: 20_000, Burst: 40_000,
		InFlight: InFlight{Sync: 256, Async: 256, Batch: 8, Desk: 64},
		Deadline: Deadline{Sync: 2 * time.Second, Async: 5 * time.Second, Batch: 15 * time.Second, Desk: 5 * time.Second},
	}
}

// orDefault fills the zero fields of l.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	fill(&l.Body, d.Body)
	fill(&l.BatchBody, d.BatchBody)
	fill(&l.BatchLines, d.BatchLines)
	fill(&l.Labels, d.Labels)
	fill(&l.ListPage, d.ListPage)
	fill(&l.Rate, d.Rate)
	fill(&l.Burst, d.Burst)
	fill(&l.InFlight.Sync, d.InFlight.Sync)
	fill(&l.InFlight.Async, d.InFlight.Async)
	fill(&l.InFlight.Batch, d.InFlight.Batch)
	fill(&l.InFlight.Desk, d.InFlight.Desk)
	fill(&l.Deadline.Sync, d.Deadline.Sync)
	fill(&l.Deadline.Async, d.Deadline.Async)
	fill(&l.Deadline.Batch, d.Deadline.Batch)
	fill(&l.Deadline.Desk, d.Deadline.Desk)
	l.Burst = max(l.Burst, l.BatchLines)
	return l
}

func fill[N int | int64 | float64 | time.Duration](v *N, value N) {
	if *v <= 0 {
		*v = value
	}
}

// api is the handler and all that its endpoints share.
type api struct {
	Config
	gates     map[class]*gate
	rates     rates
	bodies    bodies
	readiness readiness
	problems  map[string][]byte // by code: what GET /problems/{code} answers
	denials   *rate.Limiter     // of log lines about refused keys
	failures  *rate.Limiter     // of log lines about failed requests
}

// New returns the API as a handler. It is safe for concurrent use. The error names the part of the Config that is missing.
func New(c Config) (http.Handler, error) {
	switch {
	case c.Intake == nil, c.Decider == nil, c.Decisions == nil, c.Explanations == nil, c.Labels == nil, c.Lists == nil, c.ListVault == nil:
		return nil, errors.New("make api: a port is missing")
	case c.Keys == nil:
		return nil, errors.New("make api: no API keys: it would be open to anyone")
	}
	for _, check := range c.Checks {
		if check.Name == "" || check.Ready == nil {
			return nil, errors.New("make api: a readiness check lacks its name or its function")
		}
	}
	c.Limits = c.Limits.orDefault()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Reasons == nil {
		c.Reasons = func(string) Text { return Text{} }
	}
	a := &api{
		Config: c,
		gates: map[class]*gate{
			classSync:  newGate(classSync, c.Limits.InFlight.Sync, c.Limits.Deadline.Sync),
			classAsync: newGate(classAsync, c.Limits.InFlight.Async, c.Limits.Deadline.Async),
			classBatch: newGate(classBatch, c.Limits.InFlight.Batch, c.Limits.Deadline.Batch),
			classDesk:  newGate(classDesk, c.Limits.InFlight.Desk, c.Limits.Deadline.Desk),
		},
		rates:    rates{limits: c.Limits, byKey: map[string]*keyRate{}},
		problems: problemPages(),
		denials:  rate.NewLimiter(10, 50),
		failures: rate.NewLimiter(10, 50),
	}
	return a.handler(), nil
}
