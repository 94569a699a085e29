package testenv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	// oldestPostgres is the first major version that will do.
	oldestPostgres = 15
	// adminLimit bounds a single order to a server.
	adminLimit = 60 * time.Second
)

// Postgres is a PostgreSQL server. Anybody on this machine is its superuser. Faults are for one goroutine at a time.
type Postgres struct {
	programs  string // the folder of initdb and postgres
	owner     *syscall.Credential
	dir       string // has data, log, socket and certificate
	port      int
	tls       bool
	shared    bool
	process   *process
	databases atomic.Int64
}

// sharedPostgres is for all tests of this process.
var sharedPostgres = sync.OnceValues(func() (*Postgres, error) { return startPostgres(&Postgres{shared: true}) })

// SharedPostgres is one server for all tests of the process, started at first use. Do not make it fail: use StartPostgres.
func SharedPostgres(t T) *Postgres {
	t.Helper()
	p, err := sharedPostgres()
	must(t, err)
	return p
}

// StartPostgres runs a server for this test alone, which may make it fail.
func StartPostgres(t T, options ...Option) *Postgres {
	t.Helper()
	p, err := startPostgres(&Postgres{tls: slices.Contains(options, TLS)})
	must(t, err)
	t.Cleanup(func() {
		p.Thaw(t)
		_ = p.process.stop(syscall.SIGQUIT) // quick, and in order; if it should fail, the next line does not
		p.kill()
		if err := os.RemoveAll(p.dir); err != nil {
			t.Logf("remove a server's folder: %v", err)
		}
	})
	return p
}

// startPostgres runs a server with what p says.
func startPostgres(p *Postgres) (*Postgres, error) {
	h, err := home()
	if err != nil {
		return nil, err
	}
	made, err := template()
	if err != nil {
		return nil, err
	}
	p.programs, p.owner = made.programs, made.owner
	if p.dir, err = h.room("postgres", p.owner); err != nil {
		return nil, err
	}
	if err := run(p.owner, "cp", "-Rp", made.dir, p.Dir()); err != nil {
		return nil, fmt.Errorf("copy the empty data folder: %w", err)
	}
	if p.tls {
		if err := p.secure(); err != nil {
			return nil, err
		}
	}
	err = settle(func(port int) error {
		p.port = port
		return p.launch()
	})
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return p, nil
}

// launch starts the server on its port and data, and returns once it takes connections.
func (p *Postgres) launch() error {
	// A killed server leaves the file, whose number may be another process's by now.
	if err := os.Remove(p.pidFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	command := []string{filepath.Join(p.programs, "postgres"), "-D", p.Dir()}
	for _, setting := range []string{
		"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(p.port), "unix_socket_directories=" + p.dir,
		"max_connections=200", "shared_buffers=256MB", "max_wal_size=4GB", "checkpoint_timeout=15min", "wal_compression=lz4",
		"fsync=on", "synchronous_commit=on", "full_page_writes=on",
	} {
		command = append(command, "-c", setting)
	}
	if p.tls {
		command = append(command, "-c", "ssl=on", "-c", "ssl_cert_file="+p.CA(), "-c", "ssl_key_file="+p.keyFile())
	}
	// Its children are groups of their own. It takes them along when it is told to quit, not when it is killed.
	process, err := launch(blueprint{dir: p.dir, command: command, owner: p.owner, end: "QUIT"})
	if err != nil {
		return err
	}
	p.process = process
	return process.await(func() bool {
		state, err := os.ReadFile(p.pidFile())
		return err == nil && strings.HasSuffix(strings.TrimRight(string(state), " \n"), "\nready")
	})
}

func (p *Postgres) pidFile() string { return filepath.Join(p.Dir(), "postmaster.pid") }

// Dir is the server's data folder.
func (p *Postgres) Dir() string { return filepath.Join(p.dir, "data") }

// Addr is where the server listens, host:port.
func (p *Postgres) Addr() string { return local(p.port) }

// URL names a database and a user, with all it takes to connect: sslmode=disable, or with the option TLS sslmode=verify-full
// and the certificate. There are no passwords.
func (p *Postgres) URL(database, user string) string {
	query := url.Values{"sslmode": {"disable"}}
	if p.tls {
		query = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {p.CA()}}
	}
	u := url.URL{Scheme: "postgres", User: url.User(user), Host: p.Addr(), Path: "/" + database, RawQuery: query.Encode()}
	return u.String()
}

// Database makes an empty database and returns its URL, as superuser. A shared server's is dropped when the test ends,
// along with whoever is still connected to it. Roles are the server's, not the database's.
func (p *Postgres) Database(t T) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", p.databases.Add(1))
	p.Exec(t, "CREATE DATABASE "+name+" TEMPLATE template0")
	if p.shared {
		t.Cleanup(func() {
			t.Helper()
			p.Exec(t, "DROP DATABASE "+name+" WITH (FORCE)")
		})
	}
	return p.URL(name, superuser)
}

// Exec runs one statement as superuser in the server's own database, in a connection of its own.
func (p *Postgres) Exec(t T, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminLimit) // cleanups come after the test's context
	defer cancel()
	connection, err := pgx.Connect(ctx, p.URL(superuser, superuser))
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v\n%s", err, p.process.tail())
	}
	_, err = connection.Exec(ctx, sql)
	if err := errors.Join(err, connection.Close(ctx)); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// empty is a data folder as initdb makes it.
type empty struct {
	programs string
	owner    *syscall.Credential
	dir      string
}

// template makes the data folder that all servers of this process begin with: copying is quicker than making.
var template = sync.OnceValues(func() (*empty, error) {
	programs, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	h, err := home()
	if err != nil {
		return nil, err
	}
	owner, err := unprivileged()
	if err != nil {
		return nil, err
	}
	room, err := h.room("initdb", owner)
	if err != nil {
		return nil, err
	}
	made := &empty{programs: programs, owner: owner, dir: filepath.Join(room, "data")}
	err = run(owner, filepath.Join(programs, "initdb"), "-D", made.dir, "-A", "trust", "-U", superuser, "--no-sync", "-E", "UTF8", "--locale=C")
	if err != nil {
		return nil, fmt.Errorf("make a data folder: %w", err)
	}
	return made, nil
})

// run executes a program to its end as the given user.
func run(owner *syscall.Credential, program string, args ...string) error {
	command := exec.Command(program, args...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(program), err, output)
	}
	return nil
}

var postgresVersion = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// postgresPrograms is the folder with the newest server's programs.
func postgresPrograms() (string, error) {
	folders, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL: %w", err)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	best, newest := "", oldestPostgres-1
	for _, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err != nil {
			continue
		}
		output, err := exec.Command(filepath.Join(folder, "postgres"), "--version").Output()
		told := postgresVersion.FindSubmatch(output)
		if err != nil || told == nil {
			continue
		}
		if version, err := strconv.Atoi(string(told[1])); err == nil && version > newest {
			best, newest = folder, version
		}
	}
	if best == "" {
		return "", fmt.Errorf("PostgreSQL %d or newer: %w", oldestPostgres, errMissing)
	}
	return best, nil
}
