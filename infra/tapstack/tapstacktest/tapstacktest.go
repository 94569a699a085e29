// Package tapstacktest runs a Pulumi program against mocks that answer as AWS would, and captures what it registers.
//
// The answers have the form of AWS's own: ids, ARNs and host names follow from the physical names, a cluster-mode-enabled
// cache has a configuration endpoint and no other, and inputs that AWS would refuse make the run fail. What follows from no
// input, such as the id of a VPC, is a hash of type and name, so two runs give the same capture.
package tapstacktest

import (
	"fmt"
	"maps"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The account and the region that every mock lives in.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// outputsType is the component by which Export hands values to the capture.
const outputsType = "tapstacktest:index:Outputs"

// Option changes how Run answers.
type Option func(*run)

// run is what the options set.
type run struct {
	project, stack string
	config         map[string]string
	preview        bool
	noMasterSecret bool
	emptyEndpoints bool
	zones          []zone
	failures       map[string]error
}

// InStack names the Pulumi project and stack; fastshop and test unless set.
func InStack(project, stack string) Option {
	return func(r *run) { r.project, r.stack = project, stack }
}

// Config is the stack's configuration. A key without a namespace belongs to the project.
func Config(values map[string]string) Option {
	return func(r *run) { maps.Copy(r.config, values) }
}

// Preview makes the run a dry run: what AWS would compute is unknown, as in `pulumi preview`.
func Preview() Option {
	return func(r *run) { r.preview = true }
}

// Fail makes AWS refuse a resource with the error. The target is a type token, a logical name, or the token of an invoke.
func Fail(target string, err error) Option {
	return func(r *run) { r.failures[target] = err }
}

// NoMasterSecret answers a database whose managed master secret is not there yet: an empty list.
func NoMasterSecret() Option {
	return func(r *run) { r.noMasterSecret = true }
}

// EmptyEndpoints answers a cache with no endpoint at all.
func EmptyEndpoints() Option {
	return func(r *run) { r.emptyEndpoints = true }
}

// Zones limits the availability zones to the first n of the region's six.
func Zones(n int) Option {
	return func(r *run) { r.zones = r.zones[:n] }
}

// Run runs the program against the mocks. The capture holds what was registered until the end or until the error, and is
// never nil.
func Run(program pulumi.RunFunc, opts ...Option) (*Capture, error) {
	r := &run{project: "fastshop", stack: "test", config: map[string]string{}, failures: map[string]error{}, zones: zones()}
	for _, option := range opts {
		option(r)
	}
	cloud := &cloud{run: r, kinds: kinds(), taken: map[string]string{}, capture: &Capture{}}
	err := pulumi.RunErr(program, pulumi.WithMocks(r.project, r.stack, cloud), func(info *pulumi.RunInfo) {
		info.DryRun = r.preview
		info.Config = r.qualified()
	})
	cloud.capture.sort()
	return cloud.capture, err
}

// qualified is the configuration with a namespace on every key.
func (r *run) qualified() map[string]string {
	qualified := make(map[string]string, len(r.config))
	for key, value := range r.config {
		if !strings.Contains(key, ":") {
			key = r.project + ":" + key
		}
		qualified[key] = value
	}
	return qualified
}

// Export hands outputs to the capture (Capture.Outputs). Mocks see neither a stack's exports nor what a component registers
// as its outputs, so a test calls it at the end of its program. Unknown values are left out.
func Export(ctx *pulumi.Context, outputs pulumi.Map) error {
	var carrier pulumi.ResourceState
	if err := ctx.RegisterComponentResourceV2(outputsType, "outputs", outputs, &carrier); err != nil {
		return fmt.Errorf("hand outputs to the capture: %w", err)
	}
	return nil
}
