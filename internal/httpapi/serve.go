package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// answer remembers what has been written of an answer.
type answer struct {
	http.ResponseWriter
	status int // 0 until the header is written
}

func (w *answer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answer) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController and MaxBytesReader reach the connection.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serve returns the handler of a resource; nil is the one of every path that does not exist.
func (a *api) serve(res *resource) http.Handler {
	return http.HandlerFunc(func(raw http.ResponseWriter, r *http.Request) {
		began := a.Now()
		w := &answer{ResponseWriter: raw}
		id := requestID(r)
		secure(w.Header(), id)
		pattern, method := "unknown", "other"
		if res != nil {
			pattern = res.path
			if _, ok := res.methods[r.Method]; ok {
				method = r.Method
			}
		}
		err := a.guarded(w, r, res, id)
		if err != nil {
			a.refuse(w, r, err, id, pattern)
		}
		a.Metrics.Requested(pattern, method, w.status, a.Now().Sub(began))
	})
}

// guarded runs the route and turns a panic into an error. The stack is logged, the panic's value is not: it may quote data.
func (a *api) guarded(w *answer, r *http.Request, res *resource, id string) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if value == http.ErrAbortHandler {
			panic(value)
		}
		a.Metrics.Panicked()
		a.Logger.ErrorContext(r.Context(), "request panicked", "request_id", id, "panic", fmt.Sprintf("%T", value), "stack", string(debug.Stack()))
		err = errPanicked
	}()
	if res == nil {
		return newProblem("not-found", "There is no such path; /openapi.yaml lists all of them.")
	}
	route, ok := res.methods[r.Method]
	if !ok {
		p := newProblem("method-not-allowed", "")
		p.allow = res.allow
		return p
	}
	return a.run(call{w: w, r: r, id: id}, &route)
}

var errPanicked = errors.New("request panicked")

// run checks all that can be checked before any work is done, in the order of cost, and calls the endpoint.
func (a *api) run(c call, route *route) error {
	if route.scope != "" {
		key, err := a.authorize(c.r, route.scope)
		if err != nil {
			return err
		}
		c.key = key
	}
	if !accepts(c.r.Header["Accept"], route.gives) {
		return newProblem("not-acceptable", "This route answers "+route.gives+".")
	}
	if route.takes != "" && !isMedia(c.r.Header.Get("Content-Type"), route.takes) {
		return newProblem("unsupported-media-type", "This route takes "+route.takes+".")
	}
	if route.class == classOpen {
		return route.endpoint(c)
	}
	gate := a.gates[route.class]
	if !gate.enter() {
		a.Metrics.Overloaded(string(route.class))
		return ErrOverloaded
	}
	defer gate.leave()
	a.Metrics.InFlight(string(route.class), 1)
	defer a.Metrics.InFlight(string(route.class), -1)
	ctx, cancel := context.WithTimeout(c.r.Context(), gate.deadline)
	defer cancel()
	c.r = c.r.WithContext(ctx)
	return route.endpoint(c)
}

// refuse answers an error with its problem. What is the program's fault is logged, at a bounded rate: when the store
// is down every request fails alike.
func (a *api) refuse(w *answer, r *http.Request, err error, id, pattern string) {
	p := problemOf(err)
	a.Metrics.Refused(p.code)
	for _, e := range p.Errors {
		a.Metrics.Refused(e.Code)
	}
	clientGone := errors.Is(r.Context().Err(), context.Canceled)
	if p.Status >= 500 && p.code != "overloaded" && err != errPanicked && !clientGone && a.failures.AllowN(a.Now(), 1) {
		a.Logger.ErrorContext(r.Context(), "request failed", "request_id", id, "route", pattern, "status", p.Status, "code", p.code, "error", err)
	}
	if w.status != 0 {
		return // the answer has begun; the client sees that it is cut short
	}
	p.write(w, id)
}

// authorize identifies the caller and checks the scope.
func (a *api) authorize(r *http.Request, scope Scope) (Key, error) {
	values := r.Header["X-Api-Key"]
	if len(values) != 1 {
		return Key{}, newProblem("unauthorized", "Send exactly one X-Api-Key header.")
	}
	key, err := a.Keys.Authenticate(values[0])
	switch {
	case errors.Is(err, ErrKeyExpired):
		a.denied(r, "expired", key.ID, scope)
		return Key{}, newProblem("unauthorized", "This API key has expired; ask the operator for a new one.")
	case errors.Is(err, ErrKey):
		a.denied(r, "unknown", "", scope)
		return Key{}, newProblem("unauthorized", "This API key is not known.")
	case err != nil:
		return Key{}, fmt.Errorf("authenticate: %w", err)
	}
	if !key.Has(scope) {
		a.denied(r, "scope", key.ID, scope)
		return Key{}, newProblem("forbidden", "The key needs the scope "+string(scope)+".")
	}
	return key, nil
}

// denied logs a refused key, at a bounded rate: a flood of them must not fill the disk.
func (a *api) denied(r *http.Request, reason, keyID string, scope Scope) {
	if a.denials.AllowN(a.Now(), 1) {
		a.Logger.WarnContext(r.Context(), "access denied", "reason", reason, "key_id", keyID, "scope", string(scope))
	}
}

// secure sets the headers of every answer. Nothing may be cached, guessed at or framed.
func secure(h http.Header, requestID string) {
	h.Set("X-Request-Id", requestID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
}

// requestID is the caller's X-Request-Id if it is short and of characters that are
// safe in a header, a log and JSON, else a random one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("X-Request-Id"); safeID(id) {
		return id
	}
	return strings.ToLower(rand.Text())
}

func safeID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// isMedia reports whether a Content-Type header names the media type, in UTF-8 if it names a charset.
func isMedia(header, want string) bool {
	if header == want {
		return true
	}
	media, params, err := mime.ParseMediaType(header)
	charset, ok := params["charset"]
	return err == nil && media == want && (!ok || strings.EqualFold(charset, "utf-8"))
}

// accepts reports whether Accept headers let in the media type. A type with q=0 is refused by its owner.
func accepts(headers []string, media string) bool {
	if len(headers) == 0 {
		return true
	}
	family, _, _ := strings.Cut(media, "/")
	for _, header := range headers {
		for item := range strings.SplitSeq(header, ",") {
			name, params, err := mime.ParseMediaType(strings.TrimSpace(item))
			if err != nil || params["q"] == "0" || params["q"] == "0.0" {
				continue
			}
			if name == media || name == "*/*" || name == family+"/*" {
				return true
			}
		}
	}
	return false
}

// NewServer returns a server for handler with the time-outs that a public listener needs; addr and listening are the
// caller's. Time-outs of zero are those of DefaultTimeouts. What net/http has to say goes to logger.
func NewServer(handler http.Handler, t Timeouts, logger *slog.Logger) *http.Server {
	d := DefaultTimeouts()
	fill(&t.ReadHeader, d.ReadHeader)
	fill(&t.Read, d.Read)
	fill(&t.Write, d.Write)
	fill(&t.Idle, d.Idle)
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: t.ReadHeader,
		ReadTimeout:       t.Read,
		WriteTimeout:      t.Write,
		IdleTimeout:       t.Idle,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// Timeouts bound what one connection can hold up.
type Timeouts struct {
	ReadHeader time.Duration // from the first byte to the end of the header
	Read       time.Duration // to the end of the body
	Write      time.Duration // from the end of the header to the end of the answer; a page that streams lifts it with http.ResponseController
	Idle       time.Duration // between requests
}

// DefaultTimeouts are those of the OWASP ASVS 5.0 checklist in docs/api.md: 5, 15, 30 and 60 seconds.
func DefaultTimeouts() Timeouts {
	return Timeouts{ReadHeader: 5 * time.Second, Read: 15 * time.Second, Write: 30 * time.Second, Idle: 60 * time.Second}
}
