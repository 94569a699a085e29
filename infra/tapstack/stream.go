package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/kinesis"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// stream is what ingest writes and process reads, in order for each customer.
type stream struct {
	stream   *kinesis.Stream
	consumer *kinesis.StreamConsumer // only with enhanced fan-out
}

func (s *TapStack) streamArn() string { return s.arn("kinesis", "stream/"+s.name("kinesis-stream")) }

func (s *TapStack) buildStream() {
	args := &kinesis.StreamArgs{
		Name:           pulumi.String(s.name("kinesis-stream")),
		EncryptionType: pulumi.String("KMS"), KmsKeyId: s.keys[ClassStream].Arn,
		RetentionPeriod: pulumi.Int(s.args.StreamRetentionHours),
		// The provider reads this from the state when it destroys, so it must be there from the first deployment.
		EnforceConsumerDeletion: pulumi.Bool(true),
		StreamModeDetails:       &kinesis.StreamStreamModeDetailsArgs{StreamMode: pulumi.String("ON_DEMAND")},
	}
	if s.args.StreamMode == StreamProvisioned {
		args.StreamModeDetails = &kinesis.StreamStreamModeDetailsArgs{StreamMode: pulumi.String("PROVISIONED")}
		args.ShardCount = pulumi.Int(s.load.Shards)
		// The alarms on throttling tell which shard is hot.
		args.ShardLevelMetrics = pulumi.ToStringArray([]string{"IncomingRecords", "WriteProvisionedThroughputExceeded"})
	}
	s.stream.stream = add(s, kinesis.NewStream, s.name("kinesis-stream"), args)
	if s.args.EnhancedFanOut {
		s.stream.consumer = add(s, kinesis.NewStreamConsumer, s.name("stream-consumer"), &kinesis.StreamConsumerArgs{
			Name: pulumi.String(s.name("stream-consumer")), StreamArn: s.stream.stream.Arn,
		})
	}
}

// source is where process reads: the stream, or its own pipe from it.
func (s *TapStack) source() pulumi.StringOutput {
	if s.stream.consumer != nil {
		return s.stream.consumer.Arn
	}
	return s.stream.stream.Arn
}
