package pgstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// versions is the table of the migrations that were run.
const versions = schema + ".schema_versions"

var (
	// ErrOlder is wrapped when the schema lacks migrations.
	ErrOlder = errors.New("the database's schema is older than this program: run fastshop migrate")
	// ErrNewer is wrapped when a newer program has changed the schema.
	ErrNewer = errors.New("the database's schema is newer than this program: run the program's newer version")
)

// Migrate brings the schema up to this program's version, as the role that is to own it, and gives the other roles that
// exist their rights. It returns the version before (0: there was none) and after. There is no way back. Two at once
// wait for each other; a migration that fails leaves the schema as it was before it.
func Migrate(ctx context.Context, o Options) (from, to int64, err error) {
	o.defaults()
	db, err := o.database()
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := makeSchema(ctx, db); err != nil {
		return 0, 0, fmt.Errorf("migrate: make schema %s: %w", schema, safe(err))
	}
	p, err := provider(db)
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	if from, err = p.GetDBVersion(ctx); err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", safe(err))
	}
	if newest := newestVersion(p); from > newest {
		return from, from, fmt.Errorf("migrate: schema %d, this program knows %d: %w", from, newest, ErrNewer)
	}
	if _, err := p.Up(ctx); err != nil {
		return from, from, fmt.Errorf("migrate: %w", safe(err))
	}
	if to, err = p.GetDBVersion(ctx); err != nil {
		return from, 0, fmt.Errorf("migrate: %w", safe(err))
	}
	if _, err := db.ExecContext(ctx, grants); err != nil {
		return from, to, fmt.Errorf("migrate: give rights: %w", safe(err))
	}
	return from, to, nil
}

// Version is the schema's version; 0 if there is none.
func Version(ctx context.Context, o Options) (int64, error) {
	o.defaults()
	pool, err := connect(ctx, &o)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	defer pool.Close()
	v, err := version(ctx, pool)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", unavailable(ctx, err))
	}
	return v, nil
}

// version reads the schema's version; 0 if there is none.
func version(ctx context.Context, pool *pgxpool.Pool) (v int64, err error) {
	err = pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+versions+" WHERE is_applied").Scan(&v)
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == undefinedTable {
		return 0, nil
	}
	return v, err
}

// SQLSTATE codes.
const (
	undefinedTable  = "42P01"
	duplicateSchema = "42P06"
	uniqueViolation = "23505"
)

// checkSchema refuses a schema that is not this program's.
func checkSchema(ctx context.Context, pool *pgxpool.Pool) error {
	got, err := version(ctx, pool)
	if err != nil {
		return unavailable(ctx, err)
	}
	want, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	switch n := int64(len(want)); {
	case got < n:
		return fmt.Errorf("schema %d, this program needs %d: %w", got, n, ErrOlder)
	case got > n:
		return fmt.Errorf("schema %d, this program knows %d: %w", got, n, ErrNewer)
	}
	return nil
}

// database is what goose takes, with the timeouts of work that may be long.
func (o *Options) database() (*sql.DB, error) {
	conn, err := o.connConfig()
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
		conn.RuntimeParams[name] = "0"
	}
	var options []stdlib.OptionOpenDB
	if ask := o.Password; ask != nil {
		options = append(options, stdlib.OptionBeforeConnect(func(ctx context.Context, c *pgx.ConnConfig) error { return fill(ctx, c, ask) }))
	}
	db := stdlib.OpenDB(*conn, options...)
	db.SetMaxOpenConns(2)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// makeSchema makes it unless it is there, for which no right is needed. Of two who make it at once one may be told that it
// is there already, in spite of IF NOT EXISTS.
func makeSchema(ctx context.Context, db *sql.DB) error {
	var there bool
	if err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there); err != nil || there {
		return err
	}
	_, err := db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schema)
	var server *pgconn.PgError
	if errors.As(err, &server) && (server.Code == uniqueViolation || server.Code == duplicateSchema) {
		return nil
	}
	return err
}

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(versions), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

func newestVersion(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}
