package pgstore

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore/query"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// pageRows is how many rows are read at a time, so that no read holds a snapshot for long.
const pageRows = 2048

// Replay implements pipeline.Store. It covers what was committed before the call; rows that are committed meanwhile may
// follow or not. Batches that lie before since entirely are not read.
func (s *Store) Replay(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error {
	since = bounds(since)
	var in span
	err := s.snapshot(ctx, func(t pgx.Tx) (err error) { // a large store takes longer to look through than a statement may
		q := query.New(t)
		if in.first, err = q.ReplayStart(ctx, &since); err == nil && in.first > 0 {
			in.last, err = q.LastRow(ctx)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	return s.replay(ctx, in, since, fn)
}

// ReplayCommitted is Replay by the time of commits instead of occurrences: it calls fn for what was committed at since or
// later, and then for older transactions that were labeled since, by the clocks that stamp audit entries. Clocks of several
// processes differ, and a commit becomes visible up to Options.Timeout after its stamp: whoever must not miss anything
// asks from a little earlier.
func (s *Store) ReplayCommitted(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error {
	var spans []span
	var labeled []int64
	err := s.snapshot(ctx, func(t pgx.Tx) error {
		q := query.New(t)
		rows, err := q.CommittedSince(ctx, bounds(since))
		if err != nil {
			return err
		}
		spans = merged(rows)
		labeled, err = q.LabeledSince(ctx, bounds(since))
		return err
	})
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for _, in := range spans {
		if err := s.replay(ctx, in, bounds(time.Time{}), fn); err != nil {
			return err
		}
	}
	labeled = slices.DeleteFunc(labeled, func(seq int64) bool { return covers(spans, seq) })
	for page := range slices.Chunk(labeled, pageRows) {
		if err := s.replayRows(ctx, page, fn); err != nil {
			return err
		}
	}
	return nil
}

// merged are the ranges of entries, in order, with those that touch as one.
func merged(rows []query.CommittedSinceRow) []span {
	var spans []span
	for _, r := range rows {
		n := len(spans)
		switch {
		case r.FirstRow > r.LastRow: // dead letters alone
		case n > 0 && r.FirstRow <= spans[n-1].last+1:
			spans[n-1].last = max(spans[n-1].last, r.LastRow)
		default:
			spans = append(spans, span{r.FirstRow, r.LastRow})
		}
	}
	return spans
}

// covers reports whether one of the ranges, which are in order, holds seq.
func covers(spans []span, seq int64) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].last >= seq })
	return i < len(spans) && spans[i].first <= seq
}

// replayRows calls fn for those rows.
func (s *Store) replayRows(ctx context.Context, seqs []int64, fn func(pipeline.Labeled) error) error {
	page, err := bounded(ctx, s, func(ctx context.Context) ([]pipeline.Labeled, error) {
		found, err := s.query.ReplayRows(ctx, seqs)
		if err != nil {
			return nil, err
		}
		rows := make([]query.ReplayPageRow, len(found))
		for i := range found {
			rows[i] = query.ReplayPageRow(found[i])
		}
		return s.labelScattered(ctx, rows)
	})
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	for i := range page {
		if err := fn(page[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// bounds keeps a moment within what the database can compare.
func bounds(t time.Time) time.Time {
	earliest := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	if t.Before(earliest) {
		return earliest
	}
	return t
}

// replay calls fn for the rows of a range that occurred at since or later.
func (s *Store) replay(ctx context.Context, in span, since time.Time, fn func(pipeline.Labeled) error) error {
	for after := in.first - 1; after < in.last; {
		var next int64
		page, err := bounded(ctx, s, func(ctx context.Context) ([]pipeline.Labeled, error) {
			rows, err := s.query.ReplayPage(ctx, query.ReplayPageParams{After: after, Last: in.last, Since: since, Most: pageRows})
			if err != nil || len(rows) == 0 {
				return nil, err
			}
			next = rows[len(rows)-1].Seq
			return s.label(ctx, rows)
		})
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
		if len(page) == 0 {
			return ctx.Err()
		}
		for i := range page {
			if err := fn(page[i]); err != nil {
				return err
			}
		}
		after = next
	}
	return ctx.Err()
}

// label decodes neighboring rows in the order of seq, and gives each its latest label.
func (s *Store) label(ctx context.Context, rows []query.ReplayPageRow) ([]pipeline.Labeled, error) {
	labels, err := s.query.LatestLabelsBetween(ctx, query.LatestLabelsBetweenParams{First: rows[0].Seq, Last: rows[len(rows)-1].Seq})
	if err != nil {
		return nil, err
	}
	return joinLabels(rows, labels)
}

// labelScattered is label for rows that may lie far apart.
func (s *Store) labelScattered(ctx context.Context, rows []query.ReplayPageRow) ([]pipeline.Labeled, error) {
	seqs := make([]int64, len(rows))
	for i := range rows {
		seqs[i] = rows[i].Seq
	}
	found, err := s.query.LatestLabels(ctx, seqs)
	if err != nil {
		return nil, err
	}
	labels := make([]query.LatestLabelsBetweenRow, len(found))
	for i := range found {
		labels[i] = query.LatestLabelsBetweenRow(found[i])
	}
	return joinLabels(rows, labels)
}

// joinLabels decodes rows with their labels; both are in the order of seq.
func joinLabels(rows []query.ReplayPageRow, labels []query.LatestLabelsBetweenRow) ([]pipeline.Labeled, error) {
	page := make([]pipeline.Labeled, len(rows))
	var err error
	for i := range rows {
		r := &rows[i]
		if page[i], err = ledger.Labeled(r.Seq, decision.Outcome(r.Outcome), ledger.Flags(r.Flags), r.Payload); err != nil {
			return nil, err
		}
	}
	i := 0
	for _, l := range labels {
		for i < len(rows) && rows[i].Seq < l.Subject {
			i++
		}
		if i < len(rows) && rows[i].Seq == l.Subject {
			page[i].Label = labelOf(l, page[i].ID)
		}
	}
	return page, nil
}

// Uncounted returns up to limit transactions that were decided without windows, or handed to Uncount, and that nobody
// has counted there since, in the order of commits, with their labels, and what to hand to Counted.
func (s *Store) Uncounted(ctx context.Context, most int) ([]pipeline.Labeled, []int64, error) {
	var seqs []int64
	page, err := bounded(ctx, s, func(ctx context.Context) ([]pipeline.Labeled, error) {
		found, err := s.query.Uncounted(ctx, limit(most))
		if err != nil || len(found) == 0 {
			return nil, err
		}
		rows := make([]query.ReplayPageRow, len(found))
		for i := range found {
			rows[i], seqs = query.ReplayPageRow(found[i]), append(seqs, found[i].Seq)
		}
		return s.labelScattered(ctx, rows)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read uncounted transactions: %w", err)
	}
	return page, seqs, nil
}

// Counted notes that the windows have counted those of Uncounted. The same again changes nothing.
func (s *Store) Counted(ctx context.Context, seqs []int64) error {
	_, err := bounded(ctx, s, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.query.MarkCounted(ctx, seqs) })
	if err != nil {
		return fmt.Errorf("mark transactions as counted: %w", err)
	}
	return nil
}

// Uncount has Uncounted return stored transactions, until they are Counted again: the windows lack something of them, as
// a label. Unknown ids and those of erased customers are passed over.
func (s *Store) Uncount(ctx context.Context, ids []string) error {
	_, err := bounded(ctx, s, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.query.MarkUncounted(ctx, keysOf(ids))
	})
	if err != nil {
		return fmt.Errorf("mark transactions as uncounted: %w", err)
	}
	return nil
}
