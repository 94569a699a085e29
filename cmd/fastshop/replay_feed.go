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

// shownRefusals is how many refused rows are told of one by one.
const shownRefusals = 5

// replayFeed takes a file in, batch by batch, with labels in their place in time.
type replayFeed struct {
	command  *replayCommand
	backends *backends
	clock    *replayClock
	progress *progress
	start    time.Time
	report   *replayReport

	batch    []replayRow
	pending  map[string]bool        // ids in batch
	onTheWay inFlight               // ids that may still be on their way to the store
	end      time.Time              // of the latest row in batch
	last     time.Time              // of the latest row of the file
	labels   labelsByTime           // not yet known at end
	due      []*review.Label        // known, but not yet told
	strange  map[*review.Label]bool // of rows whose id is another transaction's: they are about nothing that is stored
}

func newReplayFeed(c *replayCommand, b *backends, clock *replayClock, p *progress) *replayFeed {
	return &replayFeed{
		command: c, backends: b, clock: clock, progress: p, start: time.Now(),
		report:  &replayReport{Refusals: map[string]int{}, Outcomes: map[string]int{}},
		pending: map[string]bool{}, strange: map[*review.Label]bool{},
	}
}

// inFlight remembers the ids that were appended to the stream lately, at least maxLag of them: an older one is stored,
// since the pipeline is never further behind.
type inFlight struct{ young, old map[string]bool }

func (i *inFlight) add(id string) {
	if i.young == nil {
		i.young = make(map[string]bool)
	}
	i.young[id] = true
}

func (i *inFlight) has(id string) bool { return i.young[id] || i.old[id] }

// age lets go of the older ids once there are enough young ones; only while the pipeline is at most maxLag behind.
func (i *inFlight) age() {
	if len(i.young) >= maxLag {
		i.young, i.old = nil, i.young
	}
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
	if row.at.After(f.last) { // a row that cannot be read has no time
		f.last = row.at
	}
	if row.submission == nil && row.refused == nil {
		heap.Push(&f.labels, row.label)
		return nil
	}
	f.report.Rows++
	if row.refused != nil {
		f.refuse(row)
		return nil
	}
	if err := f.advance(ctx, row.at); err != nil {
		return err
	}
	f.batch = append(f.batch, *row)
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

// refuse counts a row that was turned away, and tells of the first few by line and reason, never by value.
func (f *replayFeed) refuse(row *replayRow) {
	f.report.Refused++
	codes := map[ingest.Code]bool{ingest.Malformed: true}
	var refusal *ingest.Refusal
	if errors.As(row.refused, &refusal) {
		clear(codes)
		for _, fault := range refusal.Faults {
			codes[fault.Code] = true
		}
	}
	for code := range codes {
		f.report.Refusals[string(code)]++
	}
	if f.report.Refused <= shownRefusals {
		f.progress.done()
		fmt.Fprintf(f.progress.w, "line %d refused: %v\n", row.line, row.refused)
	}
	if f.report.Refused == shownRefusals {
		fmt.Fprintln(f.progress.w, "further refused rows are only counted")
	}
}

// advance moves the time of the file on. A label that becomes known now about a transaction of the batch at hand ends
// the batch: the transaction must be stored before the label can be, and rows from now on must see it.
func (f *replayFeed) advance(ctx context.Context, now time.Time) error {
	cut := false
	for len(f.labels) > 0 && !f.labels[0].KnownAt.After(now) {
		l := heap.Pop(&f.labels).(*review.Label)
		cut = cut || f.pending[l.TransactionID]
		f.due = append(f.due, l)
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
	if err := f.accept(ctx); err != nil {
		return err
	}
	f.batch = f.batch[:0]
	clear(f.pending)
	if err := f.keepUp(ctx); err != nil {
		return err
	}
	f.onTheWay.age()
	return nil
}

// accept hands on the rows of the batch. Should one have the id of a row that may not be stored yet, it waits until that
// is: only then can a repeat be told from another transaction, and the outcome does not depend on who is faster.
func (f *replayFeed) accept(ctx context.Context) error {
	submissions := make([]*ingest.Submission, len(f.batch))
	again := false
	for i := range f.batch {
		submissions[i] = f.batch[i].submission
		again = again || f.onTheWay.has(f.batch[i].id)
	}
	if again {
		if err := f.backends.drain(ctx); err != nil {
			return err
		}
		f.onTheWay = inFlight{}
	}
	answers, err := f.backends.intake.Accept(ctx, submissions)
	if err != nil {
		return fmt.Errorf("take rows in: %w", err)
	}
	for i, a := range answers {
		switch a {
		case ingest.Accepted:
			f.onTheWay.add(f.batch[i].id)
		case ingest.Conflict:
			f.report.Conflicting++
			if l := f.batch[i].label; l != nil {
				f.strange[l] = true
			}
		default:
			f.report.Repeated++
		}
	}
	return nil
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
	var now []review.Label
	var later []*review.Label
	for _, l := range f.due {
		switch {
		case f.strange[l]:
			delete(f.strange, l)
		case f.pending[l.TransactionID]:
			later = append(later, l)
		default:
			now = append(now, *l)
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
