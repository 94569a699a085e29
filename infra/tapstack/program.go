package tapstack

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Program is what `pulumi up` runs: arguments from the stack configuration, the component, its outputs as the stack's.
func Program(ctx *pulumi.Context) error { return program(ctx, nil) }

// program goes on only when nothing was wrong before, but says first what else is.
func program(ctx *pulumi.Context, before error) error {
	args, err := ArgsFromConfig(ctx.GetConfig)
	if err := errors.Join(before, err); err != nil {
		return errors.Join(err, args.check(ctx))
	}
	stack, err := NewTapStack(ctx, "fastshop", args)
	if err != nil {
		return err
	}
	for name, value := range stack.Outputs() {
		ctx.Export(name, value)
	}
	return nil
}

// Checked is Program after CheckKeys on the configuration that the engine hands to a program's process: a JSON object.
func Checked(configuration string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		values := map[string]string{}
		if configuration != "" {
			if err := json.Unmarshal([]byte(configuration), &values); err != nil {
				return fmt.Errorf("read the stack configuration: %w", err)
			}
		}
		return program(ctx, CheckKeys(slices.Collect(maps.Keys(values))))
	}
}
