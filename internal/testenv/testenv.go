// Package testenv runs the real servers that tests talk to: PostgreSQL, Redis (one server or a cluster), the AWS emulator
// moto, and kinesalite, whose Kinesis streams really reshard. It makes them fail on demand, too: killed, frozen, read-only,
// cut off, slow, or answering something else.
//
// It guarantees that each server listens on the loopback interface alone, on a port of its own, with its files in one
// folder of this process. Servers and folder go when the test ends (Start…) or the process does (Shared…), however that
// dies: also by SIGKILL, also when the server is frozen.
//
// PostgreSQL runs with the durability that production has (fsync, synchronous_commit, full_page_writes). A killed server
// loses what only its memory held, but not what the operating system's does: power failures are not simulated.
//
// A test whose server's program is missing is skipped with a word on how to install it (`make tools`), and fails when the
// environment has CI=true. The package needs a POSIX shell, and PostgreSQL's faults need Linux.
//
// It keeps state in package variables, as no other package does: the servers that the tests of a process share.
package testenv

import (
	"errors"
	"os"
)

// T is what the servers need of a testing.TB. Fatalf and Skipf do not return.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Option changes how a server is started.
type Option int

// TLS has the server refuse connections without TLS. Its certificate is self-signed, for 127.0.0.1 and localhost.
const TLS Option = 1

// errMissing is wrapped when a program is not installed.
var errMissing = errors.New("not installed (run: make tools)")

// must ends the test if err is not nil: a missing program skips it, unless CI promises that there is none.
func must(t T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errMissing) && os.Getenv("CI") != "true":
		t.Skipf("NOT TESTED: %v", err)
	default:
		t.Fatalf("%v", err)
	}
}
