package main

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/emulator"
)

func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyOneEmulatorForAState(t *testing.T) {
	state := t.TempDir()
	first := host{Endpoint: "http://127.0.0.1:1", PID: 7, Before: []emulator.Item{{Service: "vpc", Type: "vpc", ID: "vpc-1"}}}
	second := host{Endpoint: "http://127.0.0.1:2"}
	if err := writeHost(state, first); err != nil {
		t.Fatal(err)
	}
	if err := writeHost(state, second); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second: %v, want %v", err, fs.ErrExist)
	}
	if got, err := readHost(state); err != nil || !reflect.DeepEqual(got, first) {
		t.Errorf("read %v (%v), want the first", got, err)
	}
	if left, err := filepath.Glob(filepath.Join(state, "*.json.*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
	if err := writeHost(filepath.Join(state, "none"), first); err == nil {
		t.Error("writing where no folder is: no error")
	}
}

func TestDamagedState(t *testing.T) {
	for _, content := range []string{"", "{", `{"pid": 3}`} {
		state := t.TempDir()
		write(t, filepath.Join(state, emulatorName), content, 0o600)
		for _, command := range []string{"status", "outputs", "destroy", "up"} {
			args := []string{command, "--state", state}
			if command == "up" {
				args = append(args, "--pulumi", "unused")
			}
			if got := emulate(t, surroundings{}, args...); got.code != exitFailed || !strings.Contains(got.stderr, "is damaged; remove") {
				t.Errorf("%s of %q: exit %d and %q, want what to do about it", command, content, got.code, got.stderr)
			}
		}
	}
	state := t.TempDir()
	if err := os.Mkdir(filepath.Join(state, emulatorName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := readHost(state); err == nil || errors.Is(err, errNoState) {
		t.Errorf("a folder in place of the file: %v, want an error of reading", err)
	}
	write(t, filepath.Join(state, stacksName), "", 0o600)
	if _, err := suffixes(state); err == nil {
		t.Error("a file in place of the stacks: no error")
	}
}

// nobody is an endpoint at which nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return endpoint
}

func TestEmulatorThatEnded(t *testing.T) {
	state := t.TempDir()
	if err := writeHost(state, host{Endpoint: nobody(t), PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(state, stacksName, "demo", "Pulumi.yaml"), "name: fastshop", 0o600)

	got := emulate(t, surroundings{}, "up", "--state", state, "--pulumi", "unused")
	if got.code != exitFailed || !strings.Contains(got.stderr, "run destroy to begin anew") {
		t.Errorf("up: exit %d and %q, want what to do", got.code, got.stderr)
	}
	got = emulate(t, surroundings{}, "status", "--state", state)
	if got.code != exitDone || !strings.Contains(got.stdout, `"answers": false`) {
		t.Errorf("status: exit %d and %q, want that nobody answers", got.code, got.stdout)
	}
	// The number of the process is another's by now, here the test's own: it must not be killed.
	got = emulate(t, surroundings{}, "destroy", "--state", state)
	if got.code != exitDone || strings.Join(strings.Fields(got.stdout), "") != `{"destroyed":0,"left":[],"pending":[]}` {
		t.Errorf("destroy: exit %d, %q and %q, want nothing destroyed", got.code, got.stdout, got.stderr)
	}
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v, want the state gone", err)
	}
}

// A server that fails is not one that has ended: nothing may be forgotten, and nobody killed.
func TestEmulatorThatFails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()
	state := t.TempDir()
	h := host{Endpoint: server.URL, PID: os.Getpid()}
	if err := writeHost(state, h); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(state, stacksName, "demo", "Pulumi.yaml"), "name: fastshop", 0o600)
	if err := stopHost(t.Context(), h); err == nil || !strings.Contains(err.Error(), "500 Internal Server Error") {
		t.Errorf("stop: %v, want the server's answer", err)
	}
	for _, command := range []string{"up", "destroy"} {
		if got := emulate(t, surroundings{}, command, "--state", state, "--pulumi", "unused"); got.code != exitFailed {
			t.Errorf("%s: exit %d, want %d", command, got.code, exitFailed)
		}
	}
	if names, err := suffixes(state); err != nil || !slices.Equal(names, []string{"demo"}) {
		t.Errorf("stacks %v (%v), want demo kept", names, err)
	}
}

func TestEmulatorThatDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	broken := write(t, filepath.Join(dir, "broken"), "#!/bin/sh\necho no room left >&2\nexit 1\n", 0o700)
	for executable, want := range map[string]string{broken: "no room left", filepath.Join(dir, "none"): "start the emulator"} {
		got := emulate(t, surroundings{executable: executable}, "up", "--state", filepath.Join(dir, "state"), "--pulumi", "unused")
		if got.code != exitFailed || !strings.Contains(got.stderr, want) {
			t.Errorf("exit %d and %q, want %q", got.code, got.stderr, want)
		}
	}
	if _, err := startHost(t.Context(), filepath.Join(dir, "nowhere"), broken); err == nil {
		t.Error("a state that is not there: no error")
	}
}

func TestEndpointThatDoesNotAnswerClaimsNothing(t *testing.T) {
	state, endpoint := filepath.Join(t.TempDir(), "state"), nobody(t)
	got := emulate(t, surroundings{}, "up", "--state", state, "--endpoint", endpoint, "--pulumi", "unused")
	if got.code != exitFailed || !strings.Contains(got.stderr, endpoint) {
		t.Errorf("up: exit %d and %q, want the endpoint named", got.code, got.stderr)
	}
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v, want no state", err)
	}
}

func TestUpThatFailedEarlyCanBeDestroyed(t *testing.T) {
	state := t.TempDir()
	if err := writeHost(state, host{Endpoint: nobody(t)}); err != nil {
		t.Fatal(err)
	}
	got := emulate(t, surroundings{}, "destroy", "--state", state)
	if got.code != exitDone || !strings.Contains(got.stderr, "left only the emulator") {
		t.Errorf("destroy: exit %d and %q, want the state removed", got.code, got.stderr)
	}
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v, want the state gone", err)
	}
}
