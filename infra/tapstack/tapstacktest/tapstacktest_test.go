package tapstacktest_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// register makes a custom resource of any type, without the SDK of its service.
func register(ctx *pulumi.Context, token, name string, inputs pulumi.Map, opts ...pulumi.ResourceOption) (*pulumi.CustomResourceState, error) {
	var r pulumi.CustomResourceState
	return &r, ctx.RegisterResource(token, name, inputs, &r, opts...)
}

// only runs a program of one resource and returns it.
func only(t *testing.T, token string, inputs pulumi.Map, opts ...tapstacktest.Option) *tapstacktest.Resource {
	t.Helper()
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		_, err := register(ctx, token, "logical", inputs)
		return err
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	r := capture.Get(token, "logical")
	if r == nil {
		t.Fatalf("%s was not captured", token)
	}
	return r
}

// withEveryOption registers a function with every sort of input and option.
func withEveryOption(ctx *pulumi.Context) error {
	var component pulumi.ResourceState
	if err := ctx.RegisterComponentResource("test:index:Parent", "parent", &component); err != nil {
		return err
	}
	var provider pulumi.ProviderResourceState
	if err := ctx.RegisterResource("pulumi:providers:aws", "provider", pulumi.Map{"region": pulumi.String("us-east-1")}, &provider); err != nil {
		return err
	}
	key, err := register(ctx, "aws:kms/key:Key", "key", pulumi.Map{})
	if err != nil {
		return err
	}
	group, err := register(ctx, "aws:cloudwatch/logGroup:LogGroup", "group", pulumi.Map{})
	if err != nil {
		return err
	}
	_, err = register(ctx, "aws:lambda/function:Function", "function", pulumi.Map{
		"code": pulumi.NewFileArchive("lambda.zip"), "memorySize": pulumi.Int(256), "publish": pulumi.Bool(true), "kmsKeyArn": key.ID(),
		"vpcConfig":   pulumi.Map{"subnetIds": pulumi.ToStringArray([]string{"subnet-a", "subnet-b"})},
		"environment": pulumi.Map{"variables": pulumi.Map{"TOKEN": pulumi.ToSecret(pulumi.String("hush"))}},
		"note":        pulumi.NewFileAsset("note.txt"),
	}, pulumi.Parent(&component), pulumi.Provider(&provider), pulumi.DependsOn([]pulumi.Resource{group}), pulumi.Protect(true),
		pulumi.RetainOnDelete(true), pulumi.DeleteBeforeReplace(true), pulumi.IgnoreChanges([]string{"note"}), pulumi.ReplaceOnChanges([]string{"publish", "vpcConfig"}),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "1m", Update: "2m", Delete: "60m"}))
	return err
}

func TestCaptureHoldsInputsAndOptions(t *testing.T) {
	t.Parallel()
	capture, err := tapstacktest.Run(withEveryOption)
	if err != nil {
		t.Fatal(err)
	}
	key := capture.One("aws:kms/key:Key")
	got := capture.Named("function")
	want := map[string]any{
		"code": "lambda.zip", "memorySize": 256.0, "publish": true, "kmsKeyArn": key.ID, "note": "note.txt",
		"vpcConfig":   map[string]any{"subnetIds": []any{"subnet-a", "subnet-b"}},
		"environment": map[string]any{"variables": map[string]any{"TOKEN": "hush"}},
	}
	if diff := cmp.Diff(want, got.Inputs); diff != "" {
		t.Errorf("inputs (-want +got):\n%s", diff)
	}
	if want := []string{"environment.variables.TOKEN"}; !slices.Equal(got.Secrets, want) {
		t.Errorf("secrets = %v, want %v", got.Secrets, want)
	}
	if want := []string{"group", "key"}; !slices.Equal(got.Dependencies, want) {
		t.Errorf("dependencies = %v, want %v", got.Dependencies, want)
	}
	if !got.DependsOn("group") || got.DependsOn("provider") {
		t.Error("DependsOn: want true for the group and false for the provider")
	}
	if got.Parent != "parent" || got.Provider != "provider" {
		t.Errorf("parent %q, provider %q", got.Parent, got.Provider)
	}
	if !got.Protect || !got.RetainOnDelete || !got.DeleteBeforeReplace || !slices.Equal(got.IgnoreChanges, []string{"note"}) ||
		!slices.Equal(got.ReplaceOnChanges, []string{"publish", "vpcConfig"}) {
		t.Errorf("options were lost: %+v", got)
	}
	if got.CreateTimeout != time.Minute || got.UpdateTimeout != 2*time.Minute || got.DeleteTimeout != time.Hour {
		t.Errorf("timeouts = %v, %v, %v", got.CreateTimeout, got.UpdateTimeout, got.DeleteTimeout)
	}
	if key.Protect || key.RetainOnDelete || key.DeleteBeforeReplace || key.DeleteTimeout != 0 || key.Provider != "" || len(key.IgnoreChanges)+len(key.ReplaceOnChanges) != 0 {
		t.Errorf("a resource without options has some: %+v", key)
	}
	if parent := capture.Named("parent"); parent.Custom || parent.ID != "" || !got.Custom {
		t.Error("a component is not told from a resource")
	}
}

func TestInputWalksPaths(t *testing.T) {
	t.Parallel()
	r := &tapstacktest.Resource{
		Inputs:  map[string]any{"a": []any{map[string]any{"b": "deep"}}, "n": 1.0},
		Outputs: map[string]any{"arn": "arn:aws:x"},
	}
	for path, want := range map[string]any{"a.0.b": "deep", "a.1.b": nil, "a.-1": nil, "a.x": nil, "n": 1.0, "n.x": nil, "missing.b": nil} {
		if got := r.Input(path); got != want {
			t.Errorf("Input(%q) = %v, want %v", path, got, want)
		}
	}
	if r.Output("arn") != "arn:aws:x" || r.Text("a.0.b") != "deep" || r.Text("n") != "" || len(r.List("a")) != 1 || r.List("n") != nil {
		t.Error("Output, Text or List answers wrongly")
	}
}

func TestQueries(t *testing.T) {
	t.Parallel()
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		for _, name := range []string{"b", "a"} {
			if _, err := register(ctx, "aws:ec2/eip:Eip", name, pulumi.Map{}); err != nil {
				return err
			}
		}
		_, err := register(ctx, "aws:kms/key:Key", "a", pulumi.Map{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range capture.All() {
		names = append(names, r.Type+" "+r.Name)
	}
	if want := []string{"aws:ec2/eip:Eip a", "aws:ec2/eip:Eip b", "aws:kms/key:Key a"}; !slices.Equal(names, want) {
		t.Errorf("All() = %v, want %v", names, want)
	}
	if got := capture.OfType("aws:ec2/eip:Eip"); len(got) != 2 {
		t.Errorf("OfType found %d, want 2", len(got))
	}
	if capture.One("aws:ec2/eip:Eip") != nil || capture.One("aws:kms/key:Key") == nil || capture.One("aws:sns/topic:Topic") != nil {
		t.Error("One must find exactly one")
	}
	if capture.Named("a") != nil || capture.Named("b") == nil || capture.Named("c") != nil {
		t.Error("Named must find exactly one")
	}
	if capture.Get("aws:kms/key:Key", "a") == nil || capture.Get("aws:kms/key:Key", "b") != nil {
		t.Error("Get must heed type and name")
	}
}

func TestExportedOutputs(t *testing.T) {
	t.Parallel()
	program := func(ctx *pulumi.Context) error {
		vpc, err := register(ctx, "aws:ec2/vpc:Vpc", "vpc", pulumi.Map{})
		if err != nil {
			return err
		}
		return tapstacktest.Export(ctx, pulumi.Map{"vpc_id": vpc.ID(), "port": pulumi.Int(6380), "token": pulumi.ToSecret("hush")})
	}
	capture, err := tapstacktest.Run(program)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"vpc_id": capture.Named("vpc").ID, "port": 6380.0, "token": "hush"}
	if diff := cmp.Diff(want, capture.Outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if !slices.Equal(capture.OutputSecrets, []string{"token"}) || len(capture.All()) != 1 {
		t.Errorf("secrets %v, %d resources; want token and 1", capture.OutputSecrets, len(capture.All()))
	}

	preview, err := tapstacktest.Run(program, tapstacktest.Preview())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"port": 6380.0, "token": "hush"}, preview.Outputs); diff != "" {
		t.Errorf("outputs of a preview (-want +got):\n%s", diff)
	}
}

func TestExportOfNothing(t *testing.T) {
	t.Parallel()
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error { return tapstacktest.Export(ctx, nil) })
	if err != nil || capture.Outputs == nil || len(capture.Outputs) != 0 {
		t.Errorf("outputs %v, err %v; want none of either", capture.Outputs, err)
	}
}

func TestPreviewLeavesComputedValuesUnknown(t *testing.T) {
	t.Parallel()
	var dry bool
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		dry = ctx.DryRun()
		vpc, err := register(ctx, "aws:ec2/vpc:Vpc", "vpc", pulumi.Map{"cidrBlock": pulumi.String("10.0.0.0/16")})
		if err != nil {
			return err
		}
		_, err = register(ctx, "aws:ec2/subnet:Subnet", "subnet", pulumi.Map{"vpcId": vpc.ID(), "cidrBlock": pulumi.String("10.0.1.0/24")})
		return err
	}, tapstacktest.Preview())
	if err != nil {
		t.Fatal(err)
	}
	subnet := capture.Named("subnet")
	if !dry || subnet.ID != "" || subnet.Input("vpcId") != nil || subnet.Text("cidrBlock") != "10.0.1.0/24" {
		t.Errorf("dry run %v, subnet %+v", dry, subnet)
	}
	if diff := cmp.Diff(map[string]any{"cidrBlock": "10.0.0.0/16"}, capture.Named("vpc").Outputs); diff != "" {
		t.Errorf("outputs of a preview (-want +got):\n%s", diff)
	}
}

func TestFail(t *testing.T) {
	t.Parallel()
	boom := errors.New("InsufficientCapacity")
	program := func(ctx *pulumi.Context) error {
		if _, err := register(ctx, "aws:ec2/eip:Eip", "address", pulumi.Map{}); err != nil {
			return err
		}
		var out map[string]any
		return ctx.Invoke("aws:index/getCallerIdentity:getCallerIdentity", nil, &out)
	}
	for target, want := range map[string]string{
		"aws:ec2/eip:Eip": `create aws:ec2/eip:Eip "address": InsufficientCapacity`, "address": `create aws:ec2/eip:Eip "address": InsufficientCapacity`,
		"aws:index/getCallerIdentity:getCallerIdentity": "call aws:index/getCallerIdentity:getCallerIdentity: InsufficientCapacity",
	} {
		_, err := tapstacktest.Run(program, tapstacktest.Fail(target, boom))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %s failing: %v, want %q", target, err, want)
		}
	}
	if _, err := tapstacktest.Run(program, tapstacktest.Fail("another", boom)); err != nil {
		t.Errorf("a target that is not there fails the run: %v", err)
	}
}

func TestConfigBelongsToTheProject(t *testing.T) {
	t.Parallel()
	var suffix, region, stack string
	_, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		suffix, region, stack = config.New(ctx, "").Get("environmentSuffix"), config.New(ctx, "aws").Get("region"), ctx.Project()+"/"+ctx.Stack()
		return nil
	}, tapstacktest.InStack("shop", "dev"), tapstacktest.Config(map[string]string{"environmentSuffix": "dev", "aws:region": "us-east-1"}))
	if err != nil || suffix != "dev" || region != "us-east-1" || stack != "shop/dev" {
		t.Errorf("suffix %q, region %q, stack %q, err %v", suffix, region, stack, err)
	}
}

func TestInvokes(t *testing.T) {
	t.Parallel()
	var caller, zones, list map[string]any
	program := func(ctx *pulumi.Context) error {
		return errors.Join(
			ctx.Invoke("aws:index/getCallerIdentity:getCallerIdentity", nil, &caller),
			ctx.Invoke("aws:index/getAvailabilityZones:getAvailabilityZones", &zoneArgs{ExcludeZoneIds: []string{"use1-az3"}, ExcludeNames: []string{"us-east-1b"}}, &zones),
			ctx.Invoke("aws:ec2/getPrefixList:getPrefixList", &listArgs{Name: "com.amazonaws.us-east-1.dynamodb"}, &list))
	}
	capture, err := tapstacktest.Run(program)
	if err != nil {
		t.Fatal(err)
	}
	if caller["accountId"] != "123456789012" || caller["arn"] != "arn:aws:iam::123456789012:user/deployer" {
		t.Errorf("caller = %v", caller)
	}
	if diff := cmp.Diff([]any{"us-east-1a", "us-east-1c", "us-east-1d", "us-east-1f"}, zones["names"]); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
	if list["name"] != "com.amazonaws.us-east-1.dynamodb" || !strings.HasPrefix(list["id"].(string), "pl-") {
		t.Errorf("prefix list = %v", list)
	}
	if len(capture.Invokes) != 3 || capture.Invokes[0].Token != "aws:ec2/getPrefixList:getPrefixList" || capture.Invokes[0].Args["name"] != "com.amazonaws.us-east-1.dynamodb" {
		t.Errorf("captured invokes = %v", capture.Invokes)
	}
	if _, err := tapstacktest.Run(program, tapstacktest.Zones(1)); err != nil || !cmp.Equal(zones["names"], []any{"us-east-1a"}) {
		t.Errorf("with one zone: %v, %v", zones["names"], err)
	}
	_, err = tapstacktest.Run(func(ctx *pulumi.Context) error {
		return ctx.Invoke("aws:index/getRegion:getRegion", nil, &caller)
	})
	if err == nil || !strings.Contains(err.Error(), "do not know the function aws:index/getRegion:getRegion") {
		t.Errorf("an unknown function answers %v", err)
	}
}

type zoneArgs struct {
	ExcludeZoneIds []string `pulumi:"excludeZoneIds"`
	ExcludeNames   []string `pulumi:"excludeNames"`
}

type listArgs struct {
	Name string `pulumi:"name"`
}
