package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
)

func TestWhichFunction(t *testing.T) {
	for _, c := range []struct {
		argument, handler string
		want              Name
		err               error
	}{
		{"", "ingest", Ingest, nil}, {"", "process", Process, nil}, {"", "admin", Administration, nil}, {"process", "ingest", Process, nil}, {"admin", "", Administration, nil},
		{"", "", "", ErrName}, {"", "bootstrap", "", ErrName}, {"Ingest", "ingest", "", ErrName},
	} {
		if got, err := Which(c.argument, c.handler); got != c.want || !errors.Is(err, c.err) || c.err == nil && err != nil {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestOutsideOfLambda(t *testing.T) {
	if err := Start(t.Context(), openChild(Ingest), StartOptions{}); !errors.Is(err, ErrNotLambda) {
		t.Errorf("%v", err)
	}
}

// start makes this program a function.
func start(t *testing.T, handler string, o lambdatest.Options, env ...string) *lambdatest.Function {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Handler = handler
	if o.Term == 0 {
		o.Term = 10 * time.Second // the machine may be busy, and the race detector ends slowly
	}
	return lambdatest.Start(t, []string{program}, env, o)
}

// command sends a command and returns what it printed, or the type of the error and its message.
func command(t *testing.T, f *lambdatest.Function, words ...string) (output, kind, message string) {
	t.Helper()
	response, functionError, err := f.Invoke(t.Context(), map[string][]string{"command": words})
	if err != nil {
		t.Fatal(err)
	}
	if functionError != "" {
		var e struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal(response, &e); err != nil || e.ErrorType == "" {
			t.Fatalf("%v: %s", err, response)
		}
		return "", e.ErrorType, e.ErrorMessage
	}
	var r AdminResult
	if err := json.Unmarshal(response, &r); err != nil {
		t.Fatalf("%v: %s", err, response)
	}
	return r.Output, "", ""
}

func TestEventsOneAfterTheOtherInOneProcess(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{Timeout: 20 * time.Second})
	first, _, _ := command(t, f, "pid")
	if deadline, _, _ := command(t, f, "deadline"); deadline != "15s" { // a quarter of the time is the margin here
		t.Errorf("%s are left", deadline)
	}
	if _, kind, message := command(t, f, "fail"); kind != "AdminError" || message != "command fail ended with status 1: no such table" {
		t.Errorf("%s: %s", kind, message)
	}
	if _, kind, message := command(t, f, "--x"); kind != "wrapError" || !strings.HasPrefix(message, "read command: ") {
		t.Errorf("%s: %s", kind, message)
	}
	if out, _, _ := command(t, f, "fill"); len(out) != outputBytes {
		t.Errorf("%d bytes of output", len(out))
	}
	if last, _, _ := command(t, f, "pid"); first == "" || last != first || f.Starts() != 1 {
		t.Errorf("process %s, then %s, %d starts", first, last, f.Starts())
	}
	out, _, _ := command(t, f, "environment")
	for name := range strings.SplitSeq(out, "\n") {
		name, _, _ = strings.Cut(name, "=")
		if !slices.Contains([]string{"PATH", "TMPDIR", "TZ", "_HANDLER"}, name) && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "_X_AMZN_") {
			t.Errorf("the environment has %s", name)
		}
	}
}

func TestProcessThatEndsIsStartedAgain(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{})
	if _, kind, message := command(t, f, "exit"); kind != "Runtime.ExitError" || !strings.Contains(message, "exit status 7") {
		t.Errorf("%s: %s", kind, message)
	}
	first, _, _ := command(t, f, "pid")
	f.Kill()
	second, _, _ := command(t, f, "pid")
	if first == second || f.Starts() != 3 {
		t.Errorf("process %s, then %s, %d starts", first, second, f.Starts())
	}
}

func TestKillInTheMiddleOfAnEvent(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{})
	type end struct{ kind, message string }
	ended := make(chan end, 1)
	go func() {
		_, kind, message := command(t, f, "hang")
		ended <- end{kind, message}
	}()
	waitFor(t, func() bool { return strings.Contains(f.Logs(), "hanging") })
	f.Kill()
	if e := <-ended; e.kind != "Runtime.ExitError" || !strings.Contains(e.message, "signal: killed") {
		t.Errorf("%+v", e)
	}
	if out, _, _ := command(t, f, "pid"); out == "" {
		t.Error("no cold start after that")
	}
}

func TestEventOverItsTime(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{Timeout: 300 * time.Millisecond})
	if _, kind, message := command(t, f, "hang"); kind != "Sandbox.Timedout" || !strings.Contains(message, "0.30 seconds") {
		t.Errorf("%s: %s", kind, message)
	}
	if out, _, _ := command(t, f, "pid"); out == "" || f.Starts() != 2 {
		t.Errorf("%q after %d starts", out, f.Starts())
	}
}

func TestLimitsOfLambda(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{}, "CHILD_OPEN=large")
	if _, kind, _ := command(t, f, "x"); kind != "Function.ResponseSizeTooLarge" {
		t.Errorf("a response over 6 MiB: %s", kind)
	}
	for name, payload := range map[string]any{"over 6 MiB": strings.Repeat("x", 6<<20), "no JSON": []byte("{"), "not to be JSON": func() {}} {
		if _, _, err := f.Invoke(t.Context(), payload); err == nil {
			t.Errorf("an event that is %s was sent", name)
		}
	}
}

func TestProcessThatDoesNotEnd(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{Term: time.Millisecond}, "CHILD_CLOSE=hangs")
	if out, _, _ := command(t, f, "pid"); out == "" {
		t.Fatal("no process")
	}
	if codes := f.Shutdown(); !slices.Equal(codes, []int{-1}) {
		t.Errorf("ended with %v", codes)
	}
}

func TestEventThatNobodyWaitsFor(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, _, err := f.Invoke(ctx, []byte(`{"command":["hang"]}`))
		failed <- err
	}()
	waitFor(t, func() bool { return strings.Contains(f.Logs(), "hanging") })
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if out, _, _ := command(t, f, "pid"); out == "" || f.Starts() != 2 {
		t.Errorf("%q after %d starts", out, f.Starts())
	}
	f.Shutdown()
	if _, _, err := f.Invoke(t.Context(), []byte(`{"command":["pid"]}`)); err == nil {
		t.Error("an event after the end")
	}
}

func TestOpeningThatFailsIsReported(t *testing.T) {
	for open, want := range map[string]string{
		"fails":  "open function: connect to store: postgres://master:***@db refused",
		"panics": "open function: panic of type string",
		"hangs":  "open function: connect to cache: context deadline exceeded",
	} {
		f := start(t, "process", lambdatest.Options{}, "CHILD_OPEN="+open)
		for range 2 { // each event is another try
			if _, kind, message := command(t, f, "pid"); kind != "OpenError" || message != want {
				t.Errorf("%s: %s: %s", open, kind, message)
			}
		}
		logs := f.Logs()
		if strings.Contains(logs, "hunter2") || !strings.Contains(logs, "child: "+want) || f.Starts() < 2 {
			t.Errorf("%s: %d starts, logged %s", open, f.Starts(), logs)
		}
	}
	f := start(t, "bootstrap", lambdatest.Options{})
	if _, kind, message := command(t, f, "pid"); kind != "Runtime.ExitError" || !strings.Contains(message, "exit status 1") {
		t.Errorf("an unknown function: %s: %s", kind, message)
	}
}

func TestOpeningThatFailsBeforeALambdaThatFails(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHILD_OPEN", "fails")
	for api, want := range map[string]string{refusing.Listener.Addr().String(): "the runtime answered 404", nobody: "connection refused"} {
		err := Start(t.Context(), openChild(Ingest), StartOptions{RuntimeAPI: api})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "connect to store") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

func TestEndsInOrder(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{})
	if out, _, _ := command(t, f, "pid"); out == "" {
		t.Fatal("no process")
	}
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() {
		if out, kind, message := command(t, f, "nap"); out != "woke up" {
			t.Errorf("the event was cut off: %s: %s", kind, message)
		}
	})
	waitFor(t, func() bool { return strings.Contains(f.Logs(), "napping") })
	if codes := f.Shutdown(); !slices.Equal(codes, []int{0}) || !strings.Contains(f.Logs(), "child closed") {
		t.Errorf("ended with %v: %s", codes, f.Logs())
	}
}

func TestEndsThoughAnEventDoesNot(t *testing.T) {
	f := start(t, "admin", lambdatest.Options{})
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { command(t, f, "hang") })
	waitFor(t, func() bool { return strings.Contains(f.Logs(), "hanging") })
	if codes := f.Shutdown(); !slices.Equal(codes, []int{0}) || !strings.Contains(f.Logs(), "still being handled") {
		t.Errorf("ended with %v: %s", codes, f.Logs())
	}
	f = start(t, "admin", lambdatest.Options{}, "CHILD_CLOSE=fails")
	if out, _, _ := command(t, f, "pid"); out == "" {
		t.Fatal("no process")
	}
	if codes := f.Shutdown(); !slices.Equal(codes, []int{1}) || !strings.Contains(f.Logs(), "close function: cannot close") {
		t.Errorf("ended with %v: %s", codes, f.Logs())
	}
}

func TestHTTPThroughARealProcess(t *testing.T) {
	f := start(t, "ingest", lambdatest.Options{})
	server := httptest.NewServer(lambdatest.Gateway(f, session))
	defer server.Close()
	var work sync.WaitGroup
	for range 4 { // at once: each takes a process of its own
		work.Go(func() {
			answer, err := http.Post(server.URL+"/v1/labels?a=%20b", "application/json", strings.NewReader(strings.Repeat("x", 100_000)))
			if err != nil {
				t.Error(err)
				return
			}
			defer answer.Body.Close()
			body := make([]byte, 200)
			n, _ := answer.Body.Read(body)
			if want := "POST /v1/labels?a=%20b by arn:aws:iam::123456789012:role/checkout of 100000 bytes <nil>"; answer.StatusCode != 200 || string(body[:n]) != want {
				t.Errorf("answered %d %s", answer.StatusCode, body[:n])
			}
		})
	}
	work.Wait()
	if n := f.Starts(); n < 1 || n > 5 {
		t.Errorf("%d starts", n)
	}
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("it does not happen")
		}
	}
}
