package tapstack_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// How the stack is brought up in these tests, and how what it registered is read. The other files follow the sources:
// network_test.go tells what network.go must make.

// archive writes a code archive; what is in it matters to nobody but codeHash.
func archive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fastshop-lambda.zip")
	if err := os.WriteFile(path, []byte("fastshop"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// codeHash is the SHA-256 of the archive above, base64: printf fastshop | openssl dgst -sha256 -binary | base64.
const codeHash = "j7x0BVXAv/4MJPJEhuzuZUoMIErJTuns/PpQtfTBLPg="

// argsOf are valid arguments of environment dev, changed.
func argsOf(t *testing.T, change func(*tapstack.TapStackArgs)) *tapstack.TapStackArgs {
	t.Helper()
	args := &tapstack.TapStackArgs{EnvironmentSuffix: "dev", CodeArchive: archive(t)}
	if change != nil {
		change(args)
	}
	return args
}

// region is configured, so that a variable of whoever runs the tests, such as AWS_REGION, has no say.
func region(name string) tapstacktest.Option {
	return tapstacktest.Config(map[string]string{"aws:region": name})
}

// try runs a program with one stack in it.
func try(args *tapstack.TapStackArgs, opts []pulumi.ResourceOption, options ...tapstacktest.Option) (*tapstacktest.Capture, error) {
	return tapstacktest.Run(func(ctx *pulumi.Context) error {
		s, err := tapstack.NewTapStack(ctx, "fastshop", args, opts...)
		if err != nil {
			return err
		}
		return tapstacktest.Export(ctx, s.Outputs())
	}, append([]tapstacktest.Option{region("us-east-1")}, options...)...)
}

// deployed is what a successful run registered. Asked for what is not there, it ends the test.
type deployed struct {
	t *testing.T
	*tapstacktest.Capture
}

// up brings the stack up with the default arguments, changed.
func up(t *testing.T, change func(*tapstack.TapStackArgs), options ...tapstacktest.Option) deployed {
	t.Helper()
	capture, err := try(argsOf(t, change), nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	return deployed{t, capture}
}

// get is the resource of this logical name.
func (d deployed) get(name string) *tapstacktest.Resource {
	d.t.Helper()
	r := d.Named(name)
	if r == nil {
		d.t.Fatalf("there is no resource %s", name)
	}
	return r
}

// id is what AWS calls the resource.
func (d deployed) id(name string) string {
	d.t.Helper()
	return d.get(name).ID
}

// arn is the resource's ARN.
func (d deployed) arn(name string) string {
	d.t.Helper()
	arn, ok := d.get(name).Output("arn").(string)
	if !ok {
		d.t.Fatalf("%s has no ARN", name)
	}
	return arn
}

// ids are what AWS calls the resources.
func (d deployed) ids(names ...string) []string {
	d.t.Helper()
	var ids []string
	for _, name := range names {
		ids = append(ids, d.id(name))
	}
	return ids
}

// names are the logical names of all resources of the token, sorted.
func (d deployed) names(token string) []string {
	var names []string
	for _, r := range d.OfType(token) {
		names = append(names, r.Name)
	}
	return names
}

// inputs are what a resource was given.
type inputs = map[string]any

// expect compares everything that a resource was given, its tags apart (stack_test.go), with what it should be given: a
// field that nobody asked for is a fault, too.
func (d deployed) expect(token, name string, want inputs) {
	d.t.Helper()
	r := d.Get(token, name)
	if r == nil {
		d.t.Errorf("there is no %s %s", token, name)
		return
	}
	got := inputs{}
	for key, value := range r.Inputs {
		if key != "tags" {
			got[key] = value
		}
	}
	if diff := cmp.Diff(plain(d.t, want), any(got)); diff != "" {
		d.t.Errorf("%s %s (-want +got):\n%s", token, name, diff)
	}
}

// expectNames compares the logical names of all resources of the token, sorted.
func (d deployed) expectNames(token string, want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.names(token)); diff != "" {
		d.t.Errorf("%s (-want +got):\n%s", token, diff)
	}
}

// plain is the value with the types that a capture has: float64, []any, map[string]any.
func plain(t *testing.T, value any) any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// fault is the error's text without the words that every fault of the arguments begins with.
func fault(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "arguments of TapStack: ", "")
}
