package velocitytest

import (
	"context"
	"fmt"
	"sync"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

func historyCases() []testCase {
	return []testCase{
		{name: "a repeat is read and not counted", plan: []string{"customer.count_1h", "customer.sum_1h", "customer.seconds_since_last"},
			run: func(b *book) {
				b.expect(event("a", 0), 0, 0, nan)
				b.expect(event("b", 10), 1, 1000, 10)
				if got := b.expect(event("a", 0), 0, 0, nan); !got.Duplicate {
					b.Fatalf("a repeat is not marked")
				}
				if got := b.expect(event("b", 10), 1, 1000, 10); !got.Duplicate {
					b.Fatalf("a repeat is not marked")
				}
				b.observe(event("c", 20), event("c", 20))
				b.expect(event("d", 20), 3, 3000, 0)
			}},
		{name: "a retracted event never was", plan: []string{"customer.count_1h", "customer.max_1h", "card.count_1h"},
			run: func(b *book) {
				card := with(payment.KindCard, 1)
				b.add(event("a", 0, amount(5), card), event("b", 1, amount(9), card))
				b.retract("b")
				b.retract("b")
				b.retract("nobody")
				b.expect(event("b", 2, amount(7), card), 1, 5, 1)
				b.expect(event("c", 3, card), 2, 7, 2)
			}},
		{name: "a label counts from its known_at", plan: []string{"customer.frauds_24h", "customer.fraud_share_24h", "customer.frauds_24h_delayed"},
			run: func(b *book) {
				b.add(event("a", 0), event("b", 1))
				b.label("a", true, after(100))
				b.label("nobody", true, after(100))
				b.expect(event("c", 99), 0, 0, 0)
				b.expect(event("d", 100), 1, 1./3, 0)
				b.expect(event("e", 7*day), 0, nan, 1)
			}},
		{name: "the latest label counts", plan: []string{"customer.frauds_24h"},
			run: func(b *book) {
				b.add(event("a", 0))
				b.label("a", true, after(10))
				b.label("a", true, after(10))
				b.expect(event("b", 20), 1)
				b.label("a", false, after(30))
				b.expect(event("c", 40), 0)
				b.label("a", true, after(50))
				b.expect(event("d", 45), 0)
				b.expect(event("e", 50), 1)
			}},
	}
}

func readingCases() []testCase {
	return []testCase{
		{name: "reading the past", plan: []string{"customer.count_24h", "customer.count_30d_delayed", "customer.seconds_since_last", "customer.amount_median"},
			run: func(b *book) {
				for i := range 40 {
					b.add(event(fmt.Sprint(i), i*day, amount(int64(i))))
				}
				if got := b.expect(event("a day ago", 38*day), 1, 30, 0, 19); got.Late {
					b.Fatalf("a reading of a day ago is marked late")
				}
				if got := b.observe(event("earlier", 38*day-1)); !got.Late {
					b.Fatalf("a reading of more than a day ago is not marked late")
				}
			}},
		{name: "far behind everyone is late", plan: []string{"customer.count_24h"},
			run: func(b *book) {
				b.add(event("a", 37*day))
				if got := b.observe(event("b", 0, with(payment.KindCustomer, 2))); got.Late {
					b.Fatalf("37 days behind another entity is marked late")
				}
				if got := b.observe(event("c", -1, with(payment.KindCustomer, 3))); !got.Late {
					b.Fatalf("more than 37 days behind another entity is not marked late")
				}
			}},
		{name: "a transaction that lacks an entity says nothing about it", plan: []string{"card.count_1h", "card.sum_24h", "card.fraud_run",
			"card.first_seen_seconds", "card.amount_median", "card.device_age_seconds", "card.distinct_device_1h"},
			run: func(b *book) {
				b.expect(event("a", 0), nan, nan, nan, nan, nan, nan, nan)
				b.expect(event("b", 0, with(payment.KindCard, 1)), 0, 0, 0, 0, nan, nan, 0)
			}},
		{name: "equal tokens of two kinds are two entities", plan: []string{"customer.count_1h", "document.count_1h"},
			run: func(b *book) {
				e := event("a", 0)
				b.add(e)
				e.ID, e.Entities[payment.KindDocument] = "b", e.Entities[payment.KindCustomer]
				b.expect(e, 1, 0)
			}},
		{name: "an event of nobody", plan: []string{"customer.count_1h"},
			run: func(b *book) {
				b.expect(event("a", 0, with(payment.KindCustomer, 0)), nan)
				b.expect(event("b", 0), 0)
			}},
		{name: "all at once", plan: []string{"merchant.count_1h", "merchant.declines_1h", "merchant.frauds_1h"}, run: allAtOnce},
	}
}

// allAtOnce has many write at the same time; what is left must not depend on who came first.
func allAtOnce(b *book) {
	const writers, each = 8, 50
	merchant := with(payment.KindMerchant, 1)
	var group sync.WaitGroup
	failed := make(chan error, writers)
	for writer := range writers {
		group.Go(func() {
			failed <- func() error {
				for i := range each {
					e := event(fmt.Sprint(writer, "-", i), i, merchant, with(payment.KindCustomer, 1+writer))
					if _, err := b.w.Observe(context.Background(), []velocity.Event{e, e}); err != nil {
						return err
					}
					s := velocity.Settlement{ID: e.ID, At: e.At, Entities: e.Entities, Declined: true}
					if err := b.w.Settle(context.Background(), []velocity.Settlement{s}); err != nil {
						return err
					}
					l := velocity.Label{ID: e.ID, At: e.At, Entities: e.Entities, Fraud: true, KnownAt: e.At}
					if err := b.w.Label(context.Background(), []velocity.Label{l}); err != nil {
						return err
					}
					if i%5 == 0 {
						if err := b.w.Retract(context.Background(), []velocity.Event{e}); err != nil {
							return err
						}
					}
				}
				return nil
			}()
		})
	}
	group.Wait()
	for range writers {
		if err := <-failed; err != nil {
			b.Fatalf("write: %v", err)
		}
	}
	want := float64(writers * each * 4 / 5)
	readings, err := b.w.Observe(context.Background(), []velocity.Event{event("last", each, merchant)})
	if err != nil {
		b.Fatalf("observe: %v", err)
	}
	for i, got := range readings[0].Values {
		if got != want {
			b.Fatalf("%s is %v, want %v", b.plan[i].Name(), got, want)
		}
	}
}
