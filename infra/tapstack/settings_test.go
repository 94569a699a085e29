package tapstack_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

var update = flag.Bool("update", false, "write ../settings.golden anew")

// environment is what the functions are told, a sorted line for each setting: function NAME=value.
func (d deployed) environment() string {
	var lines []string
	for _, r := range d.OfType(function) {
		variables, _ := r.Input("environment.variables").(map[string]any)
		for name, value := range variables {
			lines = append(lines, fmt.Sprintf("%s %s=%v\n", r.Text("handler"), name, value))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// settings.golden is the contract with the program, which reads the same file in a test of its own: a setting that only
// one side knows breaks the other's build. Ids in it are those of the mocks.
func TestSettingsGolden(t *testing.T) {
	t.Parallel()
	const file = "../settings.golden"
	got := up(t, func(a *tapstack.TapStackArgs) { a.EnvironmentSuffix = "golden" }).environment()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the settings changed: go test ./tapstack -run SettingsGolden -update, and see the program's side (-file +got):\n%s", diff)
	}
}

// A function has the settings that its work needs. Process knows of no key and of no stream: Lambda reads that for it.
func TestWhatEachFunctionIsTold(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	common := list("FASTSHOP_ENVIRONMENT", "FASTSHOP_LOG_FORMAT", "FASTSHOP_LOG_LEVEL", "FASTSHOP_STORE", "FASTSHOP_VELOCITY")
	sealing := list("FASTSHOP_KEK", "FASTSHOP_KEYS", "FASTSHOP_STREAM", "FASTSHOP_TOKEN_KEK")
	for name, want := range map[string][]string{
		"ingest":  slices.Concat(common, sealing),
		"process": common,
		"admin":   slices.Concat(common, sealing, list("FASTSHOP_DEAD_LETTERS", "FASTSHOP_MASTER_STORE", "FASTSHOP_MIGRATE_STORE")),
	} {
		var got []string
		variables, _ := d.get(name + "-function-dev").Input("environment.variables").(map[string]any)
		for variable := range variables {
			got = append(got, variable)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(any(variables), d.Outputs["settings"].(map[string]any)[name]); diff != "" {
			t.Errorf("%s is told otherwise than the output settings (-function +output):\n%s", name, diff)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	host := fmt.Sprint(d.get("rds-dev").Output("address"))
	store := func(user string) string {
		return "postgres://" + user + "@" + host + ":6432/fastshop?sslmode=verify-full&auth=iam&region=us-east-1"
	}
	velocity := fmt.Sprintf("rediss://redis-app-dev@%s:6380?shape=cluster&auth=iam&group=redis-dev&region=us-east-1&prefix=fs:",
		d.get("redis-dev").Output("configurationEndpointAddress"))
	for setting, want := range map[string]string{
		"ingest FASTSHOP_ENVIRONMENT": "dev", "ingest FASTSHOP_LOG_FORMAT": "json", "ingest FASTSHOP_LOG_LEVEL": "info",
		"ingest FASTSHOP_STORE": store("fastshop_ingest"), "process FASTSHOP_STORE": store("fastshop_processor"),
		"admin FASTSHOP_STORE": store("fastshop_processor"), "admin FASTSHOP_MIGRATE_STORE": store("fastshop_migrate"),
		"admin FASTSHOP_MASTER_STORE": "postgres://" + host + ":6432/fastshop?sslmode=verify-full&auth=secret&secret=" + fmt.Sprint(d.Outputs["rds_master_secret_arn"]),
		"ingest FASTSHOP_VELOCITY":    velocity, "process FASTSHOP_VELOCITY": velocity, "admin FASTSHOP_VELOCITY": velocity,
		"ingest FASTSHOP_STREAM": "kinesis://kinesis-stream-dev?region=us-east-1", "ingest FASTSHOP_KEYS": "dynamodb://customer-keys-dev?region=us-east-1",
		"ingest FASTSHOP_KEK": "awskms:///" + d.arn("pii-key-dev"), "ingest FASTSHOP_TOKEN_KEK": "awskms:///" + d.arn("token-key-dev"),
		"admin FASTSHOP_DEAD_LETTERS": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letter-queue-dev",
	} {
		name, variable, _ := strings.Cut(setting, " ")
		if got := d.get(name + "-function-dev").Text("environment.variables." + variable); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", setting, got, want)
		}
	}
}
