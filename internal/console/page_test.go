package console

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	templruntime "github.com/a-h/templ/runtime"
	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

var renew = flag.Bool("renew", false, "write the golden pages anew")

func request(method, target string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = "192.0.2.1:4000"
	return r
}

func answer(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// smallFeed has one decision of every kind.
func smallFeed() (*Feed, *clock) {
	c := newClock(noon)
	feed := NewFeed(c.Now)
	for o := decision.Invalid; o <= decision.Decline; o++ {
		e := Event{
			ID: "tx-" + outcomeKey(o), At: noon, Centavos: 1234567 * int64(o), Method: payment.Method(o % 4), Channel: payment.Channel(o + 1),
			Merchant: "m-00001", Outcome: o, Score: 240 * int(o), Latency: time.Duration(o) * 1400 * time.Microsecond, Truth: Truth(o % 3),
		}
		e.Reasons = cannedReasons[:o]
		feed.Publish(e)
		c.advance(time.Second)
	}
	// Reasons are texts of an analyst: they are escaped, and a missing one falls back to its code.
	feed.Publish(Event{ID: `"><script>`, At: noon, Outcome: 9, Method: 9, Channel: 9, Score: 2000, Centavos: -5,
		Reasons: []Reason{{Code: "ONLY_CODE"}, {Code: "X", Portuguese: "<b>&", English: "<i>&"}}})
	c.advance(time.Second)
	return feed, c
}

var hashes = regexp.MustCompile(`\.[0-9a-f]{12}\.`)

func TestGoldenPages(t *testing.T) {
	feed, c := smallFeed()
	closed := Config{Feed: feed, Now: c.Now, Logger: discard, Authenticator: keysOf("k")}
	for name, page := range map[string]string{
		"live.pt":  body(t, answer(openPage(feed, c.Now), request("GET", "/"))),
		"live.en":  body(t, answer(openPage(feed, c.Now), request("GET", "/?lang=en"))),
		"empty.pt": body(t, answer(openPage(NewFeed(c.Now), c.Now), request("GET", "/"))),
		"login.pt": body(t, answer(Page(closed), request("GET", "/login"))),
		"login.en": body(t, answer(Page(closed), request("GET", "/login?lang=en"))),
	} {
		// One tag a line, so that a difference can be read.
		got := strings.ReplaceAll(hashes.ReplaceAllString(page, ".HASH."), "><", ">\n<") + "\n"
		file := filepath.Join("testdata", name+".html")
		if *renew {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s changed; if that is right, run the tests with -renew:\n%s", file, diff)
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, " style=") || strings.Contains(page, " onclick") {
			t.Errorf("%s has inline script or style, which the policy forbids", name)
		}
	}
}

// breaking takes some bytes and then fails.
type breaking struct{ left int }

var errBroken = errors.New("broken")

func (b *breaking) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// Wherever a page breaks off, rendering says so: half a page never passes for a whole one.
func TestBrokenOffPages(t *testing.T) {
	feed, c := smallFeed()
	s := &site{Config: Config{Feed: feed, Now: c.Now, Demo: true, Version: "1"}, assets: loadAssets()}
	snap := feed.Snapshot(0, rowsPerKind)
	size := templruntime.DefaultBufferSize
	templruntime.DefaultBufferSize = 16 // errors show at once
	t.Cleanup(func() { templruntime.DefaultBufferSize = size })
	for name, page := range map[string]templ.Component{
		"live": livePage(s.view(request("GET", "/"), &snap)), "login": loginForm(s.frame(request("GET", "/login")), "problem"),
		"rows": rows(s.view(request("GET", "/"), &snap).Rows),
	} {
		var whole bytes.Buffer
		if err := page.Render(t.Context(), &whole); err != nil {
			t.Fatal(err)
		}
		for n := range whole.Len() - 16 {
			var buf templruntime.Buffer
			buf.Reset(&breaking{n})
			if err := page.Render(t.Context(), &buf); !errors.Is(err, errBroken) {
				t.Fatalf("%s: broken at byte %d of %d: %v", name, n, whole.Len(), err)
			}
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := page.Render(canceled, io.Discard); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: rendered for nobody: %v", name, err)
		}
	}
}

func TestPageThatFails(t *testing.T) {
	feed, c := smallFeed()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := answer(openPage(feed, c.Now), request("GET", "/").WithContext(ctx))
	if text := body(t, r); r.StatusCode != http.StatusInternalServerError || strings.Contains(text, "<html") {
		t.Errorf("%d %s", r.StatusCode, text)
	}
}

func TestHeaders(t *testing.T) {
	feed, c := smallFeed()
	open := openPage(feed, c.Now)
	secure := Page(Config{Feed: feed, Now: c.Now, Logger: discard, Secure: true})
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
			"base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	}
	for _, target := range []string{"/", "/nothing", "/live/assets/none.js", "/login"} {
		for name, value := range want {
			if got := answer(open, request("GET", target)).Header.Get(name); got != value {
				t.Errorf("%s: %s is %q", target, name, got)
			}
		}
	}
	if got := answer(open, request("GET", "/")).Header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("HSTS without TLS: %q", got)
	}
	if got := answer(secure, request("GET", "/login")).Header.Get("Strict-Transport-Security"); !strings.Contains(got, "max-age=31536000") {
		t.Errorf("HSTS is %q", got)
	}
	for target, status := range map[string]int{"/": 200, "/login": 404, "/logout": 404, "/live/": 404, "/live/assets/": 404, "/x": 404} {
		if got := answer(open, request("GET", target)).StatusCode; got != status {
			t.Errorf("GET %s: %d, want %d", target, got, status)
		}
	}
	if got := answer(open, request("POST", "/")).StatusCode; got != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", got)
	}
}

func TestAssets(t *testing.T) {
	feed, c := smallFeed()
	h := openPage(feed, c.Now)
	page := body(t, answer(h, request("GET", "/")))
	urls := regexp.MustCompile(`/live/assets/[a-z]+\.[0-9a-f]{12}\.(css|js|svg)`).FindAllString(page, -1)
	if len(urls) != 3 {
		t.Fatalf("the page loads %v", urls)
	}
	types := map[string]string{"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
	for _, u := range urls {
		r := answer(h, request("GET", u))
		if r.StatusCode != 200 || r.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || r.Header.Get("Content-Type") != types[u[strings.LastIndex(u, ".")+1:]] {
			t.Errorf("%s: %d %v", u, r.StatusCode, r.Header)
		}
		if content := body(t, r); strings.Contains(content, "http") && !strings.Contains(content, "http://www.w3.org/2000/svg") {
			t.Errorf("%s loads from elsewhere", u)
		}
	}
}

func TestLanguage(t *testing.T) {
	for _, c := range []struct{ target, accept, want string }{
		{"/", "", "pt"},
		{"/", "en-US,en;q=0.9", "en"},
		{"/", "de-DE,de;q=0.9,en;q=0.5,pt;q=0.4", "en"},
		{"/", "pt-PT,en;q=0.9", "pt"},
		{"/", "en;q=0.1,pt;q=0.2", "pt"},
		{"/", "en;q=nonsense", "en"},
		{"/", "fr, ;;", "pt"},
		{"/?lang=pt", "en", "pt"},
		{"/?lang=en", "pt", "en"},
		{"/?lang=xx", "en", "en"},
	} {
		r := request("GET", c.target)
		r.Header.Set("Accept-Language", c.accept)
		if got := language(r).code; got != c.want {
			t.Errorf("%s with %q is %s, want %s", c.target, c.accept, got, c.want)
		}
	}
}

// A sliver of declines is not rounded away.
func TestSmallShares(t *testing.T) {
	feed := NewFeed(newClock(noon).Now)
	for range 2999 {
		feed.Publish(Event{Outcome: decision.Approve})
	}
	feed.Publish(Event{Outcome: decision.Decline})
	page := body(t, answer(openPage(feed, feed.now), request("GET", "/")))
	if !strings.Contains(page, ">0,03%<") || !strings.Contains(page, ">100,0%<") {
		t.Error("0.03 % of declines does not show")
	}
}

func TestFormats(t *testing.T) {
	pt, en := portuguese(), english()
	for _, c := range []struct{ got, want string }{
		{pt.money(123456789), "R$\u00a01.234.567,89"},
		{en.money(5), "R$\u00a00.05"},
		{pt.money(-100050), "−R$\u00a01.000,50"},
		{pt.count(999), "999"},
		{pt.count(1000), "1.000"},
		{en.count(1234567), "1,234,567"},
		{pt.duration(0), "–"},
		{pt.duration(950 * time.Microsecond), "950\u00a0µs"},
		{pt.duration(1500 * time.Microsecond), "1,5\u00a0ms"},
		{en.duration(42 * time.Millisecond), "42\u00a0ms"},
		{en.duration(1250 * time.Millisecond), "1.2\u00a0s"},
		{pt.rateText(0), "0"},
		{pt.rateText(0.4), "0,4"},
		{pt.rateText(12345.6), "12.346"},
		{pt.number(-1, 1), "–"},
		{pt.reason(Reason{Code: "C"}), "C"},
		{en.reason(Reason{Code: "C", Portuguese: "p", English: "e"}), "e"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
