package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fastshop/pipeline/infra/deployment"
	"github.com/fastshop/pipeline/infra/emulator"
)

// up deploys one stack into the state's emulator, which it starts if there is none yet.
func up(ctx context.Context, chosen settings, s surroundings) error {
	folder, err := chosen.stackFolder()
	if err != nil {
		return err
	}
	if err := chosen.checkConfig(s.checkKeys); err != nil {
		return err
	}
	config, err := chosen.configuration()
	if err != nil {
		return err
	}
	cli, err := chosen.commandLine(s.getenv)
	if err != nil {
		return err
	}
	h, err := ensureHost(ctx, chosen, s)
	if err != nil {
		return err
	}
	d, err := deployment.Open(ctx, deployment.Options{
		Dir: folder, Endpoint: h.Endpoint, Pulumi: cli, Suffix: chosen.suffix,
		Config: config, Program: s.program, Progress: s.stderr,
	})
	if err != nil {
		return err
	}
	defer d.Close()
	result, err := d.Up(ctx)
	if err != nil {
		return fmt.Errorf("%w\nWhat was made is kept: run up again, or destroy%s", err, orForce(h))
	}
	return printOutputs(s, result.Outputs, chosen.reveal)
}

// ensureHost finds the state's emulator or makes one the state's.
func ensureHost(ctx context.Context, chosen settings, s surroundings) (host, error) {
	h, err := readHost(chosen.state)
	switch {
	case errors.Is(err, errNoState):
		return newHost(ctx, chosen, s)
	case err != nil:
		return h, err
	case chosen.endpoint != "" && chosen.endpoint != h.Endpoint:
		return h, fmt.Errorf("%s is deployed to %s: destroy it first, or choose another --state", chosen.state, h.Endpoint)
	case h.PID == 0:
		return h, nil
	}
	if err := probe(ctx, h.Endpoint); err != nil {
		return h, fmt.Errorf("%w; run destroy to begin anew", err)
	}
	return h, nil
}

// newHost makes the emulator that was given the state's, or one of our own.
func newHost(ctx context.Context, chosen settings, s surroundings) (host, error) {
	if chosen.endpoint != "" {
		if _, err := emulator.NewCloud(ctx, chosen.endpoint); err != nil {
			return host{}, err
		}
	}
	if err := os.MkdirAll(chosen.state, 0o700); err != nil {
		return host{}, fmt.Errorf("make the state: %w", err)
	}
	if chosen.endpoint != "" {
		return claim(ctx, chosen.state, host{Endpoint: chosen.endpoint})
	}
	fmt.Fprintln(s.stderr, "starting an emulator of AWS (some seconds)")
	own, err := startHost(ctx, chosen.state, s.executable)
	if err != nil {
		return host{}, err
	}
	h, err := claim(ctx, chosen.state, own.host)
	if err != nil || h.Endpoint != own.Endpoint {
		own.drop()
		return h, err
	}
	return h, own.keep()
}

// claim makes the emulator the state's, unless another run was faster: then it is that run's.
func claim(ctx context.Context, state string, h host) (host, error) {
	var err error
	if h.Before, err = inventory(ctx, h); err != nil {
		return host{}, err
	}
	switch err := writeHost(state, h); {
	case errors.Is(err, fs.ErrExist):
		return readHost(state)
	case err != nil:
		return host{}, err
	}
	return h, nil
}

// inventory is what is in the emulator now.
func inventory(ctx context.Context, h host) ([]emulator.Item, error) {
	cloud, err := emulator.NewCloud(ctx, h.Endpoint)
	if err != nil {
		return nil, err
	}
	return emulator.Inventory(ctx, cloud)
}

// outputs prints those of one stack.
func outputs(ctx context.Context, chosen settings, s surroundings) error {
	d, err := reopen(ctx, chosen, s)
	if err != nil {
		return err
	}
	defer d.Close()
	values, err := d.Outputs(ctx)
	if err != nil {
		return err
	}
	return printOutputs(s, values, chosen.reveal)
}

func printOutputs(s surroundings, values deployment.Outputs, reveal bool) error {
	if reveal {
		return printJSON(s.stdout, values.Reveal())
	}
	return printJSON(s.stdout, values)
}

// reopen opens a stack that was deployed before.
func reopen(ctx context.Context, chosen settings, s surroundings) (*deployment.Deployment, error) {
	folder, err := chosen.stackFolder()
	if err != nil {
		return nil, err
	}
	h, err := readHost(chosen.state)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(folder); err != nil {
		return nil, fmt.Errorf("%w under the suffix %s: %w", errNoState, chosen.suffix, err)
	}
	cli, err := chosen.commandLine(s.getenv)
	if err != nil {
		return nil, err
	}
	return deployment.Open(ctx, deployment.Options{
		Dir: folder, Endpoint: h.Endpoint, Pulumi: cli, Suffix: chosen.suffix, Program: s.program, Progress: s.stderr,
	})
}

// standing is what status prints.
type standing struct {
	Endpoint string   `json:"endpoint"`
	Own      bool     `json:"own"`     // started by up, and ended by the last destroy
	Answers  bool     `json:"answers"` // the emulator is there
	Suffixes []string `json:"suffixes"`
}

func status(ctx context.Context, chosen settings, s surroundings) error {
	h, err := readHost(chosen.state)
	if err != nil {
		return err
	}
	names, err := suffixes(chosen.state)
	if err != nil {
		return err
	}
	return printJSON(s.stdout, standing{
		Endpoint: h.Endpoint, Own: h.PID != 0, Answers: probe(ctx, h.Endpoint) == nil, Suffixes: names,
	})
}

// farewell is what destroy prints.
type farewell struct {
	// Destroyed is the number of the engine's resources, those included that the emulator does not have.
	Destroyed int `json:"destroyed"`
	// Left is what is in the emulator and was not when the state began: nothing, unless there are other stacks.
	Left []string `json:"left"`
	// Pending are the keys that wait for their deletion, which AWS never does at once.
	Pending []string `json:"pending"`
}

// destroy removes one stack and its state, and with the last stack an emulator of our own.
func destroy(ctx context.Context, chosen settings, s surroundings) error {
	h, err := readHost(chosen.state)
	if err != nil {
		return err
	}
	if chosen.force {
		return abandon(ctx, chosen, s, h)
	}
	result, err := destroyStack(ctx, chosen, s, h)
	if err != nil {
		return err
	}
	last, err := forget(ctx, chosen, h)
	if err != nil {
		return err
	}
	if err := printJSON(s.stdout, result); err != nil {
		return err
	}
	// What is left in an emulator that was given may be others', and so it may while there are other stacks.
	if h.PID != 0 && last && len(result.Left) > 0 {
		return fmt.Errorf("destroy left: %s", strings.Join(result.Left, ", "))
	}
	return nil
}

// abandon ends an emulator of our own and removes all stacks of the state without asking the engine, which cannot go on
// where a run was killed between a resource and the note of it.
func abandon(ctx context.Context, chosen settings, s surroundings, h host) error {
	if h.PID == 0 {
		return fmt.Errorf("--force ends the emulator, and the one at %s is not ours: empty it yourself, and remove %s",
			h.Endpoint, chosen.state)
	}
	if err := stopHost(ctx, h); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(chosen.state, stacksName)); err != nil {
		return fmt.Errorf("remove the state: %w", err)
	}
	if err := removeHost(chosen.state); err != nil {
		return err
	}
	return printJSON(s.stdout, nothing())
}

// nothing is the farewell to an emulator that took all with it.
func nothing() farewell { return farewell{Left: []string{}, Pending: []string{}} }

// orForce is the advice for an emulator of our own in which the engine fails.
func orForce(h host) string {
	if h.PID == 0 {
		return ""
	}
	return "; destroy --force ends the emulator with all that is in it"
}

func destroyStack(ctx context.Context, chosen settings, s surroundings, h host) (farewell, error) {
	result := nothing()
	if err := probe(ctx, h.Endpoint); h.PID != 0 && errors.Is(err, errEnded) {
		fmt.Fprintf(s.stderr, "%v; only the state is removed\n", err)
		return result, nil
	}
	d, err := reopen(ctx, chosen, s)
	if names, listed := suffixes(chosen.state); errors.Is(err, errNoState) && listed == nil && len(names) == 0 {
		fmt.Fprintln(s.stderr, "an up that failed early left only the emulator")
		return result, nil
	}
	if err != nil {
		return result, err
	}
	defer d.Close()
	changes, err := d.Destroy(ctx)
	if err != nil {
		return result, fmt.Errorf("%w\nWhat is left is kept: run destroy again%s", err, orForce(h))
	}
	result.Destroyed = changes.Total(deployment.Delete)
	now, err := inventory(ctx, h)
	if err != nil {
		return result, err
	}
	for _, item := range emulator.Diff(h.Before, now) {
		if item.Pending() {
			result.Pending = append(result.Pending, item.String())
		} else {
			result.Left = append(result.Left, item.String())
		}
	}
	return result, nil
}

// forget removes the state of a destroyed stack, and of all when it was the last.
func forget(ctx context.Context, chosen settings, h host) (last bool, err error) {
	folder, err := chosen.stackFolder()
	if err != nil {
		return false, err
	}
	if err := os.RemoveAll(folder); err != nil {
		return false, fmt.Errorf("remove the state: %w", err)
	}
	names, err := suffixes(chosen.state)
	if err != nil || len(names) > 0 {
		return false, err
	}
	if err := stopHost(ctx, h); err != nil {
		return true, err
	}
	return true, removeHost(chosen.state)
}
