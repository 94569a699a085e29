package moto

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fake writes a program that the package takes for moto_server.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), program)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStartSaysHowToGetTheProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context())
	if !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "pip install 'moto[server]==5.2.1'") {
		t.Fatalf("Start without the program = %v, want ErrMissing with the command", err)
	}
}

func TestStartReportsAProgramThatEnds(t *testing.T) {
	_, err := start(t.Context(), fake(t, "echo no module named moto >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "moto_server ended") || !strings.Contains(err.Error(), "no module named moto") {
		t.Fatalf("start = %v, want that it ended, and its output", err)
	}
}

func TestStartEndsAProgramThatNeverAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	pidFile := filepath.Join(t.TempDir(), "pid")
	path := fake(t, "echo $$ > "+pidFile+".new; mv "+pidFile+".new "+pidFile+"; exec sleep 600")
	failed := make(chan error, 1)
	go func() {
		_, err := start(ctx, path)
		failed <- err
	}()
	pid := 0
	for pid == 0 { // the test's own time limit ends a program that never starts
		text, err := os.ReadFile(pidFile)
		if err == nil {
			if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Fatalf("start = %v, want context.Canceled", err)
	}
	awaitEnd(pid)
}

// The program chooses its port: nobody else can have taken the one it tells, as one that is picked beforehand.
func TestStartAsksWhereTheProgramSaysItListens(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/moto-api/data.json" {
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	m, err := start(t.Context(), fake(t, `[ "$*" = "-H 127.0.0.1 -p 0" ] || { echo "not $*"; exit 3; }
echo " * Running on `+server.URL+`" >&2
exec sleep 600`))
	if err != nil {
		t.Fatal(err)
	}
	m.Stop()
	if m.Endpoint() != server.URL {
		t.Errorf("endpoint = %s, want what the program told, %s", m.Endpoint(), server.URL)
	}
}

// The number of a process that ended can be another's; here it is that of a bystander.
func TestStopSparesWhoeverHasTheNumberNow(t *testing.T) {
	bystander := exec.Command("sleep", "600")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	m := &Moto{command: bystander, lifeline: io.NopCloser(nil), ended: make(chan struct{})}
	close(m.ended)
	m.Stop()
	if err := bystander.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = bystander.Wait() // the state says it all
	if got := bystander.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != syscall.SIGTERM {
		t.Errorf("the bystander ended by %q, want only the test's own %q", got, syscall.SIGTERM)
	}
}

// A program that ignores the request to end is killed.
func TestStopKillsWhatLingers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	pidFile := filepath.Join(t.TempDir(), "pid")
	m, err := start(t.Context(), fake(t, "trap '' TERM; echo $$ > "+pidFile+"; echo ' * Running on "+server.URL+"'; while :; do sleep 1; done"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	m.Stop()
	awaitEnd(pid)
}

func TestTailKeepsTheEnd(t *testing.T) {
	var log tail
	for _, part := range []string{strings.Repeat("a", logLimit), "the end"} {
		if _, err := io.WriteString(&log, part); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.String(); len(got) != logLimit || !strings.HasSuffix(got, "athe end") {
		t.Fatalf("tail has %d bytes ending %q, want %d ending in the last part", len(got), got[len(got)-8:], logLimit)
	}
}

// awaitEnd returns when the process is gone; the test's own time limit ends the wait for one that lives on.
func awaitEnd(pid int) {
	for alive(pid) {
		time.Sleep(pollEvery)
	}
}

// alive tells whether a process is there and not merely waiting to be reaped by whoever adopted it.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}
