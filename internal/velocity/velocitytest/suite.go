// Package velocitytest is the contract of sliding windows and profiles as a test suite: every implementation runs it and
// gives the answers of the brute-force definition, velocity.Recount.
//
// The suite has named cases, one for each rule of package velocity's comment that can be got wrong, with the expected
// values written out, and a property test of random histories in which everything collides. Every single reading of
// both is also compared with Recount.
package velocitytest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Windows is what an implementation must do.
//
// Observe reads each event as of its own time, without itself, and then counts it for those that follow; an id that was
// counted before changes nothing. Settle, Retract and Label are of observed events; an unknown id is no error. What one
// call did is seen by every call that starts after it returned. All methods may be called at once.
type Windows interface {
	Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error)
	Settle(ctx context.Context, settlements []velocity.Settlement) error
	Retract(ctx context.Context, events []velocity.Event) error
	Label(ctx context.Context, labels []velocity.Label) error
}

// Run runs the suite. Each call of open returns new and empty windows for a plan; it releases what it needs to with
// t.Cleanup.
func Run(t *testing.T, open func(t *testing.T, plan velocity.Plan, o velocity.Options) Windows) {
	for _, group := range [][]testCase{
		windowCases(), aggregateCases(), distinctCases(), largeCases(), profileCases(), habitCases(), historyCases(), readingCases(),
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				c.run(newBook(t, open(t, plan(t, c.plan...), c.options), plan(t, c.plan...), c.options))
			})
		}
	}
	t.Run("any history equals a recount", func(t *testing.T) { random(t, open) })
}

// testCase is one named rule.
type testCase struct {
	name    string
	plan    []string
	options velocity.Options
	run     func(b *book)
}

func plan(t testing.TB, names ...string) velocity.Plan {
	t.Helper()
	var p velocity.Plan
	for _, name := range names {
		f, err := velocity.ParseFeature(name)
		if err != nil {
			t.Fatal(err)
		}
		p = append(p, f)
	}
	return p
}

// tb is what testing.T and rapid.T have in common.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
}

// book keeps the true history beside the windows under test.
type book struct {
	tb
	w         Windows
	plan      velocity.Plan
	options   velocity.Options
	history   []velocity.Remembered
	ids       map[string]bool // of history
	retracted bool
}

func newBook(t tb, w Windows, p velocity.Plan, o velocity.Options) *book {
	return &book{tb: t, w: w, plan: p, options: o, ids: make(map[string]bool)}
}

// start is the time that cases count from: a whole hour, so that hours are easy to follow.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// token is the n-th token of a kind; 0 is none.
func token(kind payment.Kind, n int) payment.Token {
	if n == 0 {
		return payment.Token{}
	}
	return payment.PublicToken(fmt.Sprint(kind, n))
}

// option changes an event.
type option func(*velocity.Event)

func with(kind payment.Kind, n int) option {
	return func(e *velocity.Event) { e.Entities[kind] = token(kind, n) }
}

func amount(centavos int64) option { return func(e *velocity.Event) { e.Amount = centavos } }

// event is a payment of 10.00 by customer 1, so many seconds after start.
func event(id string, seconds int, options ...option) velocity.Event {
	e := velocity.Event{ID: id, At: after(seconds), Amount: 1000}
	e.Entities[payment.KindCustomer] = token(payment.KindCustomer, 1)
	for _, o := range options {
		o(&e)
	}
	return e
}

// add observes events without looking at what is read.
func (b *book) add(events ...velocity.Event) {
	b.Helper()
	if _, err := b.w.Observe(context.Background(), events); err != nil {
		b.Fatalf("observe: %v", err)
	}
	for _, e := range events {
		b.note(e)
	}
}

func (b *book) note(e velocity.Event) {
	if !b.ids[e.ID] {
		b.ids[e.ID] = true
		b.history = append(b.history, velocity.Remembered{Event: e})
	}
}

// observe observes events, compares each reading with a recount, and returns the last one.
func (b *book) observe(events ...velocity.Event) velocity.Reading {
	b.Helper()
	readings, err := b.w.Observe(context.Background(), events)
	if err != nil {
		b.Fatalf("observe: %v", err)
	}
	if len(readings) != len(events) {
		b.Fatalf("observe gave %d readings for %d events", len(readings), len(events))
	}
	for i, e := range events {
		b.compare(e, readings[i])
		b.note(e)
	}
	return readings[len(readings)-1]
}

func (b *book) compare(e velocity.Event, got velocity.Reading) {
	b.Helper()
	want := velocity.Recount(b.plan, b.history, e, b.options)
	if len(got.Values) != len(b.plan) {
		b.Fatalf("a reading has %d values for a plan of %d", len(got.Values), len(b.plan))
	}
	// A retracted event may have moved the newest second, and an id may be forgotten with the events that were dropped.
	if got.Late != want.Late && !(got.Late && b.retracted) {
		b.Fatalf("event at %v: late is %v, want %v", e.At, got.Late, want.Late)
	}
	if got.Late {
		return
	}
	if got.Duplicate != want.Duplicate && (got.Duplicate || b.options.MaxEvents == 0) {
		b.Fatalf("event at %v: duplicate is %v, want %v", e.At, got.Duplicate, want.Duplicate)
	}
	if got.Saturated != want.Saturated {
		b.Fatalf("event at %v: saturated is %v, want %v", e.At, got.Saturated, want.Saturated)
	}
	for i, f := range b.plan {
		if !same(got.Values[i], want.Values[i]) {
			b.Fatalf("event %s at %v after %d: %s is %v, want %v", e.ID, e.At, len(b.history), f.Name(), got.Values[i], want.Values[i])
		}
	}
}

func same(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }

// expect observes an event and compares its values with those written out in the case; NaN equals NaN.
func (b *book) expect(e velocity.Event, want ...float64) velocity.Reading {
	b.Helper()
	got := b.observe(e)
	for i, f := range b.plan {
		if !same(got.Values[i], want[i]) {
			b.Fatalf("%s: %s is %v, want %v", e.ID, f.Name(), got.Values[i], want[i])
		}
	}
	return got
}

func (b *book) settle(id string, declined, anomalous bool) {
	b.Helper()
	s := velocity.Settlement{ID: id, Declined: declined, Anomalous: anomalous}
	if h := b.find(id); h != nil {
		s.At, s.Entities = h.At, h.Entities
		h.Declined, h.Anomalous = declined, anomalous
	}
	if err := b.w.Settle(context.Background(), []velocity.Settlement{s}); err != nil {
		b.Fatalf("settle: %v", err)
	}
}

func (b *book) label(id string, fraud bool, known time.Time) {
	b.Helper()
	l := velocity.Label{ID: id, Fraud: fraud, KnownAt: known}
	if h := b.find(id); h != nil {
		l.At, l.Entities = h.At, h.Entities
		h.Label = &l
	}
	if err := b.w.Label(context.Background(), []velocity.Label{l}); err != nil {
		b.Fatalf("label: %v", err)
	}
}

func (b *book) retract(id string) {
	b.Helper()
	e := velocity.Event{ID: id}
	for i := range b.history {
		if b.history[i].ID == id {
			e = b.history[i].Event
			b.history = slices.Delete(b.history, i, i+1)
			delete(b.ids, id)
			b.retracted = true
			break
		}
	}
	if err := b.w.Retract(context.Background(), []velocity.Event{e}); err != nil {
		b.Fatalf("retract: %v", err)
	}
}

func (b *book) find(id string) *velocity.Remembered {
	for i := range b.history {
		if b.history[i].ID == id {
			return &b.history[i]
		}
	}
	return nil
}
