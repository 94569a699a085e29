package tapstack_test

import "testing"

// Fourteen days to look at what failed; a message is hidden as long as admin may work on it.
func TestDeadLetterQueue(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames("aws:sqs/queue:Queue", "dead-letter-queue-dev")
	d.expect("aws:sqs/queue:Queue", "dead-letter-queue-dev", inputs{
		"name": "dead-letter-queue-dev", "kmsMasterKeyId": d.arn("stream-key-dev"), "kmsDataKeyReusePeriodSeconds": 300,
		"messageRetentionSeconds": 1_209_600, "visibilityTimeoutSeconds": 900,
	})
	d.expect("aws:sqs/queuePolicy:QueuePolicy", "dead-letter-policy-dev", inputs{
		"queueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letter-queue-dev", "policy": d.get("dead-letter-policy-dev").Text("policy")})
	d.expectPolicy("dead-letter-policy-dev", "policy", tlsOnly("sqs:*", arn("sqs", "dead-letter-queue-dev")))
}
