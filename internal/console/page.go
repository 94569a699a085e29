package console

import (
	"log/slog"
	"net/http"
	"time"
)

// Access says who may look.
type Access uint8

// The zero value is the closed one.
const (
	Session Access = iota // whoever logs in with an API key
	Open                  // everybody who reaches the listener; for loopback only
)

// Authenticator knows whose API keys may see the console. Its methods may be called at once.
type Authenticator interface {
	// Authenticate reports whether key may see the console, and whose session it opens: holder names the key without
	// being one, such as its id. It compares in constant time and keeps no copy of the key.
	Authenticate(key string) (holder string, ok bool)
	// Valid reports whether the key of a holder may still see the console: it is neither revoked nor expired. It is asked
	// on every request and on every tick of a stream, so it must be quick.
	Valid(holder string) bool
}

// Config says what the console shows and to whom.
type Config struct {
	Feed          *Feed            // required
	Access        Access           // who may look; Session unless told otherwise
	Authenticator Authenticator    // for Session; without one nobody can log in
	Secure        bool             // the pages are reached by HTTPS only: the cookie gets its __Host- name, HSTS is sent
	Now           func() time.Time // wall clock, required
	Logger        *slog.Logger     // required
	MaxViewers    int              // live streams at once, the next one gets 503; default 32
	Refresh       time.Duration    // between two updates of a live stream; default 500 ms
	Demo          bool             // says on the page that the shop is simulated
	Version       string           // of the program, shown at the bottom; may be empty
}

// Page serves the live page at /, its stream and assets below /live/, and /login and /logout.
//
// The handler sets every security header itself and refuses cross-origin posts. Its
// event stream outlives a server's WriteTimeout by setting a deadline for each write.
func Page(cfg Config) http.Handler {
	if cfg.MaxViewers == 0 {
		cfg.MaxViewers = 32
	}
	if cfg.Refresh == 0 {
		cfg.Refresh = 500 * time.Millisecond
	}
	s := &site{
		Config: cfg, assets: loadAssets(), viewers: make(chan struct{}, cfg.MaxViewers),
		sessions: newSessions(cfg.Now), attempts: newAttempts(cfg.Now),
	}
	return s.routes()
}

func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.members(s.live))
	mux.HandleFunc("GET /live/events", s.members(s.events))
	mux.HandleFunc("GET /live/assets/{name}", s.asset)
	if s.Access == Session {
		mux.HandleFunc("GET /login", s.loginPage)
		mux.HandleFunc("POST /login", s.login)
		mux.HandleFunc("POST /logout", s.logout)
	}
	return s.headers(http.NewCrossOriginProtection().Handler(mux))
}

// site is the console at work.
type site struct {
	Config
	assets   assets
	viewers  chan struct{} // a place for each live stream
	sessions *sessions
	attempts *attempts
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// headers sets what every answer has. Assets replace Cache-Control.
func (s *site) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		h.Set("Cache-Control", "no-store")
		if s.Secure {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		next.ServeHTTP(w, r)
	})
}

// live renders the whole page.
func (s *site) live(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept-Language")
	snap := s.Feed.Snapshot(0, rowsPerKind)
	s.render(w, r, livePage(s.view(r, &snap)))
}

// rowsPerKind is how many approved and how many held decisions the page keeps.
const rowsPerKind = 15
