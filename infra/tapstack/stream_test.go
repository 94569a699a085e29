package tapstack_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/sizing"
	"github.com/fastshop/pipeline/infra/tapstack"
)

const stream, consumer = "aws:kinesis/stream:Stream", "aws:kinesis/streamConsumer:StreamConsumer"

// provisioned is what a stream of so many shards is given.
func (d deployed) provisioned(shards, hours int) inputs {
	return inputs{
		"name": "kinesis-stream-dev", "encryptionType": "KMS", "kmsKeyId": d.arn("stream-key-dev"), "retentionPeriod": hours,
		"enforceConsumerDeletion": true, // or a destroy would fail on a registered consumer
		"streamModeDetails":       inputs{"streamMode": "PROVISIONED"}, "shardCount": shards,
		"shardLevelMetrics": list("IncomingRecords", "WriteProvisionedThroughputExceeded"),
	}
}

// How many shards follow from what an operator sets, and what of that is told as kinesis_sizing.
func TestShards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change argsChange
		shards int
		sizing inputs
	}{
		"by default, 100 a second": {nil, 2, inputs{"transactions_per_second": 100, "record_bytes": 1536}},
		"a thousand a second": {func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond = 1000 },
			3, inputs{"transactions_per_second": 1000, "record_bytes": 1536}},
		"ten thousand a second": {func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond, a.DatabaseClass = 10_000, "db.m7g.large" },
			22, inputs{"transactions_per_second": 10_000, "record_bytes": 1536}},
		"larger records": {func(a *tapstack.TapStackArgs) { a.TransactionsPerSecond, a.RecordBytes = 1000, 7000 },
			10, inputs{"transactions_per_second": 1000, "record_bytes": 7000}},
		"as the operator says": {func(a *tapstack.TapStackArgs) { a.ShardCount = 5 }, 5, inputs{"record_bytes": 1536}},
		"one alone":            {func(a *tapstack.TapStackArgs) { a.ShardCount = 1 }, 1, inputs{"record_bytes": 1536}},
	} {
		d := up(t, c.change)
		d.expectNames(stream, "kinesis-stream-dev")
		d.expect(stream, "kinesis-stream-dev", d.provisioned(c.shards, 168))
		c.sizing["stream_mode"], c.sizing["shards"] = "provisioned", c.shards
		if rate, ok := c.sizing["transactions_per_second"].(int); ok {
			formula, err := sizing.ForLoad(sizing.Load{TransactionsPerSecond: rate, RecordBytes: c.sizing["record_bytes"].(int), SharedConsumers: 1})
			if err != nil || formula.Shards != c.shards {
				t.Errorf("%s: the formula says %d shards (%v)", name, formula.Shards, err)
			}
			c.sizing["write_utilization"], c.sizing["hot_key_share"] = formula.WriteUtilization, formula.HotKeyShare
		}
		if diff := cmp.Diff(plain(t, c.sizing), d.Outputs["kinesis_sizing"]); diff != "" {
			t.Errorf("%s: kinesis_sizing (-want +got):\n%s", name, diff)
		}
		d.expectNames(consumer)
	}
}

func TestStreamRetention(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) { a.StreamRetentionHours = 24 })
	d.expect(stream, "kinesis-stream-dev", d.provisioned(2, 24))
}

// An on-demand stream chooses its own shards, and tells nothing of them.
func TestOnDemandStream(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) { a.StreamMode, a.TransactionsPerSecond = tapstack.StreamOnDemand, 1000 })
	want := d.provisioned(0, 168)
	want["streamModeDetails"] = inputs{"streamMode": "ON_DEMAND"}
	delete(want, "shardCount")
	delete(want, "shardLevelMetrics")
	d.expect(stream, "kinesis-stream-dev", want)
	told := inputs{"stream_mode": "on-demand", "record_bytes": 1536, "transactions_per_second": 1000}
	if diff := cmp.Diff(plain(t, told), d.Outputs["kinesis_sizing"]); diff != "" {
		t.Errorf("kinesis_sizing (-want +got):\n%s", diff)
	}
}

// With enhanced fan-out process reads a pipe of its own, and without it the stream. The pipe never decides the size.
func TestEnhancedFanOut(t *testing.T) {
	t.Parallel()
	const source = "process-source-dev"
	d := up(t, nil)
	if got, want := d.get(source).Text("eventSourceArn"), d.arn("kinesis-stream-dev"); got != want {
		t.Errorf("process reads %s, want %s", got, want)
	}
	d = up(t, func(a *tapstack.TapStackArgs) { a.EnhancedFanOut = true })
	d.expectNames(consumer, "stream-consumer-dev")
	d.expect(consumer, "stream-consumer-dev", inputs{"name": "stream-consumer-dev", "streamArn": d.arn("kinesis-stream-dev")})
	if got, want := d.get(source).Text("eventSourceArn"), d.arn("stream-consumer-dev"); got != want {
		t.Errorf("process reads %s, want %s", got, want)
	}
	d.expect(stream, "kinesis-stream-dev", d.provisioned(2, 168))
}
