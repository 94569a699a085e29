package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/group"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// maxGroupRows bounds one SQLite transaction: enough to make its fsync cheap, few enough to keep its latency low.
const maxGroupRows = 4096

// errBroken is the reason for refusing writes after an I/O error.
var errBroken = errors.New("store stopped after an I/O error: open it again")

// write is one change on its way through the writer.
type write struct {
	rows int
	// do makes the change. It may be called again after a rollback. An error that it returns before its first write
	// concerns this change alone.
	do  func(*tx) error
	err error
}

// tx is a SQLite transaction that gathers the changes of a group, with the state as it will be once it is committed.
type tx struct {
	state
	conn  *sqlitefile.Conn
	now   time.Time
	wrote bool // since the current change began
}

// update runs do in a transaction and returns when it is durable.
func (s *Store) update(ctx context.Context, rows int, do func(*tx) error) error {
	w := &write{rows: rows, do: do}
	err := s.writes.Do(ctx, w)
	if errors.Is(err, group.ErrClosed) {
		return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, err)
	}
	if err != nil {
		return err
	}
	return w.err
}

// run is the group's: it makes the changes in one transaction, or, when one of them fails in the middle, each in its own.
func (s *Store) run(writes []*write) {
	if s.broken != nil {
		for _, w := range writes {
			w.err = s.broken
		}
		return
	}
	err := s.transact(writes)
	if err == nil {
		return
	}
	if len(writes) == 1 || s.broken != nil || sqlitefile.Unavailable(err) {
		for _, w := range writes {
			w.err = err
		}
		return
	}
	for _, w := range writes {
		s.run([]*write{w})
	}
}

// transact makes the changes in one transaction. Each may fail by itself, in its err; an error that is returned undid
// them all.
func (s *Store) transact(writes []*write) error {
	s.options.Crash("store.commit.before")
	t := &tx{state: s.committed, conn: s.file.Writer(), now: s.options.Now().UTC().Truncate(time.Millisecond)}
	t.heads = maps.Clone(s.committed.heads)
	if err := t.conn.BeginWrite(); err != nil {
		return s.failed(err)
	}
	wrote := false
	for _, w := range writes {
		t.wrote = false
		w.err = unavailable(w.do(t))
		if w.err != nil && t.wrote {
			return s.undo(t, w.err)
		}
		wrote = wrote || t.wrote
	}
	if !wrote {
		return s.failed(t.conn.Rollback())
	}
	if t.totals != s.committed.totals {
		if err := t.saveTotals(); err != nil {
			return s.undo(t, err)
		}
	}
	s.options.Crash("store.commit.inserted")
	if err := s.commit(t); sqlitefile.NoRoom(err) {
		return s.undo(t, err) // the log could not grow, so it has no commit
	} else if err != nil {
		s.breakDown(fmt.Errorf("%w: %w: %w", pipeline.ErrUnavailable, errBroken, err))
		return s.broken
	}
	s.options.Crash("store.commit.after")
	s.committed = t.state
	return nil
}

// commit makes the transaction durable and publishes its totals. It holds the totals meanwhile: whoever has seen the
// commit in the file and then asks for them gets those with it.
func (s *Store) commit(t *tx) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := t.conn.Commit()
	if err == nil {
		s.totals = t.totals
	}
	return err
}

// undo rolls back after err.
func (s *Store) undo(t *tx, err error) error {
	if rollback := t.conn.Rollback(); rollback != nil {
		s.breakDown(fmt.Errorf("%w: %w: %w", pipeline.ErrUnavailable, errBroken, rollback))
		return errors.Join(s.broken, err)
	}
	return s.failed(err)
}

// failed sorts SQLite's errors: those of the disk are unavailable, and some of them end writing.
func (s *Store) failed(err error) error {
	if sqlitefile.Broken(err) {
		s.breakDown(fmt.Errorf("%w: %w: %w", pipeline.ErrUnavailable, errBroken, err))
		return s.broken
	}
	return unavailable(err)
}

// breakDown stops writing for good: until the file is opened again nobody knows what it holds.
func (s *Store) breakDown(err error) {
	s.broken = err
	s.fault.Store(&err)
}

// minFree is how much of the disk must be free for the store to be ready, in bytes: a commit of the largest group and
// the log that it is moved out of.
const minFree = 64 << 20

// Fault returns why writing broke down for good, or nil. Only opening the file again helps.
func (s *Store) Fault() error {
	if fault := s.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// Ready returns why commits would fail now, or nil: writing broke down and waits for a restart, or the disk is nearly
// full.
func (s *Store) Ready(context.Context) error {
	if fault := s.Fault(); fault != nil {
		return fault
	}
	free, err := sqlitefile.Free(s.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, err)
	}
	if free < minFree {
		return fmt.Errorf("%w: disk has %d bytes left, %d must be free", pipeline.ErrUnavailable, free, minFree)
	}
	return nil
}

// unavailable wraps the errors that may go away by themselves.
func unavailable(err error) error {
	if err != nil && sqlitefile.Unavailable(err) && !errors.Is(err, pipeline.ErrUnavailable) {
		return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, err)
	}
	return err
}

// exec changes rows and returns how many.
func (t *tx) exec(sql string, args ...any) (int64, error) {
	t.wrote = true
	return t.conn.Exec(sql, args...)
}

// span is a range of seq that an audit entry covers. The empty one has last before first.
type span struct{ first, last int64 }

const insertAudit = `INSERT INTO audit_entries
	(chain, seq, at, kind, count, rows, prev, hash, first_row, last_row, first_dead, last_dead, newest)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// audit adds the next entry of a chain.
func (t *tx) audit(chain, kind string, covered *audit.Rows, rows, dead span, newest int64) error {
	e := audit.Next(t.heads[chain], chain, t.now, kind, covered.Count(), covered.Sum())
	_, err := t.exec(insertAudit, e.Chain, e.Seq, e.At.UnixMilli(), e.Kind, int64(e.Count), e.Rows[:], e.Prev[:], e.Hash[:],
		rows.first, rows.last, dead.first, dead.last, newest)
	if err != nil {
		return fmt.Errorf("add audit entry: %w", err)
	}
	t.heads[chain] = e.Head()
	return nil
}

const updateTotals = `UPDATE totals SET approve = ?, challenge = ?, review = ?, decline = ?, frauds = ?, genuine = ?,
	alerts = ?, dead_letters = ?, erased = ?`

func (t *tx) saveTotals() error {
	args := make([]any, 0, 9)
	for _, n := range t.totals.Values() {
		args = append(args, n)
	}
	_, err := t.exec(updateTotals, args...)
	if err != nil {
		return fmt.Errorf("save totals: %w", err)
	}
	return nil
}

// noTime stands for "no transaction" in audit_entries.newest: older than anything.
const noTime = math.MinInt64

// millis is a moment as the store writes it, nil (NULL) for the zero time.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
