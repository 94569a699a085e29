package redisvelocity_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
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

const (
	benchBatch   = 500
	benchWorkers = 4
)

// benched is windows with a past of 120,000 events, and shops for each worker.
func benched(b *testing.B, shape string) (*redisvelocity.Windows, []*shop) {
	b.Helper()
	url := testenv.SharedRedis(b).URL()
	if shape == "cluster" {
		url = testenv.SharedRedisCluster(b).URL()
	}
	o := options(b, url, defaultPlan(b))
	o.MirrorBytes = 1 << 30
	w := open(b, o)
	heal(b, w)
	at := new(atomic.Int64)
	shops := make([]*shop, benchWorkers)
	for i := range shops {
		shops[i] = &shop{Rand: rand.New(rand.NewPCG(1, uint64(i))), name: fmt.Sprint(i), customers: 100_000, at: at}
		for range 60 {
			session(b, w, shops[i].batch(benchBatch))
		}
	}
	return w, shops
}

// batches are those of each worker, b.N events in all.
func batches(b *testing.B, shops []*shop) [][][]velocity.Event {
	all := make([][][]velocity.Event, benchWorkers)
	for i := range all {
		for range max(b.N/benchBatch/benchWorkers, 1) {
			all[i] = append(all[i], shops[i].batch(benchBatch))
		}
	}
	return all
}

// atOnce runs do for all batches, each worker's in turn, and returns how many events that were and how long it took.
func atOnce(all [][][]velocity.Event, do func(events []velocity.Event)) (n float64, took, used time.Duration) {
	began, before := time.Now(), cpu()
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			for _, events := range all[i] {
				do(events)
			}
		})
	}
	group.Wait()
	return float64(len(all) * len(all[0]) * benchBatch), time.Since(began), cpu() - before
}

// serverCPU is the processor time that a single server has taken.
func serverCPU(b *testing.B, server *testenv.Redis) time.Duration {
	b.Helper()
	var seconds float64
	for line := range strings.Lines(server.Do(b, "INFO", "cpu")) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				b.Fatal(err)
			}
			seconds += n
		}
	}
	return time.Duration(seconds * float64(time.Second))
}

// BenchmarkSession is one event of a session of 500, in four sessions at a time, with everything that the worker does; then
// the same commands from the bare client, and the same events in memory.
func BenchmarkSession(b *testing.B) {
	for _, shape := range []string{"standalone", "cluster"} {
		b.Run(shape, func(b *testing.B) {
			w, shops := benched(b, shape)
			before, served := w.Stats(), serverCPU(b, testenv.SharedRedis(b))
			all := batches(b, shops)
			b.ReportAllocs()
			b.ResetTimer()
			n, took, used := atOnce(all, func(events []velocity.Event) { session(b, w, events) })
			b.StopTimer()
			after, servedUs := w.Stats(), serverCPU(b, testenv.SharedRedis(b))-served
			raws := make(chan *redisvelocity.Raw, benchWorkers)
			calls := 0
			for i := range benchWorkers {
				raw, err := w.Raw(b.Context(), shops[i].batch(benchBatch))
				if err != nil {
					b.Fatal(err)
				}
				calls += raw.Len()
				raws <- raw
			}
			served = serverCPU(b, testenv.SharedRedis(b))
			_, rawTook, rawUsed := atOnce(all, func([]velocity.Event) {
				raw := <-raws
				if err := raw.Send(b.Context()); err != nil {
					b.Error(err)
				}
				raws <- raw
			})
			b.ReportMetric(float64(calls)/benchBatch/benchWorkers, "entities/event")
			b.ReportMetric(n/took.Seconds(), "events/s")
			b.ReportMetric(float64(used.Microseconds())/n, "µs-cpu/event")
			b.ReportMetric(float64(after.Fetched-before.Fetched)/n, "fetched-B/event")
			b.ReportMetric(float64(after.Appended-before.Appended)/n, "appended-B/event")
			b.ReportMetric(float64(rawUsed.Microseconds())/n, "µs-rawcpu/event")
			if shape == "standalone" {
				b.ReportMetric(float64(servedUs.Microseconds())/n, "µs-server/event")
				b.ReportMetric(float64((serverCPU(b, testenv.SharedRedis(b))-served).Microseconds())/n, "µs-rawserver/event")
			}
			b.ReportMetric(rawTook.Seconds()/took.Seconds(), "of-raw")
		})
	}
}

// BenchmarkMemory is the same events with windows in memory: what reading them costs by itself.
func BenchmarkMemory(b *testing.B) {
	m, err := velocity.NewMemory(defaultPlan(b), velocity.Options{})
	if err != nil {
		b.Fatal(err)
	}
	at := new(atomic.Int64)
	shops := make([]*shop, benchWorkers)
	observe := func(events []velocity.Event) {
		for i := range events {
			if _, err := m.Observe(context.Background(), events[i:i+1]); err != nil {
				b.Error(err)
			}
		}
	}
	for i := range shops {
		shops[i] = &shop{Rand: rand.New(rand.NewPCG(1, uint64(i))), name: fmt.Sprint(i), customers: 100_000, at: at}
		for range 60 {
			observe(shops[i].batch(benchBatch))
		}
	}
	all := batches(b, shops)
	b.ResetTimer()
	n, took, used := atOnce(all, observe)
	b.ReportMetric(n/took.Seconds(), "events/s")
	b.ReportMetric(float64(used.Microseconds())/n, "µs-cpu/event")
}

// BenchmarkSingle is one event by itself, as a caller who waits has it.
func BenchmarkSingle(b *testing.B) {
	w, shops := benched(b, "standalone")
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		events := shops[0].batch(1)
		began := time.Now()
		if _, err := w.Observe(b.Context(), events); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
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
