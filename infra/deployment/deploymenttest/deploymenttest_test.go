package deploymenttest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/fastshop/pipeline/infra/deployment/cli"
)

// recorder is a test whose end is noted.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Fatal(args ...any) { r.end = "fatal: " + fmt.Sprint(args...); runtime.Goexit() }
func (r *recorder) Skip(args ...any)  { r.end = "skip: " + fmt.Sprint(args...); runtime.Goexit() }

func TestWhereTheCommandLineIs(t *testing.T) {
	infra := t.TempDir()
	built := filepath.Join(infra, "bin", "pulumi")
	for _, dir := range []string{"bin", "deployment", "cmd/emulate"} {
		if err := os.MkdirAll(filepath.Join(infra, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(built, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "")
	t.Setenv("FASTSHOP_PULUMI", "")
	for _, dir := range []string{"deployment", "cmd/emulate"} {
		t.Chdir(filepath.Join(infra, dir))
		if got := CLI(t); got != built {
			t.Errorf("from %s: %s, want %s", dir, got, built)
		}
	}
	t.Setenv("FASTSHOP_PULUMI", "/from/environment")
	if got := CLI(t); got != "/from/environment" {
		t.Errorf("CLI = %s, want the environment's", got)
	}
}

func TestMissingCommandLineIsNeverSilent(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	t.Setenv("FASTSHOP_PULUMI", "")
	for ci, want := range map[string]string{"true": "fatal: ", "": "skip: NOT TESTED: "} {
		t.Setenv("CI", ci)
		r, ended := &recorder{TB: t}, make(chan bool)
		go func() {
			defer close(ended)
			CLI(r)
			t.Error("a missing command line did not end the test")
		}()
		<-ended
		if want += cli.ErrMissing.Error(); r.end != want {
			t.Errorf("CI=%q: %s, want %s", ci, r.end, want)
		}
	}
}
