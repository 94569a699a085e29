package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAccessControl(t *testing.T) {
	h := newHarness(t, ScopeRead)
	admin := h.addKey(t, Key{Name: "admin", Scopes: []Scope{ScopeAdmin}, ExpiresAt: noon.Add(time.Hour)})
	if w := h.do("GET", "/v1/lists/block", "", "X-Api-Key", admin); w.Code != 200 {
		t.Errorf("admin: %d", w.Code)
	}
	wrong := h.key[:len(h.key)-1] + "!"
	for name, key := range map[string]string{"wrong secret": wrong, "no key": "x", "unknown id": "fsk_aaaaaaaa_" + strings.Repeat("b", 32), "long": h.key + "a"} {
		w := h.do("GET", "/v1/lists/block", "", "X-Api-Key", key)
		if w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), "ApiKey") || strings.Contains(w.Body.String(), key) && len(key) > 1 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	r := h.request("GET", "/v1/lists/block", nil)
	r.Header["X-Api-Key"] = []string{h.key, h.key}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("two keys: %d", w.Code)
	}
	h.clock.advance(time.Hour)
	if w := h.do("GET", "/v1/lists/block", "", "X-Api-Key", admin); w.Code != 401 || !strings.Contains(w.Body.String(), "expired") {
		t.Errorf("expired: %d %s", w.Code, w.Body)
	}
	for _, want := range []string{`"reason":"unknown"`, `"reason":"expired"`} {
		if !strings.Contains(h.log.String(), want) {
			t.Errorf("log lacks %s: %s", want, h.log)
		}
	}
	if strings.Contains(h.log.String(), h.key[13:]) {
		t.Error("the log holds a secret")
	}
	broken := newHarness(t, ScopeRead, func(c *Config) { c.Keys = nothing{} })
	if w := broken.do("GET", "/v1/lists/block", ""); w.Code != 500 {
		t.Errorf("keys unreadable: %d", w.Code)
	}
}

func TestRequestIDsAndHeaders(t *testing.T) {
	h := newHarness(t, ScopeRead)
	for given, echoed := range map[string]bool{"req-1.A_b": true, "": false, "a b": false, "a<b>": false, strings.Repeat("x", 65): false, "ç": false} {
		w := h.do("GET", "/v1/decisions/none", "", "X-Request-Id", given)
		got := w.Header().Get("X-Request-Id")
		if (got == given) != echoed || !safeID(got) {
			t.Errorf("request id %q became %q", given, got)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
			if w.Header().Get(name) != want {
				t.Errorf("%s: %q", name, w.Header().Get(name))
			}
		}
	}
	for accept, want := range map[string]int{"*/*": 200, "application/*;q=0.5, text/html": 200, "application/json": 200, "text/html": 406, "application/json;q=0": 406, "": 200, ";": 406} {
		if w := h.do("GET", "/healthz", "", "Accept", accept); w.Code != want {
			t.Errorf("Accept %q: %d", accept, w.Code)
		}
	}
	for media, want := range map[string]int{"application/json; charset=UTF-8": 202, "application/json;charset=latin1": 415, "": 415, "application/jsonx": 415} {
		if w := h.do("POST", "/v1/transactions", transaction("t-1", "1"), "Content-Type", media); w.Code != want {
			t.Errorf("Content-Type %q: %d", media, w.Code)
		}
	}
	if w := h.do(http.MethodHead, "/healthz", ""); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
}
