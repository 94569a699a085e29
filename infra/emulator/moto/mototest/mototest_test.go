package mototest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/emulator/moto"
)

// recorder is a test whose end is noted.
type recorder struct {
	testing.TB
	fatal, skip string
}

func (r *recorder) Fatal(args ...any) { r.fatal = fmt.Sprint(args...); runtime.Goexit() }
func (r *recorder) Skip(args ...any)  { r.skip = fmt.Sprint(args...); runtime.Goexit() }

func TestMissingProgramIsNeverSilent(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for ci, want := range map[string]string{"true": "fatal: start the emulator: ", "": "skip: NOT TESTED: start the emulator: "} {
		t.Setenv("CI", ci)
		r, ended := &recorder{TB: t}, make(chan bool)
		go func() {
			defer close(ended)
			Start(r)
			t.Error("a missing program did not end the test")
		}()
		<-ended
		got := "fatal: " + r.fatal
		if r.fatal == "" {
			got = "skip: " + r.skip
		}
		if got != want+moto.ErrMissing.Error() {
			t.Errorf("CI=%q: %s, want %s and how to get it", ci, got, want)
		}
	}
}

func TestProgramThatFailsIsAFailureEverywhere(t *testing.T) {
	t.Setenv("CI", "")
	r, ended := &recorder{TB: t}, make(chan bool)
	go func() {
		defer close(ended)
		Need(r, errors.New("no room left"))
	}()
	<-ended
	if !strings.Contains(r.fatal, "no room left") || r.skip != "" {
		t.Errorf("fatal %q, skip %q, want the failure", r.fatal, r.skip)
	}
}
