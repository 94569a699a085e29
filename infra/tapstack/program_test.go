package tapstack_test

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"gopkg.in/yaml.v3"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// What `pulumi up` does is what NewTapStack does with the arguments that the configuration names.
func TestProgramIsTheStackOfItsConfiguration(t *testing.T) {
	t.Parallel()
	path := archive(t)
	config := map[string]string{"environmentSuffix": "dev", "codeArchive": path, "egress": "endpoints", "shardCount": "7", "tags": `{"team":"payments"}`, "aws:region": "us-east-1"}
	full := map[string]string{}
	for key, value := range config {
		if !strings.Contains(key, ":") {
			key = "fastshop:" + key
		}
		full[key] = value
	}
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	want, err := try(&tapstack.TapStackArgs{EnvironmentSuffix: "dev", CodeArchive: path, Egress: "endpoints", ShardCount: 7, Tags: map[string]string{"team": "payments"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string]pulumi.RunFunc{"Program": tapstack.Program, "Checked": tapstack.Checked(string(text)), "Checked without text": tapstack.Checked("")} {
		got, err := tapstacktest.Run(program, tapstacktest.Config(config))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want.All(), got.All()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestProgramFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		program pulumi.RunFunc
		config  map[string]string
		want    string
	}{
		"no suffix":                 {tapstack.Program, nil, "environmentSuffix: is missing"},
		"no number":                 {tapstack.Program, map[string]string{"shardCount": "many"}, `shardCount: "many" is no whole number`},
		"a misspelled key":          {tapstack.Checked(`{"fastshop:environmentsuffix":"dev"}`), nil, "environmentsuffix: there is no such setting: did you mean environmentSuffix?"},
		"a key of the AWS provider": {tapstack.Checked(`{"aws:secretKey":"x"}`), nil, "aws:secretKey: " + notTakenOver},
		"a zero":                    {tapstack.Program, map[string]string{"ingestConcurrency": "0"}, "ingestConcurrency: 0 is refused, it would mean the default"},
		"no JSON":                   {tapstack.Checked(`fastshop`), nil, "read the stack configuration: invalid character"},
		"no texts":                  {tapstack.Checked(`{"fastshop:shardCount":2}`), nil, "read the stack configuration: json: cannot unmarshal number"},
	} {
		capture, err := tapstacktest.Run(c.program, region("us-east-1"), tapstacktest.Config(c.config))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if len(capture.All()) != 0 {
			t.Errorf("%s: %d resources were registered", name, len(capture.All()))
		}
	}
}

// told is the fault without the words that Pulumi puts around the program's.
func told(err error) string {
	return strings.TrimSpace(strings.TrimPrefix(fault(err), "1 error occurred:\n\t* "))
}

// An operator mends keys, values, region and arguments in one go.
func TestProgramTellsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	config := map[string]string{"aws:region": "sa-east-1", "codeArchive": archive(t), "shardCount": "many", "batchSize": "0", "streamMode": "elastic", "cacheReplicas": "6"}
	keys := []string{"aws:accessKey: " + notTakenOver, "vpc-cidr: there is no such setting: did you mean vpcCidr?"}
	rest := []string{
		`shardCount: "many" is no whole number`,
		"batchSize: 0 is refused, it would mean the default: unset it, or set what you mean",
		foreignRegion("sa-east-1"),
		"environmentSuffix: is missing: pulumi config set environmentSuffix dev",
		`streamMode: "elastic" is unknown: set one of [provisioned on-demand]`,
		"cacheReplicas: 6 is out of range: set 1 to 5 (failover needs one)",
	}
	for name, c := range map[string]struct {
		program pulumi.RunFunc
		want    []string
	}{
		"Program": {tapstack.Program, rest},
		"Checked": {tapstack.Checked(`{"fastshop:vpc-cidr":"10.0.0.0/16","aws:accessKey":"x","aws:region":"sa-east-1"}`), slices.Concat(keys, rest)},
	} {
		capture, err := tapstacktest.Run(c.program, tapstacktest.Config(config))
		if err == nil || !errors.Is(err, tapstack.ErrArgs) {
			t.Fatalf("%s: got %v", name, err)
		}
		if diff := cmp.Diff(c.want, strings.Split(told(err), "\n")); diff != "" {
			t.Errorf("%s: faults (-want +got):\n%s", name, diff)
		}
		if len(capture.All()) != 0 || len(capture.Invokes) != 0 {
			t.Errorf("%s: %d resources were registered, AWS was asked %d times", name, len(capture.All()), len(capture.Invokes))
		}
	}
	// A misspelled key alone ends it, too, however right the rest is.
	capture, err := tapstacktest.Run(tapstack.Checked(`{"fastshop:vpc-cidr":"10.0.0.0/16"}`), region("us-east-1"),
		tapstacktest.Config(map[string]string{"environmentSuffix": "dev", "codeArchive": archive(t)}))
	if err == nil || told(err) != keys[1] || len(capture.All()) != 0 {
		t.Errorf("got %v, %d resources were registered", err, len(capture.All()))
	}
}

// Keys without a namespace belong to the project's name, so both must be one.
func TestNamespaceIsTheProject(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var project struct{ Name, Runtime string }
	if err := yaml.Unmarshal(text, &project); err != nil {
		t.Fatal(err)
	}
	if project.Name != tapstack.Namespace || project.Runtime != "go" {
		t.Errorf("Pulumi.yaml has project %q with runtime %q, want %q with go", project.Name, project.Runtime, tapstack.Namespace)
	}
}
