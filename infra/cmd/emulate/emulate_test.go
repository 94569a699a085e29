package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/fastshop/pipeline/infra/deployment"
	"github.com/fastshop/pipeline/infra/deployment/deploymenttest"
	"github.com/fastshop/pipeline/infra/emulator"
	"github.com/fastshop/pipeline/infra/emulator/moto"
	"github.com/fastshop/pipeline/infra/emulator/moto/mototest"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// stream is a program with one stream and a secret.
func stream(ctx *pulumi.Context) error {
	settings := config.New(ctx, deployment.Project)
	count := settings.RequireInt("shardCount")
	if count < 1 {
		return errors.New("shardCount must be at least 1")
	}
	name := "stream-" + settings.Require("environmentSuffix")
	var made pulumi.CustomResourceState
	err := ctx.RegisterResource("aws:kinesis/stream:Stream", "stream", pulumi.Map{
		"name": pulumi.String(name), "shardCount": pulumi.Int(count),
	}, &made)
	ctx.Export("kinesis_stream_name", pulumi.String(name))
	ctx.Export("password", pulumi.ToSecret(pulumi.String("hunter2")))
	return err
}

// whole is what a deployment for real needs beside an emulator.
func whole(t *testing.T) surroundings {
	t.Helper()
	path := deploymenttest.CLI(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return surroundings{
		program: stream, executable: executable,
		getenv: func(name string) string { return map[string]string{"FASTSHOP_PULUMI": path}[name] },
	}
}

// needMoto ends the test where up and serve cannot start an emulator.
func needMoto(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("moto_server"); err != nil {
		mototest.Need(t, moto.ErrMissing)
	}
}

// ownState is a state in which up starts an emulator, which does not outlive the test whatever happens.
func ownState(t *testing.T) string {
	t.Helper()
	needMoto(t)
	state := filepath.Join(t.TempDir(), "state")
	t.Cleanup(func() {
		if h, err := readHost(state); err == nil {
			if err := stopHost(context.Background(), h); err != nil {
				t.Error(err)
			}
		}
	})
	return state
}

// result is the JSON that a run printed; the run must have gone well.
func result[T any](t *testing.T, got outcome) T {
	t.Helper()
	if got.code != exitDone {
		t.Fatalf("exit %d: %s", got.code, got.stderr)
	}
	var value T
	if err := json.Unmarshal([]byte(got.stdout), &value); err != nil {
		t.Fatalf("stdout is not one JSON value: %v: %s", err, got.stdout)
	}
	return value
}

func deploy(t *testing.T, s surroundings, state, suffix string, more ...string) outcome {
	t.Helper()
	return emulate(t, s, append([]string{"up", "--state", state, "--suffix", suffix, "--config", "aws:region=us-east-1"}, more...)...)
}

func TestTwoStacksFromUpToDestroy(t *testing.T) {
	s, state := whole(t), ownState(t)
	first := result[map[string]string](t, deploy(t, s, state, "a", "--config", "shardCount=2"))
	if first["kinesis_stream_name"] != "stream-a" || first["password"] != deployment.Masked {
		t.Errorf("up printed %v, want the name and a masked password", first)
	}
	result[map[string]string](t, deploy(t, s, state, "b", "--config", "shardCount=1"))

	printed := result[map[string]string](t, emulate(t, s, "outputs", "--state", state, "--suffix", "a", "--reveal"))
	if printed["kinesis_stream_name"] != "stream-a" || printed["password"] != "hunter2" {
		t.Errorf("outputs printed %v, want the name and the password", printed)
	}
	now := result[standing](t, emulate(t, s, "status", "--state", state))
	if !now.Own || !now.Answers || !slices.Equal(now.Suffixes, []string{"a", "b"}) {
		t.Errorf("status %+v, want an emulator of our own with a and b", now)
	}
	if got := emulate(t, s, "outputs", "--state", state, "--suffix", "c"); got.code != exitFailed ||
		!strings.Contains(got.stderr, "under the suffix c") {
		t.Errorf("outputs of another suffix: exit %d and %q", got.code, got.stderr)
	}

	if gone := result[farewell](t, emulate(t, s, "destroy", "--state", state, "--suffix", "a")); gone.Destroyed != 3 {
		t.Errorf("destroy %+v, want the stream, its provider and the stack", gone)
	}
	if now := result[standing](t, emulate(t, s, "status", "--state", state)); !now.Answers || !slices.Equal(now.Suffixes, []string{"b"}) {
		t.Errorf("status %+v, want the emulator still there for b", now)
	}
	destroyLast(t, s, state, now.Endpoint)
}

// destroyLast destroys the last stack, b, beside a resource that the engine does not know of: that is told, and a failure.
func destroyLast(t *testing.T, s surroundings, state, endpoint string) {
	t.Helper()
	name := "made-by-hand"
	cloud, err := emulator.NewCloud(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloud.Queue.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
		t.Fatal(err)
	}
	last := emulate(t, s, "destroy", "--state", state, "--suffix", "b")
	var gone farewell
	if err := json.Unmarshal([]byte(last.stdout), &gone); err != nil {
		t.Fatal(err)
	}
	if gone.Destroyed != 3 || len(gone.Left) != 1 || !strings.Contains(gone.Left[0], name) {
		t.Errorf("destroy %+v, want the stream, its provider and the stack, and only the queue left", gone)
	}
	if last.code != exitFailed || !strings.Contains(last.stderr, "destroy left: "+strings.Join(gone.Left, "")+"\n") {
		t.Errorf("exit %d and %q, want the queue to be a failure", last.code, last.stderr)
	}
	wantEnded(t, state, endpoint)
}

// wantEnded fails the test unless emulator and state are gone.
func wantEnded(t *testing.T, state, endpoint string) {
	t.Helper()
	if err := probe(t.Context(), endpoint); !errors.Is(err, errEnded) {
		t.Errorf("emulator: %v, want %v", err, errEnded)
	}
	if _, err := os.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v, want the state gone", err)
	}
}

func TestGivenEmulatorStays(t *testing.T) {
	s, state := whole(t), filepath.Join(t.TempDir(), "state")
	m := mototest.Start(t)
	refused := deploy(t, s, state, "a", "--config", "shardCount=0", "--endpoint", m.Endpoint())
	if refused.code != exitFailed || !strings.Contains(refused.stderr, "shardCount must be at least 1") ||
		!strings.Contains(refused.stderr, "run up again, or destroy") || refused.stdout != "" {
		t.Errorf("exit %d, stdout %q, stderr %q: want the program's words", refused.code, refused.stdout, refused.stderr)
	}
	result[map[string]string](t, deploy(t, s, state, "a", "--config", "shardCount=1"))
	// A run that finds the state claimed in the meantime uses the emulator that claimed it, and ends its own.
	slower, err := newHost(t.Context(), settings{state: state}, surroundings{stderr: io.Discard, executable: s.executable})
	if err != nil || slower.Endpoint != m.Endpoint() || slower.PID != 0 {
		t.Errorf("slower run got %v (%v), want the state's emulator", slower, err)
	}
	other := deploy(t, s, state, "a", "--endpoint", "http://127.0.0.1:1")
	if other.code != exitFailed || !strings.Contains(other.stderr, "destroy it first") {
		t.Errorf("another endpoint: exit %d and %q", other.code, other.stderr)
	}
	forced := emulate(t, s, "destroy", "--state", state, "--force")
	if forced.code != exitFailed || !strings.Contains(forced.stderr, "is not ours") {
		t.Errorf("destroy --force: exit %d and %q, want it to spare what others started", forced.code, forced.stderr)
	}
	gone := result[farewell](t, emulate(t, s, "destroy", "--state", state, "--suffix", "a"))
	if gone.Destroyed != 3 || len(gone.Left) > 0 {
		t.Errorf("destroy %+v, want the stream, its provider and the stack, and nothing left", gone)
	}
	if err := probe(t.Context(), m.Endpoint()); err != nil {
		t.Errorf("the emulator that was given does not answer after destroy: %v", err)
	}
}
