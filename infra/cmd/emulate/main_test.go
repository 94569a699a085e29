package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary stand for the program where up starts it again as serve, and where a test wants an up that
// it can kill.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"serve", "up"}, os.Args[1]) {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		code := run(ctx, os.Args[1:], surroundings{
			stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, executable: os.Getenv(serveName),
			program: endless, checkKeys: func([]string) error { return nil },
		})
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// outcome is what a run of the program left.
type outcome struct {
	code           int
	stdout, stderr string
}

func emulate(t *testing.T, s surroundings, args ...string) outcome {
	t.Helper()
	var stdout, stderr strings.Builder
	s.stdout, s.stderr = &stdout, &stderr
	if s.getenv == nil {
		s.getenv = func(string) string { return "" }
	}
	s.checkKeys = func(keys []string) error {
		for _, key := range keys {
			if !slices.Contains([]string{"fastshop:shardCount", "aws:region"}, key) {
				return errors.New(key + ": there is no such setting")
			}
		}
		return nil
	}
	code := run(t.Context(), args, s)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestCommandLine(t *testing.T) {
	state := t.TempDir()
	for _, c := range []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"", exitUsage, "", "usage: emulate COMMAND"},
		{"help", exitDone, "usage: emulate COMMAND", ""},
		{"--help", exitDone, "  destroy  remove the stack", ""},
		{"fly", exitUsage, "", `there is no command "fly"`},
		{"up --help", exitDone, "-endpoint URL", ""},
		{"destroy --help", exitDone, "-force\n", ""},
		{"serve -h", exitDone, "usage: emulate serve", ""},
		{"up --fast", exitUsage, "", "flag provided but not defined: -fast"},
		{"outputs --endpoint http://x", exitUsage, "", "See: emulate outputs --help"},
		{"up now", exitUsage, "", `"now" is one word too many`},
		{"up --config shardCount", exitUsage, "", "write it as key=value"},
		{"up --config =2", exitUsage, "", "write it as key=value"},
		{"up --config environmentSuffix=a", exitUsage, "", "give the suffix by --suffix"},
		{"up --config codeArchive=a", exitUsage, "", "give the archive by --code"},
		{"up --config shards=2", exitUsage, "", "fastshop:shards: there is no such setting"},
		{"up --suffix Prod", exitUsage, "", `--suffix "Prod": use lower-case letters`},
		{"up --code /nowhere/x.zip", exitFailed, "", "make lambda builds it"},
		{"up --state /dev/null/x --pulumi p", exitFailed, "", "emulate up: "},
		{"outputs --state " + state, exitFailed, "", "nothing is deployed from this state"},
		{"status --state " + state, exitFailed, "", "run emulate up"},
		{"destroy --state " + state, exitFailed, "", "nothing is deployed from this state"},
	} {
		t.Run(c.args, func(t *testing.T) {
			got := emulate(t, surroundings{}, strings.Fields(c.args)...)
			if got.code != c.code {
				t.Errorf("exit %d, want %d", got.code, c.code)
			}
			if !strings.Contains(got.stdout, c.stdout) || c.stdout == "" && got.stdout != "" {
				t.Errorf("stdout %q, want %q in it", got.stdout, c.stdout)
			}
			if !strings.Contains(got.stderr, c.stderr) || c.stderr == "" && got.stderr != "" {
				t.Errorf("stderr %q, want %q in it", got.stderr, c.stderr)
			}
		})
	}
}

func TestCommandLineOfPulumi(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	environment := func(name string) string {
		return map[string]string{"FASTSHOP_PULUMI": "/from/environment"}[name]
	}
	if got, err := (settings{pulumi: "/from/flag"}).commandLine(environment); err != nil || got != "/from/flag" {
		t.Errorf("%q (%v), want the flag's", got, err)
	}
	if got, err := (settings{}).commandLine(environment); err != nil || got != "/from/environment" {
		t.Errorf("%q (%v), want the environment's", got, err)
	}
	none := emulate(t, surroundings{}, "up")
	if none.code != exitFailed || !strings.Contains(none.stderr, "run scripts/pulumi") {
		t.Errorf("exit %d and %q, want how to get the command line", none.code, none.stderr)
	}
}

func TestConfigurationNamesTheArchiveByItsWholePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if got, err := (settings{config: map[string]string{"shardCount": "2"}}).configuration(); err != nil || len(got) != 1 {
		t.Errorf("without an archive: %v (%v), want what was given", got, err)
	}
	for _, name := range []string{"mine.zip", "bin/fastshop-lambda.zip"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("zip"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for code, want := range map[string]string{
		"":         filepath.Join(dir, "bin", "fastshop-lambda.zip"),
		"mine.zip": filepath.Join(dir, "mine.zip"),
	} {
		got, err := settings{code: code, config: map[string]string{}}.configuration()
		if err != nil || got[codeKey] != want {
			t.Errorf("--code %q: %q (%v), want %q", code, got[codeKey], err, want)
		}
	}
}
