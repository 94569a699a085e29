// Package pgstore keeps decided transactions and all that belongs to them in
// PostgreSQL, 15 or newer. It is the pipeline's Store for many processes at once.
//
// # Commits
//
// A commit is one transaction (READ COMMITTED) of two round trips. The first takes a
// block of numbers, moves the checkpoint and inserts the rows whose id is absent; the
// second writes what follows from that and commits. A third lies between when an id
// was taken, or a record is put aside.
//
// Small commits of one process that come at once share a transaction and its fsync;
// should it fail for what one of them asks, each is tried alone. They assume that their
// ids are new, and take one round trip if that is so. If it is not, the database has
// refused everything, and the same transaction is tried anew in two: it is these which
// tell who was first.
//
// Why READ COMMITTED is enough: an insert that meets an id which another transaction
// is inserting waits for that one to end; the look-up of what was there is a statement
// of its own, so it sees what the other committed. A checkpoint is moved by an UPDATE
// whose condition is the checkpoint before: it waits for whoever holds the row and then
// looks at it again. Nothing else is read before it is written.
//
// Why commits cannot lock each other out: all take locks in the same order, which is
// checkpoints by partition, ids ascending, dead letters ascending, chains by name.
// Should they all the same, PostgreSQL ends one of them, which is [pipeline.ErrUnavailable].
//
// Chains do not wait for one another. Commits on one chain wait for each other's last
// round trip alone: the chain's row is locked by the statement before COMMIT.
//
// # Order
//
// seq ascends in the order of commits, as far as there is one: a commit that began
// after another returned has the higher numbers; of two at once either may come first.
//
// # Retries
//
// The store retries nothing. Errors of SQLSTATE classes 22 and 23 are about the batch.
// Every other error of the server or on the way to it is [pipeline.ErrUnavailable]: also a
// missing right, which must never make a dead letter of a record. A commit whose answer
// was lost may have happened; a retry is safe because ids are unique.
//
// # Roles
//
// What each role of a deployment may do, by GRANT (see [EnsureRoles] and [Migrate]):
//
//	                        ingest   processor  console  privacy  migrate
//	transactions            SI       SI         S        S U*     owner
//	  column sealed         -        -          S        S        of all
//	labels                  SI       S          SI       S
//	alerts                  SI       SI         S        S
//	checkpoints             S        SIU        S        S
//	dead_letters            S        SI U*      S        S
//	audit_entries, chains   S        S          S        S
//	plans, rule_sets        SI       SI         S        SI
//	bindings                SI       SI         S        SI
//	list_entries            SIUD     S          SIUD     SIUD
//	list_changes            SI       S          SI       SI
//	append_audit            yes      yes        yes      yes
//	mark_counted            -        yes        -        -
//	mark_uncounted          yes      yes        yes      -
//	hold_commits            -        -          -        yes
//
// S, I, U, D are SELECT, INSERT, UPDATE and DELETE. U* is an update of some columns: flags,
// mac and sealed of transactions (erasure), resolved_at of dead letters. Nobody but the
// owner can change or remove what was decided, or an audit entry: entries are written by
// append_audit alone, which computes their hashes.
//
// # Limits
//
// The cost of a row does not grow with the table if ids ascend (UUIDs of version 7,
// counters). Ids in random order touch a page of their index each, which after every
// checkpoint of the server is written to its log whole: set wal_compression to lz4
// (with pglz, which is "on", such a row costs ten times as much), and expect half as
// much again at ten million rows as at a hundred thousand.
//
// A batch has at most 65,536 entries. Verifying reads everything in one snapshot, which
// keeps the server from cleaning up meanwhile.
package pgstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fastshop/pipeline/internal/group"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore/query"
	"github.com/fastshop/pipeline/internal/pipeline"
)

var _ pipeline.Store = (*Store)(nil)

// Options say how a store is opened. Config is needed, the rest may stay zero.
type Options struct {
	// Config says where the database is; see [ParseURL].
	Config Config
	// Password, if not nil, is asked for the password of every new connection: a token that expires, or a secret that is
	// rotated.
	Password func(ctx context.Context) (string, error)
	// StreamID, if not empty, must be the stream of the stored checkpoints; see ledger.ErrStream.
	StreamID string
	// MaxConns bounds the connections. Default 8.
	MaxConns int
	// Timeout bounds a transaction, on both sides, and half of it a wait for a lock. Verifying and erasing have none.
	// Default 10 s.
	Timeout time.Duration
	// Now is the clock of audit entries and alerts. Default time.Now.
	Now func() time.Time
	// Crash is called at the named points of a commit, for tests that stop the process or copy the database there:
	// "store.commit.before" (nothing written), "store.commit.inserted" (transactions and checkpoint written; the rest
	// goes with the commit itself; small commits of new ids have no such point) and "store.commit.after" (durable, not
	// yet answered).
	Crash func(point string)
	// Log is told of what goes on without an answer to anybody. Default: nobody is.
	Log *slog.Logger
}

func (o *Options) defaults() {
	if o.MaxConns == 0 {
		o.MaxConns = 8
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Store is an open store. All methods may be called at once.
type Store struct {
	options Options
	pool    *pgxpool.Pool
	query   *query.Queries
	small   *group.Group[*change]
	seals   bool // whether this role may read sealed fields
}

// Small commits are gathered up to so many rows: enough to make their fsync cheap, few enough to keep it quick.
const (
	smallRows  = 64
	groupRows  = 1024
	groupDepth = 1024
)

// Open connects to a store whose schema is this program's; see [Migrate]. It makes nothing.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.defaults()
	pool, err := connect(ctx, &o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{options: o, pool: pool, query: query.New(pool)}
	if err := s.check(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	s.small = group.New(groupDepth, groupRows, func(c *change) int { return len(c.rows) + 1 }, s.commitGroup)
	return s, nil
}

// check looks at what the program must agree with the database about.
func (s *Store) check(ctx context.Context) error {
	if err := checkSchema(ctx, s.pool); err != nil {
		return err
	}
	if id := s.options.StreamID; id != "" {
		foreign, err := s.query.ForeignCheckpoint(ctx, id)
		if err != nil {
			return unavailable(ctx, err)
		}
		if len(foreign) > 0 {
			return fmt.Errorf("checkpoint of partition %s: %w", foreign[0], ledger.ErrStream)
		}
	}
	var err error
	s.seals, err = s.query.MaySeeSealed(ctx)
	return unavailable(ctx, err)
}

// Close finishes the commits that were taken in and ends all connections. Later calls fail with pipeline.ErrUnavailable.
func (s *Store) Close() error {
	s.small.Close()
	s.pool.Close()
	return nil
}

// errReadOnly is the reason of a server that answers and takes nothing.
var errReadOnly = errors.New("the database server is read-only: a copy, or made so")

// Ready returns why commits would fail now, or nil: the server does not answer, or is read-only.
func (s *Store) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	refuses, err := s.query.Health(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, safe(err))
	case refuses:
		return fmt.Errorf("%w: %w", pipeline.ErrUnavailable, errReadOnly)
	}
	return nil
}

// Fault returns nil: no failure of this store outlasts its cause, so a restart mends nothing.
func (s *Store) Fault() error { return nil }
