package emulator

import (
	"fmt"
	"strings"
	"testing"
)

const (
	queueToken       = "aws:sqs/queue:Queue"
	queuePolicyToken = "aws:sqs/queuePolicy:QueuePolicy"
)

func (e *engine) attributes(queue *made) map[string]string {
	e.t.Helper()
	got, err := e.cloud.queueHas(e.t.Context(), queue.id)
	if err != nil {
		e.t.Fatal(err)
	}
	return got
}

func TestQueue(t *testing.T) {
	e := newEngine(t, Options{})
	key := e.create(keyToken, "queue-key", Object{})
	dead := e.create(queueToken, "dead", Object{"name": "dead-test", "messageRetentionSeconds": 1209600, "sqsManagedSseEnabled": true})
	queue := e.create(queueToken, "queue", Object{
		"name": "queue-test", "kmsMasterKeyId": key.out["arn"], "visibilityTimeoutSeconds": 60, "tags": tags("a", "1"),
		"redrivePolicy": fmt.Sprintf(`{"maxReceiveCount":5, "deadLetterTargetArn":%q}`, dead.out["arn"]),
	})
	queue.equal(Object{
		"arn": "arn:aws:sqs:us-east-1:123456789012:queue-test", "url": queue.id, "fifoQueue": false, "delaySeconds": 0,
		"messageRetentionSeconds": 345600, "maxMessageSize": 262144, "kmsDataKeyReusePeriodSeconds": 300,
	})
	if !strings.HasSuffix(queue.id, "/123456789012/queue-test") {
		t.Errorf("id = %q, want the URL", queue.id)
	}
	if got := e.attributes(queue); got["KmsMasterKeyId"] != key.out["arn"] || got["VisibilityTimeout"] != "60" || !strings.Contains(got["RedrivePolicy"], "dead-test") {
		t.Errorf("queue = %v, want 60 s, the key and the dead letters", got)
	}
	queue.update(Object{"visibilityTimeoutSeconds": 90, "redrivePolicy": nil, "tags": tags("b", "2")})
	if got := e.attributes(queue); got["VisibilityTimeout"] != "90" || got["RedrivePolicy"] != "" {
		t.Errorf("queue = %v, want 90 s and no dead letters", got)
	}
	queue.replaces(Object{"name": "other", "fifoQueue": true})

	fifo := e.create(queueToken, "fifo", Object{"name": "f.fifo", "fifoQueue": true, "contentBasedDeduplication": true})
	fifo.equal(Object{"fifoQueue": true})
	fifo.delete()
	queue.delete()
	dead.delete()
}

func TestQueuePolicy(t *testing.T) {
	e := newEngine(t, Options{})
	queue := e.create(queueToken, "guarded", Object{"name": "guarded-test"})
	written := strings.Replace(rootPolicy, "kms:*", "sqs:SendMessage", 1)
	policy := e.create(queuePolicyToken, "policy", Object{"queueUrl": queue.id, "policy": written})
	if policy.id != queue.id || asWritten(written, e.attributes(queue)["Policy"]) != written {
		t.Errorf("policy %s = %s, want %s", policy.id, e.attributes(queue)["Policy"], written)
	}
	changed := strings.Replace(written, "Allow", "Deny", 1)
	policy.update(Object{"policy": changed})
	if got := e.attributes(queue)["Policy"]; asWritten(changed, got) != changed {
		t.Errorf("policy = %s, want %s", got, changed)
	}
	policy.replaces(Object{"queueUrl": "http://other"})
	policy.delete()
	queue.delete()
	if err := policy.tryDelete(); err != nil {
		t.Errorf("delete policy of a queue that is gone: %v", err)
	}
}

func TestQueueRefusals(t *testing.T) {
	const redrive = "redrivePolicy: InvalidParameterValue: give deadLetterTargetArn and maxReceiveCount, a number from 1 to 1000"
	refusesAll(t, queueToken, Object{"name": strings.Repeat("q", 80)}, map[string]refusal{
		"long":       {Object{"name": strings.Repeat("q", 81)}, `name: ValidationError: "` + strings.Repeat("q", 81) + `" has 81 characters; at most 80 are allowed`},
		"dot":        {Object{"name": "a.b"}, `name: ValidationError: "a.b" does not match ^[a-zA-Z0-9_-]+(\.fifo)?$`},
		"not fifo":   {Object{"name": "a.fifo"}, "name: InvalidParameterValue: the name of a FIFO queue ends in .fifo, and of no other"},
		"visibility": {Object{"visibilityTimeoutSeconds": 43201}, "visibilityTimeoutSeconds: InvalidParameterValue: set a whole number from 0 to 43200, not 43201"},
		"retention":  {Object{"messageRetentionSeconds": 59}, "messageRetentionSeconds: InvalidParameterValue: set a whole number from 60 to 1209600, not 59"},
		"delay":      {Object{"delaySeconds": 901}, "delaySeconds: InvalidParameterValue: set a whole number from 0 to 900, not 901"},
		"wait":       {Object{"receiveWaitTimeSeconds": 21}, "receiveWaitTimeSeconds: InvalidParameterValue: set a whole number from 0 to 20, not 21"},
		"keys":       {Object{"sqsManagedSseEnabled": true, "kmsMasterKeyId": "k"}, "kmsMasterKeyId: InvalidParameterCombination: give either sqsManagedSseEnabled or kmsMasterKeyId, not both"},
		"text count": {Object{"redrivePolicy": `{"deadLetterTargetArn":"a","maxReceiveCount":"5"}`}, redrive},
		"no target":  {Object{"redrivePolicy": `{"maxReceiveCount":5}`}, redrive},
		"no JSON":    {Object{"redrivePolicy": `x`}, "redrivePolicy: MalformedPolicyDocument: not a JSON object: invalid character 'x' looking for beginning of value"},
	})
	refusesAll(t, queuePolicyToken, Object{"queueUrl": "u", "policy": "{}"}, map[string]refusal{
		"no JSON": {Object{"policy": "[]"}, "policy: MalformedPolicyDocument: not a JSON object: json: cannot unmarshal array into Go value of type map[string]interface {}"},
		"no URL":  {Object{"queueUrl": nil}, `queueUrl: missing required argument: aws:sqs/queuePolicy:QueuePolicy needs "queueUrl"`},
	})
}
