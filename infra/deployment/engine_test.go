package deployment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/deployment/deploymenttest"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// two is a program with two things, the second after the first, an output and a secret.
func two(ctx *pulumi.Context) error {
	settings := config.New(ctx, Project)
	name := settings.Require("name")
	first, err := makeThing(ctx, "first", name, settings.RequireFloat64("size"))
	if err != nil {
		return err
	}
	if _, err := makeThing(ctx, "second", "second", 1, first); err != nil {
		return err
	}
	ctx.Export("size", first.Size)
	ctx.Export("name", pulumi.String(name))
	ctx.Export("password", pulumi.ToSecret(pulumi.String("hunter2")))
	return nil
}

func open(t *testing.T, o stackOptions) *engine {
	t.Helper()
	o.cli = deploymenttest.CLI(t)
	if o.dir == "" {
		o.dir = t.TempDir()
	}
	if o.progress == nil {
		o.progress = &bytes.Buffer{}
	}
	e, err := openEngine(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func wantLines(t *testing.T, operation string, changes Changes, err error, want ...string) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", operation, err)
	}
	if got := changes.Lines(); !slices.Equal(got, want) {
		t.Errorf("%s did\n  %s\nwant\n  %s", operation, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func wantThings(t *testing.T, c *cloud, want ...string) {
	t.Helper()
	if got := c.names(); !slices.Equal(got, want) {
		t.Errorf("things %v, want %v", got, want)
	}
}

// life are the steps that make the stack of program two, or with another verb unmake it.
func life(verb string) []string {
	return []string{
		verb + " " + thing + " first",
		verb + " " + thing + " second",
		verb + " pulumi:providers:aws default",
		verb + " pulumi:pulumi:Stack fastshop-life",
	}
}

func TestLifeOfAStack(t *testing.T) {
	cloud, port := startCloud(t)
	progress := &bytes.Buffer{}
	e := open(t, stackOptions{
		stack: "life", port: port, program: two, progress: progress,
		config: map[string]string{"name": "a", "fastshop:size": "3"},
	})
	changes, err := e.preview(t.Context())
	wantLines(t, "first preview", changes, err, life("create")...)
	wantThings(t, cloud) // a preview makes none

	changes, outputs, err := e.up(t.Context())
	wantLines(t, "first up", changes, err, life("create")...)
	if got := changes.Total(Create); got != 4 {
		t.Errorf("%d created, want 4", got)
	}
	wantThings(t, cloud, "a", "second")
	wantOutputs(t, outputs)
	if !strings.Contains(progress.String(), "first") {
		t.Errorf("progress does not tell of the resources: %q", progress.String())
	}

	changes, err = e.preview(t.Context())
	wantLines(t, "preview after up", changes, err)
	if !changes.Empty() || changes.Total(Same) != 4 {
		t.Errorf("preview after up: %v, want 4 the same", changes.Count)
	}
	changeThings(t, e, cloud)
	changes, err = e.destroy(t.Context())
	wantLines(t, "destroy", changes, err, life("delete")...)
	wantThings(t, cloud)
}

// changeThings changes the stack in place, by replacement and behind the engine's back.
func changeThings(t *testing.T, e *engine, cloud *cloud) {
	t.Helper()
	if err := e.set(t.Context(), map[string]string{"size": "5"}); err != nil {
		t.Fatal(err)
	}
	changes, outputs, err := e.up(t.Context())
	wantLines(t, "new size", changes, err, "update "+thing+" first (size)")
	if got := outputs["size"].Reveal(); got != 5.0 {
		t.Errorf("output size %v, want 5", got)
	}

	if err := e.set(t.Context(), map[string]string{"name": "b"}); err != nil {
		t.Fatal(err)
	}
	changes, _, err = e.up(t.Context())
	wantLines(t, "new name", changes, err,
		"create-replacement "+thing+" first (name)",
		"delete-replaced "+thing+" first",
		"replace "+thing+" first (name)")
	wantThings(t, cloud, "b", "second")

	cloud.resize("b", 9)
	changes, err = e.refresh(t.Context())
	wantLines(t, "refresh after drift", changes, err, "update "+thing+" first (size)")
}

func wantOutputs(t *testing.T, outputs Outputs) {
	t.Helper()
	printed, err := json.Marshal(outputs)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"a","password":"[secret]","size":3}`; string(printed) != want {
		t.Errorf("outputs print as %s, want %s", printed, want)
	}
	if !outputs["password"].Secret() || outputs["password"].Reveal() != "hunter2" {
		t.Errorf("password is %v, want the secret hunter2", outputs["password"].Reveal())
	}
}

func TestFailureHalfWay(t *testing.T) {
	cloud, port := startCloud(t)
	cloud.refuse("second", true)
	e := open(t, stackOptions{
		stack: "half", port: port, program: two, config: map[string]string{"name": "a", "size": "3"},
	})

	changes, _, err := e.up(t.Context())
	var failure *Failure
	if !errors.As(err, &failure) {
		t.Fatalf("error %v, want a failure", err)
	}
	if want := "up: second (" + thing + "): "; !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), "limit exceeded: ask for more things") {
		t.Errorf("error %q does not say who failed and why", err)
	}
	if len(failure.Faults) != 1 {
		t.Errorf("faults %v, want the one", failure.Faults)
	}
	if failure.Unwrap() == nil {
		t.Error("the command line's own error is lost")
	}
	if lines := changes.Lines(); !slices.Contains(lines, "create "+thing+" first") ||
		slices.Contains(lines, "create "+thing+" second") {
		t.Errorf("changes %v, want the first thing made and not the second", lines)
	}

	cloud.refuse("second", false)
	changes, _, err = e.up(t.Context())
	wantLines(t, "up again", changes, err, "create "+thing+" second")
	if _, err := e.destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := cloud.names(); len(names) > 0 {
		t.Errorf("destroy left %v", names)
	}
}

func TestProgramThatRefuses(t *testing.T) {
	cloud, port := startCloud(t)
	e := open(t, stackOptions{stack: "bad", port: port, program: func(*pulumi.Context) error {
		return errors.New("shardCount must be at least 1")
	}})
	_, _, err := e.up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "shardCount must be at least 1") {
		t.Errorf("error %v, want the program's own words", err)
	}
	if names := cloud.names(); len(names) > 0 {
		t.Errorf("a program that refuses made %v", names)
	}
}

func TestStateOutlivesTheEngine(t *testing.T) {
	_, port := startCloud(t)
	dir := t.TempDir()
	options := stackOptions{
		dir: dir, stack: "again", port: port, program: two, config: map[string]string{"name": "a", "size": "3"},
	}
	if _, _, err := open(t, options).up(t.Context()); err != nil {
		t.Fatal(err)
	}

	options.config = nil // what was set stays
	e := open(t, options)
	outputs, err := e.outputs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantOutputs(t, outputs)
	changes, err := e.preview(t.Context())
	wantLines(t, "preview of another engine", changes, err)
}

func TestCanceledOperation(t *testing.T) {
	_, port := startCloud(t)
	e := open(t, stackOptions{
		stack: "stopped", port: port, program: two, config: map[string]string{"name": "a", "size": "3"},
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var failure *Failure
	if _, err := e.preview(ctx); !errors.As(err, &failure) || len(failure.Faults) > 0 {
		t.Errorf("error %v, want a failure without faults of the engine", err)
	}
	if _, err := e.outputs(ctx); err == nil {
		t.Error("outputs of a canceled call: no error")
	}
	if err := e.set(ctx, map[string]string{"size": "4"}); err == nil {
		t.Error("configuration of a canceled call: no error")
	}
}

func TestEngineThatCannotOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		o    stackOptions
		says string
	}{
		{"folder is a file", stackOptions{dir: file, cli: broken}, "make the state folder"},
		{"no command line", stackOptions{dir: t.TempDir(), cli: filepath.Join(dir, "none")}, "scripts/pulumi builds the right version"},
		{"command line that fails", stackOptions{dir: t.TempDir(), cli: broken}, "scripts/pulumi builds the right version"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := openEngine(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}

	good := stackOptions{dir: t.TempDir(), cli: deploymenttest.CLI(t), stack: "a stack", program: two}
	if _, err := openEngine(t.Context(), good); err == nil || !strings.Contains(err.Error(), "open the stack") {
		t.Errorf("error %v, want the refusal of a stack name with a space", err)
	}
}
