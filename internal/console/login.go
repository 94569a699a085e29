package console

import (
	"net/http"
	"strings"
	"time"
)

// maxKeyLength bounds what is handed to the Authenticator, and with it the form.
const maxKeyLength = 512

func (s *site) cookieName() string {
	if s.Secure {
		return "__Host-console"
	}
	return "console"
}

func (s *site) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", MaxAge: age,
		Secure: s.Secure, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
}

// reference is the session reference that the request carries.
func (s *site) reference(r *http.Request) string {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return ""
	}
	return c.Value
}

// admits reports whether the request belongs to a session that may go on: a live one whose key is still valid. A session
// does not outlive the key that opened it, and a key that was revoked does not come back.
func (s *site) admits(r *http.Request, touch bool) bool {
	ref := s.reference(r)
	holder, ok := s.sessions.holder(ref, touch)
	if !ok {
		return false
	}
	if !s.Authenticator.Valid(holder) {
		s.sessions.close(ref)
		return false
	}
	return true
}

// members lets through whoever may look. What reloads by itself (auto, the page without
// scripts) keeps no session alive. A page sends others to the login; a stream,
// which a script reads, gets 401.
func (s *site) members(next http.HandlerFunc) http.HandlerFunc {
	if s.Access == Open {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		stream := strings.HasPrefix(r.URL.Path, "/live/")
		switch {
		case s.admits(r, !stream && !r.URL.Query().Has("auto")):
			next(w, r)
		case stream:
			http.Error(w, "session is over", http.StatusUnauthorized)
		default:
			http.Redirect(w, r, "/login?lang="+language(r).code, http.StatusSeeOther)
		}
	}
}

func (s *site) loginPage(w http.ResponseWriter, r *http.Request) {
	if s.admits(r, false) {
		http.Redirect(w, r, "/?lang="+language(r).code, http.StatusSeeOther)
		return
	}
	s.render(w, r, loginForm(s.frame(r), ""))
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	t := language(r)
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if !s.attempts.allow(r) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		s.render(w, r, loginForm(s.frame(r), t.loginWait))
		return
	}
	key := strings.TrimSpace(r.PostFormValue("key"))
	holder, ok := "", false
	if key != "" && len(key) <= maxKeyLength && s.Authenticator != nil {
		holder, ok = s.Authenticator.Authenticate(key)
	}
	if !ok {
		s.Logger.WarnContext(r.Context(), "console login refused")
		w.WriteHeader(http.StatusForbidden)
		s.render(w, r, loginForm(s.frame(r), t.loginWrong))
		return
	}
	s.sessions.close(s.reference(r)) // a login never continues an older session
	ref := s.sessions.open(holder)
	if ref == "" {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusServiceUnavailable)
		s.render(w, r, loginForm(s.frame(r), t.loginFull))
		return
	}
	http.SetCookie(w, s.cookie(ref, int(absoluteLimit/time.Second)))
	http.Redirect(w, r, "/?lang="+t.code, http.StatusSeeOther)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	s.sessions.close(s.reference(r))
	http.SetCookie(w, s.cookie("", -1))
	w.Header().Set("Clear-Site-Data", `"cache", "cookies", "storage"`)
	http.Redirect(w, r, "/login?lang="+language(r).code, http.StatusSeeOther)
}
