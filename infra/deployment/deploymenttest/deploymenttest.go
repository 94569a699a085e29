// Package deploymenttest gives tests what a deployment needs beside an emulator.
package deploymenttest

import (
	"errors"
	"os"
	"testing"

	"github.com/fastshop/pipeline/infra/deployment/cli"
)

// CLI is the path of the Pulumi command line: $FASTSHOP_PULUMI, else infra/bin/pulumi as seen from a package one or two
// folders below infra, else pulumi in PATH. Where there is none the test ends: with a failure where CI=true, and elsewhere
// with a skip that says what is not tested, and how to get it.
func CLI(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("FASTSHOP_PULUMI"); path != "" {
		return path
	}
	path, err := cli.Find("..", "../..")
	if errors.Is(err, cli.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip("NOT TESTED: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
