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

	batch  []*ingest.Submission
	end    time.Time // of the latest row in batch
	labels labelsByTime
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
	return ctx.Err()
}

func (f *replayFeed) take(ctx context.Context, row *replayRow) error {
	if row.label != nil {
		heap.Push(&f.labels, row.label)
	}
	if row.submission == nil && row.refused == nil {
		return nil
	}
	f.report.Rows++
	if row.refused != nil {
		f.report.Refused++
		return nil
	}
	f.batch = append(f.batch, row.submission)
	f.end = row.at
	if len(f.batch) < f.command.BatchSize {
		return nil
	}
	f.progress.show("%s rows in, %s, %s a second", count(f.report.Rows), f.end.Format(time.DateOnly),
		count(int(float64(f.report.Rows)/time.Since(f.start).Seconds())))
	return f.flush(ctx)
}

// flush hands on the batch, after the labels that became known by its end: a label has no effect on rows before it
// became known, so it may be told early, never late.
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

// tell stores the labels that are due. A label whose transaction is still on its way to the store waits for it.
func (f *replayFeed) tell(ctx context.Context) error {
	var due []review.Label
	for len(f.labels) > 0 && !f.labels[0].KnownAt.After(f.end) {
		due = append(due, *heap.Pop(&f.labels).(*review.Label))
	}
	drained := false
	for len(due) > 0 {
		stored, err := f.backends.labeler.Label(ctx, due)
		if err != nil {
			return err
		}
		rest := due[:0]
		for i := range stored {
			if stored[i] {
				f.report.Labels++
			} else {
				rest = append(rest, due[i])
			}
		}
		due = rest
		if len(due) == 0 || drained {
			break // what is unknown with nothing under way is of a row that was refused, or not of this file
		}
		if err := f.backends.drain(ctx); err != nil {
			return err
		}
		drained = true
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
