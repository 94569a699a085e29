package tapstack_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const alarm = "aws:cloudwatch/metricAlarm:MetricAlarm"

// watch is what an alarm looks at and when it rings, in one line:
// namespace metric{dimension=value} statistic compared threshold for minutes.
func (d deployed) watch(name string) string {
	d.t.Helper()
	r := d.get(name)
	var dimensions []string
	given, _ := r.Input("dimensions").(map[string]any)
	for dimension, value := range given {
		dimensions = append(dimensions, fmt.Sprintf("%s=%v", dimension, value))
	}
	statistic := r.Text("statistic") + r.Text("extendedStatistic") // one of them
	compared := map[string]string{"GreaterThanThreshold": ">", "LessThanThreshold": "<"}[r.Text("comparisonOperator")]
	return fmt.Sprintf("%s %s{%s} %s %s %.0f for %v min", strings.TrimPrefix(r.Text("namespace"), "AWS/"), r.Text("metricName"),
		strings.Join(dimensions, ","), statistic, compared, r.Input("threshold"), r.Input("evaluationPeriods"))
}

// watches are all alarms by name, without the suffix.
func (d deployed) watches() map[string]string {
	all := map[string]string{}
	for _, name := range d.names(alarm) {
		all[strings.Replace(strings.TrimSuffix(name, "-dev"), "-alarm", "", 1)] = d.watch(name)
	}
	return all
}

// watched is the table of all alarms with the default arguments.
func (d deployed) watched() map[string]string {
	api := d.id("http-api-dev")
	table := map[string]string{
		"process-late":           "Lambda IteratorAge{FunctionName=process-function-dev} Maximum > 60000 for 5 min",
		"process-retention":      "Lambda IteratorAge{FunctionName=process-function-dev} Maximum > 302400000 for 1 min", // half a week
		"stream-write-throttled": "Kinesis WriteProvisionedThroughputExceeded{StreamName=kinesis-stream-dev} Sum > 0 for 5 min",
		"stream-read-throttled":  "Kinesis ReadProvisionedThroughputExceeded{StreamName=kinesis-stream-dev} Sum > 0 for 5 min",
		"stream-put-failed":      "Kinesis PutRecords.FailedRecords{StreamName=kinesis-stream-dev} Sum > 0 for 5 min",
		"dead-letters":           "SQS ApproximateNumberOfMessagesVisible{QueueName=dead-letter-queue-dev} Maximum > 0 for 1 min",
		"ingest-errors":          "Lambda Errors{FunctionName=ingest-function-dev} Sum > 5 for 1 min",
		"process-errors":         "Lambda Errors{FunctionName=process-function-dev} Sum > 0 for 3 min",
		"admin-errors":           "Lambda Errors{FunctionName=admin-function-dev} Sum > 0 for 1 min",
		"ingest-throttled":       "Lambda Throttles{FunctionName=ingest-function-dev} Sum > 0 for 3 min",
		"process-throttled":      "Lambda Throttles{FunctionName=process-function-dev} Sum > 0 for 3 min",
		"ingest-slow":            "Lambda Duration{FunctionName=ingest-function-dev} p99 > 500 for 5 min",
		"api-errors":             "ApiGateway 5xx{ApiId=" + api + "} Sum > 5 for 1 min",
		"database-cpu":           "RDS CPUUtilization{DBInstanceIdentifier=rds-dev} Average > 80 for 10 min",
		"database-memory":        "RDS FreeableMemory{DBInstanceIdentifier=rds-dev} Average < 268435456 for 10 min",    // 256 MiB
		"database-storage":       "RDS FreeStorageSpace{DBInstanceIdentifier=rds-dev} Minimum < 10737418240 for 5 min", // 10 GiB
		"database-connections":   "RDS DatabaseConnections{DBInstanceIdentifier=rds-dev} Maximum > 254 for 5 min",
		"database-transactions":  "RDS MaximumUsedTransactionIDs{DBInstanceIdentifier=rds-dev} Maximum > 1000000000 for 1 min",
		"keys-throttled":         "DynamoDB ReadThrottleEvents{TableName=customer-keys-dev} Sum > 0 for 1 min",
		"keys-write-throttled":   "DynamoDB WriteThrottleEvents{TableName=customer-keys-dev} Sum > 0 for 1 min",
	}
	for _, task := range []string{"doctor", "windows-heal"} {
		table[task+"-missed"] = "Events FailedInvocations{RuleName=" + task + "-schedule-dev} Sum > 0 for 1 min"
	}
	for node, id := range []string{"redis-dev-0001-001", "redis-dev-0001-002"} {
		for name, rings := range map[string]string{
			"cache-cpu": "EngineCPUUtilization{%s} Average > 80", "cache-memory": "DatabaseMemoryUsagePercentage{%s} Average > 80",
			"cache-lag": "ReplicationLag{%s} Maximum > 10",
		} {
			table[fmt.Sprintf("%s-%d", name, node+1)] = "ElastiCache " + fmt.Sprintf(rings, "CacheClusterId="+id) + " for 5 min"
		}
	}
	return table
}

func TestAlarms(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	if diff := cmp.Diff(d.watched(), d.watches()); diff != "" {
		t.Errorf("alarms (-want +got):\n%s", diff)
	}
}

// What is measured once a minute rings at the topic and tells it when it is over; no data is no fault; and whoever is
// woken reads what to do.
func TestEveryAlarmTellsSomebody(t *testing.T) {
	t.Parallel()
	advice := regexp.MustCompile(`see |raise |take a larger |look at |repeats |would lose |leaks |get 503`)
	for variant, d := range variants(t) {
		topic := []any{d.arn("alarm-topic-dev")}
		for _, r := range d.OfType(alarm) {
			fields := slices.Collect(func(yield func(string) bool) {
				for input := range r.Inputs {
					if !yield(input) {
						return
					}
				}
			})
			slices.Sort(fields)
			want := list("actionsEnabled", "alarmActions", "alarmDescription", "comparisonOperator", "datapointsToAlarm", "dimensions", "evaluationPeriods",
				"metricName", "name", "namespace", "okActions", "period", "statistic", "tags", "threshold", "treatMissingData")
			if r.Text("extendedStatistic") != "" {
				want[slices.Index(want, "statistic")] = "extendedStatistic"
				slices.Sort(want)
			}
			if diff := cmp.Diff(want, fields); diff != "" {
				t.Errorf("%s: fields of %s (-want +got):\n%s", variant, r.Name, diff)
			}
			if r.Text("name") != r.Name || r.Input("period") != 60.0 || r.Input("datapointsToAlarm") != r.Input("evaluationPeriods") ||
				r.Input("actionsEnabled") != true || r.Text("treatMissingData") != "notBreaching" {
				t.Errorf("%s: %s is %v", variant, r.Name, r.Inputs)
			}
			if !cmp.Equal(r.List("alarmActions"), topic) || !cmp.Equal(r.List("okActions"), topic) {
				t.Errorf("%s: %s tells %v and %v", variant, r.Name, r.List("alarmActions"), r.List("okActions"))
			}
			if text := r.Text("alarmDescription"); len(text) > 1024 || !advice.MatchString(text) {
				t.Errorf("%s: %s does not say what to do: %q", variant, r.Name, text)
			}
		}
	}
}

// Thresholds that follow from the arguments.
func TestThresholdsFollowTheArguments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		change                 argsChange
		retention, connections float64
	}{
		{nil, 168 / 2 * 3_600_000, 4*(50+10) + 4 + 10},
		{func(a *tapstack.TapStackArgs) {
			a.StreamRetentionHours, a.IngestConcurrency, a.ProcessConcurrency = 25, 30, 40
		}, 12.5 * 3_600_000, 4*(30+40) + 4 + 10},
		{func(a *tapstack.TapStackArgs) {
			a.IngestConcurrency, a.ProcessConcurrency = tapstack.NoReserve, tapstack.NoReserve
		}, 168 / 2 * 3_600_000, 4*(50+10) + 4 + 10}, // as by default
	} {
		d := up(t, c.change)
		if got := d.get("process-retention-alarm-dev").Input("threshold"); got != c.retention {
			t.Errorf("half of the retention is %v ms, want %v", got, c.retention)
		}
		if got := d.get("database-connections-alarm-dev").Input("threshold"); got != c.connections {
			t.Errorf("more than %v connections are too many, want %v", got, c.connections)
		}
	}
}
