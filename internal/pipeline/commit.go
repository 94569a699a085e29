package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/velocity"
)

// commitAll stores a batch by once, which tries as often as its caller thinks right. A batch that the store refuses is
// halved until the record that it refuses stands alone; that one becomes a dead letter, and its neighbors are stored.
func (c *Config) commitAll(ctx context.Context, b work, once func(context.Context, work) error) error {
	err := once(ctx, b)
	switch {
	case err == nil, errors.Is(err, ErrFenced), retryable(err), ctx.Err() != nil:
		return err
	case len(b.entries) > 1:
		first, second := b.halves()
		if err := c.commitAll(ctx, first, once); err != nil {
			return err
		}
		return c.commitAll(ctx, second, once)
	case len(b.entries) == 1:
		e := b.entries[0]
		c.Log.ErrorContext(ctx, "record put aside", slog.String("partition", string(e.Origin.Partition)), slog.String("reason", string(Unstorable)), slog.Any("error", err))
		b.dead = append(b.dead, c.letter(e.Origin, Unstorable, err))
		b.entries = nil
		if err := once(ctx, b); err != nil {
			return err
		}
		c.retract(ctx, &e.Transaction)
		return nil
	default:
		return fmt.Errorf("commit dead letters: %w", err)
	}
}

// commitOnce tries until the store takes b or says that it never will.
func (w *Worker) commitOnce(ctx context.Context, b work) error {
	next := Checkpoint{
		Stream: w.commit.Stream, Partition: w.Partition,
		After: w.commit.Position, Position: b.last, Records: w.commit.Records + b.records,
	}
	batch := Batch{Chain: ChainOf(w.Partition), Entries: b.entries, DeadLetters: b.dead, Checkpoint: &next}
	for try := 0; ; try++ {
		start := w.Now()
		receipts, err := w.Store.Commit(ctx, batch)
		if try > 0 && errors.Is(err, ErrFenced) {
			receipts, err = w.fate(ctx, next, b, err)
		}
		if err == nil {
			w.crash("pipeline.committed")
			w.commit = next
			w.committed(ctx, &b, receipts, w.Now().Sub(start))
			return nil
		}
		if !retryable(err) {
			return err
		}
		w.Metrics.Retried("store")
		w.Log.WarnContext(ctx, "store unavailable, trying again", slog.String("partition", string(w.Partition)), slog.Any("error", err))
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// committed tells metrics and windows of a batch that was stored.
func (c *Config) committed(ctx context.Context, b *work, receipts []Receipt, took time.Duration) {
	c.Metrics.Committed(len(b.entries), took)
	for _, d := range b.dead {
		c.Metrics.DeadLettered(string(d.Reason))
	}
	c.settled(ctx, b.entries, receipts, b.counted)
}

// disownTime bounds what a worker that was fenced still does.
const disownTime = 5 * time.Second

// disown states to the windows how entries were decided by the worker that carried them instead of this one, which may
// have settled them otherwise when it woke up. Those that are not stored yet are settled by whoever stores them.
func (c *Config) disown(ctx context.Context, entries []Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), disownTime)
	defer cancel()
	ids := make([]string, len(entries))
	for i := range entries {
		ids[i] = entries[i].Transaction.ID
	}
	known, err := c.Store.Known(ctx, ids)
	settled := make([]velocity.Settlement, 0, len(known))
	for i := range entries {
		t := &entries[i].Transaction
		if k, ok := known[t.ID]; ok && !k.Erased && !k.Conflict(t) {
			settled = append(settled, velocity.Settlement{
				ID: t.ID, At: t.OccurredAt, Entities: t.Entities(),
				Declined: k.Decision.Outcome == decision.Decline, Anomalous: k.Decision.Anomalous,
			})
		}
	}
	if err == nil {
		err = c.Windows.Settle(ctx, settled)
	}
	if err != nil {
		c.Log.WarnContext(ctx, "windows may say of some payments what another worker decided otherwise", slog.Any("error", err))
	}
}

// fate finds out what became of a commit whose answer was lost. The repeat was fenced: either by the commit itself,
// which then had gone through, or by another worker.
func (w *Worker) fate(ctx context.Context, next Checkpoint, b work, fenced error) ([]Receipt, error) {
	stored, _, err := w.Store.Checkpoint(ctx, w.Partition)
	if err != nil {
		return nil, fmt.Errorf("find out what became of a commit: %w", err)
	}
	if stored.Stream != next.Stream || stored.Position != next.Position || stored.Records != next.Records {
		return nil, fenced
	}
	ids := make([]string, len(b.entries))
	for i := range b.entries {
		ids[i] = b.entries[i].Transaction.ID
	}
	known, err := w.Store.Known(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("find out what became of a commit: %w", err)
	}
	receipts := make([]Receipt, len(ids))
	for i, id := range ids {
		receipts[i] = known[id]
		ours, stored := &b.entries[i].Decision, &receipts[i].Decision
		receipts[i].Stored = stored.DecidedAt.Equal(ours.DecidedAt) && stored.Took == ours.Took && stored.Path == ours.Path
	}
	return receipts, nil
}

// ChainOf names the audit chain of a partition.
func ChainOf(p stream.Partition) string { return "partition/" + string(p) }

// SyncChain is the audit chain of the synchronous path.
const SyncChain = "sync"
