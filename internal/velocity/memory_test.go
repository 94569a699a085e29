package velocity_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/velocitytest"
)

func TestMemory(t *testing.T) {
	velocitytest.Run(t, func(t *testing.T, plan velocity.Plan, o velocity.Options) velocitytest.Windows {
		return newMemory(t, plan, o)
	})
}

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// payments makes n events of few entities, one every gap, a tenth of them late by up to a day, with all that may become
// of them.
func payments(n int, gap time.Duration) []velocity.Remembered {
	r := rand.New(rand.NewPCG(3, uint64(n)))
	history := make([]velocity.Remembered, n)
	for i := range history {
		h := &history[i]
		h.ID, h.Amount = fmt.Sprint(i), int64(r.IntN(100_000))
		h.At = begin.Add(time.Duration(i) * gap)
		if r.IntN(10) == 0 {
			h.At = h.At.Add(-time.Duration(r.IntN(86_400)) * time.Second)
		}
		for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
			if kind == payment.KindCustomer || r.IntN(4) > 0 {
				h.Entities[kind] = tokenOf(kind, r.IntN(3+20*int(kind%3)))
			}
		}
		h.Declined, h.Anomalous = r.IntN(5) == 0, r.IntN(9) == 0
		if r.IntN(6) == 0 {
			h.Label = &velocity.Label{Fraud: r.IntN(2) == 0, KnownAt: h.At.Add(time.Duration(r.IntN(10)) * 24 * time.Hour)}
		}
	}
	return history
}

func restored(t *testing.T, plan velocity.Plan, history []velocity.Remembered) *velocity.Memory {
	t.Helper()
	m := newMemory(t, plan, velocity.Options{})
	if err := m.Restore(t.Context(), history); err != nil {
		t.Fatal(err)
	}
	return m
}

func equal(x, y velocity.Reading) bool {
	return x.Saturated == y.Saturated && x.Duplicate == y.Duplicate && x.Late == y.Late &&
		slices.EqualFunc(x.Values, y.Values, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
}

func TestRestoreEqualsRecount(t *testing.T) {
	all := velocity.All()
	history := payments(3000, 20*time.Minute)
	m := restored(t, all, history)
	if err := m.Restore(t.Context(), history[1000:]); err != nil { // again, in part
		t.Fatal(err)
	}
	for i := range 15 {
		e := history[len(history)-1-i*7].Event
		if i%2 == 0 {
			e.ID = "new"
		}
		got, err := m.Read(t.Context(), []velocity.Event{e})
		if err != nil {
			t.Fatal(err)
		}
		want := velocity.Recount(all, history, e, velocity.Options{})
		if want.Late && got[0].Late {
			continue
		}
		for k, f := range all {
			if x, y := got[0].Values[k], want.Values[k]; x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
				t.Errorf("%s is %v, want %v", f.Name(), x, y)
			}
		}
		if got[0].Duplicate != want.Duplicate || got[0].Saturated != want.Saturated {
			t.Errorf("reading %+v, want %+v", got[0], want)
		}
	}
}

func TestRestoreEqualsObserve(t *testing.T) {
	plan := benchPlan(t)
	history := payments(2000, time.Minute)
	one, other := restored(t, plan, history), newMemory(t, plan, velocity.Options{})
	for _, h := range history {
		if _, err := other.Observe(t.Context(), []velocity.Event{h.Event}); err != nil {
			t.Fatal(err)
		}
		if err := other.Settle(t.Context(), []velocity.Settlement{{ID: h.ID, Declined: h.Declined, Anomalous: h.Anomalous}}); err != nil {
			t.Fatal(err)
		}
		if h.Label != nil {
			if err := other.Label(t.Context(), []velocity.Label{{ID: h.ID, Fraud: h.Label.Fraud, KnownAt: h.Label.KnownAt}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := history[0].Event
	e.ID, e.At = "new", history[len(history)-1].At
	x, err := one.Read(t.Context(), []velocity.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	y, err := other.Read(t.Context(), []velocity.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	if !equal(x[0], y[0]) {
		t.Errorf("restored %+v, observed %+v", x[0], y[0])
	}
}

func TestReadChangesNothing(t *testing.T) {
	plan := benchPlan(t)
	history := payments(500, time.Minute)
	m := restored(t, plan, history)
	e := history[499].Event
	e.ID = "new"
	var last velocity.Reading
	for i := range 3 {
		readings, err := m.Read(t.Context(), []velocity.Event{e, e})
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && !equal(readings[1], last) || readings[1].Duplicate {
			t.Fatalf("reading %d is %+v, was %+v", i, readings[1], last)
		}
		last = readings[1]
	}
	if n := m.Stats().Events; n != 500 {
		t.Errorf("%d events are remembered", n)
	}
}

// A plan's values do not depend on what else is asked for.
func TestFeaturesAreIndependent(t *testing.T) {
	history := payments(700, 90*time.Minute)
	all := velocity.All()
	e := history[699].Event
	e.ID = "new"
	whole, err := restored(t, all, history).Read(t.Context(), []velocity.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(all); i += 41 {
		one, err := restored(t, all[i:i+1], history).Read(t.Context(), []velocity.Event{e})
		if err != nil {
			t.Fatal(err)
		}
		if x, y := one[0].Values[0], whole[0].Values[i]; x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
			t.Errorf("%s alone is %v, among others %v", all[i].Name(), x, y)
		}
	}
}

func TestReadingsAreReused(t *testing.T) {
	m := newMemory(t, benchPlan(t), velocity.Options{})
	history := payments(300, time.Second)
	readings, err := m.ObserveInto(t.Context(), []velocity.Event{history[0].Event}, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := &readings[0].Values[0]
	readings, err = m.ObserveInto(t.Context(), []velocity.Event{history[0].Event, history[1].Event}, readings)
	if err != nil {
		t.Fatal(err)
	}
	if &readings[0].Values[0] != first || len(readings) != 2 || !readings[0].Duplicate || readings[1].Duplicate {
		t.Errorf("readings are %+v", readings)
	}
	events := []velocity.Event{history[0].Event, history[1].Event}
	if n := testing.AllocsPerRun(100, func() {
		if readings, err = m.ObserveInto(context.Background(), events, readings); err != nil {
			t.Error(err)
		}
	}); n > 1 {
		t.Errorf("a repeat allocates %v times", n)
	}
}

func TestInvalidEvents(t *testing.T) {
	good := payments(1, 0)[0].Event
	for name, change := range map[string]func(*velocity.Event){
		"no id":       func(e *velocity.Event) { e.ID = "" },
		"negative":    func(e *velocity.Event) { e.Amount = -1 },
		"too much":    func(e *velocity.Event) { e.Amount = payment.MaxCentavos + 1 },
		"no time":     func(e *velocity.Event) { e.At = time.Time{} },
		"far too new": func(e *velocity.Event) { e.At = time.Unix(1<<32, 0) },
	} {
		m := newMemory(t, benchPlan(t), velocity.Options{})
		bad := good
		change(&bad)
		if _, err := m.Observe(t.Context(), []velocity.Event{good, bad}); !errors.Is(err, velocity.ErrEvent) {
			t.Errorf("%s: observe says %v", name, err)
		}
		if err := m.Restore(t.Context(), []velocity.Remembered{{Event: good}, {Event: bad}}); !errors.Is(err, velocity.ErrEvent) {
			t.Errorf("%s: restore says %v", name, err)
		}
		if n := m.Stats().Events; n != 0 {
			t.Errorf("%s: %d events of a refused batch are remembered", name, n)
		}
	}
}

func TestCanceledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := newMemory(t, nil, velocity.Options{})
	_, observe := m.Observe(ctx, nil)
	for _, err := range []error{observe, m.Settle(ctx, nil), m.Label(ctx, nil), m.Retract(ctx, nil), m.Restore(ctx, nil)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a canceled call says %v", err)
		}
	}
}

// Entities that come and go leave nothing behind, and neither do the events of those that stay.
func TestMemoryIsBoundedOverTime(t *testing.T) {
	plan := benchPlan(t)
	m := newMemory(t, plan, velocity.Options{ProfileHorizon: 40 * 24 * time.Hour})
	var early velocity.Stats
	const days, perDay = 700, 60
	for day := range days {
		events := make([]velocity.Event, perDay)
		for i := range events {
			e := velocity.Event{ID: fmt.Sprint(day, "-", i), At: begin.Add(time.Duration(day*86_400+i*60) * time.Second)}
			e.Entities[payment.KindCustomer] = tokenOf(payment.KindCustomer, day*perDay+i) // a new one every time
			e.Entities[payment.KindDevice] = tokenOf(payment.KindDevice, day)
			e.Entities[payment.KindMerchant] = tokenOf(payment.KindMerchant, i%3)
			events[i] = e
		}
		if _, err := m.Observe(t.Context(), events); err != nil {
			t.Fatal(err)
		}
		if day == days/2 {
			early = m.Stats()
		}
	}
	late := m.Stats()
	if late.Events > early.Events+early.Events/20 || late.Entities > early.Entities+early.Entities/20 ||
		late.Bytes() > early.Bytes()+early.Bytes()/20 {
		t.Errorf("after %d days %+v, after %d %+v", days/2, early, days, late)
	}
	if late.Largest.Kind != payment.KindMerchant || late.Largest.Events < 38*perDay/3 || late.Largest.Events > 40*perDay/3 {
		t.Errorf("the largest is %+v", late.Largest)
	}
}
