package testenv_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fastshop/pipeline/internal/testenv"
)

// connect opens a connection that ends with the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func exec1(t *testing.T, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func text(t *testing.T, c *pgx.Conn, sql string) (value string) {
	t.Helper()
	if err := c.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// refused tells whether the error is the server's with the given SQLSTATE.
func refused(err error, state string) bool {
	var told *pgconn.PgError
	return errors.As(err, &told) && told.Code == state
}

func TestPostgresIsDurable(t *testing.T) {
	c := connect(t, testenv.SharedPostgres(t).Database(t))
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "200", "shared_buffers": "256MB",
		"max_wal_size": "4GB", "checkpoint_timeout": "15min", "server_encoding": "UTF8", "listen_addresses": "127.0.0.1",
	} {
		if got := text(t, c, "SHOW "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
	if got := text(t, c, "SHOW wal_compression"); got == "off" {
		t.Errorf("wal_compression is %s", got)
	}
}

func TestPostgresDatabases(t *testing.T) {
	p := testenv.SharedPostgres(t)
	var first string
	var late *pgx.Conn
	t.Run("are empty and apart", func(t *testing.T) {
		first = p.Database(t)
		var err error
		if late, err = pgx.Connect(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		exec1(t, late, "CREATE TABLE mine (n int)")
		other := connect(t, p.Database(t))
		if got := text(t, other, "SELECT count(*)::text FROM pg_class WHERE relname = 'mine'"); got != "0" {
			t.Errorf("another database knows %s of the first one's tables", got)
		}
	})
	if _, err := late.Exec(t.Context(), "SELECT 1"); !refused(err, "57P01") {
		t.Errorf("a connection that was left open: %v, want 57P01 (terminated)", err)
	}
	if _, err := pgx.Connect(t.Context(), first); !refused(err, "3D000") {
		t.Errorf("connect to a database of a test that is over: %v, want 3D000 (no such database)", err)
	}
	if testenv.SharedPostgres(t) != p {
		t.Error("there are two shared servers")
	}
}

func TestPostgresStopAndStart(t *testing.T) {
	p := testenv.StartPostgres(t)
	url := p.Database(t)
	exec1(t, connect(t, url), "CREATE TABLE kept AS SELECT 'stopped' AS how")
	p.Stop(t)
	if _, err := pgx.Connect(t.Context(), url); err == nil {
		t.Error("a stopped server takes connections")
	}
	p.Start(t)
	c := connect(t, url)
	if got := text(t, c, "SELECT how FROM kept"); got != "stopped" {
		t.Errorf("kept %q", got)
	}

	// A committed row survives, one in flight does not, and the server recovers by itself.
	exec1(t, c, "INSERT INTO kept VALUES ('committed')")
	open := connect(t, url)
	exec1(t, open, "BEGIN")
	exec1(t, open, "INSERT INTO kept VALUES ('in flight')")
	p.Kill(t)
	if _, err := open.Exec(t.Context(), "COMMIT"); err == nil {
		t.Error("a killed server commits")
	}
	p.Start(t)
	if got := text(t, connect(t, url), "SELECT string_agg(how, ',' ORDER BY how) FROM kept"); got != "committed,stopped" {
		t.Errorf("kept %q", got)
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(p.Dir()), "log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "was not properly shut down") {
		t.Error("the server did not notice that it was killed")
	}
}

// TestPostgresKillReachesWorkers has a statement run that would go on for long after its server's death.
func TestPostgresKillReachesWorkers(t *testing.T) {
	p := testenv.StartPostgres(t)
	c := connect(t, p.Database(t))
	pid := text(t, c, "SELECT pg_backend_pid()::text")
	failed := make(chan error, 1)
	go func() {
		_, err := c.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 100000000000)")
		failed <- err
	}()
	watch := connect(t, p.URL("postgres", "postgres"))
	for text(t, watch, "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND pid = "+pid) != "1" {
		time.Sleep(time.Millisecond)
	}
	p.Kill(t)
	if err := <-failed; err == nil {
		t.Error("the statement did not fail")
	}
	if state, err := exec.Command("cat", "/proc/"+pid+"/stat").Output(); err == nil && !strings.Contains(string(state), ") Z ") {
		t.Errorf("the worker lives: %s", state)
	}
	p.Start(t)
}

func TestPostgresReadOnly(t *testing.T) {
	p := testenv.StartPostgres(t)
	c := connect(t, p.Database(t))
	exec1(t, c, "CREATE TABLE rows (n int)")
	p.ReadOnly(t, true)
	if _, err := c.Exec(t.Context(), "INSERT INTO rows VALUES (1)"); !refused(err, "25006") {
		t.Errorf("a write in a connection from before: %v, want 25006", err)
	}
	if got := text(t, c, "SELECT count(*)::text FROM rows"); got != "0" {
		t.Errorf("%s rows", got)
	}
	p.ReadOnly(t, false)
	exec1(t, c, "INSERT INTO rows VALUES (2)")
}

func TestPostgresCut(t *testing.T) {
	p := testenv.StartPostgres(t)
	url := p.Database(t)
	one, other := connect(t, url), connect(t, p.URL("postgres", "postgres"))
	p.Cut(t)
	for _, c := range []*pgx.Conn{one, other} {
		if _, err := c.Exec(t.Context(), "SELECT 1"); !refused(err, "57P01") {
			t.Errorf("a cut connection: %v, want 57P01", err)
		}
	}
	exec1(t, connect(t, url), "SELECT 1")
}

func TestPostgresFreeze(t *testing.T) {
	p := testenv.StartPostgres(t)
	c := connect(t, p.Database(t))
	p.Freeze(t)
	answered := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a frozen server answers: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	p.Thaw(t)
	if err := <-answered; err != nil {
		t.Errorf("after the thaw: %v", err)
	}
	p.Freeze(t) // and ends all the same
}

func TestPostgresTLS(t *testing.T) {
	p := testenv.StartPostgres(t, testenv.TLS)
	url := p.Database(t)
	if !strings.Contains(url, "sslmode=verify-full") || !strings.Contains(url, "sslrootcert=") {
		t.Errorf("the URL %s does not ask for a verified server", url)
	}
	c := connect(t, url)
	if got := text(t, c, "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()"); got != "true" {
		t.Errorf("the connection's TLS is %s", got)
	}
	if _, err := pgx.Connect(t.Context(), strings.Replace(url, "verify-full", "disable", 1)); !refused(err, "28000") {
		t.Errorf("without TLS: %v, want 28000", err)
	}
	foreign := testenv.StartPostgres(t, testenv.TLS)
	if _, err := pgx.Connect(t.Context(), strings.Replace(url, p.Addr(), foreign.Addr(), 1)); err == nil {
		t.Error("a server with another certificate is trusted")
	}
}
