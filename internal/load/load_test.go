package load

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// server answers every request with f and counts them.
func server(t *testing.T, f http.HandlerFunc) (*Client, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		if r.Header.Get("X-Api-Key") != "key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		f(w, r)
	}))
	t.Cleanup(s.Close)
	return NewClient(s.URL, "key", 4), &n
}

func TestVerdicts(t *testing.T) {
	c, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/v1/decisions/t1":
		case r.URL.Path == "/v1/decisions" && string(body) == `{"id":"t1"}` && r.Header.Get("Content-Type") == "application/json":
		default:
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, `{"transaction_id":"t1","outcome":"review","score":600,"more":1}`)
	})
	want := Verdict{TransactionID: "t1", Outcome: "review", Score: 600}
	if v, err := c.Decide(context.Background(), []byte(`{"id":"t1"}`)); err != nil || v != want {
		t.Errorf("Decide = %+v, %v", v, err)
	}
	if v, err := c.Decision(context.Background(), "t1"); err != nil || v != want {
		t.Errorf("Decision = %+v, %v", v, err)
	}
	var status *StatusError
	if _, err := c.Decision(context.Background(), "other"); !errors.As(err, &status) || status.Status != http.StatusTeapot || status.Temporary() {
		t.Errorf("Decision of another id = %v", err)
	}
}

func TestBatchesAreReadLineByLine(t *testing.T) {
	answer := "{\"line\":1,\"transaction_id\":\"a\",\"status\":\"accepted\"}\n{\"line\":2,\"status\":\"refused\"}\n{\"line\":3,\"transaction_id\":\"c\",\"status\":\"duplicate\"}\n"
	c, _ := server(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, answer) })
	var acked []string
	err := c.Batch(context.Background(), []byte("x"), func(l Line) {
		if l.Acknowledged() {
			acked = append(acked, l.TransactionID)
		}
	})
	if err != nil || strings.Join(acked, ",") != "a,c" {
		t.Errorf("acknowledged %v, %v", acked, err)
	}
	if err := c.Batch(context.Background(), []byte("x"), nil); err != nil {
		t.Error(err)
	}
	answer = "{\"line\":1"
	if err := c.Batch(context.Background(), []byte("x"), func(Line) {}); err == nil {
		t.Error("a cut answer is taken for a whole one")
	}
}

func TestInsistRepeatsWhatMayPass(t *testing.T) {
	left := int64(3)
	c, n := server(t, func(w http.ResponseWriter, r *http.Request) {
		if left--; left >= 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	if err := Insist(context.Background(), func(ctx context.Context) error { return c.Label(ctx, nil) }); err != nil || n.Load() != 4 {
		t.Errorf("%v after %d requests, want none after 4", err, n.Load())
	}
	var status *StatusError
	left = 1
	if err := c.Label(context.Background(), nil); !errors.As(err, &status) || status.RetryAfter != time.Second || status.Error() != "server answered 503" {
		t.Errorf("Label = %v", err)
	}
	bad := NewClient(c.base, "wrong", 1)
	if err := Insist(context.Background(), bad.Ready); !errors.As(err, &status) || status.Status != http.StatusUnauthorized {
		t.Errorf("Insist repeats what will never pass: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	gone := NewClient("http://127.0.0.1:1", "key", 1)
	if err := Insist(ctx, gone.Ready); err == nil {
		t.Error("Insist does not end with its context")
	}
	if err := gone.WaitReady(ctx); err == nil {
		t.Error("WaitReady does not end with its context")
	}
	if err := c.WaitReady(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestOpenLoopDoesNotWaitForAnswers(t *testing.T) {
	var mu sync.Mutex
	seen := map[int]bool{}
	started := make(chan struct{}, 20)
	release := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		OpenLoop(context.Background(), 10_000, 20, func(i int, _ time.Time) {
			started <- struct{}{}
			<-release
			mu.Lock()
			defer mu.Unlock()
			seen[i] = true
		})
	}()
	for range 20 {
		<-started // all start although none has ended
	}
	close(release)
	<-done
	if len(seen) != 20 {
		t.Errorf("%d calls, want 20", len(seen))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	OpenLoop(ctx, 1, 5, func(i int, _ time.Time) { t.Error("a call after the end") })
}

func TestPercentiles(t *testing.T) {
	l := NewLatencies()
	for i := 1; i <= 1000; i++ {
		l.Add(time.Duration(i) * time.Millisecond)
	}
	l.Add(-time.Second)
	l.Add(time.Hour)
	p := l.Percentiles()
	near := func(got, want float64) bool { return got > want*0.99 && got < want*1.01 }
	if !near(p.P50, 500) || !near(p.P99, 990) || !near(p.P999, 1000) || !near(p.Max, 60_000) || p.N != 1002 {
		t.Errorf("percentiles are %+v", p)
	}
}
