package redisvelocity_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// defaultPlan is what the rules ask for that the program comes with.
func defaultPlan(tb testing.TB) velocity.Plan {
	tb.Helper()
	set, err := rule.Compile(rule.Default(), score.Schema())
	if err != nil {
		tb.Fatal(err)
	}
	plan, err := score.PlanFor(set)
	if err != nil {
		tb.Fatal(err)
	}
	return plan
}

// shop makes payments of 100,000 customers: each has a document and an address of its own, 1.3 cards, 1.2 devices and 2
// addresses of the network; there are 2,000 merchants, of which one is in a third of all payments, 200 BINs and 1,000 terminals.
type shop struct {
	*rand.Rand
	name      string
	customers int
	n         int
	at        *atomic.Int64
}

func newShop(name string, customers int) *shop {
	return &shop{Rand: rand.New(rand.NewPCG(1, uint64(len(name)))), name: name, customers: customers, at: new(atomic.Int64)}
}

var benchStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// tokenOf is a random-looking token without the cost of a hash.
func tokenOf(kind payment.Kind, n int) payment.Token {
	r := rand.NewPCG(uint64(kind), uint64(n))
	t := payment.Token{1}
	for i := 1; i < len(t); i += 8 {
		x := r.Uint64()
		for j := range 8 {
			t[i+j] = byte(x >> (8 * j))
		}
	}
	return t
}

func (s *shop) next() velocity.Event {
	s.n++
	customer := s.IntN(s.customers)
	own := func(second int) int { // one of what the customer has; so many of ten customers have two
		if customer%10 < second && s.IntN(2) == 0 {
			return customer + s.customers
		}
		return customer
	}
	merchant := 0
	if s.IntN(3) > 0 {
		merchant = 1 + s.IntN(1999)
	}
	e := velocity.Event{ID: fmt.Sprint("tx-", s.name, "-", s.n), Amount: int64(100 + s.IntN(50_000)),
		At: benchStart.Add(time.Duration(s.at.Add(1)) * (37 * 24 * time.Hour / 1_000_000))}
	for kind, n := range map[payment.Kind]int{payment.KindCustomer: customer, payment.KindDocument: customer,
		payment.KindCard: own(3), payment.KindDevice: own(2), payment.KindIP: own(10), payment.KindAddress: customer,
		payment.KindBIN: s.IntN(200), payment.KindMerchant: merchant, payment.KindTerminal: s.IntN(1000)} {
		e.Entities[kind] = tokenOf(kind, n)
	}
	return e
}

func (s *shop) batch(n int) []velocity.Event {
	events := make([]velocity.Event, n)
	for i := range events {
		events[i] = s.next()
	}
	return events
}

// cpu is the processor time that this process has taken.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSession is one event of a session of 500, in four sessions at a time, with everything that the worker does.
func BenchmarkSession(b *testing.B) {
	const size, workers = 500, 4
	for _, shape := range []string{"standalone", "cluster"} {
		b.Run(shape, func(b *testing.B) {
			url := testenv.SharedRedis(b).URL()
			if shape == "cluster" {
				url = testenv.SharedRedisCluster(b).URL()
			}
			o := options(b, url, defaultPlan(b))
			w := open(b, o)
			heal(b, w)
			var at atomic.Int64
			shops := make([]*shop, workers)
			for i := range shops {
				shops[i] = &shop{Rand: rand.New(rand.NewPCG(1, uint64(i))), name: fmt.Sprint(i), customers: 100_000, at: &at}
				for range 60 { // a past of 120,000 events
					session(b, w, shops[i].batch(size))
				}
			}
			batches := make([][][]velocity.Event, workers)
			for i := range batches {
				for range max(b.N/size/workers, 1) {
					batches[i] = append(batches[i], shops[i].batch(size))
				}
			}
			before := w.Stats()
			b.ReportAllocs()
			b.ResetTimer()
			began, used := time.Now(), cpu()
			var group sync.WaitGroup
			for i := range batches {
				group.Go(func() {
					for _, events := range batches[i] {
						session(b, w, events)
					}
				})
			}
			group.Wait()
			took := time.Since(began)
			b.StopTimer()
			n := float64(max(b.N/size/workers, 1) * size * workers)
			after := w.Stats()
			b.ReportMetric(n/took.Seconds(), "events/s")
			b.ReportMetric(float64((cpu()-used).Microseconds())/n, "µs-cpu/event")
			b.ReportMetric(float64(after.Fetched-before.Fetched)/n, "fetched-B/event")
			b.ReportMetric(float64(after.Appended-before.Appended)/n, "appended-B/event")
			b.Logf("%+v", after)
		})
	}
}

// session does with a batch what a worker does: it observes all and settles one in thirty.
func session(tb testing.TB, w *redisvelocity.Windows, events []velocity.Event) {
	ctx := context.Background()
	s, err := w.Begin(ctx, events)
	if err != nil {
		tb.Error(err)
		return
	}
	for i := range events {
		if _, err := s.Observe(ctx, events[i:i+1]); err != nil {
			tb.Error(err)
		}
		if i%30 == 0 {
			e := &events[i]
			if err := s.Settle(ctx, []velocity.Settlement{{ID: e.ID, At: e.At, Entities: e.Entities, Declined: true}}); err != nil {
				tb.Error(err)
			}
		}
	}
	if err := s.End(ctx); err != nil {
		tb.Error(err)
	}
}
