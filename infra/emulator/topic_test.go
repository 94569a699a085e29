package emulator

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sns"
)

const (
	topicToken             = "aws:sns/topic:Topic"
	topicPolicyToken       = "aws:sns/topicPolicy:TopicPolicy"
	topicSubscriptionToken = "aws:sns/topicSubscription:TopicSubscription"
)

func TestTopic(t *testing.T) {
	e := newEngine(t, Options{})
	key := e.create(keyToken, "topic-key", Object{})
	topic := e.create(topicToken, "topic", Object{"name": "alarms-test", "kmsMasterKeyId": key.out["arn"], "displayName": "alarms", "tags": tags("a", "1")})
	if topic.id != "arn:aws:sns:us-east-1:123456789012:alarms-test" {
		t.Errorf("id = %q, want the ARN", topic.id)
	}
	topic.equal(Object{"arn": topic.id, "owner": "123456789012"})
	has := func() map[string]string {
		got, err := e.cloud.topicHas(t.Context(), topic.id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	born := has()["Policy"]
	if got := has()["KmsMasterKeyId"]; got != key.out["arn"] {
		t.Errorf("key = %q, want %q", got, key.out["arn"])
	}
	written := strings.Replace(rootPolicy, "kms:*", "sns:Publish", 1)
	policy := e.create(topicPolicyToken, "policy", Object{"arn": topic.id, "policy": written})
	policy.equal(Object{"owner": "123456789012"})
	denied := strings.Replace(written, "Allow", "Deny", 1)
	policy.update(Object{"policy": denied})
	if got := has()["Policy"]; asWritten(denied, got) != denied {
		t.Errorf("policy = %s, want %s", got, denied)
	}
	policy.replaces(Object{"arn": "x"})

	if err := policy.tryDelete(); err != nil {
		t.Fatal(err)
	}
	if got := has()["Policy"]; asWritten(born, got) != born {
		t.Errorf("policy after its deletion = %s, want the one of birth %s", got, born)
	}
	topic.update(Object{"kmsMasterKeyId": nil, "displayName": nil, "signatureVersion": 2, "policy": written, "tags": tags("b", "2")})
	if got := has(); got["KmsMasterKeyId"] != "" || got["DisplayName"] != "" || asWritten(written, got["Policy"]) != written {
		t.Errorf("topic = %v, want neither key nor display name, and the policy", got)
	}
	found, err := e.cloud.Topic.ListTagsForResource(t.Context(), &sns.ListTagsForResourceInput{ResourceArn: &topic.id})
	if err != nil || len(found.Tags) != 1 || *found.Tags[0].Key != "b" {
		t.Errorf("tags = %v, %v, want b only", found, err)
	}
	topic.replaces(Object{"name": "x"})
	topic.delete()
	policy.delete()
}

func TestTopicSubscription(t *testing.T) {
	e := newEngine(t, Options{})
	topic := e.create(topicToken, "subscribed", Object{"name": "subscribed-test"})
	mail := e.create(topicSubscriptionToken, "mail", Object{"topic": topic.id, "protocol": "email", "endpoint": "sre@fastshop.example"})
	mail.equal(Object{"arn": mail.id, "pendingConfirmation": true, "confirmationWasAuthenticated": false, "ownerId": "123456789012"})
	queue := e.create(topicSubscriptionToken, "queue", Object{
		"topic": topic.id, "protocol": "sqs", "endpoint": "arn:aws:sqs:us-east-1:123456789012:q", "rawMessageDelivery": true,
	})
	queue.equal(Object{"pendingConfirmation": false})
	queue.update(Object{"rawMessageDelivery": false})
	got, err := e.cloud.Topic.GetSubscriptionAttributes(t.Context(), &sns.GetSubscriptionAttributesInput{SubscriptionArn: &queue.id})
	if err != nil || got.Attributes["RawMessageDelivery"] != "false" {
		t.Errorf("subscription = %v, %v, want it wrapped", got, err)
	}
	mail.replaces(Object{"endpoint": "x", "protocol": "sqs", "topic": "x"})
	mail.delete()
	queue.delete()
	topic.delete()
}

func TestTopicRefusals(t *testing.T) {
	refusesAll(t, topicToken, Object{"name": strings.Repeat("t", 256)}, map[string]refusal{
		"long":      {Object{"name": strings.Repeat("t", 257)}, `name: ValidationError: "` + strings.Repeat("t", 257) + `" has 257 characters; at most 256 are allowed`},
		"display":   {Object{"displayName": strings.Repeat("t", 101)}, "displayName: InvalidParameter: shorten it to 100 characters"},
		"signature": {Object{"signatureVersion": 3}, "signatureVersion: InvalidParameterValue: set a whole number from 1 to 2, not 3"},
		"feedback":  {Object{"sqsFailureFeedbackRoleArn": "x"}, "sqsFailureFeedbackRoleArn: the emulator does not model this input: add it to infra/emulator, or do without it"},
	})
	refusesAll(t, topicPolicyToken, Object{"arn": "a", "policy": "{}"}, map[string]refusal{
		"none": {Object{"policy": nil}, `policy: missing required argument: aws:sns/topicPolicy:TopicPolicy needs "policy"`},
	})
	refusesAll(t, topicSubscriptionToken, Object{"topic": "t", "protocol": "email", "endpoint": "a@b.example"}, map[string]refusal{
		"protocol": {Object{"protocol": "sms"}, `protocol: InvalidParameterValue: "sms" is none of ["email" "email-json" "sqs" "lambda" "https"]`},
		"address":  {Object{"endpoint": "a"}, "endpoint: InvalidParameter: write an e-mail address"},
		"raw":      {Object{"rawMessageDelivery": true}, "rawMessageDelivery: InvalidParameter: leave it away: mail is never raw"},
	})
}
