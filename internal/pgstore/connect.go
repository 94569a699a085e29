package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/fastshop/pipeline/internal/pipeline"
)

const (
	dialTimeout = 5 * time.Second
	// keepAlive finds out that a silent server is gone.
	keepAlive = 15 * time.Second
	// schema is where everything is.
	schema = "fastshop"
)

// connConfig is the config of one connection.
func (o *Options) connConfig() (*pgx.ConnConfig, error) {
	if o.Config.conn == nil {
		return nil, errors.New("no database is named")
	}
	c := o.Config.conn.Copy()
	millis := func(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }
	c.ConnectTimeout = dialTimeout
	c.DialFunc = (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext
	for name, value := range map[string]string{
		"application_name":                    "fastshop",
		"search_path":                         schema,
		"timezone":                            "UTC",
		"synchronous_commit":                  "on", // what Commit returned is on the disk, whatever the server's default is
		"statement_timeout":                   millis(o.Timeout),
		"lock_timeout":                        millis(o.Timeout / 2),
		"default_transaction_isolation":       "read committed",
		"idle_in_transaction_session_timeout": millis(o.Timeout), // a frozen process lets go of its locks
		"jit":                                 "off",             // no query of ours is worth compiling
	} {
		c.RuntimeParams[name] = value
	}
	return c, nil
}

// connect makes the pool and looks whether the server is there.
func connect(ctx context.Context, o *Options) (*pgxpool.Pool, error) {
	conn, err := o.connConfig()
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, fmt.Errorf("make a connection pool: %w", err)
	}
	config.ConnConfig = conn
	config.MaxConns = int32(min(o.MaxConns, 1<<15))
	config.MinConns, config.MinIdleConns = 0, 0
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = time.Hour, 5*time.Minute
	config.MaxConnIdleTime = 10 * time.Minute
	config.AfterConnect = teach
	if ask := o.Password; ask != nil {
		config.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error { return fill(ctx, c, ask) }
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("make a connection pool: %w", safe(err))
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("%w: %w", pipeline.ErrUnavailable, safe(err))
	}
	return pool, nil
}

// fill asks for the password of a new connection.
func fill(ctx context.Context, c *pgx.ConnConfig, ask func(context.Context) (string, error)) (err error) {
	if c.Password, err = ask(ctx); err != nil {
		return fmt.Errorf("get the password of the database: %w", err)
	}
	return nil
}
