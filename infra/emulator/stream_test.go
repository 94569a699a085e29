package emulator

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	streamToken   = "aws:kinesis/stream:Stream"
	consumerToken = "aws:kinesis/streamConsumer:StreamConsumer"
)

// summary is the stream as the emulator has it.
func summary(t *testing.T, m *made) *types.StreamDescriptionSummary {
	t.Helper()
	got, err := m.cloud.Stream.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamARN: &m.id})
	if err != nil {
		t.Fatal(err)
	}
	return got.StreamDescriptionSummary
}

func TestStream(t *testing.T) {
	e := newEngine(t, Options{})
	key := e.create(keyToken, "stream-key", Object{})
	stream := e.create(streamToken, "stream", Object{
		"name": "stream-test", "shardCount": 2, "retentionPeriod": 168, "encryptionType": "KMS", "kmsKeyId": key.out["arn"],
		"streamModeDetails": map[string]any{"streamMode": "PROVISIONED"}, "shardLevelMetrics": []any{"IncomingBytes"},
		"enforceConsumerDeletion": true, "tags": tags("a", "1"),
	})
	if stream.id != "arn:aws:kinesis:us-east-1:123456789012:stream/stream-test" {
		t.Errorf("id = %q, want the ARN", stream.id)
	}
	stream.equal(Object{"arn": stream.id, "maxRecordSizeInKib": 1024})
	if s := summary(t, stream); *s.OpenShardCount != 2 || *s.RetentionPeriodHours != 168 || s.EncryptionType != "KMS" || *s.KeyId != key.out["arn"] {
		t.Errorf("stream = %+v, want 2 shards, 168 hours, encrypted by %s", s, key.out["arn"])
	}
	stream.update(Object{"shardCount": 4, "retentionPeriod": 48, "shardLevelMetrics": []any{"OutgoingBytes"}, "tags": tags("b", "2")})
	s := summary(t, stream)
	if *s.OpenShardCount != 4 || *s.RetentionPeriodHours != 48 {
		t.Errorf("stream = %+v, want 4 shards and 48 hours", s)
	}
	if m := s.EnhancedMonitoring[0].ShardLevelMetrics; len(m) != 1 || m[0] != "OutgoingBytes" {
		t.Errorf("metrics = %v, want OutgoingBytes only", m)
	}
	found, err := e.cloud.Stream.ListTagsForStream(t.Context(), &kinesis.ListTagsForStreamInput{StreamARN: &stream.id})
	if err != nil || len(found.Tags) != 1 || *found.Tags[0].Key != "b" {
		t.Errorf("tags = %v, %v, want b only", found, err)
	}
	for _, shards := range []int{9, 1} {
		refused(t, stream.tryUpdate(stream.in.With(Object{"shardCount": float64(shards)})), "go in steps of double or half")
	}
	stream.update(Object{"encryptionType": "NONE", "kmsKeyId": nil, "retentionPeriod": nil})
	if s := summary(t, stream); s.EncryptionType == "KMS" || *s.RetentionPeriodHours != 24 {
		t.Errorf("stream = %+v, want it plain again with 24 hours", s)
	}
	stream.update(Object{"streamModeDetails": map[string]any{"streamMode": "ON_DEMAND"}, "shardCount": nil})
	if s := summary(t, stream); s.StreamModeDetails.StreamMode != "ON_DEMAND" {
		t.Errorf("mode = %s, want ON_DEMAND", s.StreamModeDetails.StreamMode)
	}
	stream.update(Object{"streamModeDetails": map[string]any{"streamMode": "PROVISIONED"}, "shardCount": 4.0})
	stream.replaces(Object{"name": "other"})
	stream.delete()
}

func TestStreamWithConsumers(t *testing.T) {
	e := newEngine(t, Options{})
	stream := e.create(streamToken, "kept", Object{"name": "kept-test", "shardCount": 1})
	consumer := e.create(consumerToken, "consumer", Object{"name": "process-test", "streamArn": stream.id, "tags": tags("a", "1")})
	consumer.equal(Object{"arn": stream.id + "/consumer/process-test"})
	if consumer.out.Str("creationTimestamp") == "" {
		t.Error("a consumer has no creationTimestamp")
	}
	consumer.update(Object{"tags": tags("b", "2")})
	consumer.replaces(Object{"name": "other", "streamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/other"})

	refused(t, stream.tryDelete(), "ResourceInUseException: delete stream "+stream.id+": 1 consumers are registered; set enforceConsumerDeletion")
	if _, _, found := stream.refresh(); !found {
		t.Fatal("a refused deletion removed the stream")
	}
	stream.update(Object{"enforceConsumerDeletion": true})
	stream.delete()
	if _, _, found := consumer.refresh(); found {
		t.Error("the consumer outlives its stream")
	}
	if err := consumer.tryDelete(); err != nil {
		t.Errorf("delete consumer that is gone: %v", err)
	}
	other := e.create(streamToken, "other", Object{"name": "other-test", "shardCount": 1})
	e.create(consumerToken, "short", Object{"name": "short-test", "streamArn": other.id}).delete()
	other.delete()
}

func TestStreamRefusals(t *testing.T) {
	refusesAll(t, streamToken, Object{"name": strings.Repeat("s", 128), "shardCount": 1}, map[string]refusal{
		"long":         {Object{"name": strings.Repeat("s", 129)}, `name: ValidationError: "` + strings.Repeat("s", 129) + `" has 129 characters; at most 128 are allowed`},
		"alphabet":     {Object{"name": "a/b"}, `name: ValidationError: "a/b" does not match ^[a-zA-Z0-9_.-]+$`},
		"retention":    {Object{"retentionPeriod": 23}, "retentionPeriod: InvalidParameterValue: set a whole number from 24 to 8760, not 23"},
		"year":         {Object{"retentionPeriod": 8761}, "retentionPeriod: InvalidParameterValue: set a whole number from 24 to 8760, not 8761"},
		"shards":       {Object{"shardCount": 0}, "shardCount: InvalidParameterValue: set a whole number from 1 to 10000, not 0"},
		"no shards":    {Object{"shardCount": nil}, "shardCount: InvalidArgumentException: set it, or streamMode to ON_DEMAND"},
		"both":         {Object{"streamModeDetails": map[string]any{"streamMode": "ON_DEMAND"}}, "shardCount: InvalidArgumentException: leave it away: a stream on demand chooses its shards"},
		"mode":         {Object{"streamModeDetails": map[string]any{"streamMode": "X"}}, `streamModeDetails.streamMode: InvalidParameterValue: "X" is none of ["PROVISIONED" "ON_DEMAND"]`},
		"no key":       {Object{"encryptionType": "KMS"}, "kmsKeyId: InvalidArgumentException: set it: encryptionType is KMS"},
		"idle key":     {Object{"kmsKeyId": "k"}, "encryptionType: InvalidArgumentException: set it to KMS: without, kmsKeyId does nothing"},
		"large record": {Object{"maxRecordSizeInKib": 10241}, "maxRecordSizeInKib: InvalidParameterValue: set a whole number from 1024 to 10240, not 10241"},
	})
	refusesAll(t, consumerToken, Object{"name": "c", "streamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, map[string]refusal{
		"name": {Object{"streamArn": "s"}, `streamArn: InvalidArgumentException: give the ARN of a stream, not "s"`},
	})
}

// A preview does not know the ARN of a key that is yet to be made; that is no fault.
func TestUnknownInputsAreNotJudged(t *testing.T) {
	kinds := map[string]Kind{}
	for _, k := range Kinds() {
		kinds[k.Token] = k
	}
	for token, in := range map[string]Object{
		streamToken:   {"name": unknown{}, "shardCount": unknown{}, "encryptionType": "KMS", "kmsKeyId": unknown{}, "streamModeDetails": unknown{}},
		aliasToken:    {"name": "alias/a", "targetKeyId": unknown{}},
		consumerToken: {"name": "c", "streamArn": unknown{}},
		keyToken:      {"policy": unknown{}},
	} {
		if faults := kinds[token].check(in); len(faults) > 0 {
			t.Errorf("unknown inputs of %s are refused: %q", token, faults)
		}
	}
}
