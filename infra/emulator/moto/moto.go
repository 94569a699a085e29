// Package moto runs a private moto_server, the emulator of AWS that the tests and the local deployment talk to. It is a
// Python program; this package finds it, starts it on a port of its own, waits until it answers and ends it with everything
// it started. It also ends when the process that started it does, however that dies. It needs a POSIX shell.
package moto

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"time"
)

const (
	program = "moto_server"

	// guard runs the program until its own standard input is closed, which the system does when our process is gone, and
	// then ends its process group. A program that ends before takes the guard along, and all that it left. The system
	// chooses the port (0), so that nobody else can take it in between.
	guard = `("$1" -H 127.0.0.1 -p 0 </dev/null; kill -s TERM 0) & read -r _; kill -s TERM 0`

	// startLimit is how long the program may take until it answers. It imports all of boto first, which takes seconds on
	// a busy machine.
	startLimit = 90 * time.Second
	// stopLimit is how long it may take to end by itself before it is killed.
	stopLimit = 5 * time.Second
	pollEvery = 50 * time.Millisecond
	// logLimit is how much of the program's output is kept for an error, in bytes.
	logLimit = 8 << 10
)

// ErrMissing says that the program is not in the PATH, and how to get it.
var ErrMissing = errors.New("moto_server is not installed; get it with: pip install 'moto[server]==5.2.1'")

// Moto is a running moto_server, with nothing in it that it was not told.
type Moto struct {
	endpoint string // empty until the program has told it
	command  *exec.Cmd
	lifeline io.Closer // the guard's standard input
	log      *tail
	ended    chan struct{} // closed when the guard is gone
	stop     sync.Once
}

// Start runs the program on a free port of the loopback interface and returns once it answers. It ends by Stop, not
// with ctx, which bounds the start only. The error is ErrMissing when there is no such program.
func Start(ctx context.Context) (*Moto, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("start the emulator: %w", ErrMissing)
	}
	return start(ctx, path)
}

func start(ctx context.Context, path string) (m *Moto, err error) {
	m = &Moto{log: &tail{}, ended: make(chan struct{})}
	m.command = exec.Command("/bin/sh", "-c", guard, program, path)
	m.command.Stdout, m.command.Stderr = m.log, m.log
	// A version manager may start the program as a child of its own: the whole group is ended, not only the first.
	m.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The program may end after the guard and keeps its output open: do not wait for that forever. Stop comes first.
	m.command.WaitDelay = 2 * stopLimit
	if m.lifeline, err = m.command.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	if err := m.command.Start(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	go func() {
		defer close(m.ended)
		_ = m.command.Wait() // it is killed in the end, which is no news
	}()
	if err := m.await(ctx); err != nil {
		m.Stop()
		return nil, err
	}
	return m, nil
}

// running is the line in which the program tells where it listens, once it does.
var running = regexp.MustCompile(`Running on (http://127\.0\.0\.1:[1-9]\d*)\s`)

// await polls until the program has told its address and answers there, has ended, or the time is up.
func (m *Moto) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if told := running.FindStringSubmatch(m.log.String()); m.endpoint == "" && told != nil {
			m.endpoint = told[1]
		}
		if m.endpoint != "" && answers(ctx, m.endpoint) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the emulator: %w\n%s", ctx.Err(), m.log)
		case <-m.ended:
			return fmt.Errorf("wait for the emulator: %s ended\n%s", program, m.log)
		case <-ticker.C:
		}
	}
}

// answers tells whether the program answers for its own data at the endpoint.
func answers(ctx context.Context, endpoint string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/moto-api/data.json", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
}

// Endpoint is the URL of all its services, such as http://127.0.0.1:41234.
func (m *Moto) Endpoint() string { return m.endpoint }

// Stop ends the program and all it started, at the latest after some seconds. It may be called again.
func (m *Moto) Stop() {
	m.stop.Do(func() {
		_ = m.lifeline.Close() // no error matters: what is gone already is what we want
		select {
		case <-m.ended: // perhaps long ago: the number of its group may be another's by now
		case <-time.After(stopLimit):
			// Whoever still has its output open is in the group, which keeps the number ours.
			_ = syscall.Kill(-m.command.Process.Pid, syscall.SIGKILL)
			<-m.ended
		}
	})
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if extra := t.buf.Len() - logLimit; extra > 0 {
		t.buf.Next(extra)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
