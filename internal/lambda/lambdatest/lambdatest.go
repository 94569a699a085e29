// Package lambdatest is AWS Lambda for tests: it starts the real program as a process
// that believes to be in Lambda, and sends it events.
//
// [Start] speaks the Runtime API (2018-06-01) and as much of the Extensions API as a
// program needs that asks for SIGTERM. Like Lambda it starts a process when an event
// finds none that is idle, gives each process one event at a time, keeps processes for
// the next event, ends one that is over its time with SIGKILL, and calls a process that
// ended an error of the function. Unlike Lambda it does not freeze idle processes.
//
// [Gateway] stands for an HTTP API before a function, [Poll] for an event source
// mapping of Kinesis behind a stream. [HTTPRequest] and [KinesisEvent] make events one
// by one.
package lambdatest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options are what a deployment would say of a function.
type Options struct {
	Handler string        // what _HANDLER says
	Timeout time.Duration // for an event; 30 s if zero
	Term    time.Duration // from SIGTERM to SIGKILL; 500 ms if zero, which is what Lambda gives
}

// MaxPayload is the largest event and the largest response, in bytes, as Lambda has it.
const MaxPayload = 6 << 20

// Function is a program as a function of Lambda. All methods may be called at once.
type Function struct {
	t       testing.TB
	program []string
	env     []string
	options Options
	logs    *logs

	mu       sync.Mutex
	all      map[*environment]bool
	idle     []*environment
	starts   int
	requests int
	closed   bool
}

// Start makes a function of a program with its arguments, whose environment is env ("NAME=value") and what Lambda adds;
// nothing is taken over from the test but PATH. A first process is started at once and opens meanwhile. All processes
// end with the test, and their logs are shown if it fails.
func Start(t testing.TB, program, env []string, o Options) *Function {
	t.Helper()
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Term <= 0 {
		o.Term = 500 * time.Millisecond
	}
	f := &Function{t: t, program: program, env: env, options: o, logs: &logs{}, all: map[*environment]bool{}}
	t.Cleanup(func() {
		f.Shutdown()
		if t.Failed() {
			t.Logf("logs of the function:\n%s", f.Logs())
		}
	})
	e, err := f.start()
	if err != nil {
		t.Fatalf("start function: %v", err)
	}
	f.release(e)
	return f
}

// Invoke sends an event, which is JSON or is made JSON, and returns the response. A functionError that is not empty says
// that the function failed, and response is then Lambda's description of the error. err is a fault of the test's own.
func (f *Function) Invoke(ctx context.Context, payload any) (response []byte, functionError string, err error) {
	event, err := encode(payload)
	if err != nil {
		return nil, "", err
	}
	e, err := f.acquire()
	if err != nil {
		return nil, "", err
	}
	answer, err := e.invoke(ctx, f.request(), event, f.options.Timeout)
	f.release(e)
	if err != nil {
		return nil, "", fmt.Errorf("invoke function: %w", err)
	}
	if answer.failed {
		return answer.body, "Unhandled", nil
	}
	return answer.body, "", nil
}

func encode(payload any) ([]byte, error) {
	event, ok := payload.([]byte)
	if !ok {
		var err error
		if event, err = json.Marshal(payload); err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
	}
	if len(event) > MaxPayload || !json.Valid(event) {
		return nil, fmt.Errorf("encode event: %d bytes, which are over %d or no JSON", len(event), MaxPayload)
	}
	return event, nil
}

func (f *Function) request() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", f.requests)
}

// acquire takes an idle process, or starts one.
func (f *Function) acquire() (*environment, error) {
	f.mu.Lock()
	for len(f.idle) > 0 {
		e := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if !e.ended() {
			f.mu.Unlock()
			return e, nil
		}
		delete(f.all, e)
		e.close()
	}
	f.mu.Unlock()
	return f.start()
}

func (f *Function) start() (*environment, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("start process: the function was shut down")
	}
	e, err := startEnvironment(f.program, f.env, f.options, f.logs)
	if err != nil {
		return nil, err
	}
	f.starts++
	f.all[e] = true
	return e, nil
}

// release keeps a process for the next event.
func (f *Function) release(e *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.ended() {
		delete(f.all, e)
		e.close()
		return
	}
	f.idle = append(f.idle, e)
}

// Starts is how many processes were started so far.
func (f *Function) Starts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.starts
}

// Logs is what all processes have written to their standard output and error so far.
func (f *Function) Logs() string { return f.logs.String() }

// Kill ends all processes with SIGKILL, whatever they are at, and returns when they are gone. The next event is a cold
// start.
func (f *Function) Kill() {
	for _, e := range f.environments() {
		e.kill()
	}
}

// Shutdown ends the function as Lambda does: processes that asked for it get SIGTERM and some time, then and all others
// SIGKILL. It returns the exit codes, -1 for a process that was killed. No event can be sent any more.
func (f *Function) Shutdown() []int {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	var codes []int
	for _, e := range f.environments() {
		codes = append(codes, e.shutdown(f.options.Term))
		e.close()
		f.mu.Lock()
		delete(f.all, e)
		f.mu.Unlock()
	}
	return codes
}

func (f *Function) environments() []*environment {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]*environment, 0, len(f.all))
	for e := range f.all {
		all = append(all, e)
	}
	return all
}

// logs is what processes write, one after the other or at once.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
