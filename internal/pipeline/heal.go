package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Healable are windows that outlive the process and may lose what they had counted, as a cache does that is flushed, or
// fails over, or cannot be reached for a while.
type Healable interface {
	Restorer
	// TryHeal calls restore if events that were counted are known to be missing, with the time since when (by the clock
	// on the wall; the zero time means all of them), and takes them for whole when it returns nil. Of several processes
	// one heals; for the others, and when nothing is missing, TryHeal does nothing.
	TryHeal(ctx context.Context, restore func(ctx context.Context, since time.Time) error) error
}

// History is what healing asks of a store.
type History interface {
	// Replay is that of Store.
	Replay(ctx context.Context, since time.Time, fn func(Labeled) error) error
	// ReplayCommitted is Replay with what was committed at since or later, whenever it occurred.
	ReplayCommitted(ctx context.Context, since time.Time, fn func(Labeled) error) error
	// Uncounted returns up to limit stored transactions that were decided without windows and may therefore be missing in
	// them, with their numbers, the oldest first. Those of erased customers are not among them.
	Uncounted(ctx context.Context, limit int) ([]Labeled, []int64, error)
	// Counted takes note that the windows have those numbers now.
	Counted(ctx context.Context, numbers []int64) error
}

// Healer brings into the windows what is stored and missing there.
type Healer struct {
	Store   History
	Windows Healable
	Horizon time.Duration // how far back stored transactions shape windows
	Now     func() time.Time
	Log     *slog.Logger
}

const (
	// overlap is how much more than since is replayed: clocks differ, and what was counted just before the last sign of
	// life may be lost as well. Restoring what is there changes nothing.
	overlap = time.Minute
	// healBatch is how many uncounted transactions are restored at a time.
	healBatch = 1000
)

// Heal makes the windows whole: first what a loss took, then what was decided while they could not be reached. It returns
// how many stored transactions it restored. An error leaves the rest for the next call, which is safe to make.
func (h *Healer) Heal(ctx context.Context) (int, error) {
	restored := 0
	err := h.Windows.TryHeal(ctx, func(ctx context.Context, since time.Time) error {
		h.Log.WarnContext(ctx, "windows lost events, restoring them from the store", slog.Time("since", since))
		n, err := h.restore(ctx, since)
		restored += n
		return err
	})
	if err != nil {
		return restored, fmt.Errorf("heal windows: %w", err)
	}
	n, err := h.uncounted(ctx)
	if restored += n; restored > 0 {
		h.Log.InfoContext(ctx, "windows healed from the store", slog.Int("count", restored))
	}
	return restored, err
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

// Run heals every so often until ctx ends. What fails is tried again the next time.
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
			return
		case <-tick.C:
		}
	}
}
