package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The ranges of the subnets, for a property over every network and zone.
var (
	PublicRange  = publicRange
	PrivateRange = privateRange
)

// WithDefaults is what the stack makes of arguments.
func (a TapStackArgs) WithDefaults() TapStackArgs { return a.withDefaults() }

// MasterSecret is the ARN that the stack takes from what RDS returned.
func MasterSecret(ctx *pulumi.Context, secrets []rds.InstanceMasterUserSecret) (string, error) {
	return (&TapStack{ctx: ctx, account: "123456789012"}).masterSecret(secrets)
}

// NameOf looks a name up as the stack's files do; the fault is what would end the build.
func NameOf(prefix, suffix string) (name string, fault error) {
	defer func() {
		if f, ok := recover().(failure); ok {
			fault = f.error
		}
	}()
	return (&TapStack{args: TapStackArgs{EnvironmentSuffix: suffix}, rules: NameRules()}).name(prefix), nil
}
