package sqlitestore

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectUncounted = "SELECT seq, outcome, flags, payload FROM transactions WHERE flags & 4 <> 0 ORDER BY seq LIMIT ?" // 4 is ledger.Uncounted
	markCounted     = "UPDATE transactions SET flags = flags & ~4 WHERE seq = ? AND flags & 4 <> 0"
	markUncounted   = "UPDATE transactions SET flags = flags | 4 WHERE id = ? AND flags & 6 = 0" // 2 is ledger.Erased
	selectCommitted = "SELECT first_row, last_row FROM audit_entries WHERE kind = 'decisions' AND at >= ? ORDER BY first_row"
	// selectLabeled relies on labels being numbered in the order of their audit entries.
	selectLabeled = `SELECT DISTINCT subject FROM labels
		WHERE seq >= (SELECT min(first_row) FROM audit_entries WHERE kind = 'labels' AND at >= ?) ORDER BY subject`
	selectRow = "SELECT seq, outcome, flags, payload FROM transactions WHERE seq = ? AND flags & 2 = 0"
)

// Uncounted returns up to limit transactions that were decided without windows, or handed to Uncount, and that nobody
// has counted there since, in the order of commits, with their labels, and what to hand to Counted.
func (s *Store) Uncounted(ctx context.Context, limit int) (rows []pipeline.Labeled, seqs []int64, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		err := c.Query(selectUncounted, func(r sqlitefile.Row) error {
			l, err := labeled(r)
			rows, seqs = append(rows, l), append(seqs, r.Int(0))
			return err
		}, int64(max(limit, 0)))
		if err != nil || len(rows) == 0 {
			return err
		}
		return joinLabels(c, rows, seqs)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read uncounted transactions: %w", unavailable(err))
	}
	return rows, seqs, nil
}

// Counted notes that the windows have counted those of Uncounted. The same again changes nothing.
func (s *Store) Counted(ctx context.Context, seqs []int64) error {
	err := s.update(ctx, len(seqs)+1, func(t *tx) error {
		for _, seq := range seqs {
			if _, err := t.exec(markCounted, seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark transactions as counted: %w", err)
	}
	return nil
}

// Uncount has Uncounted return stored transactions, until they are Counted again: the windows lack something of them, as
// a label. Unknown ids and those of erased customers are passed over.
func (s *Store) Uncount(ctx context.Context, ids []string) error {
	err := s.update(ctx, len(ids)+1, func(t *tx) error {
		for _, id := range ids {
			if _, err := t.exec(markUncounted, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark transactions as uncounted: %w", err)
	}
	return nil
}

// ReplayCommitted is Replay by the time of commits instead of occurrences: it calls fn for what was committed at since
// or later, by the clock that stamps audit entries, and then for older transactions that were labeled since.
func (s *Store) ReplayCommitted(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error {
	var spans []span
	var labeled []int64
	err := s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		err := c.Query(selectCommitted, func(r sqlitefile.Row) error {
			in := span{r.Int(0), r.Int(1)}
			if n := len(spans); n > 0 && in.first <= spans[n-1].last+1 {
				spans[n-1].last = max(spans[n-1].last, in.last)
			} else {
				spans = append(spans, in)
			}
			return nil
		}, since.UnixMilli())
		if err != nil {
			return err
		}
		return c.Query(selectLabeled, func(r sqlitefile.Row) error {
			if seq := r.Int(0); !covers(spans, seq) {
				labeled = append(labeled, seq)
			}
			return nil
		}, since.UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("replay: %w", unavailable(err))
	}
	for _, in := range spans {
		if err := s.replay(ctx, in.first-1, in.last, earliest, fn); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(labeled, replayPage) {
		if err := s.replayRows(ctx, page, fn); err != nil {
			return err
		}
	}
	return nil
}

// covers reports whether one of the ranges, which are in order, holds seq.
func covers(spans []span, seq int64) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].last >= seq })
	return i < len(spans) && spans[i].first <= seq
}

// replayRows calls fn for those rows.
func (s *Store) replayRows(ctx context.Context, seqs []int64, fn func(pipeline.Labeled) error) error {
	page := make([]pipeline.Labeled, 0, len(seqs))
	err := s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		for _, seq := range seqs {
			err := c.Query(selectRow, func(r sqlitefile.Row) error {
				l, err := labeled(r)
				if err != nil {
					return err
				}
				l.Label, err = latestLabel(c, seq, l.ID)
				page = append(page, l)
				return err
			}, seq)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replay: %w", unavailable(err))
	}
	for i := range page {
		if err := fn(page[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}
