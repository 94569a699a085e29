package tapstack_test

import (
	"encoding/json"
	"os"
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
		"no suffix":        {tapstack.Program, nil, "environmentSuffix: is missing"},
		"no number":        {tapstack.Program, map[string]string{"shardCount": "many"}, `shardCount: "many" is no whole number`},
		"a misspelled key": {tapstack.Checked(`{"fastshop:environmentsuffix":"dev"}`), nil, "environmentsuffix: there is no such setting: did you mean environmentSuffix?"},
		"no JSON":          {tapstack.Checked(`fastshop`), nil, "read the stack configuration: invalid character"},
		"no texts":         {tapstack.Checked(`{"fastshop:shardCount":2}`), nil, "read the stack configuration: json: cannot unmarshal number"},
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
