package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// testOnlyCrash makes the process kill itself with SIGKILL at a named point, so that tests can prove what survives:
// FASTSHOP_TESTONLY_CRASH=store.commit.before:3 dies when the point is passed for the third time. With :freeze behind it
// the process stands still there (SIGSTOP), as on a machine that is paused, and goes on with SIGCONT. Unset, which is
// always but in those tests, a point costs one comparison.
type testOnlyCrash struct {
	point  string
	freeze bool
	left   atomic.Int64
}

func testOnlyCrashFrom(setting string) func(point string) {
	setting, freeze := strings.CutSuffix(setting, ":freeze")
	point, n, ok := strings.Cut(setting, ":")
	times, err := strconv.ParseInt(n, 10, 64)
	if !ok || err != nil {
		return func(string) {}
	}
	c := &testOnlyCrash{point: point, freeze: freeze}
	c.left.Store(times)
	return c.pass
}

func (c *testOnlyCrash) pass(point string) {
	if point != c.point || c.left.Add(-1) != 0 {
		return
	}
	if c.freeze {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		time.Sleep(100 * time.Millisecond) // the signal is on its way to the other threads
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way; nothing more must happen
}
