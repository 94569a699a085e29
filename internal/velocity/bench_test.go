package velocity_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// benchPlan is about what twenty rules and a learned score ask for: 60 features over all nine kinds.
func benchPlan(tb testing.TB) velocity.Plan {
	names := []string{
		"customer.count_1h", "customer.count_24h", "customer.count_7d", "customer.count_30d", "customer.sum_24h", "customer.sum_30d",
		"customer.declines_24h", "customer.anomalies_30d", "customer.distinct_card_24h", "customer.distinct_device_30d",
		"customer.seconds_since_last", "customer.first_seen_seconds", "customer.amount_median", "customer.amount_spread",
		"customer.hour_share", "customer.device_age_seconds", "customer.address_age_seconds", "customer.merchant_age_seconds",
		"customer.frauds_30d", "document.count_24h", "document.distinct_customer_30d", "document.frauds_30d",
		"card.count_1m", "card.count_5m", "card.count_1h", "card.count_24h", "card.sum_24h", "card.max_30d", "card.declines_1h",
		"card.distinct_merchant_24h", "card.distinct_device_24h", "card.amount_median", "card.amount_spread", "card.first_seen_seconds",
		"device.count_1h", "device.count_24h", "device.distinct_card_24h", "device.distinct_customer_7d", "device.declines_24h",
		"device.frauds_30d", "device.first_seen_seconds", "ip.count_5m", "ip.count_1h", "ip.distinct_card_1h", "ip.distinct_customer_24h",
		"ip.declines_1h", "address.count_24h", "address.distinct_customer_30d", "address.frauds_30d", "bin.count_5m", "bin.count_1h",
		"bin.declines_1h", "bin.distinct_card_1h", "merchant.count_1h", "merchant.mean_30d", "merchant.sd_30d",
		"merchant.fraud_share_30d_delayed", "terminal.count_1h", "terminal.fraud_share_7d_delayed", "terminal.fraud_run",
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

// shop makes payments of 100,000 customers over 37 days, a million in all: each customer has a document and an address
// of its own, 1.3 cards, 1.2 devices and 2 addresses of the network; there are 2,000 merchants, of which one is in a third
// of all payments, 200 BINs and 1,000 terminals.
type shop struct {
	*rand.Rand
	n    int
	step time.Duration
}

const (
	shopEvents    = 1_000_000
	shopCustomers = 100_000
)

func newShop() *shop {
	return &shop{Rand: rand.New(rand.NewPCG(1, 2)), step: 37 * 24 * time.Hour / shopEvents}
}

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
	customer := s.IntN(shopCustomers)
	own := func(second int) int { // one of what the customer has; so many of ten customers have two
		if customer%10 < second && s.IntN(2) == 0 {
			return customer + shopCustomers
		}
		return customer
	}
	merchant := 0
	if s.IntN(3) > 0 {
		merchant = 1 + s.IntN(1999)
	}
	e := velocity.Event{ID: fmt.Sprintf("tx-%09d", s.n), Amount: int64(100 + s.IntN(50_000)),
		At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(s.n) * s.step)}
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

func newMemory(tb testing.TB, plan velocity.Plan, o velocity.Options) *velocity.Memory {
	tb.Helper()
	m, err := velocity.NewMemory(plan, o)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// restore fills m with n events, one in a hundred of them a known fraud.
func restore(tb testing.TB, m *velocity.Memory, s *shop, n int) (took time.Duration) {
	const size = 1000
	history := make([]velocity.Remembered, size)
	for range n / size {
		for i := range history {
			history[i] = velocity.Remembered{Event: s.next()}
			if i%100 == 0 && s.n < n*30/37 { // the truth comes seven days later
				history[i].Label = &velocity.Label{Fraud: true, KnownAt: history[i].At.Add(7 * 24 * time.Hour)}
			}
		}
		began := time.Now()
		if err := m.Restore(context.Background(), history); err != nil {
			tb.Fatal(err)
		}
		took += time.Since(began)
	}
	return took
}

// BenchmarkObserve is one event of a batch of 200 with a million events remembered. It reports the live heap of the million.
func BenchmarkObserve(b *testing.B) {
	before := heap()
	m, s := newMemory(b, benchPlan(b), velocity.Options{}), newShop()
	took := restore(b, m, s, shopEvents)
	live := heap() - before
	stats := m.Stats()
	b.Logf("restored %.0f events a second; live heap %d MB; %+v", shopEvents/took.Seconds(), live>>20, stats)
	const size = 200
	events := s.batch(b.N/size*size + size)
	readings, err := m.Observe(b.Context(), s.batch(size))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += size {
		if readings, err = m.ObserveInto(b.Context(), events[i:i+size], readings); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(live)/shopEvents, "B/event")
	b.ReportMetric(shopEvents/took.Seconds(), "restored/s")
	runtime.KeepAlive(m)
}

// BenchmarkHot is an event of one merchant that has half a million of them, with everything asked that can be.
func BenchmarkHot(b *testing.B) {
	var plan velocity.Plan
	for _, f := range velocity.All() {
		if f.Kind == payment.KindMerchant {
			plan = append(plan, f)
		}
	}
	for _, plan := range []velocity.Plan{plan[6:15], plan} {
		b.Run(fmt.Sprintf("%d features", len(plan)), func(b *testing.B) {
			m, s := newMemory(b, plan, velocity.Options{}), newShop()
			merchant := tokenOf(payment.KindMerchant, 0)
			history := make([]velocity.Remembered, 1000)
			for range 500 {
				for i := range history {
					history[i].Event = s.next()
					history[i].Entities[payment.KindMerchant] = merchant
				}
				if err := m.Restore(b.Context(), history); err != nil {
					b.Fatal(err)
				}
			}
			event := s.batch(1)
			event[0].Entities[payment.KindMerchant] = merchant
			var readings []velocity.Reading
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				event[0].ID = fmt.Sprint(i)
				event[0].At = event[0].At.Add(s.step)
				var err error
				if readings, err = m.ObserveInto(b.Context(), event, readings); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLate is an event that comes a day late among 100,000.
func BenchmarkLate(b *testing.B) {
	m, s := newMemory(b, benchPlan(b), velocity.Options{}), newShop()
	restore(b, m, s, 100_000)
	events := s.batch(1000)
	var readings []velocity.Reading
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := &events[i%len(events)]
		e.ID = fmt.Sprint(i)
		e.At = e.At.Add(-24*time.Hour + time.Duration(i%7919)*time.Second)
		var err error
		if readings, err = m.ObserveInto(b.Context(), events[i%len(events):][:1], readings); err != nil {
			b.Fatal(err)
		}
		e.At = e.At.Add(24*time.Hour - time.Duration(i%7919)*time.Second)
	}
}
