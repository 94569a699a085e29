package lambda

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
)

// seen is what a handler sees of a request.
type seen struct {
	Method, Path, Query, Host, Proto, Remote, Length string
	Header                                           map[string]string
	Body                                             string // its hash
}

// echo answers with what it sees. API Gateway's own headers are left out.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	sum := sha256.Sum256(body)
	remote, _, splitErr := net.SplitHostPort(r.RemoteAddr)
	s := seen{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Host: r.Host, Proto: r.Proto, Remote: remote,
		Length: fmt.Sprint(r.ContentLength, err, splitErr), Header: map[string]string{}, Body: hex.EncodeToString(sum[:]),
	}
	for name, values := range r.Header {
		if !strings.HasPrefix(name, "X-Forwarded-") && name != "X-Amzn-Trace-Id" {
			s.Header[name] = strings.Join(values, ",")
		}
	}
	answer, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	w.Header().Set("X-Seen", hex.EncodeToString(answer)) // where HEAD has it, too
}

// both serves h on a listener and behind API Gateway and Lambda.
func both(t testing.TB, h http.Handler) (tcp, gateway string) {
	t.Helper()
	direct := httptest.NewServer(h)
	t.Cleanup(direct.Close)
	over := httptest.NewServer(lambdatest.Gateway(inProcess(HTTP(h, HTTPOptions{})), ""))
	t.Cleanup(over.Close)
	return direct.URL, over.URL
}

// plain is a client that adds as little as it can.
func plain(t testing.TB) *http.Client {
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// fields draws headers with one to three values each.
func fields(rt *rapid.T, label string) http.Header {
	h := http.Header{}
	for range rapid.IntRange(0, 4).Draw(rt, label) {
		name := "X-" + rapid.StringMatching(`[A-Za-z0-9]{1,8}`).Draw(rt, label+" name")
		for range rapid.IntRange(1, 3).Draw(rt, label+" values") {
			h.Add(name, rapid.StringMatching(`[!-~]([ -~]{0,20}[!-~])?`).Draw(rt, label+" value"))
		}
	}
	return h
}

func TestHandlerSeesWhatItWouldSeeOverTCP(t *testing.T) {
	tcp, gateway := both(t, http.HandlerFunc(echo))
	client := plain(t)
	rapid.Check(t, func(rt *rapid.T) {
		method := rapid.SampledFrom(methods).Draw(rt, "method")
		path := "/v1"
		for range rapid.IntRange(0, 3).Draw(rt, "segments") {
			// API Gateway cuts the path at a question mark that it has decoded, so none is drawn.
			path += "/" + url.PathEscape(rapid.StringMatching(`[^?\x00]{0,8}`).Draw(rt, "segment"))
		}
		if query := rapid.StringMatching(`([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F][0-9A-F]){0,20}`).Draw(rt, "query"); query != "" {
			path += "?" + query
		}
		header := fields(rt, "header")
		if cookies := rapid.StringMatching(`([a-z]{1,4}=[!#-+\x2d-:<-~]{0,8}(; )?){0,3}`).Draw(rt, "cookies"); cookies != "" {
			header.Set("Cookie", strings.TrimSuffix(cookies, "; "))
		}
		var body []byte
		if method != "GET" && method != "HEAD" {
			body = rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "body")
			if kind := rapid.SampledFrom([]string{"", "application/json", "text/plain; charset=utf-8", "application/x-ndjson", "application/octet-stream"}).Draw(rt, "type"); kind != "" {
				header.Set("Content-Type", kind)
				if strings.HasPrefix(kind, "text/") || kind == "application/json" { // API Gateway takes their word that it is text
					body = []byte(strings.ToValidUTF8(string(body), "?"))
				}
			}
		}
		want, got := observe(rt, client, tcp, method, path, header, body), observe(rt, client, gateway, method, path, header, body)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%s %s: over TCP (-), through an event (+):\n%s", method, path, diff)
		}
	})
}

func observe(rt *rapid.T, client *http.Client, base, method, path string, header http.Header, body []byte) seen {
	r, err := http.NewRequest(method, base+path, bytes.NewReader(body))
	if err != nil {
		rt.Fatal(err)
	}
	r.Header, r.Host = header.Clone(), "shop.example"
	answer, err := client.Do(r)
	if err != nil {
		rt.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := hex.DecodeString(answer.Header.Get("X-Seen"))
	if err != nil {
		rt.Fatal(err)
	}
	var s seen
	if err := json.Unmarshal(data, &s); err != nil {
		rt.Fatalf("answered %d, and saw %q: %v", answer.StatusCode, data, err)
	}
	return s
}

func TestClientSeesWhatItWouldSeeOverTCP(t *testing.T) {
	var script http.HandlerFunc
	tcp, gateway := both(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { script(w, r) }))
	client := plain(t)
	rapid.Check(t, func(rt *rapid.T) {
		method := rapid.SampledFrom(methods).Draw(rt, "method")
		status := rapid.SampledFrom([]int{200, 201, 202, 204, 301, 304, 400, 404, 409, 413, 429, 500, 503}).Draw(rt, "status")
		header := fields(rt, "header")
		cookies := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,4}=[a-z0-9]{0,8}; Path=/`), 0, 3).Draw(rt, "cookies")
		kind := rapid.SampledFrom([]string{"", "application/json", "text/html"}).Draw(rt, "type")
		chunks := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 400), 0, 3).Draw(rt, "body")
		script = func(w http.ResponseWriter, _ *http.Request) {
			for name, values := range header {
				w.Header()[name] = values
			}
			for _, c := range cookies {
				w.Header().Add("Set-Cookie", c)
			}
			if kind != "" {
				w.Header().Set("Content-Type", kind)
			}
			if status != 200 || len(chunks) == 0 {
				w.WriteHeader(status)
			}
			for _, c := range chunks {
				_, _ = w.Write(c)
			}
		}
		want, got := fetch(rt, client, tcp, method), fetch(rt, client, gateway, method)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("%s %d: over TCP (-), through an event (+):\n%s", method, status, diff)
		}
	})
}

// got is what a client sees of an answer.
type got struct {
	Status int
	Header map[string]string
	Body   string
}

func fetch(rt *rapid.T, client *http.Client, base, method string) got {
	r, err := http.NewRequest(method, base, nil)
	if err != nil {
		rt.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		rt.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		rt.Fatal(err)
	}
	g := got{answer.StatusCode, map[string]string{}, string(body)}
	for name, values := range answer.Header {
		if name != "Date" {
			g.Header[name] = strings.Join(values, ", ")
		}
	}
	if answer.ContentLength == 0 || method == http.MethodHead && g.Header["Content-Length"] == "0" {
		delete(g.Header, "Content-Length") // net/http leaves out a length of 0 for some answers
	}
	return g
}
