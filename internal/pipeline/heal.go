package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/velocity"
)

// Healable are windows that outlive the process and may lose what they had counted, as a cache does that is flushed, or
// fails over, or cannot be reached for a while.
type Healable interface {
	Restorer
	// TryHeal calls restore if events that were counted are known to be missing, with the time since when (by the clock
	// on the wall; the zero time means all of them), and takes them for whole when it returns nil. Of several processes
	// one heals; for the others, and when nothing is missing, TryHeal does nothing.
	TryHeal(ctx context.Context, restore func(ctx context.Context, since time.Time) error) error
	// Retract is that of Windows.
	Retract(ctx context.Context, events []velocity.Event) error
}

// History is what healing asks of a store.
type History interface {
	// Replay is that of Store.
	Replay(ctx context.Context, since time.Time, fn func(Labeled) error) error
	// ReplayCommitted is Replay with what was committed, or labeled, at since or later, whenever it occurred.
	ReplayCommitted(ctx context.Context, since time.Time, fn func(Labeled) error) error
	// Uncounted returns up to limit stored transactions that may be missing in the windows, or their labels, because these
	// could not be reached, with their numbers, the oldest first. Those of erased customers are not among them.
	Uncounted(ctx context.Context, limit int) ([]Labeled, []int64, error)
	// Counted takes note that the windows have those numbers now.
	Counted(ctx context.Context, numbers []int64) error
}

// Losing are windows that tell whether something is known to be missing, without asking anybody.
type Losing interface {
	Lost() bool
}

// Healer brings into the windows what is stored and missing there.
//
// What was counted before a loss and is committed after the replay that heals it would be in neither: whoever commits
// compares Losses with what it was before counting, and calls Again if it differs. That is exact for losses that this
// process heals. One that another process heals is noticed when Heal finds it, if Windows is Losing: a loss that is
// noticed and healed elsewhere between two calls, while a batch is under way here, is missed.
type Healer struct {
	Store   History
	Fates   Fates // the same store
	Windows Healable
	Horizon time.Duration // how far back stored transactions shape windows
	Now     func() time.Time
	Log     *slog.Logger

	losses atomic.Uint64

	mu     sync.Mutex
	lost   bool      // when it was last looked
	again  time.Time // since when commits have to be restored once more; zero if none have
	doubts []doubt
}

// Losses grows with every loss that is noticed, before anything of it is healed.
func (h *Healer) Losses() uint64 {
	h.look()
	return h.losses.Load()
}

// Again has the latest commits restored once more with the next Heal.
func (h *Healer) Again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.again.IsZero() {
		h.again = h.Now()
	}
}

const (
	// overlap is how much more than since is replayed: clocks differ, a commit takes its time, and what was counted just
	// before the last sign of life may be lost as well. Restoring what is there changes nothing.
	overlap = time.Minute
	// leaveTime bounds what is left to do at the end.
	leaveTime = 5 * time.Second
	// healBatch is how many uncounted transactions are restored at a time.
	healBatch = 1000
)

// Heal makes the windows whole: first what a loss took, then what was decided while they could not be reached. It returns
// how many stored transactions it restored. An error leaves the rest for the next call, which is safe to make.
func (h *Healer) Heal(ctx context.Context) (int, error) {
	restored := 0
	err := h.Windows.TryHeal(ctx, func(ctx context.Context, since time.Time) error {
		h.losses.Add(1)
		h.Log.WarnContext(ctx, "windows lost events, restoring them from the store", slog.Time("since", since))
		n, err := h.restore(ctx, since)
		restored += n
		return err
	})
	h.look()
	if err != nil {
		err = fmt.Errorf("heal windows: %w", err)
	}
	if _, failed := h.resolve(ctx); failed != nil {
		err = errors.Join(err, failed)
	}
	// What a loss took may need long; what is known by itself does not wait for it.
	for _, more := range []func(context.Context) (int, error){h.late, h.uncounted} {
		n, failed := more(ctx)
		restored += n
		err = errors.Join(err, failed)
	}
	if restored > 0 {
		h.Log.InfoContext(ctx, "windows healed from the store", slog.Int("count", restored))
	}
	return restored, err
}

// Tend does what only this process knows to be due, for one that does not Run: a function of Lambda, between whose events
// nothing happens. Mostly it is nothing, and costs nothing.
func (h *Healer) Tend(ctx context.Context) {
	h.look()
	if _, err := h.late(ctx); err != nil {
		h.Log.WarnContext(ctx, "late commits are missing in the windows, trying again", slog.Any("error", err))
	}
	if _, err := h.resolve(ctx); err != nil {
		h.Log.WarnContext(ctx, "windows may count payments that were not stored, trying again", slog.Any("error", err))
	}
}

// look notices a loss that another process heals.
func (h *Healer) look() {
	w, ok := h.Windows.(Losing)
	if !ok {
		return
	}
	lost := w.Lost()
	h.mu.Lock()
	defer h.mu.Unlock()
	if lost && !h.lost {
		h.losses.Add(1)
	}
	h.lost = lost
}

// late restores what was committed too late for a heal.
func (h *Healer) late(ctx context.Context) (int, error) {
	h.mu.Lock()
	since := h.again
	h.again = time.Time{}
	h.mu.Unlock()
	if since.IsZero() {
		return 0, nil
	}
	n, err := h.restore(ctx, since)
	if err != nil {
		h.mu.Lock()
		h.again = since
		h.mu.Unlock()
		return n, fmt.Errorf("restore late commits: %w", err)
	}
	return n, nil
}

// RestoreAll restores everything that is stored within the horizon, whether it is known to be missing or not.
func (h *Healer) RestoreAll(ctx context.Context) (int, error) { return h.restore(ctx, time.Time{}) }

func (h *Healer) restore(ctx context.Context, since time.Time) (int, error) {
	if since.IsZero() {
		return rebuild(ctx, func(fn func(Labeled) error) error {
			return h.Store.Replay(ctx, h.Now().Add(-h.Horizon), fn)
		}, h.Windows, nil)
	}
	return rebuild(ctx, func(fn func(Labeled) error) error {
		return h.Store.ReplayCommitted(ctx, since.Add(-overlap), fn)
	}, h.Windows, nil)
}

// uncounted restores what was decided without windows.
func (h *Healer) uncounted(ctx context.Context) (int, error) {
	total := 0
	for {
		found, numbers, err := h.Store.Uncounted(ctx, healBatch)
		if err != nil {
			return total, fmt.Errorf("look for uncounted transactions: %w", err)
		}
		if len(found) == 0 {
			return total, nil
		}
		_, err = rebuild(ctx, func(fn func(Labeled) error) error {
			for i := range found {
				if err := fn(found[i]); err != nil {
					return err
				}
			}
			return nil
		}, h.Windows, nil)
		if err != nil {
			return total, err
		}
		if err := h.Store.Counted(ctx, numbers); err != nil {
			return total, fmt.Errorf("note counted transactions: %w", err)
		}
		if total += len(found); len(found) < healBatch {
			return total, nil
		}
	}
}

// Run heals every so often until ctx ends, when whoever commits should have ended. What fails is tried again the next time.
func (h *Healer) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		_, err := h.Heal(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			h.Log.WarnContext(ctx, "windows not healed, trying again", slog.Any("error", err))
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			h.leave(ctx)
			return
		case <-tick.C:
		}
	}
}

// leave does what only this process knows to be due.
func (h *Healer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTime)
	defer cancel()
	if _, err := h.late(ctx); err != nil {
		h.Log.WarnContext(ctx, "late commits are missing in the windows until all is restored", slog.Any("error", err))
	}
	stored, err := h.resolve(ctx)
	if err == nil && stored > 0 {
		_, err = h.uncounted(ctx)
	}
	if err != nil {
		h.Log.WarnContext(ctx, "windows may keep payments that were not stored, or lack some that were", slog.Any("error", err))
	}
}
