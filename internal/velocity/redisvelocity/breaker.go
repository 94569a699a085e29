package redisvelocity

import (
	"sync"
	"time"
)

// breaker stops calls to a server that fails, so that a dead one costs no deadline each time. After breakAfter failures
// one after the other it lets one call through every breakFor, until one succeeds.
type breaker struct {
	mu     sync.Mutex
	failed int       // one after the other
	next   time.Time // when a call may try, once open
}

// allow reports whether a call may be made now.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed < breakAfter {
		return true
	}
	if now.Before(b.next) {
		return false
	}
	b.next = now.Add(breakFor)
	return true
}

// done takes down how a call ended. It reports whether that opened or closed the breaker.
func (b *breaker) done(ok bool, now time.Time) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.failed >= breakAfter
	if ok {
		b.failed = 0
		return was
	}
	b.failed++
	b.next = now.Add(breakFor)
	return !was && b.failed >= breakAfter
}

func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed >= breakAfter
}
