// Package sqlitestore keeps decided transactions and all that belongs to them in one
// SQLite file. It is the embedded implementation of pipeline's Store.
//
// # Commits
//
// Concurrent commits are gathered into one SQLite transaction and share its fsync.
// A commit that fails does not fail its neighbors: what can be checked is checked
// before the first write, and should a write fail all the same, the transaction is
// rolled back and each commit of it tried again alone.
//
// After an I/O error at a commit nobody knows what is on the disk. The store then
// refuses to write until it is opened again, which reads what really happened.
//
// # Erasure
//
// A row's seal and MAC are columns of their own, so that [Store.Erase] can empty
// them. Neither is covered by the audit chain, which stays whole.
//
// # Limits
//
// One process per file; see [sqlitefile.Lock]. The filter that answers for most
// unknown ids takes 16 MiB and is precise to about 12 million transactions; beyond
// that more look-ups reach SQLite, which alone decides.
package sqlitestore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/group"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

//go:embed migrations/*.sql
var migrations embed.FS

var _ pipeline.Store = (*Store)(nil)

// Options say how a store is opened. The zero value is ready for use.
type Options struct {
	// StreamID, if not empty, must be the stream of the stored checkpoints; see ledger.ErrStream.
	StreamID string
	// CacheBytes bounds SQLite's page cache for writing; each of four readers gets an eighth more. Default 32 MiB.
	CacheBytes int64
	// CheckpointPages is how long the write-ahead log grows, in pages of 4 KiB, before a commit moves it into the file.
	// Fewer means more and shorter pauses, more means less to write in all. Default 4096 (16 MiB).
	CheckpointPages int
	// Progress is told how many of how many ids have been read while the store opens. Nil tells nobody.
	Progress func(done, total int64)
	// Now is the clock of audit entries and alerts. Default time.Now.
	Now func() time.Time
	// Crash is called at the named points of a commit, for tests that stop the process or copy the files there:
	// "store.commit.before" (nothing written), "store.commit.inserted" (all written, not yet committed) and
	// "store.commit.after" (durable, not yet answered).
	Crash func(point string)
}

func (o *Options) defaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = 32 << 20
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
}

// Store is an open store. All methods may be called at once.
type Store struct {
	options Options
	file    *sqlitefile.File
	writes  *group.Group[*write]
	ids     *filter

	// Owned by the writing goroutine.
	committed state
	broken    error

	fault atomic.Pointer[error] // what readers see of broken
	dir   string

	// totals is what readers see of committed.totals.
	mu     sync.Mutex
	totals ledger.Totals
}

// state is what the writer knows without asking the file.
type state struct {
	row, label, dead, change int64 // highest seq that was given away, by table
	heads                    map[string]audit.Head
	totals                   ledger.Totals
}

// Open opens the store in the file at path, or makes one.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	o.defaults()
	schema, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	file, err := sqlitefile.Open(ctx, sqlitefile.Options{Path: path, Migrations: schema, CacheBytes: o.CacheBytes, CheckpointPages: o.CheckpointPages})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{options: o, file: file, ids: newFilter(), dir: filepath.Dir(path)}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), file.Close())
	}
	s.writes = group.New(256, maxGroupRows, func(w *write) int { return w.rows }, s.run)
	return s, nil
}

// Close finishes the writes that were taken in and closes the file. Later calls fail with pipeline.ErrUnavailable.
func (s *Store) Close() error {
	s.writes.Close()
	return s.file.Close()
}

const (
	selectHeads  = "SELECT chain, max(seq), hash FROM audit_entries GROUP BY chain"
	selectTotals = "SELECT approve, challenge, review, decline, frauds, genuine, alerts, dead_letters, erased FROM totals"
	selectSeqs   = `SELECT coalesce((SELECT max(seq) FROM transactions), 0), coalesce((SELECT max(seq) FROM labels), 0),
		coalesce((SELECT max(seq) FROM dead_letters), 0), coalesce((SELECT max(seq) FROM list_changes), 0)`
	selectForeign = "SELECT partition FROM checkpoints WHERE stream <> ? LIMIT 1"
	selectIDs     = "SELECT id FROM transactions"
)

// load reads the writer's state and fills the filter.
func (s *Store) load(ctx context.Context) error {
	w := s.file.Writer()
	if id := s.options.StreamID; id != "" {
		err := w.Query(selectForeign, func(r sqlitefile.Row) error {
			return fmt.Errorf("checkpoint of partition %s: %w", r.Text(0), ledger.ErrStream)
		}, id)
		if err != nil {
			return err
		}
	}
	st := state{heads: make(map[string]audit.Head)}
	err := w.Query(selectSeqs, func(r sqlitefile.Row) error {
		st.row, st.label, st.dead, st.change = r.Int(0), r.Int(1), r.Int(2), r.Int(3)
		return nil
	})
	if err != nil {
		return err
	}
	err = w.Query(selectHeads, func(r sqlitefile.Row) error {
		h := audit.Head{Chain: r.Text(0), Seq: r.Int(1)}
		if copy(h.Hash[:], r.Blob(2)) != len(h.Hash) {
			return fmt.Errorf("chain %q: %w", h.Chain, ledger.ErrCorrupt)
		}
		st.heads[h.Chain] = h
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.Query(selectTotals, func(r sqlitefile.Row) error { st.totals = totalsOf(r); return nil }); err != nil {
		return err
	}
	s.committed, s.totals = st, st.totals
	return s.loadIDs(ctx, w)
}

func (s *Store) loadIDs(ctx context.Context, w *sqlitefile.Conn) error {
	var done int64
	total := s.totals.Transactions()
	err := w.Query(selectIDs, func(r sqlitefile.Row) error {
		s.ids.add(r.Text(0))
		if done++; done%65536 == 0 {
			s.options.Progress(done, total)
			return ctx.Err()
		}
		return nil
	})
	if err == nil && done > 0 {
		s.options.Progress(done, total)
	}
	return err
}
