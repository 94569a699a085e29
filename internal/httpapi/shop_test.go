package httpapi

import (
	"context"
	"crypto/sha256"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// noon is the clock of the tests.
var noon = time.Date(2026, 3, 1, 15, 30, 0, 0, time.UTC)

// shop is every port at once, in memory, with the semantics that ports.go asks for.
type shop struct {
	mu      sync.Mutex
	macs    map[string][32]byte
	records map[string]Record
	erased  map[string]bool
	lists   []ListEntry
	seq     int64

	fail     error                 // what every method returns, if not nil
	panics   any                   // what every method panics with, if not nil
	outcome  decision.Outcome      // of what is decided
	hold     chan struct{}         // Decide and Accept wait until it is closed, if not nil
	entered  chan struct{}         // told before they wait
	accepted func(n int)           // told how many submissions came in one call
	accept   func(i int) (ok bool) // false makes the acceptance invalid
}

func newShop() *shop {
	return &shop{macs: map[string][32]byte{}, records: map[string]Record{}, erased: map[string]bool{}, outcome: decision.Review}
}

// begin is how every method begins.
func (s *shop) begin(ctx context.Context) error {
	if s.panics != nil {
		panic(s.panics)
	}
	if s.hold != nil {
		if s.entered != nil {
			s.entered <- struct{}{}
		}
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.fail
}

func macOf(s *ingest.Submission) [32]byte { return sha256.Sum256(s.AppendCanonical(nil)) }

func (s *shop) Accept(ctx context.Context, subs []*ingest.Submission) ([]ingest.Acceptance, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accepted != nil {
		s.accepted(len(subs))
	}
	out := make([]ingest.Acceptance, len(subs))
	for i, sub := range subs {
		mac := macOf(sub)
		stored, known := s.macs[sub.ID]
		switch {
		case s.accept != nil && !s.accept(i):
		case s.erased[sub.ID]:
			out[i] = ingest.Erased
		case known && stored != mac:
			out[i] = ingest.Conflict
		case known:
			out[i] = ingest.Duplicate
		default:
			s.macs[sub.ID] = mac
			out[i] = ingest.Accepted
		}
	}
	return out, nil
}

func (s *shop) Seal(ctx context.Context, subs []*ingest.Submission) ([]payment.Transaction, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	out := make([]payment.Transaction, len(subs))
	for i, sub := range subs {
		out[i] = payment.Transaction{ID: sub.ID, OccurredAt: sub.OccurredAt, ReceivedAt: noon, Amount: sub.Amount, Method: sub.Method, MAC: macOf(sub)}
	}
	return out, nil
}

func (s *shop) Decide(ctx context.Context, t payment.Transaction) (decision.Decision, error) {
	if err := s.begin(ctx); err != nil {
		return decision.Decision{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.erased[t.ID] {
		return decision.Decision{}, ErrErased
	}
	if mac, known := s.macs[t.ID]; known && mac != t.MAC {
		return decision.Decision{}, ErrConflict
	}
	if r, known := s.records[t.ID]; known {
		return r.Decision, nil
	}
	d := decision.Decision{
		TransactionID: t.ID, Outcome: s.outcome, Score: 640,
		Reasons: []decision.Reason{
			{Code: "NEW_DEVICE", Rule: "new_device_new_address", Points: 400},
			{Code: "NEW_DEVICE", Rule: "new_device", Points: 240},
			{Code: "ON_TRIAL", Rule: "trial", Points: 100, Shadow: true},
		},
		RuleSet: "default-1f0c2a9b", Policy: "default-77aa01c4", Path: decision.Sync, DecidedAt: noon,
	}
	s.macs[t.ID] = t.MAC
	s.records[t.ID] = Record{Decision: d, OccurredAt: t.OccurredAt, ReceivedAt: t.ReceivedAt}
	return d, nil
}

func (s *shop) Decision(ctx context.Context, id string) (Record, error) {
	if err := s.begin(ctx); err != nil {
		return Record{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[id]
	if !ok {
		return Record{}, ErrNotFound
	}
	return r, nil
}

// Explanation explains the id "labeled" with all that there can be, and any other with as little.
func (s *shop) Explanation(ctx context.Context, id string) (explanation.Explanation, error) {
	r, err := s.Decision(ctx, id)
	if err != nil {
		return explanation.Explanation{}, err
	}
	d, text := r.Decision, explanation.Text{PT: "um", EN: "one"}
	e := explanation.Explanation{
		TransactionID: id, OccurredAt: r.OccurredAt, ReceivedAt: r.ReceivedAt, Amount: explanation.Amount{Centavos: 100, Currency: "BRL"}, Method: "pix",
		Outcome: d.Outcome.String(), Score: d.Score, Policy: explanation.Policy{Version: d.Policy}, Path: d.Path.String(), DecidedAt: d.DecidedAt,
		Took: 12.5, RuleSet: d.RuleSet, Plan: "plan-1", Degraded: []explanation.Missing{}, Rules: []explanation.Rule{{Rule: "new_device", Code: "NEW_DEVICE", Points: 240}},
		FailedRules: []string{}, Inputs: []explanation.Input{{Name: "customer.count_1h", Doc: "a number", ReadBy: []string{}}}, Differs: []string{},
		Note: &text, Criteria: text, Contest: text,
	}
	if id != "labeled" {
		return e, nil
	}
	yes, n, x := true, 640, explanation.Number(-1.5)
	e.Channel, e.Note, e.Recomputed, e.RecomputedScore, e.Agrees, e.Differs, e.FailedRules = "web", nil, true, &n, &yes, []string{"score"}, []string{"trial"}
	e.Policy.Challenge, e.Policy.Review, e.Policy.Decline = &n, &n, &n
	e.Degraded = []explanation.Missing{{Code: "model_unavailable", Text: text}}
	e.Rules = []explanation.Rule{{Rule: "new_device", Code: "NEW_DEVICE", Points: 240, Outcome: "review", Text: &text}, {Rule: "trial", Code: "ON_TRIAL", Points: 100, Shadow: true}}
	e.Model = &explanation.Model{
		Version: "m/1", Points: &n, Base: &x, LogOdds: &x, Grounds: []explanation.Ground{{Code: "TX_AMOUNT", Points: 100, Text: &text}},
		Contributions: []explanation.Contribution{{Variable: "tx.amount", Value: 100, LogOdds: 0.25, Text: &text}, {Variable: "device.count_1h", Value: explanation.Number(math.NaN()), LogOdds: -0.5}},
	}
	e.ShadowModel, e.Label = &explanation.Shadow{Points: 10}, &explanation.Label{Verdict: "genuine", Source: "pix_med", KnownAt: noon}
	for _, v := range []explanation.Value{explanation.NumberValue(100), explanation.TextValue("pix"), explanation.FlagValue(true)} {
		e.Inputs = append(e.Inputs, explanation.Input{Name: "tx.x", Value: v, Doc: "what", Text: &text, ReadBy: []string{"rules", "model"}})
	}
	return e, nil
}

func (s *shop) Label(ctx context.Context, labels []review.Label) ([]bool, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := make([]bool, len(labels))
	for i, l := range labels {
		var r Record
		if r, stored[i] = s.records[l.TransactionID]; stored[i] {
			r.Label = &l
			s.records[l.TransactionID] = r
		}
	}
	return stored, nil
}

func (s *shop) Put(ctx context.Context, e ListEntry) (ListEntry, bool, error) {
	if err := s.begin(ctx); err != nil {
		return ListEntry{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, old := range s.lists {
		if old.List == e.List && old.Kind == e.Kind && old.Token == e.Token {
			old.Reason, old.AddedBy, old.ExpiresAt = e.Reason, e.AddedBy, e.ExpiresAt
			s.lists[i] = old
			return old, false, nil
		}
	}
	s.seq++
	e.Seq = s.seq
	s.lists = append(s.lists, e)
	return e, true, nil
}

func (s *shop) Remove(ctx context.Context, list payment.Lists, kind string, token payment.Token) (bool, error) {
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range s.lists {
		if e.List == list && e.Kind == kind && e.Token == token {
			s.lists = append(s.lists[:i:i], s.lists[i+1:]...)
			return true, nil
		}
	}
	return false, nil
}

func (s *shop) Entries(ctx context.Context, list payment.Lists, after int64, limit int) ([]ListEntry, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []ListEntry
	for _, e := range s.lists {
		if e.List == list && e.Seq > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *shop) ListToken(_ context.Context, kind, value string) (payment.Token, error) {
	if strings.HasPrefix(value, "!") {
		return payment.Token{}, ErrIdentifier
	}
	t := payment.PublicToken(kind + ":" + value)
	t[0] = 1
	return t, nil
}
