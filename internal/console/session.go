package console

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Lives of a session (OWASP ASVS 5.0, 7.3.1 and 7.3.2).
const (
	idleLimit     = 15 * time.Minute
	absoluteLimit = 8 * time.Hour
	maxSessions   = 1000
)

// sessions are the people who are logged in, by the hash of a random reference: what
// a memory dump holds cannot be sent as a cookie.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	byID map[[32]byte]session
}

type session struct {
	holder      string // of the key that opened it
	began, seen time.Time
}

func (s session) over(now time.Time) bool {
	return now.Sub(s.seen) > idleLimit || now.Sub(s.began) > absoluteLimit
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, byID: map[[32]byte]session{}}
}

// open begins a session of the holder of a key and returns its reference of at least
// 128 random bits, or "" when there are too many.
func (s *sessions) open(holder string) string {
	ref, now := rand.Text(), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, old := range s.byID {
		if old.over(now) {
			delete(s.byID, id)
		}
	}
	if len(s.byID) >= maxSessions {
		return ""
	}
	s.byID[sha256.Sum256([]byte(ref))] = session{holder: holder, began: now, seen: now}
	return ref
}

// holder returns who opened the live session that the reference is of; touch says that
// its owner did something, which a stream that runs by itself does not.
func (s *sessions) holder(ref string, touch bool) (string, bool) {
	id, now := sha256.Sum256([]byte(ref)), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byID[id]
	if !ok {
		return "", false
	}
	if found.over(now) {
		delete(s.byID, id)
		return "", false
	}
	if touch {
		found.seen = now
		s.byID[id] = found
	}
	return found.holder, true
}

func (s *sessions) close(ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, sha256.Sum256([]byte(ref)))
}

// attempts limits failed and successful logins alike: five at once and one every
// twelve seconds for an address, and a wider limit for all addresses that the table has no room for.
type attempts struct {
	now func() time.Time

	mu     sync.Mutex
	byAddr map[netip.Addr]*rate.Limiter
	rest   *rate.Limiter
}

const (
	loginBurst  = 5
	loginEvery  = 12 * time.Second
	maxLimiters = 1024
)

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, byAddr: map[netip.Addr]*rate.Limiter{}, rest: rate.NewLimiter(1, 20)}
}

// allow takes one attempt from the budget of the request's peer. IPv6 peers share one per /64.
func (a *attempts) allow(r *http.Request) bool {
	now := a.now()
	var addr netip.Addr
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		addr = peer.Addr().Unmap().WithZone("")
		if addr.Is6() {
			if prefix, err := addr.Prefix(64); err == nil {
				addr = prefix.Addr()
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	limiter, ok := a.byAddr[addr]
	if !ok && len(a.byAddr) >= maxLimiters {
		for old, l := range a.byAddr {
			if l.TokensAt(now) >= loginBurst {
				delete(a.byAddr, old)
			}
		}
	}
	switch {
	case ok:
	case len(a.byAddr) >= maxLimiters:
		limiter = a.rest
	default:
		limiter = rate.NewLimiter(rate.Every(loginEvery), loginBurst)
		a.byAddr[addr] = limiter
	}
	return limiter.AllowN(now, 1)
}
