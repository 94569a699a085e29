package emulator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	kinesisGone = "ResourceNotFoundException"
	// leastRetention is how long a stream keeps records when nothing is said, in hours.
	leastRetention = 24
)

func streamKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:kinesis/stream:Stream",
			Replace: []string{"name"},
			Check:   checkStream, Create: createStream, Read: readStream, Update: updateStream, Delete: deleteStream,
		},
		{
			Token:    "aws:kinesis/streamConsumer:StreamConsumer",
			Required: []string{"streamArn"},
			Replace:  []string{"name", "streamArn"},
			Check:    checkConsumer, Create: createConsumer, Read: readConsumer, Update: updateConsumer, Delete: deleteConsumer,
		},
	}
}

// onDemand tells the capacity mode; provisioned is the default.
func onDemand(in Object) bool {
	return in.Object("streamModeDetails").Str("streamMode") == string(types.StreamModeOnDemand)
}

func checkStream(in Object) []Fault {
	i := inspect(in)
	i.name("name", 128, wordName)
	i.between("retentionPeriod", leastRetention, 8760)
	i.between("shardCount", 1, 10000)
	i.between("maxRecordSizeInKib", 1024, 10240)
	i.oneOf("encryptionType", "NONE", "KMS")
	i.inside("streamModeDetails").oneOf("streamMode", "PROVISIONED", "ON_DEMAND")
	modeKnown := !in.Has("streamModeDetails") || in.Known("streamModeDetails")
	switch {
	case modeKnown && onDemand(in) && in.Has("shardCount"):
		i.fault("shardCount", "InvalidArgumentException: leave it away: a stream on demand chooses its shards")
	case modeKnown && !onDemand(in) && !in.Has("shardCount"):
		i.fault("shardCount", "InvalidArgumentException: set it, or streamMode to ON_DEMAND")
	}
	encrypted := in.Str("encryptionType") == string(types.EncryptionTypeKms)
	switch {
	case encrypted && !in.Has("kmsKeyId"):
		i.fault("kmsKeyId", "InvalidArgumentException: set it: encryptionType is KMS")
	case in.Has("kmsKeyId") && !encrypted && (in.Known("encryptionType") || !in.Has("encryptionType")):
		i.fault("encryptionType", "InvalidArgumentException: set it to KMS: without, kmsKeyId does nothing")
	}
	return i.found()
}

// createStream keeps maxRecordSizeInKib and warmThroughputMibPs in the state: the emulator answers 500 to both.
func createStream(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	mode := types.StreamModeProvisioned
	if onDemand(in) {
		mode = types.StreamModeOnDemand
	}
	input := &kinesis.CreateStreamInput{
		StreamName: &name, ShardCount: in.Int32Ptr("shardCount"), StreamModeDetails: &types.StreamModeDetails{StreamMode: mode},
	}
	if _, err := c.Stream.CreateStream(ctx, input); err != nil {
		return "", nil, fmt.Errorf("create stream %s: %w", name, err)
	}
	arn := c.ARN("kinesis", "stream/"+name)
	// What a fresh stream is: the rest is changed from there, as the real provider does.
	fresh := in.Only("name", "streamModeDetails", "shardCount")
	out, err := updateStream(ctx, c, arn, fresh, in)
	if err != nil {
		return arn, in, err
	}
	return arn, out, nil
}

func readStream(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Stream.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: state.StrPtr("name")})
	if isCode(err, kinesisGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe stream %s: %w", id, err)
	}
	s := got.StreamDescriptionSummary
	out := state.With(Object{
		"arn": aws.ToString(s.StreamARN), "retentionPeriod": int(aws.ToInt32(s.RetentionPeriodHours)),
		"encryptionType": orElse(string(s.EncryptionType), "NONE"),
	})
	if s.StreamModeDetails != nil {
		out = out.With(Object{"streamModeDetails": map[string]any{"streamMode": string(s.StreamModeDetails.StreamMode)}})
	}
	// As the real provider: a stream on demand has no shard count of the program's.
	if !onDemand(out) {
		out = out.With(Object{"shardCount": int(aws.ToInt32(s.OpenShardCount))})
	}
	if s.KeyId != nil {
		out = out.With(Object{"kmsKeyId": *s.KeyId})
	} else {
		out = out.Without("kmsKeyId")
	}
	if !out.Has("maxRecordSizeInKib") {
		out = out.With(Object{"maxRecordSizeInKib": 1024})
	}
	return out, nil
}

func updateStream(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	steps := []func(context.Context, string, Object, Object) error{
		c.setStreamMode, c.setShards, c.setRetention, c.setStreamKey, c.setShardMetrics, c.tagStream,
	}
	for _, step := range steps {
		if err := step(ctx, id, state, in); err != nil {
			return nil, err
		}
	}
	return readStream(ctx, c, id, in)
}

func (c *Cloud) setStreamMode(ctx context.Context, arn string, state, in Object) error {
	if onDemand(state) == onDemand(in) {
		return nil
	}
	mode := types.StreamModeProvisioned
	if onDemand(in) {
		mode = types.StreamModeOnDemand
	}
	_, err := c.Stream.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{
		StreamARN: &arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: mode},
	})
	return wrap(err, "change mode of stream %s", arn)
}

// setShards changes the shards in place. AWS takes no more than double and no less than half of them in one step.
func (c *Cloud) setShards(ctx context.Context, arn string, _, in Object) error {
	if onDemand(in) {
		return nil
	}
	got, err := c.Stream.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: &arn})
	if err != nil {
		return fmt.Errorf("describe stream %s: %w", arn, err)
	}
	before, after := got.StreamDescriptionSummary.OpenShardCount, in.Int32("shardCount")
	switch {
	case *before == after:
		return nil
	case after > 2**before || 2*after < *before:
		return refuse("LimitExceededException", "change shards of stream %s from %d to %d: go in steps of double or half", arn, *before, after)
	}
	_, err = c.Stream.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
		StreamARN: &arn, TargetShardCount: &after, ScalingType: types.ScalingTypeUniformScaling,
	})
	return wrap(err, "change shards of stream %s to %d", arn, after)
}

func retention(o Object) int32 {
	if o.Has("retentionPeriod") {
		return o.Int32("retentionPeriod")
	}
	return leastRetention
}

func (c *Cloud) setRetention(ctx context.Context, arn string, state, in Object) error {
	before, after := retention(state), retention(in)
	var err error
	switch {
	case after > before:
		_, err = c.Stream.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamARN: &arn, RetentionPeriodHours: &after})
	case after < before:
		_, err = c.Stream.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamARN: &arn, RetentionPeriodHours: &after})
	}
	return wrap(err, "keep records of stream %s for %d hours", arn, after)
}

func (c *Cloud) setStreamKey(ctx context.Context, arn string, state, in Object) error {
	before, after := state.Str("kmsKeyId"), in.Str("kmsKeyId")
	var err error
	switch {
	case after != "" && after != before:
		_, err = c.Stream.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{
			StreamARN: &arn, EncryptionType: types.EncryptionTypeKms, KeyId: &after,
		})
	case after == "" && before != "":
		_, err = c.Stream.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{
			StreamARN: &arn, EncryptionType: types.EncryptionTypeKms, KeyId: &before,
		})
	}
	return wrap(err, "encrypt stream %s", arn)
}

func (c *Cloud) setShardMetrics(ctx context.Context, arn string, state, in Object) error {
	add := shardMetrics(missingFrom(state.Strings("shardLevelMetrics"), in.Strings("shardLevelMetrics")))
	if len(add) > 0 {
		_, err := c.Stream.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamARN: &arn, ShardLevelMetrics: add})
		if err != nil {
			return fmt.Errorf("enable metrics of stream %s: %w", arn, err)
		}
	}
	drop := shardMetrics(missingFrom(in.Strings("shardLevelMetrics"), state.Strings("shardLevelMetrics")))
	if len(drop) > 0 {
		_, err := c.Stream.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{StreamARN: &arn, ShardLevelMetrics: drop})
		if err != nil {
			return fmt.Errorf("disable metrics of stream %s: %w", arn, err)
		}
	}
	return nil
}

func shardMetrics(names []string) []types.MetricsName {
	var out []types.MetricsName
	for _, n := range names {
		out = append(out, types.MetricsName(n))
	}
	return out
}

func (c *Cloud) tagStream(ctx context.Context, arn string, state, in Object) error {
	return changeTags("stream "+arn, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Stream.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamARN: &arn, Tags: set})
			return err
		},
		func(remove []string) error {
			_, err := c.Stream.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamARN: &arn, TagKeys: remove})
			return err
		})
}

// deleteStream refuses, as AWS does and the emulator does not, while consumers are registered, unless the state says to
// enforce it. The program's last word counts only after an update has written it there.
func deleteStream(ctx context.Context, c *Cloud, id string, state Object) error {
	enforce := state.Bool("enforceConsumerDeletion")
	// Asked for the consumers of a missing stream, the emulator fails altogether: ask for the stream first.
	_, err := c.Stream.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamARN: &id})
	if isCode(err, kinesisGone) {
		return nil
	}
	consumers, err := c.Stream.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: &id})
	if err != nil {
		return fmt.Errorf("list consumers of stream %s: %w", id, err)
	}
	if n := len(consumers.Consumers); n > 0 && !enforce {
		return refuse("ResourceInUseException", "delete stream %s: %d consumers are registered; set enforceConsumerDeletion and run up before destroy", id, n)
	}
	_, err = c.Stream.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamARN: &id, EnforceConsumerDeletion: &enforce})
	return wrap(unless(err, kinesisGone), "delete stream %s", id)
}

func checkConsumer(in Object) []Fault {
	i := inspect(in)
	i.name("name", 128, wordName)
	if in.Known("streamArn") && !strings.Contains(in.Str("streamArn"), ":stream/") {
		i.fault("streamArn", "InvalidArgumentException: give the ARN of a stream, not %q", in.Str("streamArn"))
	}
	return i.found()
}

func createConsumer(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Stream.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		ConsumerName: in.StrPtr("name"), StreamARN: in.StrPtr("streamArn"),
	})
	if err != nil {
		return "", nil, fmt.Errorf("register consumer %s: %w", in.Str("name"), err)
	}
	arn := aws.ToString(made.Consumer.ConsumerARN)
	out, err := readConsumer(ctx, c, arn, in)
	return arn, out, err
}

func readConsumer(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Stream.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: &id})
	if isCode(err, kinesisGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe consumer %s: %w", id, err)
	}
	d := got.ConsumerDescription
	return state.With(Object{
		"arn": id, "name": aws.ToString(d.ConsumerName), "streamArn": aws.ToString(d.StreamARN),
		"creationTimestamp": aws.ToTime(d.ConsumerCreationTimestamp).UTC().Format(time.RFC3339),
	}), nil
}

// updateConsumer keeps the tags in the state: they are all that can change, and the emulator keeps none for a consumer.
func updateConsumer(_ context.Context, _ *Cloud, _ string, state, in Object) (Object, error) {
	return state.Without("tags").With(in), nil
}

func deleteConsumer(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Stream.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &id})
	return wrap(unless(err, kinesisGone), "deregister consumer %s", id)
}
