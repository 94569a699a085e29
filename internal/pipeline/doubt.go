package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/velocity"
)

// Fates is what a Healer asks of a store about payments whose commit failed.
type Fates interface {
	// Known is that of Store.
	Known(ctx context.Context, ids []string) (map[string]Receipt, error)
	// Uncount is that of Recounting.
	Uncount(ctx context.Context, ids []string) error
}

const (
	// doubtFor is how long a payment that was taken out of the windows is looked for in the store: longer than a commit
	// whose answer was lost, or a repeat elsewhere that counted on ours, may be under way.
	doubtFor = 30 * time.Second
	// maxDoubts bounds what is remembered. Beyond it nobody looks again.
	maxDoubts = 10_000
)

// doubt is a payment that the windows counted for a commit that failed. Whether it is stored all the same, by that commit
// or by a repeat elsewhere, need not be known yet.
type doubt struct {
	event velocity.Event
	due   time.Time // when it may be taken out of the windows
	taken time.Time // when it was; zero: it has not been
}

// Doubt finds out what became of a payment whose commit failed. If it is not stored, it is taken out of the windows: a shop
// that gives up and comes back with another id must not find its customer's windows full of payments that never were. If
// it turns up in the store later, it is brought in again. What cannot be found out now is left to Heal and Tend.
//
// A repeat elsewhere that finds the payment counted already is committed as uncounted (Entry.Recount). So whichever comes
// last, the taking out or that commit, knows of the other. If it was this try that had found it counted (repeated), the
// other one may be on its way to the store: what it counted is left to it for a while.
func (h *Healer) Doubt(ctx context.Context, e velocity.Event, repeated bool) {
	d := doubt{event: e, due: h.Now()}
	if repeated {
		d.due = d.due.Add(doubtFor)
	}
	left, _, err := h.settle(ctx, []doubt{d})
	if err != nil {
		h.Log.WarnContext(ctx, "windows may count a payment that was not stored, trying again", slog.Any("error", err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.doubts)+len(left) > maxDoubts {
		h.Log.WarnContext(ctx, "too many commits fail: windows may keep what was not stored, or lack what was")
		return
	}
	h.doubts = append(h.doubts, left...)
}

// resolve looks at all doubts again. It returns how many of the payments are stored, which healing brings in.
func (h *Healer) resolve(ctx context.Context) (stored int, err error) {
	h.mu.Lock()
	doubts := h.doubts
	h.doubts = nil
	h.mu.Unlock()
	for len(doubts) > 0 && err == nil {
		n := 0
		next := doubts[:min(len(doubts), healBatch)]
		doubts = doubts[len(next):]
		next, n, err = h.settle(ctx, next)
		stored += n
		h.keep(next)
	}
	h.keep(doubts)
	return stored, err
}

func (h *Healer) keep(doubts []doubt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doubts = append(h.doubts, doubts...)
}

// settle takes what is not stored out of the windows, and has what is come into them. It returns what is to be looked at
// again, which with an error is all that was not settled.
func (h *Healer) settle(ctx context.Context, doubts []doubt) (left []doubt, stored int, err error) {
	if left, stored, err = h.split(ctx, doubts); err != nil {
		return left, stored, err
	}
	now := h.Now()
	left = slices.DeleteFunc(left, func(d doubt) bool { return !d.taken.IsZero() && now.Sub(d.taken) >= doubtFor })
	var out []velocity.Event
	for _, d := range left {
		if d.taken.IsZero() && !now.Before(d.due) {
			out = append(out, d.event)
		}
	}
	if len(out) == 0 {
		return left, stored, nil
	}
	if err := h.Windows.Retract(ctx, out); err != nil {
		return left, stored, fmt.Errorf("take out payments that are not stored: %w", err)
	}
	for i := range left {
		if d := &left[i]; d.taken.IsZero() && !now.Before(d.due) {
			d.taken = now
		}
	}
	// Who committed meanwhile may have counted on ours; who commits from now on counts anew.
	left, more, err := h.split(ctx, left)
	return left, stored + more, err
}

// split has those that are stored come into the windows again, and returns the others.
func (h *Healer) split(ctx context.Context, doubts []doubt) (left []doubt, stored int, err error) {
	ids := make([]string, len(doubts))
	for i := range doubts {
		ids[i] = doubts[i].event.ID
	}
	known, err := h.Fates.Known(ctx, ids)
	if err != nil {
		return doubts, 0, fmt.Errorf("look for payments whose commit failed: %w", err)
	}
	if len(known) == 0 {
		return doubts, 0, nil
	}
	ids = ids[:0]
	for _, d := range doubts {
		if _, ok := known[d.event.ID]; ok {
			ids = append(ids, d.event.ID)
		} else {
			left = append(left, d)
		}
	}
	if err := h.Fates.Uncount(ctx, ids); err != nil {
		return doubts, 0, fmt.Errorf("note payments that the windows may lack: %w", err)
	}
	return left, len(ids), nil
}
