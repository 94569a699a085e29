package controls_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/controls"
	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

var update = flag.Bool("update", false, "write docs/controls.md anew")

const documentPath = "../../docs/controls.md"

// operatorTags are what an operator asks for, and must find on everything.
func operatorTags() map[string]string { return map[string]string{"cost-center": "payments"} }

// variants are the shapes of the stack that are judged; the first has the default arguments.
func variants() []struct {
	name string
	args tapstack.TapStackArgs
} {
	return []struct {
		name string
		args tapstack.TapStackArgs
	}{
		{"default", tapstack.TapStackArgs{}},
		{"endpoints egress", tapstack.TapStackArgs{Egress: tapstack.EgressEndpoints}},
		{"one NAT gateway", tapstack.TapStackArgs{SingleNatGateway: true}},
		{"three zones", tapstack.TapStackArgs{AvailabilityZones: 3}},
		{"on-demand stream", tapstack.TapStackArgs{StreamMode: tapstack.StreamOnDemand}},
		{"enhanced fan-out", tapstack.TapStackArgs{EnhancedFanOut: true}},
		{"replicated cache", tapstack.TapStackArgs{CacheShape: tapstack.CacheReplicated}},
		{"Valkey cluster", tapstack.TapStackArgs{CacheEngine: tapstack.CacheValkey}},
		{"single-AZ database", tapstack.TapStackArgs{DatabaseSingleAZ: true}},
		{"no reserved concurrency", tapstack.TapStackArgs{IngestConcurrency: tapstack.NoReserve, ProcessConcurrency: tapstack.NoReserve}},
		{"alarm e-mail", tapstack.TapStackArgs{AlarmEmail: "oncall@fastshop.example"}},
	}
}

// register runs the real component and returns what it registered.
func register(t *testing.T, variant string, args tapstack.TapStackArgs) controls.Stack {
	t.Helper()
	args.EnvironmentSuffix, args.Tags = "test", operatorTags()
	args.CodeArchive = filepath.Join(t.TempDir(), "lambda.zip")
	if err := os.WriteFile(args.CodeArchive, []byte("archive"), 0o600); err != nil {
		t.Fatal(err)
	}
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		_, err := tapstack.NewTapStack(ctx, "fastshop", &args)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", variant, err)
	}
	return controls.Stack{Variant: variant, Suffix: args.EnvironmentSuffix, Tags: args.Tags, Resources: capture.All()}
}

// reports judges every variant of the real stack.
func reports(t *testing.T) []*controls.Report {
	t.Helper()
	list := make([]*controls.Report, len(variants()))
	var wg sync.WaitGroup
	for i, v := range variants() {
		stack := register(t, v.name, v.args)
		wg.Go(func() {
			list[i] = controls.Evaluate(stack, controls.Catalog(), controls.Exceptions(), controls.Inapplicable())
		})
	}
	wg.Wait()
	return list
}

func TestStackMeetsEveryControl(t *testing.T) {
	t.Parallel()
	all := reports(t)
	var faults []string
	shapes := map[string][]string{}
	for _, report := range all {
		for _, fault := range report.Faults() {
			if shapes[fault] == nil {
				faults = append(faults, fault)
			}
			shapes[fault] = append(shapes[fault], report.Stack.Variant)
		}
	}
	for _, fault := range faults {
		t.Errorf("%s (in: %s)", fault, strings.Join(shapes[fault], ", "))
	}
	for _, e := range controls.Stale(all...) {
		t.Errorf("exception to %s for %s excuses nothing: remove it", e.Control, e.Resource)
	}
}

func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	all := reports(t)
	want := controls.Document(all[0], all[1:]...)
	if *update {
		if err := os.WriteFile(documentPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatalf("read the document (write it with: go test ./controls -update): %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date, write it with: go test ./controls -update\n%s", documentPath, cmp.Diff(strings.Split(string(got), "\n"), strings.Split(string(want), "\n")))
	}
}
