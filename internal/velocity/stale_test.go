package velocity_test

import (
	"fmt"
	"testing"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// staleSetting is a mirror whose log was replaced by a snapshot just when a label was on its way, and has become as long
// again by what others wrote: the number under which the label came to lie is one that the mirror could take for that of
// the first block behind the snapshot, which it lacks.
type staleSetting struct {
	w     *mirrored
	label *velocity.Batch
	buy   func(n int) []velocity.Event
}

const staleBlocks = 5

func newStaleSetting(t *testing.T, later int, replace func(w *mirrored, s *velocity.Share)) *staleSetting {
	t.Helper()
	count, err := velocity.ParseFeature("merchant.count_24h")
	if err != nil {
		t.Fatal(err)
	}
	logs, plan := newLogs(), velocity.Plan{count}
	set := &staleSetting{w: newMirrored(t, logs, plan, velocity.Options{}, 1<<30)}
	set.buy = func(n int) []velocity.Event {
		e := velocity.Event{ID: fmt.Sprint(n), At: begin, Amount: 1000}
		e.Entities[payment.KindMerchant] = payment.Token{1, 7}
		return []velocity.Event{e}
	}
	observe := func(w *mirrored, n int) {
		if _, err := w.Observe(t.Context(), set.buy(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range staleBlocks {
		observe(set.w, n)
	}
	first := set.buy(0)[0]
	set.label = set.w.OpenLabel([]velocity.Label{{ID: first.ID, At: first.At, Entities: first.Entities, Fraud: true, KnownAt: first.At}})
	replace(set.w, set.label.Share(0))
	others := newMirrored(t, logs, plan, velocity.Options{}, 1<<30)
	for n := range later {
		observe(others, 100+n)
	}
	return set
}

// end appends the label, and has the mirror read all.
func (set *staleSetting) end(t *testing.T) {
	t.Helper()
	if err := set.w.change(set.label); err != nil {
		t.Fatal(err)
	}
	got, err := set.w.observe(set.buy(1000), false)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*staleBlocks - 1; got[0].Values[0] != float64(want) {
		t.Errorf("the merchant has %v payments, want %d", got[0].Values[0], want)
	}
}

func TestANumberOfAnotherGenerationIsNotTaken(t *testing.T) {
	set := newStaleSetting(t, staleBlocks-1, func(w *mirrored, s *velocity.Share) {
		if err := w.compact(s); err != nil {
			t.Fatal(err)
		}
	})
	set.end(t)
}

// TestNothingIsTakenWhileALogIsReplaced has the mirror hear of the snapshot only after the label's number came back.
func TestNothingIsTakenWhileALogIsReplaced(t *testing.T) {
	var follow func()
	set := newStaleSetting(t, staleBlocks-1, func(w *mirrored, s *velocity.Share) {
		w.Replace(s.Kind, s.Token)
		old := *w.logs.open(s, false)
		quiet := *w
		quiet.Mirror = newMirrored(t, w.logs, velocity.Plan{}, velocity.Options{}, 0).Mirror // hears of it in place of w
		if err := quiet.compact(s); err != nil {
			t.Fatal(err)
		}
		l := w.logs.open(s, false)
		generation, next, base, kind, token := l.generation, uint32(len(l.blocks)), l.base, s.Kind, s.Token
		follow = func() { w.Follow(kind, token, old.generation, uint32(len(old.blocks)), generation, next, base) }
	})
	if err := set.w.change(set.label); err != nil {
		t.Fatal(err)
	}
	follow()
	set.label = set.w.OpenLabel(nil)
	set.end(t)
}

func TestAfterALogStayedItsBlocksAreTaken(t *testing.T) {
	for _, stayed := range []bool{true, false} {
		set := newStaleSetting(t, 0, func(w *mirrored, s *velocity.Share) {
			w.Replace(s.Kind, s.Token)
			if stayed {
				w.Stay()
			}
		})
		if err := set.w.change(set.label); err != nil {
			t.Fatal(err)
		}
		b, err := set.w.OpenRead(set.buy(1000))
		if err != nil {
			t.Fatal(err)
		}
		want := uint32(staleBlocks + 1)
		if stayed {
			want++
		}
		if s := b.Share(0); s.Next != want {
			t.Errorf("stayed: %v; the mirror lacks the blocks from %d on, want %d", stayed, s.Next, want)
		}
		b.Close()
	}
}
