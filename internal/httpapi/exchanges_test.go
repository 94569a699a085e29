package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// exchange is one request and the status that it must get.
type exchange struct {
	route  string // method and path pattern
	status int
	path   string // if it differs from the usual one
	body   string // if it differs from the usual one
	header []string
	setUp  func(*harness)
	reader io.Reader
	adjust func(*Config)
}

// usual are the path and the body of the plain request of each route, and the status that it gets.
var usual = map[string]struct {
	path, body string
	status     int
}{
	"POST /v1/transactions":              {"/v1/transactions", transaction("t-1", "100"), 202},
	"POST /v1/transactions:batch":        {"/v1/transactions:batch", transaction("t-1", "100") + "\n" + transaction("t-2", "100") + "\n{}\n", 200},
	"POST /v1/decisions":                 {"/v1/decisions", transaction("t-1", "100"), 200},
	"GET /v1/decisions/{id}":             {"/v1/decisions/stored", "", 200},
	"GET /v1/decisions/{id}/explanation": {"/v1/decisions/stored/explanation", "", 200},
	"POST /v1/labels":                    {"/v1/labels", `{"transaction_id":"stored","verdict":"fraud","source":"chargeback","known_at":"2026-03-01T10:00:00Z"}`, 200},
	"POST /v1/lists/{list}":              {"/v1/lists/block", `{"kind":"email","value":"a@example.com","reason":"confirmed_fraud","expires_at":"2027-03-01T00:00:00Z"}`, 201},
	"GET /v1/lists/{list}":               {"/v1/lists/block", "", 200},
	"DELETE /v1/lists/{list}":            {"/v1/lists/block", `{"kind":"email","value":"listed@example.com"}`, 204},
	"GET /problems/{code}":               {"/problems/erased", "", 200},
	"GET /openapi.yaml":                  {"/openapi.yaml", "", 200},
	"GET /healthz":                       {"/healthz", "", 200},
	"GET /readyz":                        {"/readyz", "", 200},
}

// exchanges are all requests of the test: the plain one of each route, what can go wrong with any of its kind, and the special cases.
func exchanges(a *api) []exchange {
	var all []exchange
	for _, r := range a.routes() {
		name := r.method + " " + r.path
		all = append(all, exchange{route: name, status: usual[name].status}, exchange{route: name, status: 406, header: []string{"Accept", "text/html"}})
		if r.scope != "" {
			all = append(all,
				exchange{route: name, status: 401, header: []string{"X-Api-Key", ""}},
				exchange{route: name, status: 403, header: []string{"X-Api-Key", "weak"}},
				exchange{route: name, status: 429, adjust: func(c *Config) { c.Limits.Rate, c.Limits.Burst, c.Limits.BatchLines = 0.1, 3, 3 }, setUp: func(h *harness) {
					for range 3 {
						h.do("GET", "/v1/decisions/none", "")
					}
				}},
				exchange{route: name, status: 500, setUp: func(h *harness) { h.fail = errBroken }},
				exchange{route: name, status: 503, setUp: func(h *harness) { h.fail = fmt.Errorf("wrapped: %w", ErrUnavailable) }},
				exchange{route: name, status: 504, setUp: func(h *harness) { h.fail = context.DeadlineExceeded }},
			)
		}
		if r.takes != "" {
			all = append(all,
				exchange{route: name, status: 400, body: " "},
				exchange{route: name, status: 408, reader: slowBody{fmt.Errorf("read: %w", os.ErrDeadlineExceeded)}},
				exchange{route: name, status: 413, body: strings.Repeat(" ", 6<<20)},
				exchange{route: name, status: 415, header: []string{"Content-Type", "text/plain"}},
			)
		}
	}
	return append(all, specialExchanges()...)
}

func specialExchanges() []exchange {
	conflict := func(h *harness) { h.macs["t-1"] = [32]byte{1} }
	erased := func(h *harness) { h.erased["t-1"] = true }
	label := func(field, value string) string {
		return strings.Replace(usual["POST /v1/labels"].body, field, value, 1)
	}
	return []exchange{
		{route: "POST /v1/transactions", status: 409, setUp: conflict},
		{route: "POST /v1/transactions", status: 410, setUp: erased},
		{route: "POST /v1/transactions", status: 422, body: transaction("t-1", "-1")},
		{route: "POST /v1/transactions", status: 400, body: `{"id":`},
		{route: "POST /v1/transactions:batch", status: 200, setUp: conflict},
		{route: "POST /v1/transactions:batch", status: 200, setUp: erased},
		{route: "POST /v1/transactions:batch", status: 400, header: []string{"Content-Encoding", "gzip"}},
		{route: "POST /v1/transactions:batch", status: 415, header: []string{"Content-Encoding", "br"}},
		{route: "POST /v1/transactions:batch", status: 413, body: strings.Repeat("{}\n", 5001)},
		{route: "POST /v1/decisions", status: 409, setUp: conflict},
		{route: "POST /v1/decisions", status: 410, setUp: erased},
		{route: "POST /v1/decisions", status: 422, body: transaction("bad id", "1")},
		{route: "POST /v1/decisions", status: 500, setUp: func(h *harness) { h.outcome = 0 }},
		{route: "GET /v1/decisions/{id}", status: 404, path: "/v1/decisions/none"},
		{route: "GET /v1/decisions/{id}", status: 200, path: "/v1/decisions/labeled"},
		{route: "GET /v1/decisions/{id}/explanation", status: 404, path: "/v1/decisions/none/explanation"},
		{route: "GET /v1/decisions/{id}/explanation", status: 200, path: "/v1/decisions/labeled/explanation"},
		{route: "POST /v1/labels", status: 404, body: label("stored", "none")},
		{route: "POST /v1/labels", status: 422, body: label("fraud", "maybe")},
		{route: "POST /v1/labels", status: 200, body: "[" + usual["POST /v1/labels"].body + "," + label("stored", "none") + `,{"verdict":1}]`},
		{route: "POST /v1/labels", status: 413, body: "[" + strings.Repeat("1,", 100) + "1]"},
		{route: "POST /v1/lists/{list}", status: 404, path: "/v1/lists/gray"},
		{route: "POST /v1/lists/{list}", status: 422, body: `{"kind":"email","value":"!","expires_at":"2027-03-01T00:00:00Z"}`},
		{route: "POST /v1/lists/{list}", status: 200, body: `{"kind":"email","value":"listed@example.com","expires_at":"2027-03-01T00:00:00Z"}`},
		{route: "GET /v1/lists/{list}", status: 404, path: "/v1/lists/gray"},
		{route: "GET /v1/lists/{list}", status: 400, path: "/v1/lists/block?after=x"},
		{route: "GET /v1/lists/{list}", status: 200, adjust: func(c *Config) { c.Limits.ListPage = 1 }},
		{route: "GET /v1/lists/{list}", status: 200, path: "/v1/lists/block?after=1"},
		{route: "DELETE /v1/lists/{list}", status: 404, path: "/v1/lists/allow"},
		{route: "DELETE /v1/lists/{list}", status: 422, body: `{"kind":"shoe","value":"x"}`},
		{route: "GET /problems/{code}", status: 404, path: "/problems/none"},
		{route: "GET /readyz", status: 200, adjust: func(c *Config) {
			c.Checks = []Check{{"store", func(context.Context) error { return nil }}}
		}},
		{route: "GET /readyz", status: 503, adjust: func(c *Config) {
			c.Checks = []Check{{"store", func(context.Context) error { return nil }}, {"stream", func(context.Context) error { return errBroken }}}
		}},
	}
}

// run sends the exchange and returns request and answer as they were.
func (e exchange) run(t *testing.T) (*http.Request, string, *httptest.ResponseRecorder) {
	t.Helper()
	useless := ScopeRead
	if strings.Contains(e.route, "GET /v1/decisions") {
		useless = ScopeLabel
	}
	h := newHarness(t, useless, func(c *Config) {
		if e.adjust != nil {
			e.adjust(c)
		}
	})
	for _, id := range []string{"stored", "labeled"} {
		h.do("POST", "/v1/decisions", transaction(id, "100"))
	}
	h.do("POST", "/v1/labels", `{"transaction_id":"labeled","verdict":"genuine","source":"pix_med","known_at":"2026-03-01T10:00:00Z"}`)
	h.do("POST", "/v1/lists/block", `{"kind":"email","value":"listed@example.com","expires_at":"2027-03-01T00:00:00Z"}`)
	h.do("POST", "/v1/lists/block", `{"kind":"ip","value":"203.0.113.9","expires_at":"2027-03-01T00:00:00Z"}`)
	if e.setUp != nil {
		e.setUp(h)
	}
	method, _, _ := strings.Cut(e.route, " ")
	path, body := usual[e.route].path, usual[e.route].body
	if e.path != "" {
		path = e.path
	}
	if e.body != "" {
		body = e.body
	}
	reader := io.Reader(strings.NewReader(body))
	if e.reader != nil {
		reader = e.reader
	}
	header := slices.Clone(e.header)
	for i := range header {
		if header[i] == "weak" {
			header[i] = h.weak
		}
	}
	r := h.request(method, path, reader, header...)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return r, body, w
}
