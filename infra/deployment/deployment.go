// Package deployment brings a Pulumi program up against the emulator of AWS with the real Pulumi engine, and takes it
// down again: the command line does the work, the program runs inline in this process, and the provider of package
// emulator answers as package aws. The tests of the stack and cmd/emulate are its callers.
//
// Nothing global is touched: state, settings and plugins of the engine are below one folder, and its environment is set
// for the command line alone. An AWS account is never reached.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"

	"github.com/fastshop/pipeline/infra/emulator"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// suffixKey is the configuration key of the suffix.
const suffixKey = "environmentSuffix"

// Options say what is deployed and where.
type Options struct {
	// Dir is the folder of the engine's state. It is made if missing, and belongs to one deployment at a time; opening
	// it again goes on with what was deployed from it.
	Dir string
	// Endpoint is the URL of the emulator, such as http://127.0.0.1:5000.
	Endpoint string
	// Pulumi is the path of the command line; see cli.Find.
	Pulumi string
	// Suffix names the stack, and is the program's environmentSuffix unless Config has another: lower-case letters,
	// digits and hyphens.
	Suffix string
	// Config has further configuration values, by their keys: with a namespace, as in aws:region, or of Project's.
	// Keys that were set when Dir was open before, and are not named now, keep their values.
	Config map[string]string
	// Program is what is deployed.
	Program pulumi.RunFunc
	// Progress gets what the engine prints while it works; nil means nobody.
	Progress io.Writer
	// Fail is asked before each create, update and delete, from several goroutines; its error is the operation's. Nil
	// lets everything through.
	Fail func(op emulator.Op, token, name string) error
}

// check names everything that is missing or malformed.
func (o Options) check() error {
	var faults []error
	for _, needed := range []struct{ name, value string }{
		{"Dir", o.Dir}, {"Endpoint", o.Endpoint}, {"Pulumi", o.Pulumi},
	} {
		if needed.value == "" {
			faults = append(faults, fmt.Errorf("open the deployment: give %s", needed.name))
		}
	}
	if o.Program == nil {
		faults = append(faults, errors.New("open the deployment: give Program"))
	}
	if !ValidSuffix(o.Suffix) {
		faults = append(faults, fmt.Errorf("open the deployment: suffix %q: use lower-case letters, digits and hyphens", o.Suffix))
	}
	return errors.Join(faults...)
}

// ValidSuffix tells whether a suffix can name a stack and a folder. The program may be stricter.
func ValidSuffix(suffix string) bool {
	return regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`).MatchString(suffix)
}

// Deployment is one stack of the program. Its operations run one at a time.
type Deployment struct {
	engine *engine
	server *emulator.Server
}

// Open starts the provider and makes or finds the stack; nothing is deployed yet. The caller closes it.
func Open(ctx context.Context, o Options) (*Deployment, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	cloud, err := emulator.NewCloud(ctx, o.Endpoint)
	if err != nil {
		return nil, err
	}
	// The provider lives until Close: a canceled operation must still be able to end what it began.
	server, err := emulator.Serve(context.WithoutCancel(ctx), cloud, emulator.Options{Fail: o.Fail})
	if err != nil {
		return nil, err
	}
	config := map[string]string{suffixKey: o.Suffix}
	maps.Copy(config, o.Config)
	progress := o.Progress
	if progress == nil {
		progress = io.Discard
	}
	e, err := openEngine(ctx, stackOptions{
		dir: o.Dir, cli: o.Pulumi, stack: o.Suffix, port: server.Port(),
		program: o.Program, config: config, progress: progress,
	})
	if err != nil {
		server.Close()
		return nil, err
	}
	return &Deployment{engine: e, server: server}, nil
}

// Close ends the provider. The resources and the state stay.
func (d *Deployment) Close() { d.server.Close() }

// Set changes configuration values for the operations to come, with keys as in Options.Config.
func (d *Deployment) Set(ctx context.Context, config map[string]string) error {
	return d.engine.set(ctx, config)
}

// Preview runs the program without doing anything and returns what Up would do. An error that the engine reported is a
// *Failure, here and in the operations below.
func (d *Deployment) Preview(ctx context.Context) (Changes, error) { return d.engine.preview(ctx) }

// Result is what Up did.
type Result struct {
	Changes Changes
	Outputs Outputs
}

// Up runs the program and makes the resources what it says. After an error the changes in the result are done, and another
// Up goes on from there.
func (d *Deployment) Up(ctx context.Context) (Result, error) {
	changes, outputs, err := d.engine.up(ctx)
	return Result{Changes: changes, Outputs: outputs}, err
}

// Refresh makes the state what the emulator has; the changes are those of the state.
func (d *Deployment) Refresh(ctx context.Context) (Changes, error) { return d.engine.refresh(ctx) }

// Outputs are the outputs of the last Up; none before the first and after Destroy.
func (d *Deployment) Outputs(ctx context.Context) (Outputs, error) { return d.engine.outputs(ctx) }

// Destroy removes all resources. The empty stack stays, so that Up may follow.
func (d *Deployment) Destroy(ctx context.Context) (Changes, error) { return d.engine.destroy(ctx) }

// Calls are the operations that the provider was asked for since Open, previews left out.
func (d *Deployment) Calls() []emulator.Call { return d.server.Calls() }
