package httpapi

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// gate lets a bounded number of requests in and turns the others away at once: a queue would only move the waiting to
// where no deadline sees it.
type gate struct {
	class    class
	room     int64
	inside   atomic.Int64
	deadline time.Duration
}

func newGate(c class, room int, deadline time.Duration) *gate {
	return &gate{class: c, room: int64(room), deadline: deadline}
}

func (g *gate) enter() bool {
	if g.inside.Add(1) > g.room {
		g.inside.Add(-1)
		return false
	}
	return true
}

func (g *gate) leave() { g.inside.Add(-1) }

// rates are the token buckets of the API keys, one for each key that has called.
// They are bounded by the number of keys in the key file.
type rates struct {
	limits Limits
	mu     sync.Mutex
	byKey  map[string]*keyRate
}

type keyRate struct {
	*rate.Limiter
	perSecond float64
}

// take charges n transactions to the key, or returns the problem of a key that is over its rate and charges nothing.
func (r *rates) take(key Key, n int, now time.Time) error {
	if n <= 0 {
		return nil
	}
	reservation := r.of(key).ReserveN(now, n)
	if !reservation.OK() {
		return newProblem("body-too-large", "The request holds more transactions than the key can save up.")
	}
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	p := newProblem("rate-limited", "Send it again after the time in Retry-After.")
	p.retryAfter = wait
	return p
}

func (r *rates) of(key Key) *keyRate {
	perSecond := key.Rate
	if perSecond <= 0 {
		perSecond = r.limits.Rate
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.byKey[key.ID]
	if k == nil || k.perSecond != perSecond { // a new key, or one whose entry was changed
		burst := r.limits.Burst
		if key.Rate > 0 {
			burst = int(math.Max(2*key.Rate, float64(r.limits.BatchLines)))
		}
		k = &keyRate{rate.NewLimiter(rate.Limit(perSecond), burst), perSecond}
		r.byKey[key.ID] = k
	}
	return k
}
