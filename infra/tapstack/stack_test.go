package tapstack_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

const component, provider = "tap:stack:TapStack", "pulumi:providers:aws"

// untagged are the types that AWS gives no tags.
func untagged() []string {
	return []string{
		component, provider, "aws:apigatewayv2/integration:Integration", "aws:apigatewayv2/route:Route", "aws:cloudwatch/dashboard:Dashboard",
		"aws:cloudwatch/eventTarget:EventTarget", "aws:ec2/route:Route", "aws:ec2/routeTableAssociation:RouteTableAssociation", "aws:iam/rolePolicy:RolePolicy",
		"aws:kms/alias:Alias", "aws:lambda/permission:Permission", "aws:sns/topicPolicy:TopicPolicy", "aws:sns/topicSubscription:TopicSubscription", "aws:sqs/queuePolicy:QueuePolicy",
	}
}

// variants are the stacks in which every file's every resource is made.
func variants(t *testing.T) map[string]deployed {
	t.Helper()
	return map[string]deployed{
		"default": up(t, nil),
		"full": up(t, func(a *tapstack.TapStackArgs) {
			a.AvailabilityZones, a.EnhancedFanOut, a.AlarmEmail, a.CacheShape = 3, true, "alarms@example.com", tapstack.CacheReplicated
		}),
		"endpoints": up(t, func(a *tapstack.TapStackArgs) { a.Egress = tapstack.EgressEndpoints }),
		"valkey":    up(t, func(a *tapstack.TapStackArgs) { a.CacheEngine = tapstack.CacheValkey }),
	}
}

func TestComponent(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(component, "fastshop")
	d.expectNames(provider, "aws-dev")
	d.expect(provider, "aws-dev", inputs{"region": "us-east-1", "skipCredentialsValidation": false, "skipRegionValidation": true})
	if r := d.get("aws-dev"); r.Parent != "fastshop" {
		t.Errorf("the provider's parent is %q", r.Parent)
	}
	if r := d.get("fastshop"); r.Parent != "fastshop-test" || r.Custom {
		t.Errorf("component %+v", r)
	}
}

func TestProviderUsesTheConfiguredProfile(t *testing.T) {
	t.Parallel()
	d := up(t, nil, tapstacktest.Config(map[string]string{"aws:profile": "sandbox"}))
	if got := d.get("aws-dev").Text("profile"); got != "sandbox" {
		t.Errorf("profile %q", got)
	}
}

// Every resource belongs to the component, comes through its provider, leaves before its successor comes, and can leave.
func TestOptionsOfEveryResource(t *testing.T) {
	t.Parallel()
	for name, d := range variants(t) {
		for _, r := range d.All() {
			if r.Protect || r.RetainOnDelete {
				t.Errorf("%s: %s %s is protected or retained", name, r.Type, r.Name)
			}
			if r.Type != replicationGroup && len(r.IgnoreChanges)+len(r.ReplaceOnChanges) > 0 { // cache_test.go
				t.Errorf("%s: %s %s ignores changes of %v and is replaced on changes of %v", name, r.Type, r.Name, r.IgnoreChanges, r.ReplaceOnChanges)
			}
			want := time.Duration(0)
			if r.Type == "aws:ec2/subnet:Subnet" || r.Type == "aws:ec2/securityGroup:SecurityGroup" {
				want = time.Hour // as long as Lambda may hold interfaces in them
			}
			if r.DeleteTimeout != want || r.CreateTimeout != 0 || r.UpdateTimeout != 0 {
				t.Errorf("%s: %s %s may take %v to leave, want %v", name, r.Type, r.Name, r.DeleteTimeout, want)
			}
			if r.Type == component || r.Type == provider {
				continue
			}
			if r.Parent != "fastshop" || r.Provider != "aws-dev" || !r.DeleteBeforeReplace {
				t.Errorf("%s: %s %s has parent %q, provider %q, goes before its successor: %v", name, r.Type, r.Name, r.Parent, r.Provider, r.DeleteBeforeReplace)
			}
		}
	}
}

func TestTagsOfEveryResource(t *testing.T) {
	t.Parallel()
	for name, d := range variants(t) {
		for _, r := range d.All() {
			want := any(map[string]any{"Name": r.Name, "project": "fastshop", "environment": "dev", "managed-by": "pulumi"})
			if slices.Contains(untagged(), r.Type) {
				want = nil
			}
			if diff := cmp.Diff(want, r.Input("tags")); diff != "" {
				t.Errorf("%s: tags of %s %s (-want +got):\n%s", name, r.Type, r.Name, diff)
			}
		}
	}
}

func TestTagsOfTheOperatorAreOnEverything(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) { a.Tags = map[string]string{"team": "payments", "cost-center": "42"} })
	tagged := 0
	for _, r := range d.All() {
		if slices.Contains(untagged(), r.Type) {
			continue
		}
		tagged++
		want := map[string]any{"Name": r.Name, "project": "fastshop", "environment": "dev", "managed-by": "pulumi", "team": "payments", "cost-center": "42"}
		if diff := cmp.Diff(any(want), r.Input("tags")); diff != "" {
			t.Errorf("tags of %s %s (-want +got):\n%s", r.Type, r.Name, diff)
		}
	}
	if tagged < 80 {
		t.Errorf("only %d resources were looked at", tagged)
	}
}

// Equal arguments make equal texts: a second preview shows no difference.
func TestTwoRunsAreEqual(t *testing.T) {
	t.Parallel()
	args := argsOf(t, nil)
	first, err := try(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := try(args, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.All(), second.All()); diff != "" {
		t.Errorf("(-first +second):\n%s", diff)
	}
}

func TestPreviewNeedsNoAnswerOfAWS(t *testing.T) {
	t.Parallel()
	names := func(d deployed) []string {
		var names []string
		for _, r := range d.All() {
			names = append(names, r.Type+" "+r.Name)
		}
		return names
	}
	for name, change := range map[string]argsChange{
		"nat":       nil,
		"endpoints": func(a *tapstack.TapStackArgs) { a.Egress, a.EnhancedFanOut = tapstack.EgressEndpoints, true },
	} {
		if diff := cmp.Diff(names(up(t, change)), names(up(t, change, tapstacktest.Preview()))); diff != "" {
			t.Errorf("%s: resources (-up +preview):\n%s", name, diff)
		}
	}
}

// The account is asked once who it is, and its zones without local ones and without the one that lacks our services.
func TestQuestionsToAWS(t *testing.T) {
	t.Parallel()
	ask := func(change argsChange) []tapstacktest.Invoke { return up(t, change).Invokes }
	want := []tapstacktest.Invoke{
		{Token: "aws:index/getAvailabilityZones:getAvailabilityZones", Args: map[string]any{"state": "available", "excludeZoneIds": []any{"use1-az3"},
			"filters": []any{map[string]any{"name": "opt-in-status", "values": []any{"opt-in-not-required"}}}}},
		{Token: "aws:index/getCallerIdentity:getCallerIdentity", Args: map[string]any{}},
	}
	if diff := cmp.Diff(want, ask(nil)); diff != "" {
		t.Errorf("with NAT (-want +got):\n%s", diff)
	}
	prefixes := tapstacktest.Invoke{Token: "aws:ec2/getPrefixList:getPrefixList", Args: map[string]any{"name": "com.amazonaws.us-east-1.dynamodb"}}
	// Both functions that reach the table ask.
	if diff := cmp.Diff(slices.Concat([]tapstacktest.Invoke{prefixes, prefixes}, want), ask(func(a *tapstack.TapStackArgs) { a.Egress = tapstack.EgressEndpoints })); diff != "" {
		t.Errorf("with endpoints (-want +got):\n%s", diff)
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	// us-east-1e is use1-az3 in this account.
	d := up(t, func(a *tapstack.TapStackArgs) { a.AvailabilityZones = 5 })
	if diff := cmp.Diff([]any{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"}, d.Outputs["availability_zones"]); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
	_, err := try(argsOf(t, func(a *tapstack.TapStackArgs) { a.AvailabilityZones = 4 }), nil, tapstacktest.Zones(3))
	if !errors.Is(err, tapstack.ErrArgs) || !strings.Contains(fault(err), "availabilityZones: 4 are wanted, the account has 3: lower it") {
		t.Errorf("got %v", err)
	}
}

// foreignRegion is what an operator is told who configured another region.
func foreignRegion(name string) string {
	return `aws:region: "` + name + `" is refused, the stack lives in us-east-1 alone: pulumi config set aws:region us-east-1, or AWS_REGION in the environment`
}

func TestAnotherRegionIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sa-east-1", "us-east-2", "US-EAST-1"} {
		capture, err := try(argsOf(t, nil), nil, region(name))
		want := foreignRegion(name)
		if !errors.Is(err, tapstack.ErrArgs) || !strings.Contains(fault(err), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if len(capture.All()) != 0 || len(capture.Invokes) != 0 {
			t.Errorf("%s: %d resources registered, %d questions", name, len(capture.All()), len(capture.Invokes))
		}
	}
	if capture, err := try(argsOf(t, nil), nil, region("")); err != nil || capture.Named("vpc-dev") == nil {
		t.Errorf("no region at all: %v", err)
	}
}

func TestArgumentsThatAreMissing(t *testing.T) {
	t.Parallel()
	_, err := try(nil, nil)
	if !errors.Is(err, tapstack.ErrArgs) || !strings.Contains(fault(err), "environmentSuffix: is missing") {
		t.Errorf("got %v", err)
	}
}

// The region is told beside what else is wrong, not instead of it.
func TestRegionAndArgumentsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := try(argsOf(t, func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix, a.BatchSize = "", 10_001 }), nil, region("eu-west-1"))
	want := foreignRegion("eu-west-1") + `
environmentSuffix: is missing: pulumi config set environmentSuffix dev
batchSize: 10001 is out of range: set 1 to 10000 records`
	if !errors.Is(err, tapstack.ErrArgs) || !strings.Contains(fault(err), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The caller's arguments are its own: defaults and what follows from them are not written there.
func TestArgumentsAreNotChanged(t *testing.T) {
	t.Parallel()
	args := argsOf(t, func(a *tapstack.TapStackArgs) { a.Tags = map[string]string{"team": "payments"} })
	before := *args
	before.Tags = maps.Clone(args.Tags)
	if _, err := try(args, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&before, args); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestOptionsOfTheCallerReachTheComponent(t *testing.T) {
	t.Parallel()
	capture, err := try(argsOf(t, nil), []pulumi.ResourceOption{pulumi.Protect(true)})
	if err != nil {
		t.Fatal(err)
	}
	if r := capture.Named("fastshop"); r == nil || !r.Protect {
		t.Errorf("component %+v", r)
	}
}
