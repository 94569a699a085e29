package pipeline

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/velocity"
)

// Restorer takes stored transactions into empty windows. Restore may be called many times, in the order of commits.
type Restorer interface {
	Restore(ctx context.Context, events []velocity.Remembered) error
}

const rebuildBatch = 1024

// Rebuild fills windows from the store with what occurred since a moment, and returns how many transactions that
// were. progress, if not nil, is told the running number now and then.
func Rebuild(ctx context.Context, s Store, w Restorer, since time.Time, progress func(int)) (int, error) {
	return rebuild(ctx, func(fn func(Labeled) error) error { return s.Replay(ctx, since, fn) }, w, progress)
}

// rebuild restores what replay tells.
func rebuild(ctx context.Context, replay func(func(Labeled) error) error, w Restorer, progress func(int)) (int, error) {
	total := 0
	batch := make([]velocity.Remembered, 0, rebuildBatch)
	flush := func() error {
		if err := w.Restore(ctx, batch); err != nil {
			return err
		}
		total += len(batch)
		batch = batch[:0]
		if progress != nil {
			progress(total)
		}
		return ctx.Err()
	}
	err := replay(func(t Labeled) error {
		if batch = append(batch, t.Remembered()); len(batch) < rebuildBatch {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return total, fmt.Errorf("rebuild windows: %w", err)
	}
	return total, nil
}
