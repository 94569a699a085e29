package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectUncounted = "SELECT seq, outcome, flags, payload FROM transactions WHERE flags & 4 <> 0 ORDER BY seq LIMIT ?" // 4 is ledger.Uncounted
	markCounted     = "UPDATE transactions SET flags = flags & ~4 WHERE seq = ? AND flags & 4 <> 0"
	selectCommitted = "SELECT first_row, last_row FROM audit_entries WHERE kind = 'decisions' AND at >= ? ORDER BY first_row"
)

// Uncounted returns up to limit transactions that were decided while the windows could not be reached and that nobody
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

// ReplayCommitted is Replay by the time of commits instead of occurrences: it calls fn for what was committed at since
// or later, by the clock that stamps audit entries.
func (s *Store) ReplayCommitted(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error {
	var spans []span
	err := s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectCommitted, func(r sqlitefile.Row) error {
			in := span{r.Int(0), r.Int(1)}
			if n := len(spans); n > 0 && in.first <= spans[n-1].last+1 {
				spans[n-1].last = max(spans[n-1].last, in.last)
			} else {
				spans = append(spans, in)
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
	return nil
}
