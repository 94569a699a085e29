package testenv

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
)

// Intercept runs an HTTP server in front of the target, a URL, and returns its own. Each request goes to fn first, with its
// whole body. If fn returns true it has answered; if not, the target answers, to the request as fn left its header. fn is
// called concurrently. Answers are passed on as they come.
func Intercept(t T, target string, fn func(w http.ResponseWriter, r *http.Request, body []byte) (answered bool)) string {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatalf("intercept: %v", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	forward := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		Transport:     transport,
		FlushInterval: -1,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client went away
		}
		if fn(w, r, body) {
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	return server.URL
}
