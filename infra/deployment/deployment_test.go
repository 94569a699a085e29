package deployment

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/fastshop/pipeline/infra/deployment/deploymenttest"
	"github.com/fastshop/pipeline/infra/emulator"
	"github.com/fastshop/pipeline/infra/emulator/moto/mototest"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

const streamType = "aws:kinesis/stream:Stream"

// stream is a program with one stream, named after the suffix.
func stream(ctx *pulumi.Context) error {
	settings := config.New(ctx, Project)
	var made pulumi.CustomResourceState
	err := ctx.RegisterResource(streamType, "stream", pulumi.Map{
		"name":       pulumi.String("stream-" + settings.Require(suffixKey)),
		"shardCount": pulumi.Int(settings.RequireInt("shardCount")),
	}, &made)
	ctx.Export("stream", made.ID())
	return err
}

func wantShards(t *testing.T, endpoint string, want int32) {
	t.Helper()
	cloud, err := emulator.NewCloud(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	name := "stream-pr-1"
	summary, err := cloud.Stream.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	if got := *summary.StreamDescriptionSummary.OpenShardCount; got != want {
		t.Errorf("%d shards, want %d", got, want)
	}
}

func TestDeploymentInTheEmulator(t *testing.T) {
	pulumiPath, endpoint, ctx := deploymenttest.CLI(t), mototest.Start(t).Endpoint(), t.Context()
	var refuse atomic.Bool // the provider asks from goroutines of its own
	refuse.Store(true)
	d, err := Open(ctx, Options{
		Dir: t.TempDir(), Endpoint: endpoint, Pulumi: pulumiPath, Suffix: "pr-1", Program: stream,
		Config: map[string]string{"shardCount": "2", "aws:region": "us-east-1"}, Progress: &bytes.Buffer{},
		Fail: func(op emulator.Op, token, name string) error {
			if refuse.Load() && op == emulator.OpCreate && token == streamType && name == "stream" {
				return errors.New("LimitExceededException: too many shards")
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()

	if _, err := d.Up(ctx); err == nil || !strings.Contains(err.Error(), "too many shards") {
		t.Fatalf("error %v, want the emulator's refusal", err)
	}
	refuse.Store(false)
	result, err := d.Up(ctx)
	wantLines(t, "up after a failure", result.Changes, err, "create "+streamType+" stream")
	if result.Outputs["stream"].String() == "" {
		t.Error("no output")
	}
	wantShards(t, endpoint, 2)
	reshard(t, d, endpoint)

	values, err := d.Outputs(ctx)
	if err != nil || values["stream"].String() != result.Outputs["stream"].String() {
		t.Errorf("outputs %v (%v), want those of up", values, err)
	}
	changes, err := d.Destroy(ctx)
	if err != nil || changes.Total(Delete) != 3 {
		t.Errorf("destroy deleted %d (%v), want the stream, its provider and the stack", changes.Total(Delete), err)
	}
	var ops []emulator.Op
	for _, call := range d.Calls() {
		ops = append(ops, call.Op)
	}
	want := []emulator.Op{emulator.OpCreate, emulator.OpCreate, emulator.OpUpdate, emulator.OpDelete}
	if !slices.Equal(ops, want) {
		t.Errorf("provider was asked for %v, want %v", ops, want)
	}
}

// reshard plans four shards instead of two, makes them, and finds them.
func reshard(t *testing.T, d *Deployment, endpoint string) {
	t.Helper()
	if err := d.Set(t.Context(), map[string]string{"shardCount": "4"}); err != nil {
		t.Fatal(err)
	}
	changes, err := d.Preview(t.Context())
	wantLines(t, "preview of more shards", changes, err, "update "+streamType+" stream (shardCount)")
	wantShards(t, endpoint, 2)
	result, err := d.Up(t.Context())
	wantLines(t, "more shards", result.Changes, err, "update "+streamType+" stream (shardCount)")
	wantShards(t, endpoint, 4)
	changes, err = d.Refresh(t.Context())
	wantLines(t, "refresh without drift", changes, err)
}

func TestOpenRefuses(t *testing.T) {
	_, err := Open(t.Context(), Options{Suffix: "Prod_1"})
	for _, want := range []string{"give Dir", "give Endpoint", "give Pulumi", "give Program", `suffix "Prod_1": use lower-case`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}

	given := Options{Dir: t.TempDir(), Endpoint: "http://127.0.0.1:1", Pulumi: "/nowhere/pulumi", Suffix: "a", Program: stream}
	if _, err := Open(t.Context(), given); err == nil || !strings.Contains(err.Error(), given.Endpoint) {
		t.Errorf("error %v, want one that names the endpoint where nobody is", err)
	}
	given.Endpoint = mototest.Start(t).Endpoint()
	if _, err := Open(t.Context(), given); err == nil || !strings.Contains(err.Error(), "/nowhere/pulumi") {
		t.Errorf("error %v, want one that names the command line that is not there", err)
	}
}

func TestValidSuffix(t *testing.T) {
	for suffix, want := range map[string]bool{
		"a": true, "pr-1234": true, "0": true, strings.Repeat("a", 64): true,
		"": false, "-a": false, "a-": false, "A": false, "a_b": false, "..": false, "a/b": false, strings.Repeat("a", 65): false,
	} {
		if got := ValidSuffix(suffix); got != want {
			t.Errorf("ValidSuffix(%q) = %v, want %v", suffix, got, want)
		}
	}
}

// The provider must outlive the context of Open, which may be one of the opening alone.
func TestDeploymentOutlivesTheContextOfOpen(t *testing.T) {
	pulumiPath, endpoint := deploymenttest.CLI(t), mototest.Start(t).Endpoint()
	ctx, cancel := context.WithCancel(t.Context())
	d, err := Open(ctx, Options{
		Dir: t.TempDir(), Endpoint: endpoint, Pulumi: pulumiPath, Suffix: "b", Program: stream,
		Config: map[string]string{"shardCount": "1", "aws:region": "us-east-1"},
	})
	cancel()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	changes, err := d.Preview(t.Context())
	if err != nil || changes.Total(Create) != 3 {
		t.Errorf("preview would create %d (%v), want the stream, its provider and the stack", changes.Total(Create), err)
	}
}
