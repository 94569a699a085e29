package httpapi

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzipBombIsNotInflated(t *testing.T) {
	h := newHarness(t, ScopeRead)
	bomb := zipped(t, bytes.Repeat([]byte(" "), 32<<20)) // 32 MiB in 32 KiB
	h.accepted = func(int) { t.Error("a bomb reached the intake") }
	allocations := testing.AllocsPerRun(1, func() {
		if w := h.send("POST", "/v1/transactions:batch", bytes.NewReader(bomb), "Content-Encoding", "gzip"); w.Code != 413 {
			t.Errorf("status %d", w.Code)
		}
	})
	if allocations > 1000 {
		t.Errorf("%v allocations", allocations)
	}
	layered := zipped(t, zipped(t, []byte(transaction("t-1", "1"))))
	if w := h.send("POST", "/v1/transactions:batch", bytes.NewReader(layered), "Content-Encoding", "gzip"); w.Code != 200 || !strings.Contains(w.Body.String(), "refused") {
		t.Errorf("twice compressed: %d %s", w.Code, w.Body)
	}
}

func TestGzipBatch(t *testing.T) {
	h := newHarness(t, ScopeRead)
	for i := range 3 { // again with a pooled inflater, and after a broken one
		body := zipped(t, []byte(transaction(fmt.Sprint("t-", i), "1")+"\n"))
		if w := h.send("POST", "/v1/transactions:batch", bytes.NewReader(body), "Content-Encoding", "gzip"); w.Code != 200 || !strings.Contains(w.Body.String(), "accepted") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w := h.send("POST", "/v1/transactions:batch", bytes.NewReader(body[:len(body)-9]), "Content-Encoding", "gzip"); w.Code != 400 {
			t.Fatalf("cut short: %d %s", w.Code, w.Body)
		}
	}
	if w := h.send("POST", "/v1/transactions", bytes.NewReader(zipped(t, []byte(transaction("t-9", "1")))), "Content-Encoding", "gzip"); w.Code != 415 {
		t.Errorf("a single one compressed: %d", w.Code)
	}
}

func TestOversizedBodies(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.accepted = func(int) { t.Error("it reached the intake") }
	big := strings.Repeat(" ", 64<<10+1)
	for _, path := range []string{"/v1/transactions", "/v1/decisions", "/v1/labels", "/v1/lists/block"} {
		for _, chunked := range []bool{false, true} {
			body := io.Reader(strings.NewReader(big))
			if chunked {
				body = io.MultiReader(body) // hides the length
			}
			if w := h.send("POST", path, body); w.Code != 413 {
				t.Errorf("%s chunked=%v: %d", path, chunked, w.Code)
			}
		}
	}
	if w := h.send("POST", "/v1/transactions:batch", io.MultiReader(strings.NewReader(strings.Repeat(" ", 5<<20+1)))); w.Code != 413 {
		t.Errorf("batch: %d", w.Code)
	}
}

func TestALineOverTheLimitIsRefusedAlone(t *testing.T) {
	h := newHarness(t, ScopeRead)
	long := transaction("t-2", "1") + strings.Repeat(" ", 64<<10)
	w := h.do("POST", "/v1/transactions:batch", transaction("t-1", "1")+"\r\n\n"+long+"\n"+transaction("t-3", "1"))
	want := []string{"1 t-1 accepted ", "3  refused body-too-large", "4 t-3 accepted "}
	if got := lineResults(t, w); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// lineResults are the results of a batch as "line id status problem".
func lineResults(t testing.TB, w *httptest.ResponseRecorder) []string {
	t.Helper()
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var out []string
	for line := range bytes.Lines(w.Body.Bytes()) {
		var r struct {
			Line          int
			TransactionID string `json:"transaction_id"`
			Status        string
			Problem       *Problem
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		code := ""
		if r.Problem != nil {
			code = strings.TrimPrefix(r.Problem.Type, "/problems/")
		}
		out = append(out, fmt.Sprintf("%d %s %s %s", r.Line, r.TransactionID, r.Status, code))
	}
	return out
}

func TestRateIsPerKeyAndABatchCostsItsLines(t *testing.T) {
	h := newHarness(t, ScopeIngest, func(c *Config) { c.Limits.Rate, c.Limits.Burst, c.Limits.BatchLines = 10, 20, 20 })
	batch := strings.Repeat("{}\n", 20)
	if w := h.do("POST", "/v1/transactions:batch", batch); w.Code != 200 {
		t.Fatalf("first batch: %d %s", w.Code, w.Body)
	}
	w := h.do("POST", "/v1/transactions:batch", "{}\n")
	if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Fatalf("over the rate: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if w := h.do("POST", "/v1/transactions:batch", "{}\n", "X-Api-Key", h.weak); w.Code != 200 {
		t.Errorf("another key: %d", w.Code)
	}
	h.clock.advance(time.Second) // ten tokens
	if w := h.do("POST", "/v1/transactions:batch", strings.Repeat("{}\n", 15)); w.Code != 429 {
		t.Errorf("15 lines with 10 tokens: %d", w.Code)
	}
	if w := h.do("POST", "/v1/transactions:batch", strings.Repeat("{}\n", 9)); w.Code != 200 {
		t.Errorf("9 lines: %d, a refused batch must cost no more than its first line", w.Code)
	}
}

func TestAKeysOwnRate(t *testing.T) {
	h := newHarness(t, ScopeRead, func(c *Config) { c.Limits.BatchLines = 2 })
	slow := h.addKey(t, Key{Name: "slow", Scopes: []Scope{ScopeIngest}, Rate: 1, ExpiresAt: noon.AddDate(1, 0, 0)})
	codes := ""
	for range 4 {
		codes += fmt.Sprint(h.do("POST", "/v1/transactions", transaction("t-1", "1"), "X-Api-Key", slow).Code, " ")
	}
	if codes != "202 202 429 429 " {
		t.Errorf("got %s", codes)
	}
}

func TestFullClassAnswers503AndLeavesOthersAlone(t *testing.T) {
	h := newHarness(t, ScopeRead, func(c *Config) { c.Limits.InFlight.Sync = 2 })
	h.hold, h.entered = make(chan struct{}), make(chan struct{})
	done := make(chan int)
	for i := range 2 {
		go func() { done <- h.do("POST", "/v1/decisions", transaction(fmt.Sprint("t-", i), "1")).Code }()
		<-h.entered
	}
	w := h.do("POST", "/v1/decisions", transaction("t-3", "1"))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "overloaded") {
		t.Errorf("third: %d %s", w.Code, w.Body)
	}
	if w := h.do("GET", "/healthz", ""); w.Code != 200 {
		t.Errorf("health: %d", w.Code)
	}
	close(h.hold)
	for range 2 {
		if code := <-done; code != 200 {
			t.Errorf("admitted: %d", code)
		}
	}
	h.hold = nil
	if w := h.do("POST", "/v1/decisions", transaction("t-4", "1")); w.Code != 200 {
		t.Errorf("after: %d", w.Code)
	}
}

func TestDeadline(t *testing.T) {
	h := newHarness(t, ScopeRead, func(c *Config) { c.Limits.Deadline.Sync = time.Millisecond })
	h.hold = make(chan struct{})
	if w := h.do("POST", "/v1/decisions", transaction("t-1", "1")); w.Code != 504 {
		t.Errorf("got %d", w.Code)
	}
}

// TestSlowClientsAreCutOff speaks to a real server, byte by byte.
func TestSlowClientsAreCutOff(t *testing.T) {
	h := newHarness(t, ScopeRead)
	srv := NewServer(h, Timeouts{ReadHeader: 50 * time.Millisecond, Read: 100 * time.Millisecond}, slog.New(slog.DiscardHandler))
	if srv.WriteTimeout != 30*time.Second || srv.IdleTimeout != time.Minute || srv.MaxHeaderBytes != 16<<10 {
		t.Errorf("server %+v", srv)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go srv.Serve(listener)
	defer srv.Shutdown(context.Background())
	ask := func(text string) string {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return "closed"
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return fmt.Sprint(response.StatusCode, " ", string(body))
	}
	if got := ask("GET /healthz HTTP/1.1\r\nHost: x\r\n"); got != "closed" { // the header never ends
		t.Errorf("slow header: %s", got)
	}
	header := "POST /v1/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Api-Key: " + h.key + "\r\nContent-Length: 500\r\n\r\n"
	if got := ask(header + `{"id":`); !strings.HasPrefix(got, "408 ") || !strings.Contains(got, "body-timeout") {
		t.Errorf("slow body: %s", got)
	}
	if got := ask("GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("x", 32<<10) + "\r\n\r\n"); !strings.HasPrefix(got, "431 ") {
		t.Errorf("large header: %s", got)
	}
}

func TestPanicIsAnsweredCountedAndLoggedWithoutItsValue(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.panics = canary
	w := h.do("POST", "/v1/decisions", transaction("t-1", "1"))
	if w.Code != 500 || strings.Contains(w.Body.String(), "anary") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	checkProblem(t, w)
	if log := h.log.String(); strings.Contains(log, "anary") || !strings.Contains(log, "request panicked") || !strings.Contains(log, w.Header().Get("X-Request-Id")) {
		t.Errorf("log: %s", log)
	}
	page := httptest.NewRecorder()
	MetricsHandler(h.api.Metrics).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{"fastshop_panics_total 1", `fastshop_http_requests_total{method="POST",route="/v1/decisions",status="500"} 1`, `fastshop_http_in_flight{class="sync"} 0`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("an aborted handler was not passed on")
		}
	}()
	h.panics = http.ErrAbortHandler
	h.do("POST", "/v1/decisions", transaction("t-1", "1"))
}

func TestReadinessIsAskedOnceASecond(t *testing.T) {
	asked := 0
	fail := errBroken
	h := newHarness(t, ScopeRead, func(c *Config) {
		c.Checks = []Check{{"store", func(context.Context) error { asked++; return fail }}}
	})
	for range 3 {
		if w := h.do("GET", "/readyz", ""); w.Code != 503 || strings.Contains(w.Body.String(), "broken") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	fail = nil
	h.clock.advance(time.Second)
	if w := h.do("GET", "/readyz", ""); w.Code != 200 || asked != 2 {
		t.Errorf("%d, asked %d times", w.Code, asked)
	}
}

func TestMetricsListener(t *testing.T) {
	h := MetricsHandler(nil)
	for path, want := range map[string]int{"/healthz": 200, "/metrics": 404, "/v1/labels": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func TestFailuresAreLoggedAtABoundedRate(t *testing.T) {
	h := newHarness(t, ScopeRead)
	h.fail = ErrUnavailable
	for range 200 {
		h.do("POST", "/v1/decisions", transaction("t-1", "1"))
	}
	if n := strings.Count(h.log.String(), "request failed"); n != 50 {
		t.Errorf("%d lines for 200 failures", n)
	}
	gone := newHarness(t, ScopeRead)
	gone.hold = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	gone.ServeHTTP(httptest.NewRecorder(), gone.request("POST", "/v1/decisions", strings.NewReader(transaction("t-1", "1"))).WithContext(ctx))
	if gone.log.Len() != 0 {
		t.Errorf("a client that went away is no failure: %s", gone.log)
	}
}
