package sqlitestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// Commit implements pipeline.Store. Beyond that contract: if ctx ends before the writer has taken the batch, nothing of
// it is written; from then on ctx has no effect, so that a caller always learns what happened.
func (s *Store) Commit(ctx context.Context, b pipeline.Batch) ([]pipeline.Receipt, error) {
	if b.Chain == "" {
		return nil, errors.New("commit: batch without an audit chain")
	}
	rows, err := ledger.Encode(b.Entries) // on the caller's goroutine, so that the writer only writes
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	c := &commit{batch: &b, rows: rows, ids: s.ids}
	if err := s.update(ctx, len(b.Entries)+len(b.DeadLetters)+1, c.do); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return c.receipts, nil
}

// commit is one batch on its way through the writer.
type commit struct {
	batch    *pipeline.Batch
	rows     []ledger.Row
	ids      *filter
	receipts []pipeline.Receipt
}

// do writes the batch.
func (c *commit) do(t *tx) error {
	if err := c.fence(t); err != nil {
		return err
	}
	covered := audit.NewRows()
	rows := span{first: t.row + 1}
	if err := c.insert(t); err != nil {
		return err
	}
	newest, last := c.cover(t, covered)
	rows.last = rows.first + int64(last)
	if err := c.openAlerts(t, rows); err != nil {
		return err
	}
	if err := c.resolve(t); err != nil {
		return err
	}
	dead := span{first: t.dead + 1}
	if err := c.putAside(t, covered); err != nil {
		return err
	}
	dead.last = t.dead
	if covered.Count() > 0 {
		if err := t.audit(c.batch.Chain, audit.Decisions, covered, rows, dead, newest); err != nil {
			return err
		}
	}
	return c.moveCheckpoint(t)
}

const selectCheckpoint = "SELECT stream, position, records FROM checkpoints WHERE partition = ?"

// fence refuses the batch if its checkpoint does not follow the stored one. It writes nothing.
func (c *commit) fence(t *tx) error {
	next := c.batch.Checkpoint
	if next == nil {
		return nil
	}
	stored, err := readCheckpoint(t.conn, next)
	switch {
	case err != nil:
		return unavailable(err)
	case stored.Stream != next.Stream:
		return fmt.Errorf("partition %s is checkpointed on another stream: %w", next.Partition, pipeline.ErrFenced)
	case stored.Position != next.After:
		return fmt.Errorf("partition %s stands at %q, the batch follows %q: %w", next.Partition, stored.Position, next.After, pipeline.ErrFenced)
	}
	return nil
}

// readCheckpoint is the stored checkpoint that next has to follow; before the first one, the start of its stream.
func readCheckpoint(conn *sqlitefile.Conn, next *pipeline.Checkpoint) (pipeline.Checkpoint, error) {
	stored := pipeline.Checkpoint{Stream: next.Stream, Partition: next.Partition}
	err := conn.Query(selectCheckpoint, func(r sqlitefile.Row) error {
		scanCheckpoint(r, &stored)
		return nil
	}, string(next.Partition))
	return stored, err
}

const upsertCheckpoint = `INSERT INTO checkpoints (partition, stream, position, records) VALUES (?, ?, ?, ?)
	ON CONFLICT (partition) DO UPDATE SET position = excluded.position, records = excluded.records`

func (c *commit) moveCheckpoint(t *tx) error {
	next := c.batch.Checkpoint
	if next == nil {
		return nil
	}
	_, err := t.exec(upsertCheckpoint, string(next.Partition), next.Stream, string(next.Position), next.Records)
	if err != nil {
		return fmt.Errorf("move checkpoint: %w", err)
	}
	return nil
}

// cover adds the inserted rows to the audit hash and to the totals, and returns the latest time among them and the last
// of them, -1 if there is none. A range must end with a row that exists: a reopened store gives numbers behind it again.
func (c *commit) cover(t *tx, covered *audit.Rows) (newest int64, last int) {
	newest, last = noTime, -1
	for i := range c.receipts {
		if !c.receipts[i].Stored {
			continue
		}
		last = i
		e := &c.batch.Entries[i]
		covered.Decision(ledger.Audited(&e.Transaction, &e.Decision))
		newest = max(newest, e.Transaction.OccurredAt.UnixMilli())
		t.totals.Count(e.Decision.Outcome)
		if c.rows[i].Flags&ledger.Erased != 0 {
			t.totals.Erased++
		}
	}
	return newest, last
}

const insertAlert = "INSERT INTO alerts (subject, score, code, opened_at) VALUES (?, ?, ?, ?)"

// openAlerts asks an analyst to look at what was inserted and is not to go through.
func (c *commit) openAlerts(t *tx, rows span) error {
	for i := range c.receipts {
		d := &c.batch.Entries[i].Decision
		if !c.receipts[i].Stored || d.Outcome < decision.Review {
			continue
		}
		_, err := t.exec(insertAlert, rows.first+int64(i), int64(d.Score), ledger.Leading(d), t.now.UnixMilli())
		if err != nil {
			return fmt.Errorf("open alert: %w", err)
		}
		t.totals.Alerts++
	}
	return nil
}

const resolveDeadLetter = `UPDATE dead_letters SET resolved_at = ?
	WHERE partition = ? AND position = ? AND resolved_at IS NULL`

// resolve settles dead letters. One that is not open needs nothing.
func (c *commit) resolve(t *tx) error {
	for _, k := range c.batch.Resolved {
		n, err := t.exec(resolveDeadLetter, t.now.UnixMilli(), string(k.Partition), string(k.Position))
		if err != nil {
			return fmt.Errorf("resolve dead letter: %w", err)
		}
		t.totals.DeadLetters -= n
	}
	return nil
}

const insertDeadLetter = `INSERT INTO dead_letters (seq, partition, position, key, data, reason, detail, at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`

// putAside stores the batch's dead letters and those that only this commit could see: records whose id was taken by
// another payload. A record that is put aside already stays as it was.
func (c *commit) putAside(t *tx, covered *audit.Rows) error {
	letters := c.batch.DeadLetters
	for i := range c.receipts {
		e := &c.batch.Entries[i]
		if e.Origin == nil || !c.receipts[i].Conflict(&e.Transaction) {
			continue
		}
		letters = append(letters[:len(letters):len(letters)], ledger.Conflict(e, t.now))
	}
	for i := range letters {
		l := &letters[i]
		n, err := t.exec(insertDeadLetter, t.dead+1, string(l.Partition), string(l.Position), blob(l.Key), blob(l.Data),
			string(l.Reason), l.Detail, l.At.UnixMilli())
		if err != nil {
			return fmt.Errorf("put record aside: %w", err)
		}
		if n > 0 {
			t.dead++
			t.totals.DeadLetters++
			covered.DeadLetter(string(l.Partition), string(l.Position), string(l.Reason))
		}
	}
	return nil
}

// blob is b, or an empty blob where nil would be NULL.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
