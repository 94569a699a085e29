package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// serveName is the environment variable that tells an up of the tests what to start as serve.
const serveName = "EMULATE_TEST_SERVE"

// hasStream is what the program endless prints when the engine has noted the stream.
const hasStream = "the program has its stream"

// endless is a program with the stream of program stream, which never comes to its end.
func endless(ctx *pulumi.Context) error {
	var made pulumi.CustomResourceState
	err := ctx.RegisterResource("aws:kinesis/stream:Stream", "stream", pulumi.Map{
		"name": pulumi.String("stream-a"), "shardCount": pulumi.Int(1),
	}, &made)
	if err != nil {
		return err
	}
	made.ID().ApplyT(func(id pulumi.ID) pulumi.ID {
		fmt.Fprintln(os.Stderr, hasStream)
		return id
	})
	<-ctx.Context().Done()
	return errors.New("nobody has killed the program")
}

// startUp starts an up of the program endless as a process and kills it, with the command line that it runs, when the test
// ends at the latest. The emulator is in a session of its own. The reader has what up tells.
func startUp(t *testing.T, s surroundings, state string) (kill func(), told *bufio.Reader) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	up := exec.Command(executable, "up", "--state", state, "--suffix", "a", "--config", "aws:region=us-east-1", "--config", "shardCount=1")
	up.Env = append(os.Environ(), serveName+"="+s.executable, "FASTSHOP_PULUMI="+s.getenv("FASTSHOP_PULUMI"))
	up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := up.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if killed {
			return
		}
		killed = true
		if err := syscall.Kill(-up.Process.Pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, output) // until nobody of the group can write any more
		_ = up.Wait()                      // it was killed
	}
	t.Cleanup(kill)
	return kill, bufio.NewReader(output)
}

// awaitLine reads until a line that has all the words.
func awaitLine(t *testing.T, told *bufio.Reader, words ...string) {
	t.Helper()
	var all strings.Builder
	for {
		line, err := told.ReadString('\n')
		if err != nil {
			t.Fatalf("up ended (%v) before a line with %q:\n%s", err, words, all.String())
		}
		all.WriteString(line)
		missing := false
		for _, word := range words {
			missing = missing || !strings.Contains(line, word)
		}
		if !missing {
			return
		}
	}
}

// killHalfWay kills an up once it has told a line with all the words.
func killHalfWay(t *testing.T, s surroundings, state string, words ...string) {
	t.Helper()
	kill, told := startUp(t, s, state)
	awaitLine(t, told, words...)
	kill()
	if locks, err := filepath.Glob(filepath.Join(state, stacksName, "a/state/.pulumi/locks/*/*/*/*.json")); err != nil || len(locks) != 1 {
		t.Fatalf("locks %v (%v), want that of the killed run: else this tests nothing", locks, err)
	}
}

func TestUpGoesOnAfterAKilledUp(t *testing.T) {
	s, state := whole(t), ownState(t)
	killHalfWay(t, s, state, hasStream)
	made := result[map[string]string](t, deploy(t, s, state, "a", "--config", "shardCount=1"))
	if made["kinesis_stream_name"] != "stream-a" {
		t.Errorf("up printed %v, want the name", made)
	}
	if gone := result[farewell](t, emulate(t, s, "destroy", "--state", state, "--suffix", "a")); gone.Destroyed != 3 || len(gone.Left) > 0 {
		t.Errorf("destroy %+v, want the stream, its provider and the stack, and nothing left", gone)
	}
}

func TestForceNeedsNoEngine(t *testing.T) {
	s, state := whole(t), ownState(t)
	killHalfWay(t, s, state, "aws:kinesis:Stream", "created")
	h, err := readHost(state)
	if err != nil {
		t.Fatal(err)
	}
	// The stream is there, and whether the engine has noted it is a matter of luck: make it a matter of course that it has not.
	write(t, filepath.Join(state, stacksName, "a/state/.pulumi/stacks/fastshop/a.json"), "{", 0o600)
	failed := emulate(t, s, "destroy", "--state", state, "--suffix", "a")
	if failed.code != exitFailed {
		t.Errorf("destroy of a broken stack: exit %d and %q", failed.code, failed.stderr)
	}
	result[farewell](t, emulate(t, s, "destroy", "--state", state, "--force"))
	wantEnded(t, state, h.Endpoint)

	result[map[string]string](t, deploy(t, s, state, "a", "--config", "shardCount=1"))
	refused := deploy(t, s, state, "a", "--config", "shardCount=0")
	if refused.code != exitFailed || !strings.Contains(refused.stderr, "run up again, or destroy; destroy --force ends the emulator") {
		t.Errorf("up that fails: exit %d and %q, want the way out named", refused.code, refused.stderr)
	}
}

// An up that is killed between the emulator's announcement and the state that names it takes the emulator along.
func TestUnnamedEmulatorEndsWithItsUp(t *testing.T) {
	s, state := whole(t), ownState(t)
	dir := t.TempDir()
	announced := filepath.Join(dir, "announced")
	// It swallows the announcement, so that up waits for it.
	swallow := write(t, filepath.Join(dir, "swallow"), `#!/bin/sh
exec 3<&0
"`+s.executable+`" "$@" <&3 3<&- | { read -r line; echo "$line" > '`+announced+`.new'; mv '`+announced+`.new' '`+announced+`'; cat; }
`, 0o700)
	s.executable = swallow
	kill, _ := startUp(t, s, state)
	var said announcement
	for said.Endpoint == "" { // the test's own time limit ends the wait
		if content, err := os.ReadFile(announced); err == nil {
			if err := json.Unmarshal(content, &said); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(pollEvery)
	}
	if err := probe(t.Context(), said.Endpoint); err != nil {
		t.Fatal(err)
	}
	kill()
	for !errors.Is(probe(t.Context(), said.Endpoint), errEnded) {
		time.Sleep(pollEvery)
	}
}

func TestOnlyTheWholeLineKeeps(t *testing.T) {
	for input, want := range map[string]bool{keepLine: true, "": false, "keep": false, "kee\n": false} {
		if got := kept(strings.NewReader(input)); got != want {
			t.Errorf("kept(%q) = %v, want %v", input, got, want)
		}
	}
}

func TestDroppedEmulatorEnds(t *testing.T) {
	needMoto(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own, err := startHost(t.Context(), t.TempDir(), executable)
	if err != nil {
		t.Fatal(err)
	}
	own.drop()
	if err := probe(t.Context(), own.Endpoint); !errors.Is(err, errEnded) {
		t.Errorf("emulator: %v, want %v", err, errEnded)
	}
	if err := own.keep(); err == nil || !strings.Contains(err.Error(), "keep the emulator") {
		t.Errorf("keeping what has ended: %v, want an error", err)
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	needMoto(t)
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"serve"}, surroundings{stdout: writer, stderr: io.Discard})
	}()
	line, err := bufio.NewReader(reader).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var said announcement
	if err := json.Unmarshal(line, &said); err != nil {
		t.Fatal(err)
	}
	if err := probe(t.Context(), said.Endpoint); err != nil {
		t.Error(err)
	}
	cancel()
	if got := <-code; got != exitDone {
		t.Errorf("exit %d, want %d", got, exitDone)
	}
	if err := probe(t.Context(), said.Endpoint); !errors.Is(err, errEnded) {
		t.Errorf("emulator after serve: %v, want %v", err, errEnded)
	}
}
