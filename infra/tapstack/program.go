package tapstack

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Program is what `pulumi up` runs: arguments from the stack configuration, the component, its outputs as the stack's.
func Program(ctx *pulumi.Context) error {
	args, err := ArgsFromConfig(ctx.GetConfig)
	if err != nil {
		return err
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
		if err := CheckKeys(slices.Collect(maps.Keys(values))); err != nil {
			return err
		}
		return Program(ctx)
	}
}
