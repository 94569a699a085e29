package testenv

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// Stop ends the server in order: connections are cut, transactions rolled back, data written.
func (p *Postgres) Stop(t T) {
	t.Helper()
	p.Thaw(t)
	must(t, p.process.stop(syscall.SIGINT))
}

// Kill ends the server and all its workers at once with SIGKILL, in the middle of whatever they do.
func (p *Postgres) Kill(t T) {
	t.Helper()
	p.kill()
}

func (p *Postgres) kill() {
	if !p.process.running() {
		return
	}
	memory := p.memory()
	halt(p.process.pid()) // so that it makes no more workers
	workers := children(p.process.pid())
	p.process.kill()
	for _, pid := range workers {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone already: the server's death ends them, too
	}
	for _, pid := range workers {
		for state(pid).alive {
			time.Sleep(pollEvery)
		}
	}
	if memory >= 0 {
		// The system keeps it otherwise until it has no more. A server that starts again would do the same.
		_, _ = unix.SysvShmCtl(memory, unix.IPC_RMID, nil)
	}
}

// memory is the number of the server's shared memory segment, or -1 while it has not told.
func (p *Postgres) memory() int {
	text, err := os.ReadFile(p.pidFile())
	if err != nil {
		return -1
	}
	lines := strings.Split(string(text), "\n")
	const line = 6 // of what the server writes there: key and id of the segment
	if len(lines) <= line {
		return -1
	}
	fields := strings.Fields(lines[line])
	if len(fields) != 2 {
		return -1
	}
	id, err := strconv.Atoi(fields[1])
	if err != nil {
		return -1
	}
	return id
}

// Start runs a server again that was stopped or killed, on the same port and data.
func (p *Postgres) Start(t T) {
	t.Helper()
	if p.process.running() {
		t.Fatalf("start PostgreSQL: it runs")
	}
	must(t, p.launch())
}

// Freeze has the server and its workers stand still: connections stay and are taken, nothing answers.
func (p *Postgres) Freeze(t T) {
	t.Helper()
	if !p.process.running() {
		t.Fatalf("freeze PostgreSQL: it does not run")
	}
	halt(p.process.pid())
	for _, pid := range children(p.process.pid()) {
		halt(pid)
	}
}

// Thaw ends Freeze: the server goes on where it stood.
func (p *Postgres) Thaw(t T) {
	t.Helper()
	if !p.process.running() {
		return
	}
	for _, pid := range children(p.process.pid()) {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	p.process.signal(syscall.SIGCONT)
}

// ReadOnly has every new transaction refuse writes (SQLSTATE 25006), as a former primary does after a failover, until it is
// called with false. A transaction that says READ WRITE by itself is not stopped.
func (p *Postgres) ReadOnly(t T, on bool) {
	t.Helper()
	value := "off"
	if on {
		value = "on"
	}
	p.Exec(t, "ALTER SYSTEM SET default_transaction_read_only = "+value)
	p.Exec(t, "SELECT pg_reload_conf()")
	// Workers hear of it after the server. Those that are made after it knew, know it from birth.
	for deadline := time.Now().Add(adminLimit); p.show(t, "default_transaction_read_only") != value; time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("make PostgreSQL read-only (%s): it did not take the setting within %v", value, adminLimit)
		}
	}
}

// show is a setting as a new connection sees it.
func (p *Postgres) show(t T, setting string) (value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), adminLimit)
	defer cancel()
	connection, err := pgx.Connect(ctx, p.URL(superuser, superuser))
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer connection.Close(ctx)
	if err := connection.QueryRow(ctx, "SHOW "+setting).Scan(&value); err != nil {
		t.Fatalf("show %s: %v", setting, err)
	}
	return value
}

// Cut ends all connections to all databases, and returns when they are gone. New ones are taken.
func (p *Postgres) Cut(t T) {
	t.Helper()
	p.Exec(t, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
}
