package console

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// visitor is a browser as far as cookies go.
type visitor struct {
	t      *testing.T
	h      http.Handler
	cookie *http.Cookie
	addr   string
}

func (v *visitor) do(method, target, form string, headers ...string) *http.Response {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, target, strings.NewReader(form))
	if err != nil {
		v.t.Fatal(err)
	}
	r.RemoteAddr = v.addr
	r.Host = "console.test"
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if v.cookie != nil {
		r.AddCookie(v.cookie)
	}
	w := answer(v.h, r)
	for _, c := range w.Cookies() {
		if v.cookie = c; c.MaxAge < 0 {
			v.cookie = nil
		}
	}
	return w
}

func (v *visitor) login(key string) *http.Response {
	v.t.Helper()
	return v.do("POST", "/login?lang=en", url.Values{"key": {key}}.Encode())
}

// keys are the keys that somebody may log in with. The holder of a key is its text in upper case.
type keys struct {
	mu    sync.Mutex
	valid map[string]bool
}

func keysOf(texts ...string) *keys {
	k := &keys{valid: map[string]bool{}}
	for _, text := range texts {
		k.valid[strings.ToUpper(text)] = true
	}
	return k
}

func (k *keys) Authenticate(key string) (string, bool) {
	holder := strings.ToUpper(key)
	return holder, k.Valid(holder)
}

func (k *keys) Valid(holder string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.valid[holder]
}

func (k *keys) revoke(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.valid, strings.ToUpper(text))
}

func guarded(t *testing.T, secure bool) (*visitor, *clock) {
	v, c, _ := guardedBy(t, keysOf("right"), secure)
	return v, c
}

func guardedBy(t *testing.T, known *keys, secure bool) (*visitor, *clock, *keys) {
	c := newClock(noon)
	h := Page(Config{Feed: NewFeed(c.Now), Authenticator: known, Now: c.Now, Logger: discard, Secure: secure})
	return &visitor{t: t, h: h, addr: "192.0.2.7:1"}, c, known
}

func (v *visitor) expect(what string, r *http.Response, status int) {
	v.t.Helper()
	if r.StatusCode != status {
		v.t.Errorf("%s: %d, want %d", what, r.StatusCode, status)
	}
}

func TestLogin(t *testing.T) {
	v, _ := guarded(t, true)
	r := v.do("GET", "/?lang=en", "")
	v.expect("page without session", r, 303)
	if r.Header.Get("Location") != "/login?lang=en" {
		t.Errorf("sent to %s", r.Header.Get("Location"))
	}
	v.expect("stream without session", v.do("GET", "/live/events", ""), 401)
	v.expect("login page", v.do("GET", "/login", ""), 200)
	r = v.login("wrong")
	v.expect("wrong key", r, 403)
	if page := body(t, r); !strings.Contains(page, "The key is invalid") || strings.Contains(page, "wrong") {
		t.Error("the refusal has no reason, or echoes the key")
	}
	v.expect("empty key", v.login(""), 403)
	v.expect("right key", v.login("right"), 303)
	c := v.cookie
	if c == nil || c.Name != "__Host-console" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || len(c.Value) < 26 {
		t.Fatalf("cookie %v", c)
	}
	v.expect("page", v.do("GET", "/", ""), 200)
	v.expect("login page again", v.do("GET", "/login", ""), 303)
	r = v.do("POST", "/logout", "x=1")
	v.expect("logout", r, 303)
	if !strings.Contains(r.Header.Get("Clear-Site-Data"), "cookies") {
		t.Error("logout leaves data behind")
	}
	v.cookie = c
	v.expect("page with the old cookie", v.do("GET", "/", ""), 303)
}

func TestPlainCookieName(t *testing.T) {
	v, _ := guarded(t, false)
	v.login("right")
	if v.cookie == nil || v.cookie.Name != "console" || v.cookie.Secure {
		t.Errorf("cookie %v", v.cookie)
	}
}

func TestSessionEnds(t *testing.T) {
	v, c := guarded(t, true)
	v.login("right")
	c.advance(idleLimit)
	v.expect("page before the idle limit", v.do("GET", "/", ""), 200)
	c.advance(idleLimit + time.Second)
	v.expect("page after the idle limit", v.do("GET", "/", ""), 303)

	v.login("right")
	for range 32 {
		c.advance(idleLimit)
		v.do("GET", "/", "")
	}
	v.expect("page before the absolute limit", v.do("GET", "/", ""), 200)
	c.advance(time.Minute)
	v.expect("page after the absolute limit", v.do("GET", "/", ""), 303)

	// A page that reloads by itself keeps no session alive.
	v.login("right")
	c.advance(idleLimit - time.Second)
	v.expect("reload", v.do("GET", "/?auto=1", ""), 200)
	c.advance(2 * time.Second)
	v.expect("reload after the idle limit", v.do("GET", "/?auto=1", ""), 303)
}

// A session ends with the key that opened it, at the next request, and does not begin anew when the key comes back.
func TestSessionEndsWithItsKey(t *testing.T) {
	v, _, known := guardedBy(t, keysOf("right", "other"), true)
	v.login("right")
	v.expect("page with a valid key", v.do("GET", "/", ""), 200)
	known.revoke("other")
	v.expect("page after another key was revoked", v.do("GET", "/", ""), 200)
	cookie := v.cookie
	known.revoke("right")
	v.expect("login page after the key was revoked", v.do("GET", "/login", ""), 200)
	v.expect("page", v.do("GET", "/", ""), 303)
	v.expect("reload", v.do("GET", "/?auto=1", ""), 303)
	v.expect("stream", v.do("GET", "/live/events", ""), 401)
	known.valid["RIGHT"] = true
	v.cookie = cookie
	v.expect("page with the ended session", v.do("GET", "/", ""), 303)
	v.expect("a new login", v.login("right"), 303)
	v.expect("page after the new login", v.do("GET", "/", ""), 200)
}

func TestLoginRenewsTheSession(t *testing.T) {
	v, _ := guarded(t, true)
	v.login("right")
	old := v.cookie
	v.login("right")
	if v.cookie.Value == old.Value {
		t.Error("a login goes on with the older reference")
	}
	v.cookie = old
	v.expect("page with the older reference", v.do("GET", "/", ""), 303)
}

func TestCrossOrigin(t *testing.T) {
	v, _ := guarded(t, true)
	v.expect("cross-site login", v.do("POST", "/login", "key=right", "Sec-Fetch-Site", "cross-site"), 403)
	v.expect("login from another origin", v.do("POST", "/login", "key=right", "Origin", "https://elsewhere.test"), 403)
	if v.cookie != nil {
		t.Error("a foreign page logged somebody in")
	}
	v.login("right")
	v.expect("cross-site logout", v.do("POST", "/logout", "x=1", "Sec-Fetch-Site", "cross-site"), 403)
	v.expect("page", v.do("GET", "/", ""), 200)
}

func TestLoginIsLimited(t *testing.T) {
	v, c := guarded(t, true)
	for range loginBurst {
		v.expect("wrong key", v.login("wrong"), 403)
	}
	r := v.login("right")
	v.expect("one too many", r, 429)
	if r.Header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	v.addr = "198.51.100.9:2"
	v.expect("from elsewhere", v.login("right"), 303)
	v.addr = "192.0.2.7:3"
	c.advance(loginEvery)
	v.expect("after a while", v.login("right"), 303)
	// A whole /64 shares one budget.
	v.addr = "[2001:db8::1]:1"
	for range loginBurst {
		v.login("wrong")
	}
	v.addr = "[2001:db8::ffff]:1"
	v.expect("neighbor", v.login("right"), 429)
	v.addr = "not an address"
	v.expect("without an address", v.login("right"), 303)
}

func TestLimiterTableIsBounded(t *testing.T) {
	c := newClock(noon)
	a := newAttempts(c.Now)
	r := request("POST", "/login")
	allowed := 0
	for i := range maxLimiters + 500 {
		r.RemoteAddr = netAddr(i)
		if a.allow(r) {
			allowed++
		}
	}
	if len(a.byAddr) != maxLimiters || allowed != maxLimiters+20 {
		t.Errorf("%d limiters, %d attempts allowed", len(a.byAddr), allowed)
	}
	c.advance(time.Hour)
	if !a.allow(r) || len(a.byAddr) > 10 {
		t.Errorf("%d limiters after an hour of quiet", len(a.byAddr))
	}
}

func netAddr(i int) string {
	return "10." + itoa(i>>16&255) + "." + itoa(i>>8&255) + "." + itoa(i&255) + ":1"
}

func itoa(i int) string { return portuguese().count(uint64(i)) }

func TestSessionsAreBounded(t *testing.T) {
	c := newClock(noon)
	s := newSessions(c.Now)
	for range maxSessions {
		if s.open("A") == "" {
			t.Fatal("refused too early")
		}
	}
	if s.open("A") != "" {
		t.Error("no bound")
	}
	v := &visitor{t: t, addr: "192.0.2.1:1", h: (&site{
		Config: Config{Feed: NewFeed(c.Now), Authenticator: keysOf("right"), Now: c.Now, Logger: discard}, assets: loadAssets(),
		sessions: s, attempts: newAttempts(c.Now),
	}).routes()}
	v.expect("login when all places are taken", v.login("right"), 503)
	c.advance(absoluteLimit)
	v.expect("login when the others are over", v.login("right"), 303)
}

func TestNobodyCanLogInWithoutAuthenticator(t *testing.T) {
	c := newClock(noon)
	v := &visitor{t: t, h: Page(Config{Feed: NewFeed(c.Now), Now: c.Now, Logger: discard}), addr: "192.0.2.1:1"}
	v.expect("login", v.login("right"), 403)
}
