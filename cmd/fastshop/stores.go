package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"time"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitestore"
)

// books is the store as this program uses it, wherever it is. The parts that take some of it say what they need of it.
type books interface {
	pipeline.Store
	reading
	listing
	bound
	dictionary
	checking
	uncounted
	Close() error
}

// reading is what is asked of single rows and of all.
type reading interface {
	Decision(ctx context.Context, id string) (ledger.Stored, error)
	Recent(ctx context.Context, n int) ([]ledger.Stored, error)
	Rows(ctx context.Context, fn func(ledger.Stored) error) error
	DeadLetters(ctx context.Context, after int64, n int) ([]ledger.DeadLetter, error)
	Totals(ctx context.Context) (ledger.Totals, error)
}

// listing keeps the block and allow lists.
type listing interface {
	PutListEntry(ctx context.Context, e ledger.ListEntry) (stored ledger.ListEntry, added bool, err error)
	DeleteListEntry(ctx context.Context, list payment.Lists, kind ledger.ListKind, token payment.Token) error
	ListEntries(ctx context.Context) ([]ledger.ListEntry, error)
}

// bound says what a store belongs to.
type bound interface {
	Bind(ctx context.Context, name, value string) error
	Bound(ctx context.Context, name string) (string, error)
}

// dictionary says what the versions mean that rows refer to.
type dictionary interface {
	PutPlan(ctx context.Context, version string, names []string) error
	Plan(ctx context.Context, version string) ([]string, error)
	PutRuleSet(ctx context.Context, version string, text []byte) error
	RuleSet(ctx context.Context, version string) ([]byte, error)
	RuleSets(ctx context.Context) ([]string, error)
}

// checking tells whether a store is as it should be.
type checking interface {
	Ready(ctx context.Context) error
	Fault() error
	VerifyRows(ctx context.Context, progress func(int64), found func(*ledger.RowFault)) (ledger.Totals, error)
	VerifyChains(ctx context.Context) ([]ledger.ChainCheck, error)
}

// uncounted is what healing windows asks for beside Replay.
type uncounted interface {
	ReplayCommitted(ctx context.Context, since time.Time, fn func(pipeline.Labeled) error) error
	Uncounted(ctx context.Context, limit int) ([]pipeline.Labeled, []int64, error)
	Counted(ctx context.Context, numbers []int64) error
	pipeline.Recounting
}

var (
	_ books = (*sqlitestore.Store)(nil)
	_ books = (*pgstore.Store)(nil)
)

// opening is how a store is opened.
type opening struct {
	*places
	streamID string // that checkpoints must belong to, or empty
	now      func() time.Time
	crash    func(point string)
	cloud    *clouds
	maxConns int // of a database; 0 is the store's own default
}

// openStore opens the store where it is. The caller closes it.
func openStore(ctx context.Context, o opening, w io.Writer) (books, error) {
	var s books
	var err error
	if o.storeEmbedded() {
		s, err = o.sqlite(ctx, w)
	} else {
		s, err = o.postgres(ctx, o.Store)
	}
	if errors.Is(err, ledger.ErrStream) {
		return nil, withHint(err, streamHint)
	}
	return s, err
}

const streamHint = "stream and store do not belong together; restore both from the same moment, or name the store that this stream was run with"

func (o *opening) sqlite(ctx context.Context, w io.Writer) (books, error) {
	p := newProgress(w)
	defer p.done()
	s, err := sqlitestore.Open(ctx, filepath.Join(o.DataDir, storeFile), sqlitestore.Options{
		StreamID: o.streamID, Now: o.now, Crash: o.crash,
		Progress: func(done, total int64) { p.show("opening store: %s of %s ids", count(done), count(total)) },
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (o *opening) postgres(ctx context.Context, url string) (books, error) {
	c, password, err := o.database(ctx, url)
	if err != nil {
		return nil, err
	}
	s, err := pgstore.Open(ctx, pgstore.Options{Config: c, Password: password, StreamID: o.streamID, MaxConns: o.maxConns, Now: o.now, Crash: o.crash})
	if err != nil {
		return nil, withHint(err, "fastshop doctor says what is wrong with the database; fastshop migrate brings its schema up to date")
	}
	return s, nil
}

// secretsFor is how long a password is kept before it is asked for again: one that was rotated is noticed this late.
const secretsFor = time.Minute

// database is how to sign in to a PostgreSQL database.
func (o *opening) database(ctx context.Context, url string) (c pgstore.Config, password func(context.Context) (string, error), err error) {
	if c, err = pgstore.ParseURL(url); err != nil || c.Auth == pgstore.Password {
		return c, nil, err
	}
	aws, err := o.cloud.config(ctx, cloud.Options{Region: c.Region})
	if err != nil {
		return c, nil, err
	}
	if c.Auth == pgstore.IAM {
		return c, func(ctx context.Context) (string, error) {
			return cloud.RDSToken(ctx, aws, c.Endpoint(), c.Region, c.User(), o.now())
		}, nil
	}
	secrets := cloud.NewSecrets(aws, secretsFor, o.now)
	user, first, err := secrets.Login(ctx, c.Secret)
	if err != nil {
		return c, nil, err
	}
	return c.WithUser(user, first), func(ctx context.Context) (string, error) {
		_, password, err := secrets.Login(ctx, c.Secret)
		return password, err
	}, nil
}
