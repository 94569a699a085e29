package velocitytest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

const day = 86400

var nan = math.NaN()

func windowCases() []testCase {
	return []testCase{
		{name: "an event does not count itself", plan: []string{"customer.count_1m", "customer.sum_1m", "customer.mean_1m", "customer.max_1m"},
			run: func(b *book) {
				b.expect(event("a", 0), 0, 0, nan, nan)
				b.expect(event("b", 1), 1, 1000, 1000, 1000)
			}},
		{name: "the same second counts, a later one does not", plan: []string{"customer.count_1m"},
			run: func(b *book) {
				b.expect(event("a", 10), 0)
				b.expect(event("b", 10), 1)
				b.expect(event("c", 9), 0)
				b.expect(event("d", 10), 3)
			}},
		{name: "fractions of a second are cut off", plan: []string{"customer.count_1m"},
			run: func(b *book) {
				late, early := event("a", 0), event("b", 0)
				late.At = late.At.Add(999e6)
				b.expect(late, 0)
				b.expect(early, 1)
			}},
		{name: "events earlier in the batch are seen", plan: []string{"customer.count_1m"},
			run: func(b *book) {
				got := b.observe(event("a", 0), event("b", 0), event("c", 1))
				if got.Values[0] != 2 {
					b.Fatalf("the third of a batch sees %v", got.Values[0])
				}
			}},
		{name: "windows exact to the second", plan: []string{"customer.count_1m", "customer.count_5m", "customer.count_1h", "customer.count_24h"},
			run: func(b *book) {
				b.add(event("a", 0))
				b.expect(event("b", 59, with(payment.KindCard, 1)), 1, 1, 1, 1)
				b.retract("b")
				for i, want := range [][]float64{
					60: {0, 1, 1, 1}, 299: {0, 1, 1, 1}, 300: {0, 0, 1, 1}, 3599: {0, 0, 1, 1}, 3600: {0, 0, 0, 1},
					day - 1: {0, 0, 0, 1}, day: {0, 0, 0, 0},
				} {
					if want != nil {
						b.expect(event(fmt.Sprint(i), i), want...)
						b.retract(fmt.Sprint(i))
					}
				}
			}},
		{name: "windows exact to the hour", plan: []string{"customer.count_7d", "customer.count_30d"},
			run: func(b *book) { // start is a whole hour
				b.add(event("early", 0), event("late", 3599))
				b.expect(event("a", 7*day-1), 2, 2) // 167 hours and the one begun
				b.retract("a")
				b.expect(event("b", 7*day), 0, 2)
				b.retract("b")
				b.expect(event("c", 30*day-1), 0, 2)
				b.retract("c")
				b.expect(event("d", 30*day), 0, 0)
			}},
		{name: "delayed windows end seven days before", plan: []string{
			"customer.count_1m_delayed", "customer.count_5m_delayed", "customer.count_1h_delayed", "customer.count_24h_delayed",
			"customer.count_7d_delayed", "customer.count_30d_delayed"},
			run: func(b *book) {
				b.add(event("a", 0))
				for _, c := range []struct {
					seconds int
					want    []float64
				}{
					{7*day - 1, []float64{0, 0, 0, 0, 0, 0}}, {7 * day, []float64{1, 1, 1, 1, 1, 1}},
					{7*day + 59, []float64{1, 1, 1, 1, 1, 1}}, {7*day + 60, []float64{0, 1, 1, 1, 1, 1}},
					{7*day + 300, []float64{0, 0, 1, 1, 1, 1}}, {7*day + 3600, []float64{0, 0, 0, 1, 1, 1}},
					{8 * day, []float64{0, 0, 0, 0, 1, 1}}, {14*day - 1, []float64{0, 0, 0, 0, 1, 1}},
					{14 * day, []float64{0, 0, 0, 0, 0, 1}}, {37*day - 1, []float64{0, 0, 0, 0, 0, 1}},
					{37 * day, []float64{0, 0, 0, 0, 0, 0}},
				} {
					b.expect(event(fmt.Sprint(c.seconds), c.seconds), c.want...)
					b.retract(fmt.Sprint(c.seconds))
				}
			}},
	}
}

func aggregateCases() []testCase {
	return []testCase{
		{name: "amounts", plan: []string{"customer.sum_1h", "customer.mean_1h", "customer.sd_1h", "customer.max_1h"},
			run: func(b *book) {
				b.expect(event("a", 0, amount(2)), 0, nan, nan, nan)
				b.expect(event("b", 1, amount(4)), 2, 2, nan, 2)
				b.expect(event("c", 2, amount(9)), 6, 3, math.Sqrt2, 4)
				b.expect(event("d", 3, amount(0)), 15, 5, math.Sqrt(13), 9)
			}},
		{name: "amounts are summed exactly", plan: []string{"customer.sd_1h"},
			run: func(b *book) { // floating point would lose the one centavo in the squares
				b.add(event("a", 0, amount(payment.MaxCentavos)), event("b", 0, amount(payment.MaxCentavos-1)))
				b.expect(event("c", 1), math.Sqrt(0.5))
			}},
		{name: "declines and anomalies, settled anew each time", plan: []string{"customer.declines_1h", "customer.anomalies_1h"},
			run: func(b *book) {
				b.add(event("a", 0), event("b", 0))
				b.settle("a", true, false)
				b.settle("b", true, true)
				b.settle("b", true, true)
				b.settle("nobody", true, true)
				b.expect(event("c", 1), 2, 1)
				b.settle("b", false, true)
				b.expect(event("d", 2), 1, 1)
			}},
	}
}

func distinctCases() []testCase {
	return []testCase{
		{name: "distinct counterparts", plan: []string{"device.distinct_card_1m", "device.distinct_card_1h"},
			run: func(b *book) {
				device := with(payment.KindDevice, 1)
				b.expect(event("none", 0), nan, nan)
				b.add(event("a", 0, device, with(payment.KindCard, 1)), event("b", 0, device), event("c", 60, device, with(payment.KindCard, 1)))
				b.expect(event("d", 60, device, with(payment.KindCard, 2)), 1, 1)
				b.expect(event("e", 61, device), 2, 2)
			}},
		{name: "distinct is exact to 256", plan: []string{"device.distinct_card_1h"}, run: saturate},
		{name: "distinct looks at so many events", plan: []string{"device.distinct_card_1h", "device.count_1h"},
			options: velocity.Options{MaxDistinctEvents: 10}, run: lookBack},
	}
}

func largeCases() []testCase {
	return []testCase{
		{name: "a large entity", plan: []string{"merchant.count_1m", "merchant.count_1h", "merchant.sum_24h", "merchant.max_30d",
			"merchant.sd_30d", "merchant.frauds_7d", "merchant.declines_24h_delayed", "merchant.distinct_customer_1h", "merchant.fraud_run",
			"merchant.amount_median", "merchant.hour_share"}, run: large},
		{name: "a large entity in any order", plan: []string{"merchant.count_1h", "merchant.max_24h", "merchant.sd_30d", "merchant.amount_median",
			"merchant.first_seen_seconds", "merchant.customer_age_seconds"}, run: shuffled},
		{name: "an entity past its bound", plan: []string{"merchant.count_1m", "merchant.count_24h"},
			options: velocity.Options{MaxEvents: 128}, run: pastBound},
	}
}

func saturate(b *book) {
	device := with(payment.KindDevice, 1)
	for i := range 256 {
		b.add(event(fmt.Sprint(i), i, device, with(payment.KindCard, 1+i)))
	}
	if got := b.expect(event("exact", 256, device), 256); got.Saturated {
		b.Fatalf("256 of 256 is exact, and marked saturated")
	}
	b.add(event("one more", 257, device, with(payment.KindCard, 257)))
	if got := b.expect(event("saturated", 258, device), 256); !got.Saturated {
		b.Fatalf("257 is not marked saturated")
	}
}

func lookBack(b *book) {
	device := with(payment.KindDevice, 1)
	b.add(event("old", 0, device, with(payment.KindCard, 2)))
	for i := range 9 {
		b.add(event(fmt.Sprint(i), 1+i, device, with(payment.KindCard, 1)))
	}
	if got := b.expect(event("within", 10, device), 2, 10); got.Saturated {
		b.Fatalf("10 of 10 events are all looked at, and marked saturated")
	}
	if got := b.expect(event("beyond", 10, device), 1, 11); !got.Saturated {
		b.Fatalf("11 of 10 events are not marked saturated")
	}
}

// large fills an entity in order and out of order, changes what is in its middle, and takes some of it away.
func large(b *book) {
	merchant := with(payment.KindMerchant, 1)
	const n = 6000
	for i := range n {
		at := i * 400
		if i%7 == 0 {
			at -= 20_000 // late
		}
		b.add(event(fmt.Sprint(i), at, merchant, amount(int64(i%1000)), with(payment.KindCustomer, 1+i%50)))
	}
	now := n * 400
	b.observe(event("first", now, merchant))
	for i := n - 1000; i < n; i += 10 {
		b.label(fmt.Sprint(i), i%20 == 0, after(now-day+i))
		b.settle(fmt.Sprint(i-2000), true, i%20 == 0)
	}
	b.observe(event("second", now, merchant))
	b.observe(event("yesterday", now-day, merchant))
	for i := n - 900; i < n; i += 3 {
		b.retract(fmt.Sprint(i))
	}
	b.observe(event("third", now+1, merchant))
	for i := range 120 {
		b.add(event(fmt.Sprint("two months later ", i), now+60*day+i, merchant))
	}
	b.observe(event("fourth", now+60*day+100, merchant))
	for i := range 5 {
		b.add(event(fmt.Sprint("four months later ", i), now+120*day+i, merchant))
	}
	b.observe(event("fifth", now+120*day+5, merchant))
}

// shuffled fills an entity in any order, several events to a second.
func shuffled(b *book) {
	const n = 5000
	merchant := with(payment.KindMerchant, 1)
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(n) {
		b.add(event(fmt.Sprint(i), i/3*40, merchant, amount(int64(i%1000)), with(payment.KindCustomer, 1+i%50)))
	}
	for i := range 5 {
		b.observe(event(fmt.Sprint("read ", i), n/3*40-i*3601, merchant))
	}
	for i := 0; i < n; i += 2 {
		b.retract(fmt.Sprint(i))
	}
	b.observe(event("half of it", n/3*40, merchant))
}

func pastBound(b *book) {
	merchant := with(payment.KindMerchant, 1)
	for i := range 130 {
		b.add(event(fmt.Sprint(i), i/2, merchant, with(payment.KindCustomer, i+1)))
	}
	// 130 events in seconds 0 to 64: the oldest second is dropped as a whole.
	got := b.expect(event("first", 61, merchant, with(payment.KindCustomer, 200)), 120, 122)
	if !got.Saturated {
		b.Fatalf("a window of 24 hours that lost events is not marked saturated")
	}
	// An event of a dropped second is not taken back.
	b.observe(event("late", 0, merchant, with(payment.KindCustomer, 201)))
	b.observe(event("second", 65, merchant, with(payment.KindCustomer, 202)))
	if got := b.observe(event("next day", 2*day, merchant, with(payment.KindCustomer, 203))); got.Saturated {
		b.Fatalf("a window that begins after what was dropped is marked saturated")
	}
}
