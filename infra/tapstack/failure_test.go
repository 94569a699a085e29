package tapstack_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// at does something when a resource of this logical name is about to be registered. What it returns replaces the
// resource's options; nil leaves them.
func at(name string, do func(*pulumi.ResourceTransformationArgs) []pulumi.ResourceOption) []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Transformations([]pulumi.ResourceTransformation{
		func(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
			if args.Name != name {
				return nil
			}
			if opts := do(args); opts != nil {
				return &pulumi.ResourceTransformationResult{Props: args.Props, Opts: opts}
			}
			return nil
		},
	})}
}

// spoil makes the SDK refuse a resource at once, before the engine hears of it: an alias cannot have two parents.
func spoil(name string) []pulumi.ResourceOption {
	return at(name, func(args *pulumi.ResourceTransformationArgs) []pulumi.ResourceOption {
		return append(args.Opts, pulumi.Aliases([]pulumi.Alias{{ParentURN: pulumi.URN("urn:x"), NoParent: pulumi.Bool(true)}}))
	})
}

// oneOfEachType are the first resources of every type, in a stack that has all types.
func oneOfEachType(t *testing.T, change argsChange) map[string]string {
	t.Helper()
	first := map[string]string{}
	for _, r := range up(t, change).All() {
		if first[r.Type] == "" && r.Type != component {
			first[r.Type] = r.Name
		}
	}
	if len(first) != 48 {
		t.Errorf("the stack has %d types of resources: is this test up to date?", len(first))
	}
	return first
}

func everyType(a *tapstack.TapStackArgs) { a.EnhancedFanOut, a.AlarmEmail = true, "alarms@example.com" }

// Whatever resource the SDK refuses, the build ends there, and the error names the resource.
func TestRefusedResourceEndsTheBuild(t *testing.T) {
	t.Parallel()
	for token, name := range oneOfEachType(t, everyType) {
		capture, err := try(argsOf(t, everyType), spoil(name))
		if want := "register " + name + ": failed to collapse alias to URN"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", token, err, want)
		}
		if capture.Get(token, name) != nil || capture.Outputs != nil {
			t.Errorf("%s: the build went on", token)
		}
	}
}

func TestNothingFollowsARefusedResource(t *testing.T) {
	t.Parallel()
	capture, err := try(argsOf(t, nil), spoil("vpc-dev"))
	if err == nil {
		t.Fatal("no error")
	}
	deployed{t, capture}.expectNames(component, "fastshop")
	if n := len(capture.All()); n != 2 { // the component and its provider
		t.Errorf("%d resources were registered", n)
	}
}

// Whatever resource AWS refuses, the program fails with AWS's words.
func TestResourceThatAWSRefusesFailsTheProgram(t *testing.T) {
	t.Parallel()
	full := errors.New("LimitExceeded: ask for more")
	for token, name := range oneOfEachType(t, everyType) {
		_, err := try(argsOf(t, everyType), nil, tapstacktest.Fail(name, full))
		if err == nil || !strings.Contains(err.Error(), full.Error()) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", token, err)
		}
	}
}

func TestQuestionsThatAWSDoesNotAnswer(t *testing.T) {
	t.Parallel()
	expired := errors.New("ExpiredToken")
	for token, want := range map[string]string{
		"aws:index/getCallerIdentity:getCallerIdentity":       "ask AWS which account this is (are the credentials valid?): ",
		"aws:index/getAvailabilityZones:getAvailabilityZones": "ask AWS for its availability zones: ",
		"aws:ec2/getPrefixList:getPrefixList":                 "ask AWS for the addresses of DynamoDB: ",
	} {
		capture, err := try(argsOf(t, func(a *tapstack.TapStackArgs) { a.Egress = tapstack.EgressEndpoints }), nil, tapstacktest.Fail(token, expired))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ExpiredToken") {
			t.Errorf("got %v, want %s", err, want)
		}
		if capture.Named("rds-dev") != nil {
			t.Errorf("%s fails, and yet there is a database", token)
		}
	}
}

func TestComponentWithoutName(t *testing.T) {
	t.Parallel()
	_, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		s, err := tapstack.NewTapStack(ctx, "", argsOf(t, nil))
		if s != nil {
			t.Error("there is a stack beside the error")
		}
		return err
	}, region("us-east-1"))
	if err == nil || !strings.Contains(err.Error(), "register the component: resource name argument") {
		t.Errorf("got %v", err)
	}
}

// The archive was there when the arguments were checked, and is gone when it is read.
func TestArchiveThatVanishes(t *testing.T) {
	t.Parallel()
	args := argsOf(t, nil)
	capture, err := try(args, at("vpc-dev", func(*pulumi.ResourceTransformationArgs) []pulumi.ResourceOption {
		if err := os.Remove(args.CodeArchive); err != nil {
			t.Error(err)
		}
		return nil
	}))
	if err == nil || !strings.Contains(err.Error(), "read the code archive: open "+args.CodeArchive) {
		t.Errorf("got %v", err)
	}
	if len(capture.OfType("aws:lambda/function:Function")) != 0 {
		t.Error("there are functions without code")
	}
}

// A fault of the program itself is not dressed up as a resource's.
func TestPanicPasses(t *testing.T) {
	t.Parallel()
	defer func() {
		if r := recover(); r != "a bug" {
			t.Errorf("recovered %v", r)
		}
	}()
	_, err := try(argsOf(t, nil), at("vpc-dev", func(*pulumi.ResourceTransformationArgs) []pulumi.ResourceOption { panic("a bug") }))
	t.Errorf("went on with %v", err)
}
