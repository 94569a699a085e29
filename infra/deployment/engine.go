package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Project is the name of the Pulumi project, and so the namespace of its configuration.
const Project = "fastshop"

// passphrase encrypts the secrets in the state. The state is of an emulator, where nothing is secret; the engine wants one
// all the same.
const passphrase = "emulator"

// engine drives one stack through the command line.
type engine struct {
	stack    auto.Stack
	locks    string // the folder of the stack's locks
	progress io.Writer
}

// stackOptions are what openEngine needs.
type stackOptions struct {
	dir      string // work, state and settings of the engine
	cli      string
	stack    string
	port     int // of the provider that answers as package aws
	program  pulumi.RunFunc
	config   map[string]string
	progress io.Writer
}

// openEngine makes or finds the stack. All that the engine keeps stays below dir, and the environment is set for the
// command line alone.
func openEngine(ctx context.Context, o stackOptions) (*engine, error) {
	state := filepath.Join(o.dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("make the state folder: %w", err)
	}
	command, err := commandAt(o.cli, filepath.Join(o.dir, "cli"))
	if err != nil {
		return nil, err
	}
	stack, err := auto.UpsertStackInlineSource(ctx, o.stack, Project, o.program,
		auto.Pulumi(command),
		auto.WorkDir(o.dir),
		auto.PulumiHome(filepath.Join(o.dir, "home")),
		auto.Project(workspace.Project{
			Name:    tokens.PackageName(Project),
			Runtime: workspace.NewProjectRuntimeInfo("go", nil),
		}),
		auto.EnvVars(map[string]string{
			"PULUMI_BACKEND_URL":                          "file://" + state,
			"PULUMI_CONFIG_PASSPHRASE":                    passphrase,
			"PULUMI_SKIP_UPDATE_CHECK":                    "true",
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
			"PULUMI_DEBUG_PROVIDERS":                      "aws:" + strconv.Itoa(o.port),
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("open the stack: %w", err)
	}
	e := &engine{stack: stack, locks: filepath.Join(state, ".pulumi", "locks", "organization", Project, o.stack), progress: o.progress}
	if err := e.set(ctx, o.config); err != nil {
		return nil, err
	}
	return e, nil
}

// commandAt wraps the command line. The Automation API takes only folders that have it as bin/pulumi, so root gets a link.
func commandAt(cli, root string) (auto.PulumiCommand, error) {
	path, err := filepath.Abs(cli)
	if err != nil {
		return nil, fmt.Errorf("find the Pulumi command line: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o700); err != nil {
		return nil, fmt.Errorf("link the Pulumi command line: %w", err)
	}
	link := filepath.Join(root, "bin", "pulumi")
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("link the Pulumi command line: %w", err)
	}
	if err := os.Symlink(path, link); err != nil {
		return nil, fmt.Errorf("link the Pulumi command line: %w", err)
	}
	command, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: root})
	if err != nil {
		return nil, fmt.Errorf("try the Pulumi command line %s (scripts/pulumi builds the right version): %w", cli, err)
	}
	return command, nil
}

// set writes configuration values; those that are not named keep theirs.
func (e *engine) set(ctx context.Context, config map[string]string) error {
	if len(config) == 0 {
		return nil
	}
	values := make(auto.ConfigMap, len(config))
	for key, value := range config {
		values[key] = auto.ConfigValue{Value: value}
	}
	if err := e.stack.SetAllConfig(ctx, values); err != nil {
		return fmt.Errorf("set the configuration: %w", err)
	}
	return nil
}

func (e *engine) preview(ctx context.Context) (Changes, error) {
	return e.run("preview", func(l *listener) error {
		_, err := e.stack.Preview(ctx, optpreview.Color("never"), optpreview.EventStreams(l.events),
			optpreview.ProgressStreams(e.progress), optpreview.ErrorProgressStreams(e.progress))
		return err
	})
}

func (e *engine) up(ctx context.Context) (Changes, Outputs, error) {
	var outputs Outputs
	changes, err := e.run("up", func(l *listener) error {
		result, err := e.stack.Up(ctx, optup.Color("never"), optup.EventStreams(l.events),
			optup.ProgressStreams(e.progress), optup.ErrorProgressStreams(e.progress))
		outputs = outputsOf(result.Outputs)
		return err
	})
	return changes, outputs, err
}

func (e *engine) refresh(ctx context.Context) (Changes, error) {
	return e.run("refresh", func(l *listener) error {
		_, err := e.stack.Refresh(ctx, optrefresh.Color("never"), optrefresh.EventStreams(l.events),
			optrefresh.ProgressStreams(e.progress), optrefresh.ErrorProgressStreams(e.progress))
		return err
	})
}

func (e *engine) destroy(ctx context.Context) (Changes, error) {
	return e.run("destroy", func(l *listener) error {
		_, err := e.stack.Destroy(ctx, optdestroy.Color("never"), optdestroy.EventStreams(l.events),
			optdestroy.ProgressStreams(e.progress), optdestroy.ErrorProgressStreams(e.progress))
		return err
	})
}

// run does one operation while it listens to the engine's events. A state that only the dead hold is taken from them.
func (e *engine) run(operation string, do func(*listener) error) (Changes, error) {
	changes, err := attempt(operation, do)
	if !errors.Is(err, ErrLocked) {
		return changes, err
	}
	if blocked := unlock(e.locks); blocked != nil {
		return changes, fmt.Errorf("%s: %w", operation, blocked)
	}
	return attempt(operation, do)
}

func attempt(operation string, do func(*listener) error) (Changes, error) {
	l := listen()
	err := do(l)
	l.close()
	switch {
	case err == nil:
		return l.changes, nil
	case auto.IsConcurrentUpdateError(err):
		return l.changes, fmt.Errorf("%s: %w", operation, ErrLocked)
	default:
		return l.changes, &Failure{Operation: operation, Faults: l.faults, Err: err}
	}
}

func (e *engine) outputs(ctx context.Context) (Outputs, error) {
	values, err := e.stack.Outputs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the outputs: %w", err)
	}
	return outputsOf(values), nil
}
