package velocity_test

import (
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// TestABatchWaitsForALogThatIsReadAnew has a batch read a snapshot that its own block became part of. Then another batch,
// which has an old answer, makes the mirror begin anew, and what it reads next is the snapshot: nothing may have been
// written into the entity before that, and readings until then are incomplete.
func TestABatchWaitsForALogThatIsReadAnew(t *testing.T) {
	count, err := velocity.ParseFeature("merchant.count_24h")
	if err != nil {
		t.Fatal(err)
	}
	w := newMirrored(t, newLogs(), velocity.Plan{count}, velocity.Options{}, 1<<30)
	buy := func(id string) []velocity.Event {
		e := velocity.Event{ID: id, At: time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC), Amount: 1000}
		e.Entities[payment.KindMerchant] = payment.Token{1, 7}
		return []velocity.Event{e}
	}
	open := func(id string) (*velocity.Batch, *velocity.Share) {
		b, err := w.Open(buy(id))
		if err != nil {
			t.Fatal(err)
		}
		return b, b.Share(0)
	}
	const old, young = 1, 2
	first, share := open("a")
	written := []string{string(share.Block)}
	blocks, err := w.compactor.Snapshot(payment.KindMerchant, written)
	if err != nil {
		t.Fatal(err)
	}
	snapshot := []string{string(blocks[0])}
	feed := func(b *velocity.Batch, s *velocity.Share) {
		t.Helper()
		if err := b.Feed(s, young, 1, snapshot); err != nil {
			t.Errorf("the snapshot is not taken: %v", err)
		}
	}
	first.Start(share, young, uint32(len(snapshot[0])))
	feed(first, share)
	first.Locate(share, young, 0)

	second, other := open("b")
	second.Start(other, old, 0)
	second.Start(other, young, uint32(len(snapshot[0])))
	if r := first.Observe(0); !r.Incomplete {
		t.Errorf("a reading of a log that is being read anew is %+v, and not incomplete", r)
	}
	first.Settle(&velocity.Settlement{ID: "a", Declined: true})
	feed(second, other)
	second.Locate(other, young, 2)
	if r := second.Observe(0); r.Incomplete || r.Values[0] != 1 {
		t.Errorf("after the snapshot a reading is %+v, want one event", r)
	}
	first.Close()
	second.Close()
}
