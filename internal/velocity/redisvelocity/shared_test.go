package redisvelocity_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// manyPlan asks something of every sort, of kinds that events have few of, so that everything collides.
func manyPlan(tb testing.TB) velocity.Plan {
	tb.Helper()
	names := []string{
		"customer.count_1h", "customer.count_30d", "customer.sum_24h", "customer.declines_24h", "customer.frauds_30d",
		"customer.distinct_device_24h", "customer.device_age_seconds", "customer.first_seen_seconds", "customer.seconds_since_last",
		"customer.amount_median", "customer.amount_spread", "customer.hour_share", "merchant.count_1h", "merchant.sum_30d", "merchant.max_24h",
		"merchant.sd_30d", "merchant.distinct_customer_24h", "merchant.anomalies_30d", "merchant.fraud_run", "device.count_24h",
		"device.frauds_7d_delayed", "device.distinct_customer_7d",
	}
	var plan velocity.Plan
	for _, name := range names {
		f, err := velocity.ParseFeature(name)
		if err != nil {
			tb.Fatal(err)
		}
		plan = append(plan, f)
	}
	return plan
}

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// payments makes events of few entities, some of them late.
func payments(name string, n int) []velocity.Event {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(name))))
	events := make([]velocity.Event, n)
	for i := range events {
		at := start.Add(time.Duration(i) * 97 * time.Second)
		if r.IntN(8) == 0 {
			at = at.Add(-time.Duration(r.IntN(80_000)) * time.Second)
		}
		e := velocity.Event{ID: fmt.Sprint(name, i), At: at, Amount: int64(r.IntN(90_000))}
		e.Entities[payment.KindCustomer] = tokenOf(payment.KindCustomer, r.IntN(12))
		e.Entities[payment.KindMerchant] = tokenOf(payment.KindMerchant, r.IntN(2))
		if r.IntN(4) > 0 {
			e.Entities[payment.KindDevice] = tokenOf(payment.KindDevice, r.IntN(15))
		}
		events[i] = e
	}
	return events
}

func remembered(events []velocity.Event) []velocity.Remembered {
	history := make([]velocity.Remembered, len(events))
	for i := range events {
		history[i].Event = events[i]
	}
	return history
}

// agree reads as of the end and compares with a recount of the history. What depends on the order of observation is the
// same for all orders here, since nothing is silent for long and no bound is hit.
func agree(t *testing.T, w *redisvelocity.Windows, plan velocity.Plan, history []velocity.Remembered) {
	t.Helper()
	newest := history[0].At
	for _, h := range history {
		if h.At.After(newest) {
			newest = h.At
		}
	}
	var probes []velocity.Event
	for i := range 15 {
		probe := velocity.Event{ID: fmt.Sprint("probe", i), At: newest.Add(time.Duration(i) * time.Second)}
		probe.Entities[payment.KindCustomer] = tokenOf(payment.KindCustomer, i%12)
		probe.Entities[payment.KindMerchant] = tokenOf(payment.KindMerchant, i%2)
		probe.Entities[payment.KindDevice] = tokenOf(payment.KindDevice, i)
		probes = append(probes, probe)
	}
	readings, err := w.Read(t.Context(), probes)
	if err != nil {
		t.Fatal(err)
	}
	for i := range probes {
		want := velocity.Recount(plan, history, probes[i], velocity.Options{})
		for k, f := range plan {
			if x, y := readings[i].Values[k], want.Values[k]; x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
				t.Errorf("%s of probe %d is %v, want %v", f.Name(), i, x, y)
			}
		}
		if readings[i].Incomplete || readings[i].Saturated != want.Saturated || readings[i].Late != want.Late {
			t.Errorf("probe %d: %+v, want %+v", i, readings[i], want)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// Two processes that take turns on one server, with settlements, labels, retractions and repeats, know the same.
func TestTwoProcesses(t *testing.T) {
	plan := manyPlan(t)
	o := options(t, testenv.SharedRedis(t).URL(), plan)
	ws := []*redisvelocity.Windows{open(t, o), open(t, o)}
	heal(t, ws[0])
	history := remembered(payments("a", 900))
	r := rand.New(rand.NewPCG(5, 5))
	for from := 0; from < len(history); {
		w := ws[r.IntN(2)]
		to := min(from+1+r.IntN(40), len(history))
		var batch []velocity.Event
		for i := max(0, from-3); i < to; i++ { // the first few are repeats, often of what the other one counted
			batch = append(batch, history[i].Event)
		}
		readings, err := w.Observe(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		for i, reading := range readings {
			if want := i < from-max(0, from-3); reading.Duplicate != want {
				t.Fatalf("event %d of a batch from %d: duplicate is %v", i, from, reading.Duplicate)
			}
		}
		for i := from; i < to; i++ {
			if r.IntN(5) == 0 {
				change(t, ws[r.IntN(2)], &history[i], r)
			}
		}
		from = to
	}
	for i := len(history) - 1; i >= 0; i -= 17 {
		if err := ws[i%2].Retract(t.Context(), []velocity.Event{history[i].Event}); err != nil {
			t.Fatal(err)
		}
		history = slices.Delete(history, i, i+1)
	}
	agree(t, ws[0], plan, history)
	agree(t, ws[1], plan, history)
	third := open(t, o) // a process that has seen nothing
	agree(t, third, plan, history)
	if n := third.Stats().Vanished + ws[0].Stats().Vanished; n != 0 {
		t.Errorf("%d logs vanished", n)
	}
}

// change settles or labels an event.
func change(t *testing.T, w *redisvelocity.Windows, h *velocity.Remembered, r *rand.Rand) {
	t.Helper()
	var err error
	if r.IntN(2) == 0 {
		h.Declined, h.Anomalous = r.IntN(2) == 0, r.IntN(2) == 0
		err = w.Settle(t.Context(), []velocity.Settlement{{ID: h.ID, At: h.At, Entities: h.Entities, Declined: h.Declined, Anomalous: h.Anomalous}})
	} else {
		h.Label = &velocity.Label{ID: h.ID, At: h.At, Entities: h.Entities, Fraud: r.IntN(2) == 0, KnownAt: h.At.Add(time.Hour)}
		err = w.Label(t.Context(), []velocity.Label{*h.Label})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Many sessions at once, in three processes of which one remembers next to nothing, count everything once.
func TestSessionsAtOnce(t *testing.T) {
	plan := manyPlan(t)
	for _, shape := range []string{"standalone", "cluster"} {
		t.Run(shape, func(t *testing.T) {
			url := testenv.SharedRedis(t).URL()
			if shape == "cluster" {
				url = testenv.SharedRedisCluster(t).URL()
			}
			o := options(t, url, plan)
			ws := []*redisvelocity.Windows{open(t, o), open(t, o)}
			o.MirrorBytes = 1
			ws = append(ws, open(t, o))
			heal(t, ws[0])
			history := remembered(payments("s", 1800))
			var group sync.WaitGroup
			for worker := range 6 {
				group.Go(func() {
					w := ws[worker%3]
					for from := worker * 300; from < (worker+1)*300; from += 50 {
						if err := judge(t.Context(), w, history[from:from+50]); err != nil {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			for _, w := range ws {
				agree(t, w, plan, history)
			}
			if ws[2].Stats().Mirror.Evicted == 0 || ws[2].Stats().Mirror.Entities != 0 {
				t.Errorf("a mirror without room holds %+v", ws[2].Stats().Mirror)
			}
			t.Logf("%+v", ws[0].Stats())
		})
	}
}

// judge does with a batch what a worker does, and declines every third.
func judge(ctx context.Context, w *redisvelocity.Windows, batch []velocity.Remembered) error {
	events := make([]velocity.Event, len(batch))
	for i := range batch {
		events[i] = batch[i].Event
	}
	s, err := w.Begin(ctx, events)
	if err != nil {
		return err
	}
	for i := range batch {
		if _, err := s.Observe(ctx, events[i:i+1]); err != nil {
			return err
		}
		if i%3 == 0 {
			h := &batch[i]
			h.Declined = true
			if err := s.Settle(ctx, []velocity.Settlement{{ID: h.ID, At: h.At, Entities: h.Entities, Declined: true}}); err != nil {
				return err
			}
		}
	}
	return s.End(ctx)
}

// In a session what was settled is seen by the next event, and by others only after End.
func TestSettledInSession(t *testing.T) {
	plan := velocity.Plan{{Kind: payment.KindCustomer, Aggregate: velocity.Declines, Window: velocity.Hour}}
	o := options(t, testenv.SharedRedis(t).URL(), plan)
	w, other := open(t, o), open(t, o)
	heal(t, w)
	events := payments("x", 3)
	for i := range events {
		events[i].At = start.Add(time.Duration(i) * time.Second)
		events[i].Entities[payment.KindCustomer] = tokenOf(payment.KindCustomer, 1)
	}
	s, err := w.Begin(t.Context(), events)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0, 1, 2} {
		readings, err := s.Observe(t.Context(), events[i:i+1])
		if err != nil || readings[0].Values[0] != want {
			t.Fatalf("event %d reads %v, %v; want %v", i, readings, err, want)
		}
		if err := s.Settle(t.Context(), []velocity.Settlement{{ID: events[i].ID, Declined: true}}); err != nil {
			t.Fatal(err)
		}
	}
	probe := events[2]
	probe.ID = "probe"
	for _, want := range []float64{0, 3} {
		readings, err := other.Read(t.Context(), []velocity.Event{probe})
		if err != nil || readings[0].Values[0] != want {
			t.Fatalf("another process reads %v, %v; want %v", readings, err, want)
		}
		if want == 0 {
			if err := s.End(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Observe(t.Context(), events[:1]); err == nil {
		t.Error("a session goes back to an event that it has passed")
	}
}
