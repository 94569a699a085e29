package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// watch opens the live page's event stream and keeps it open until the server ends it.
func watchPage(t *testing.T, p *process) (ended chan struct{}) {
	t.Helper()
	answer, err := http.Get(p.URL + "/live/events")
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the event stream answers %d", answer.StatusCode)
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		defer answer.Body.Close()
		_, _ = io.Copy(io.Discard, answer.Body)
	}()
	return ended
}

func TestAnOpenPageDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "", "--drain-time", "5m")
	ended := watchPage(t, p)
	p.stop() // fails after a minute
	<-ended
	verify(t, dir)
}

func TestADemoWithAViewerReports(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	report := filepath.Join(dir, "report.json")
	c := exec.Command(os.Args[0], "demo", "--for", "5s", "--rate", "100", "--customers", "200", "--listen", "127.0.0.1:0", "--report", report)
	c.Env = append(os.Environ(), asProgram+"=1")
	said, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "Watch it live:"); ok {
			watchPage(t, &process{URL: strings.TrimSuffix(strings.TrimSpace(url), "/")})
			break
		}
	}
	_, _ = io.Copy(io.Discard, said)
	if err := c.Wait(); err != nil {
		t.Fatalf("the demo ends with %v", err)
	}
	data, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var r demoReport
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	decided := 0
	for _, n := range r.Decisions {
		decided += n
	}
	if r.Transactions == 0 || decided != r.Transactions || r.Lost != 0 || r.Duplicated != 0 || r.Latency.N == 0 || r.PerSecond <= 0 {
		t.Errorf("the report is %+v", r)
	}
}

// refused runs a server that must not start, and returns what it said.
func refused(t *testing.T, dir string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], append([]string{
		"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "", "--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys"),
	}, args...)...)
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the server started:\n%s", out)
	}
	return string(out)
}

func TestDataAndKeysMustBelongTogether(t *testing.T) {
	t.Parallel()
	one, other := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, other} {
		p := start(t, dir, "")
		c := &canaryClient{t: t, p: p, places: map[string][]byte{}}
		c.want(200, "POST", "/v1/decisions", "application/json", canaryPayment("a", ""))
		p.stop()
	}
	if said := refused(t, one, "--keys-dir", filepath.Join(other, "keys")); !strings.Contains(said, "do not belong together") {
		t.Errorf("foreign keys: %s", said)
	}
	if said := refused(t, one, "--keys-dir", filepath.Join(one, "typo")); !strings.Contains(said, "refuse to make new keys for existing data") {
		t.Errorf("missing keys: %s", said)
	}
	for _, name := range []string{personal, tokens} {
		path := filepath.Join(one, "keys", name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if said := refused(t, one); !strings.Contains(said, "refuse to make a new key") || !strings.Contains(said, name) {
			t.Errorf("without %s: %s", name, said)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if said := refused(t, one); !strings.Contains(said, name) {
			t.Errorf("%s readable by others: %s", name, said)
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, filepath.Join(other, "data", streamFile), filepath.Join(one, "data", streamFile))
	if said := refused(t, one); !strings.Contains(said, "hint:") {
		t.Errorf("a foreign stream: %s", said)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAStoreAheadOfItsStreamIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "")
	p.stop()
	backup := filepath.Join(dir, "stream.backup")
	copyFile(t, filepath.Join(dir, "data", streamFile), backup)
	p = start(t, dir, "")
	c := &canaryClient{t: t, p: p, places: map[string][]byte{}}
	c.want(202, "POST", "/v1/transactions", "application/json", canaryPayment("a", ""))
	p.stop()
	copyFile(t, backup, filepath.Join(dir, "data", streamFile))
	if said := refused(t, dir); !strings.Contains(said, "stream is older than the store") {
		t.Errorf("an older stream: %s", said)
	}
}

func TestOneProcessPerFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "")
	if said := refused(t, dir); !strings.Contains(said, "hint:") {
		t.Errorf("a second process: %s", said)
	}
	p.stop()
}

func TestTheEmergencyStopKeepsScoring(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "")
	c := &canaryClient{t: t, p: p, places: map[string][]byte{}}
	c.want(200, "POST", "/v1/decisions", "application/json", canaryPayment("before", ""))
	if err := os.WriteFile(filepath.Join(dir, "keys", personal+".disabled"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	waitFor(t, 10*time.Second, func() bool { // within about a second
		n++
		id := fmt.Sprint("during-", n)
		c.want(200, "POST", "/v1/decisions", "application/json", canaryPayment(id, ""))
		c.want(200, "GET", "/v1/decisions/"+id, "", "")
		return strings.Contains(string(c.places[fmt.Sprintf("answer %d to GET /v1/decisions/%s", c.n, id)]), "unsealed_dropped")
	})
	c.want(200, "GET", "/readyz", "", "")
	p.stop()
}

func TestEveryMetricIsFed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := start(t, dir, "")
	c := &canaryClient{t: t, p: p, places: map[string][]byte{}}
	c.everyRoute()
	families := []string{
		"http_requests_total", "http_request_seconds_count", "http_in_flight", "refusals_total", "decisions_total", "decide_seconds_count",
		"labels_total", "stream_lag_records", "stream_lag_seconds", "batch_records_count", "commit_seconds_count", "stream_bytes",
		"windows_bytes", "windows_entities", "windows_events",
	}
	var missing []string
	waitFor(t, 10*time.Second, func() bool {
		c.call(http.MethodGet, p.Metrics, "", "")
		text := string(c.places[fmt.Sprintf("answer %d to GET /metrics", c.n)])
		missing = missing[:0]
		for _, f := range families {
			if !strings.Contains(text, "\nfastshop_"+f) {
				missing = append(missing, f)
			}
		}
		return len(missing) == 0
	})
	p.stop()
}

func TestUntidyPathsAreNotEchoed(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "")
	request, err := http.NewRequest(http.MethodGet, p.URL+"/v1//decisions/"+canaries["email"], nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusNotFound || strings.Contains(string(body)+answer.Header.Get("Location"), "canario") {
		t.Errorf("an untidy path is answered %d, %v, %s", answer.StatusCode, answer.Header, body)
	}
	p.stop()
}
