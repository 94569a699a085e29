package main

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/review"
)

// replayClock is the time of the file, for what a replay records "now".
type replayClock struct{ millis atomic.Int64 }

func (c *replayClock) now() time.Time    { return time.UnixMilli(c.millis.Load()).UTC() }
func (c *replayClock) set(now time.Time) { c.millis.Store(now.UnixMilli()) }

// maxLag is how many rows the pipeline may be behind the file: it bounds what a replay holds on disk ahead of itself,
// and no label waits long for its transaction.
const maxLag = 20_000

// replayFeed takes a file in, batch by batch, with labels in their place in time.
type replayFeed struct {
	command  *replayCommand
	backends *backends
	clock    *replayClock
	progress *progress
	start    time.Time
	report   *replayReport

	batch   []*ingest.Submission
	pending map[string]bool // ids in batch
	end     time.Time       // of the latest row in batch
	last    time.Time       // of the latest row of the file
	labels  labelsByTime    // not yet known at end
	due     []review.Label  // known, but not yet told
}

func (f *replayFeed) run(ctx context.Context, in replayInput) error {
	for {
		row, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := f.take(ctx, &row); err != nil {
			return err
		}
		if f.command.Limit > 0 && f.report.Rows >= f.command.Limit {
			break
		}
	}
	if err := f.flush(ctx); err != nil {
		return err
	}
	// Labels that the file holds behind its last transaction change no verdict of this run, but are stored.
	if err := f.advance(ctx, f.last); err != nil {
		return err
	}
	if err := f.tell(ctx); err != nil {
		return err
	}
	return ctx.Err()
}

func (f *replayFeed) take(ctx context.Context, row *replayRow) error {
	if row.submission == nil && row.refused == nil {
		heap.Push(&f.labels, row.label)
		f.last = row.at
		return nil
	}
	f.report.Rows++
	f.last = row.at
	if row.refused != nil {
		f.report.Refused++
		return nil
	}
	if err := f.advance(ctx, row.at); err != nil {
		return err
	}
	f.batch = append(f.batch, row.submission)
	f.pending[row.id] = true
	f.end = row.at
	if row.label != nil {
		heap.Push(&f.labels, row.label)
	}
	if len(f.batch) < f.command.BatchSize {
		return nil
	}
	f.progress.show("%s rows in, %s, %s a second", count(f.report.Rows), f.end.Format(time.DateOnly),
		count(int(float64(f.report.Rows)/time.Since(f.start).Seconds())))
	return f.flush(ctx)
}

// advance moves the time of the file on. A label that becomes known now about a transaction of the batch at hand ends
// the batch: the transaction must be stored before the label can be, and rows from now on must see it.
func (f *replayFeed) advance(ctx context.Context, now time.Time) error {
	cut := false
	for len(f.labels) > 0 && !f.labels[0].KnownAt.After(now) {
		l := heap.Pop(&f.labels).(*review.Label)
		cut = cut || f.pending[l.TransactionID]
		f.due = append(f.due, *l)
	}
	if cut {
		return f.flush(ctx)
	}
	return nil
}

// flush hands on the batch, after the labels that became known by its end and are not about itself: a label has no
// effect on rows before it became known, so it may be told early, never late.
func (f *replayFeed) flush(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	f.clock.set(f.end)
	if err := f.tell(ctx); err != nil {
		return err
	}
	answers, err := f.backends.intake.Accept(ctx, f.batch)
	if err != nil {
		return fmt.Errorf("take rows in: %w", err)
	}
	for _, a := range answers {
		if a != ingest.Accepted {
			f.report.Repeated++
		}
	}
	f.batch = f.batch[:0]
	clear(f.pending)
	return f.keepUp(ctx)
}

// keepUp waits while the pipeline is too far behind.
func (f *replayFeed) keepUp(ctx context.Context) error {
	for {
		lag, err := f.backends.lag(ctx)
		if err != nil || lag <= maxLag {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// tell stores the labels that are due, but for those about the batch at hand. A label whose transaction is still on its
// way to the store waits for it.
func (f *replayFeed) tell(ctx context.Context) error {
	var now, later []review.Label
	for _, l := range f.due {
		if f.pending[l.TransactionID] {
			later = append(later, l)
		} else {
			now = append(now, l)
		}
	}
	f.due = later
	for drained := false; len(now) > 0; drained = true {
		stored, err := f.backends.labeler.Label(ctx, now)
		if err != nil {
			return err
		}
		var rest []review.Label
		for i := range stored {
			if stored[i] {
				f.report.Labels++
			} else {
				rest = append(rest, now[i])
			}
		}
		if now = rest; len(now) == 0 || drained {
			break // what is unknown with nothing under way is about a row that was refused, or not of this file
		}
		if err := f.backends.drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// labelsByTime is a heap of labels, the one that becomes known first on top.
type labelsByTime []*review.Label

func (l labelsByTime) Len() int           { return len(l) }
func (l labelsByTime) Less(i, j int) bool { return l[i].KnownAt.Before(l[j].KnownAt) }
func (l labelsByTime) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *labelsByTime) Push(x any)        { *l = append(*l, x.(*review.Label)) }
func (l *labelsByTime) Pop() any {
	old := *l
	last := old[len(old)-1]
	*l = old[:len(old)-1]
	return last
}
