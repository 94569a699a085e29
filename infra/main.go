// Command infra is the Pulumi program that deploys FastShop's pipeline: `pulumi up` in this folder runs it. See README.md.
package main

import (
	"os"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack"
)

func main() {
	// The engine hands the stack configuration over in this variable; read whole, it shows keys that no setting has.
	pulumi.Run(tapstack.Checked(os.Getenv(pulumi.EnvConfig)))
}
