package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// askLimit bounds a question to a Redis server.
const askLimit = 20 * time.Second

// Redis is a standalone Redis server that keeps nothing on disk. Faults are for one goroutine at a time.
type Redis struct {
	program string
	dir     string
	port    int
	args    []string // further settings
	process *process
}

// sharedRedis is for all tests of this process.
var sharedRedis = sync.OnceValues(func() (*Redis, error) { return startRedis(&Redis{}) })

// SharedRedis is one server for all tests of the process, started at first use. Do not make it fail: use StartRedis. Tests
// that share it tell their keys apart by a prefix of their own.
func SharedRedis(t T) *Redis {
	t.Helper()
	r, err := sharedRedis()
	must(t, err)
	return r
}

// StartRedis runs a server for this test alone, which may make it fail. The arguments are further settings, as its command
// line has them: "--maxmemory", "100mb".
func StartRedis(t T, args ...string) *Redis {
	t.Helper()
	r, err := startRedis(&Redis{args: args})
	must(t, err)
	t.Cleanup(func() { r.remove(t) })
	return r
}

func startRedis(r *Redis) (*Redis, error) {
	if err := r.prepare(); err != nil {
		return nil, err
	}
	err := settle(func(port int) error {
		r.port = port
		return r.launch()
	})
	if err != nil {
		return nil, fmt.Errorf("start Redis: %w", err)
	}
	return r, nil
}

// prepare finds the program and makes the server's folder.
func (r *Redis) prepare() error {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			r.program = path
			break
		}
	}
	if r.program == "" {
		return fmt.Errorf("redis-server: %w", errMissing)
	}
	h, err := home()
	if err != nil {
		return err
	}
	r.dir, err = h.room("redis", nil)
	return err
}

// launch starts the server on its port and returns once it answers.
func (r *Redis) launch() error {
	command := []string{r.program, "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", r.dir, "--save", "", "--appendonly", "no"}
	process, err := launch(blueprint{dir: r.dir, command: append(command, r.args...), end: "KILL"})
	if err != nil {
		return err
	}
	r.process = process
	me := fmt.Sprintf("\r\nprocess_id:%d\r\n", process.pid()) // and not another's, who took the port
	return process.await(func() bool {
		info, err := ask(r.Addr(), askLimit, "INFO", "server")
		return err == nil && strings.Contains(info, me)
	})
}

// remove ends the server and its folder.
func (r *Redis) remove(t T) {
	t.Helper()
	if r.process != nil {
		r.process.kill()
	}
	if err := os.RemoveAll(r.dir); err != nil {
		t.Logf("remove a server's folder: %v", err)
	}
}

// Addr is where the server listens, host:port.
func (r *Redis) Addr() string { return local(r.port) }

// URL names the server: redis://127.0.0.1:port.
func (r *Redis) URL() string { return "redis://" + r.Addr() }

// Do sends one command and returns the answer, which must be a string or a number. An error ends the test.
func (r *Redis) Do(t T, args ...string) string {
	t.Helper()
	answer, err := ask(r.Addr(), askLimit, args...)
	if err != nil {
		t.Fatalf("ask Redis: %v", err)
	}
	return answer
}

// Flush removes all keys.
func (r *Redis) Flush(t T) {
	t.Helper()
	r.Do(t, "FLUSHALL")
}

// Dump is all that the server holds, as it would write it to its disk: an RDB file's bytes. Nothing is left there.
func (r *Redis) Dump(t T) []byte {
	t.Helper()
	path := filepath.Join(r.dir, "dump.rdb")
	r.Do(t, "SAVE")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		t.Fatalf("read what Redis saved: %v", err)
	}
	return text
}

// Stop ends the server in order.
func (r *Redis) Stop(t T) {
	t.Helper()
	must(t, r.process.stop(syscall.SIGTERM))
}

// Kill ends the server with SIGKILL.
func (r *Redis) Kill(t T) {
	t.Helper()
	r.process.kill()
}

// Start runs a server again that was stopped or killed, on the same port. It is empty, unless its settings say otherwise.
func (r *Redis) Start(t T) {
	t.Helper()
	if r.process.running() {
		t.Fatalf("start Redis: it runs")
	}
	must(t, r.launch())
}

// Freeze has the server stand still: connections stay and are taken, nothing answers.
func (r *Redis) Freeze(t T) {
	t.Helper()
	if !r.process.running() {
		t.Fatalf("freeze Redis: it does not run")
	}
	halt(r.process.pid())
}

// Thaw ends Freeze.
func (r *Redis) Thaw(t T) {
	t.Helper()
	r.process.signal(syscall.SIGCONT)
}
