package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// canary can stand in no valid id and in no name of the API, so that an answer that holds it repeats its request.
const canary = "çanary-111.444.777-35"

// FuzzBodies sends any body, with the canary put in anywhere, to every route that takes one.
func FuzzBodies(f *testing.F) {
	seeds, err := filepath.Glob("testdata/bodies/*")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	targets := []struct{ method, path string }{
		{"POST", "/v1/transactions"}, {"POST", "/v1/transactions:batch"}, {"POST", "/v1/decisions"},
		{"POST", "/v1/labels"}, {"POST", "/v1/lists/block"}, {"DELETE", "/v1/lists/allow"},
	}
	for _, seed := range seeds {
		data, err := os.ReadFile(seed)
		if err != nil {
			f.Fatal(err)
		}
		for i := range targets {
			f.Add(data, uint8(i), uint16(0))
			f.Add(data, uint8(i), uint16(len(data)/2))
		}
	}
	h := newHarness(f, ScopeRead, func(c *Config) { c.Limits.Rate, c.Limits.Burst = 1e9, 1e9 })
	f.Fuzz(func(t *testing.T, data []byte, target uint8, at uint16) {
		to := targets[int(target)%len(targets)]
		cut := int(at) % (len(data) + 1)
		for _, body := range []string{string(data), string(data[:cut]) + canary + string(data[cut:])} {
			w := h.do(to.method, to.path, body)
			checkFuzzed(t, w, to.path)
		}
		if strings.Contains(h.log.String(), "çanary") {
			t.Fatalf("the log repeats the request: %s", h.log)
		}
		h.log.Reset()
	})
}

func checkFuzzed(t *testing.T, w *httptest.ResponseRecorder, path string) {
	t.Helper()
	answer := w.Body.Bytes()
	if w.Code >= 500 {
		t.Fatalf("%s: %d %s", path, w.Code, answer)
	}
	if bytes.Contains(answer, []byte("çanary")) || bytes.Contains(answer, []byte("111.444.777-35")) {
		t.Fatalf("%s repeats the request: %s", path, answer)
	}
	for line := range bytes.Lines(answer) {
		if !json.Valid(line) {
			t.Fatalf("%s: answer is not JSON: %s", path, line)
		}
	}
	if w.Code >= 400 {
		checkProblem(t, w)
	}
	for name, values := range w.Header() {
		if strings.Contains(strings.Join(values, ""), "çanary") {
			t.Fatalf("%s: header %s repeats the request", path, name)
		}
	}
}

// FuzzHeaders sends any key, request id, content type and path.
func FuzzHeaders(f *testing.F) {
	f.Add("fsk_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "id-1", "application/json", "/v1/decisions/x", "gzip")
	f.Add("", "a b\r\nX: y", "text/plain; charset=latin1", "/v1/lists/"+canary, "br")
	f.Add("fsk__", strings.Repeat("x", 65), "application/json; charset=UTF-8", "//v1/../x", "")
	h := newHarness(f, ScopeRead)
	f.Fuzz(func(t *testing.T, key, id, media, path, encoding string) {
		for _, method := range []string{"POST", "GET"} {
			r := httptest.NewRequest(method, "/", strings.NewReader("{}"))
			r.URL.Path = path
			r.Header["X-Api-Key"] = []string{key}
			r.Header["X-Request-Id"] = []string{id}
			r.Header["Content-Type"] = []string{media}
			r.Header["Content-Encoding"] = []string{encoding}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if got := w.Header().Get("X-Request-Id"); !safeID(got) {
				t.Fatalf("request id %q", got)
			}
			if len(path) > 24 && strings.Contains(w.Body.String(), path) { // shorter ones may be words of an answer
				t.Fatalf("the path is repeated: %s", w.Body)
			}
		}
	})
}
