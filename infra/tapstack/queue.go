package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/sqs"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// queue holds what could not be processed: for a batch of the stream its shard and sequence numbers, for another event
// the event. A person looks, and `fastshop deadletters` replays.
type queue struct{ deadLetters *sqs.Queue }

// Fourteen days, SQS's longest: longer than the stream keeps what a message points at.
const deadLetterSeconds = 14 * 24 * 3600

func (s *TapStack) queueArn() string { return s.arn("sqs", s.name("dead-letter-queue")) }

func (s *TapStack) buildQueue() {
	s.queue.deadLetters = add(s, sqs.NewQueue, s.name("dead-letter-queue"), &sqs.QueueArgs{
		Name:           pulumi.String(s.name("dead-letter-queue")),
		KmsMasterKeyId: s.keys[ClassStream].Arn, KmsDataKeyReusePeriodSeconds: pulumi.Int(300),
		MessageRetentionSeconds: pulumi.Int(deadLetterSeconds),
		// As long as admin may take over one message.
		VisibilityTimeoutSeconds: pulumi.Int(adminSeconds),
	})
	add(s, sqs.NewQueuePolicy, s.name("dead-letter-policy"), &sqs.QueuePolicyArgs{
		QueueUrl: s.queue.deadLetters.Url,
		Policy:   s.document(tlsOnly("sqs:*", s.queueArn())),
	})
}
