package tapstack_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// The eight outputs that whoever used the predecessor reads, under their names, with the values of what AWS made.
func TestOutputsOfThePredecessor(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	database, cache := d.get("rds-dev"), d.get("redis-dev")
	for name, want := range map[string]any{
		"vpc_id":              d.id("vpc-dev"),
		"kinesis_stream_name": "kinesis-stream-dev",
		"kinesis_stream_arn":  "arn:aws:kinesis:us-east-1:123456789012:stream/kinesis-stream-dev",
		"rds_endpoint":        fmt.Sprintf("%v:6432", database.Output("address")),
		"rds_arn":             "arn:aws:rds:us-east-1:123456789012:db:rds-dev",
		"redis_endpoint":      cache.Output("configurationEndpointAddress"),
		"redis_port":          6380.0,
		"kms_key_id":          d.id("stream-key-dev"),
	} {
		if got := d.Outputs[name]; got != want || got == "" {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestFurtherOutputs(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	arns := inputs{}
	for _, class := range tapstack.Classes() {
		arns[string(class)] = d.arn(string(class) + "-key-dev")
	}
	want := inputs{
		"account_id": account, "region": "us-east-1", "availability_zones": list("us-east-1a", "us-east-1b"),
		"private_subnet_ids": d.ids("subnet-private-1-dev", "subnet-private-2-dev"), "kms_key_arns": arns,
		"redis_endpoint_kind": "configuration", "redis_tls": true, "rds_database": "fastshop",
		"rds_master_secret_arn": d.get("rds-dev").Output("masterUserSecrets.0.secretArn"), "customer_keys_table": "customer-keys-dev",
		"dead_letter_queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letter-queue-dev", "alarm_topic_arn": arn("sns", "alarm-topic-dev"),
		"api_endpoint":    "https://" + d.id("http-api-dev") + ".execute-api.us-east-1.amazonaws.com",
		"ingest_function": "ingest-function-dev", "process_function": "process-function-dev", "admin_function": "admin-function-dev",
		"dashboard_url": "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards:name=dashboard-dev",
		"code_sha256":   codeHash,
	}
	got := maps.Clone(d.Outputs)
	for _, elsewhere := range []string{ // above, stream_test.go and settings_test.go
		"vpc_id", "kinesis_stream_name", "kinesis_stream_arn", "rds_endpoint", "rds_arn", "redis_endpoint", "redis_port", "kms_key_id", "kinesis_sizing", "settings"} {
		delete(got, elsewhere)
	}
	if diff := cmp.Diff(plain(t, want), any(got)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	if d.OutputSecrets != nil {
		t.Errorf("outputs %v are secret: there is no secret to tell", d.OutputSecrets)
	}
}

// In a preview every output that needs no answer of AWS is there already, and none is made up.
func TestOutputsOfAPreview(t *testing.T) {
	t.Parallel()
	d := up(t, nil, tapstacktest.Preview())
	got := slices.Sorted(maps.Keys(d.Outputs))
	for _, name := range []string{"vpc_id", "kinesis_stream_arn", "rds_endpoint", "redis_endpoint", "kms_key_id", "rds_master_secret_arn", "api_endpoint"} {
		if slices.Contains(got, name) {
			t.Errorf("%s is %v before anything is made", name, d.Outputs[name])
		}
	}
	for name, want := range map[string]any{"redis_port": 6380.0, "region": "us-east-1", "redis_endpoint_kind": "configuration", "kinesis_stream_name": "kinesis-stream-dev"} {
		if d.Outputs[name] != want {
			t.Errorf("%s is %v, want %v", name, d.Outputs[name], want)
		}
	}
}
