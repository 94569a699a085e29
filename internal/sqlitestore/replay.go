package sqlitestore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	// selectStart finds the first row of the batches that hold something recent enough.
	selectStart = "SELECT coalesce(min(first_row), 0) FROM audit_entries WHERE kind = 'decisions' AND newest >= ?"
	selectLast  = "SELECT coalesce(max(seq), 0) FROM transactions"
	// selectPage reads the columns of labeled, in the order of commits.
	selectPage = `SELECT seq, outcome, flags, payload FROM transactions
		WHERE seq > ? AND seq <= ? AND occurred_at >= ? AND flags & 2 = 0 ORDER BY seq LIMIT ?` // 2 is flagErased
)

// replayPage is how many rows are read at a time, so that a long replay never keeps the write-ahead log from being
// moved into the file.
const replayPage = 2048

// Replay implements pipeline.Store. It covers what was committed before the call; rows that are committed meanwhile may
// follow or not. Batches that lie before since entirely are not read.
func (s *Store) Replay(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error {
	after, last, err := s.replaySpan(ctx, since)
	if err != nil {
		return fmt.Errorf("replay: %w", unavailable(err))
	}
	return s.replay(ctx, after, last, since.UnixMilli(), fn)
}

// earliest is before every transaction.
const earliest = math.MinInt64

// replay calls fn for the rows after one of them, up to another, that occurred at since or later.
func (s *Store) replay(ctx context.Context, after, last, since int64, fn func(pipeline.Labeled) error) error {
	page := make([]pipeline.Labeled, 0, replayPage)
	seqs := make([]int64, 0, replayPage)
	for after < last {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, seqs = page[:0], seqs[:0]
		err := s.file.Read(ctx, func(c *sqlitefile.Conn) error {
			err := c.Query(selectPage, func(r sqlitefile.Row) error {
				l, err := labeled(r)
				page, seqs = append(page, l), append(seqs, r.Int(0))
				return err
			}, after, last, since, int64(replayPage))
			if err != nil || len(page) == 0 {
				return err
			}
			return joinLabels(c, page, seqs)
		})
		if err != nil {
			return fmt.Errorf("replay: %w", unavailable(err))
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			if err := fn(page[i]); err != nil {
				return err
			}
		}
		after = seqs[len(seqs)-1]
	}
	return nil
}

// replaySpan is where a replay begins (after that row) and ends.
func (s *Store) replaySpan(ctx context.Context, since time.Time) (after, last int64, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		first := func(r sqlitefile.Row) error { after = r.Int(0) - 1; return nil }
		if err := c.Query(selectStart, first, since.UnixMilli()); err != nil {
			return err
		}
		return c.Query(selectLast, func(r sqlitefile.Row) error { last = r.Int(0); return nil })
	})
	if after < 0 {
		after = last // nothing is recent enough
	}
	return after, last, err
}

// joinLabels gives each row of the page its latest label; both are in the order of seq.
func joinLabels(c *sqlitefile.Conn, page []pipeline.Labeled, seqs []int64) error {
	i := 0
	return c.Query(selectLatest, func(r sqlitefile.Row) error {
		for i < len(seqs) && seqs[i] < r.Int(0) {
			i++
		}
		if i < len(seqs) && seqs[i] == r.Int(0) {
			page[i].Label = labelOf(r, page[i].ID)
		}
		return nil
	}, seqs[0], seqs[len(seqs)-1])
}

// Known implements pipeline.Store.
func (s *Store) Known(ctx context.Context, ids []string) (map[string]pipeline.Receipt, error) {
	known := make(map[string]pipeline.Receipt)
	var ask []string
	for _, id := range ids {
		if s.ids.mayHave(id) {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return known, ctx.Err()
	}
	err := s.file.Snapshot(ctx, func(c *sqlitefile.Conn) error {
		for _, id := range ask {
			var receipt pipeline.Receipt
			found, err := findReceipt(c, id, &receipt)
			if err != nil {
				return err
			}
			if found {
				known[id] = receipt
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up known ids: %w", unavailable(err))
	}
	return known, nil
}
