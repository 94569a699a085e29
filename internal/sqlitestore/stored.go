package sqlitestore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/stream"
)

const (
	storedColumns = "SELECT seq, id, flags, payload, decision, mac, sealed FROM transactions "
	selectStored  = storedColumns + "WHERE id = ?"
	selectRecent  = storedColumns + "ORDER BY seq DESC LIMIT ?"
	selectRows    = storedColumns + "WHERE seq > ? ORDER BY seq LIMIT ?"
	selectAlert   = "SELECT score, code, opened_at FROM alerts WHERE subject = ?"
)

// Decision returns a stored transaction with its decision, label and alert. An unknown id is ledger.ErrNotFound.
func (s *Store) Decision(ctx context.Context, id string) (ledger.Stored, error) {
	if !s.ids.mayHave(id) {
		return ledger.Stored{}, fmt.Errorf("decision: %w", ledger.ErrNotFound)
	}
	found, err := s.stored(ctx, selectStored, id)
	if err != nil {
		return ledger.Stored{}, fmt.Errorf("decision: %w", unavailable(err))
	}
	if len(found) == 0 {
		return ledger.Stored{}, fmt.Errorf("decision: %w", ledger.ErrNotFound)
	}
	return found[0], nil
}

// Recent returns the n transactions that were committed last, the newest first.
func (s *Store) Recent(ctx context.Context, n int) ([]ledger.Stored, error) {
	found, err := s.stored(ctx, selectRecent, int64(max(n, 0)))
	if err != nil {
		return nil, fmt.Errorf("recent decisions: %w", unavailable(err))
	}
	return found, nil
}

// stored runs a query over storedColumns and adds labels and alerts, all as of one moment.
func (s *Store) stored(ctx context.Context, sql string, arg any) (found []ledger.Stored, err error) {
	err = s.file.Snapshot(ctx, func(c *sqlitefile.Conn) error {
		err := c.Query(sql, func(r sqlitefile.Row) error {
			one, err := scanStored(r)
			found = append(found, one)
			return err
		}, arg)
		for i := 0; i < len(found) && err == nil; i++ {
			err = complete(c, &found[i])
		}
		return err
	})
	return found, err
}

// Rows calls fn for every stored transaction in the order of commits, without labels and alerts, until fn returns an
// error. It reads page by page: what is committed meanwhile may be among them or not.
func (s *Store) Rows(ctx context.Context, fn func(ledger.Stored) error) error {
	page := make([]ledger.Stored, 0, replayPage)
	for after := int64(0); ; after = page[len(page)-1].Seq {
		page = page[:0]
		err := s.file.Read(ctx, func(c *sqlitefile.Conn) error {
			return c.Query(selectRows, func(r sqlitefile.Row) error {
				one, err := scanStored(r)
				page = append(page, one)
				return err
			}, after, int64(replayPage))
		})
		if err != nil {
			return fmt.Errorf("read rows: %w", unavailable(err))
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			if err := fn(page[i]); err != nil {
				return err
			}
		}
	}
}

// scanStored reads storedColumns.
func scanStored(r sqlitefile.Row) (ledger.Stored, error) {
	c := columns(r)
	return c.Stored()
}

// columns reads storedColumns.
func columns(r sqlitefile.Row) ledger.Columns {
	return ledger.Columns{
		Seq: r.Int(0), ID: r.Text(1), Flags: ledger.Flags(r.Int(2)), Payload: r.Blob(3), Decision: r.Blob(4), MAC: r.Blob(5), Sealed: r.Blob(6),
	}
}

// complete adds label and alert.
func complete(c *sqlitefile.Conn, one *ledger.Stored) (err error) {
	id := one.Transaction.ID
	if one.Label, err = latestLabel(c, one.Seq, id); err != nil {
		return err
	}
	return c.Query(selectAlert, func(r sqlitefile.Row) error {
		one.Alert = &review.Alert{TransactionID: id, Score: int(r.Int(0)), Code: r.Text(1), OpenedAt: time.UnixMilli(r.Int(2)).UTC()}
		return nil
	}, one.Seq)
}

// Totals returns running counts. It costs nothing.
func (s *Store) Totals(ctx context.Context) (ledger.Totals, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals, ctx.Err()
}

// Checkpoint implements pipeline.Store.
func (s *Store) Checkpoint(ctx context.Context, p stream.Partition) (c pipeline.Checkpoint, found bool, err error) {
	c.Partition = p
	err = s.file.Read(ctx, func(conn *sqlitefile.Conn) error {
		return conn.Query(selectCheckpoint, func(r sqlitefile.Row) error {
			found = true
			scanCheckpoint(r, &c)
			return nil
		}, string(p))
	})
	if err != nil {
		return pipeline.Checkpoint{}, false, fmt.Errorf("read checkpoint: %w", unavailable(err))
	}
	if !found {
		return pipeline.Checkpoint{}, false, nil
	}
	c.After = c.Position
	return c, true, nil
}

// scanCheckpoint reads the columns of selectCheckpoint.
func scanCheckpoint(r sqlitefile.Row, c *pipeline.Checkpoint) {
	c.Stream, c.Position, c.Records = r.Text(0), stream.Position(r.Text(1)), r.Int(2)
}

const selectDeadLetters = `SELECT seq, partition, position, key, data, reason, detail, at FROM dead_letters
	WHERE seq > ? AND resolved_at IS NULL ORDER BY seq LIMIT ?`

// DeadLetters returns up to n open dead letters after one of them, oldest first; after 0 begins with the oldest. A
// negative n means all.
func (s *Store) DeadLetters(ctx context.Context, after int64, n int) (letters []ledger.DeadLetter, err error) {
	if n < 0 {
		n = math.MaxInt32
	}
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectDeadLetters, func(r sqlitefile.Row) error {
			letters = append(letters, ledger.DeadLetter{Seq: r.Int(0), DeadLetter: pipeline.DeadLetter{
				DeadLetterKey: pipeline.DeadLetterKey{Partition: stream.Partition(r.Text(1)), Position: stream.Position(r.Text(2))},
				Key:           r.Blob(3),
				Data:          r.Blob(4),
				Reason:        pipeline.DeadLetterReason(r.Text(5)),
				Detail:        r.Text(6),
				At:            time.UnixMilli(r.Int(7)).UTC(),
			}})
			return nil
		}, after, int64(n))
	})
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", unavailable(err))
	}
	return letters, nil
}
