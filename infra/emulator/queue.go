package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const queueGone = "AWS.SimpleQueueService.NonExistentQueue"

var queueName = regexp.MustCompile(`^[a-zA-Z0-9_-]+(\.fifo)?$`)

func queueKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:sqs/queue:Queue",
			Replace: []string{"name", "namePrefix", "fifoQueue"},
			Check:   checkQueue, Create: createQueue, Read: readQueue, Update: updateQueue, Delete: deleteQueue,
		},
		{
			Token:    "aws:sqs/queuePolicy:QueuePolicy",
			Required: []string{"policy", "queueUrl"},
			Replace:  []string{"queueUrl"},
			Check:    func(in Object) []Fault { return checkJSON(in, "policy") },
			Create:   createQueuePolicy, Read: readQueuePolicy, Update: updateQueuePolicy, Delete: deleteQueuePolicy,
		},
	}
}

// queueNumber is an attribute of a queue that is a whole number: its name here and in SQS, its range and its default.
type queueNumber struct {
	property, attribute string
	low, high, standard int
}

func queueNumbers() []queueNumber {
	return []queueNumber{
		{"visibilityTimeoutSeconds", "VisibilityTimeout", 0, 43200, 30},
		{"messageRetentionSeconds", "MessageRetentionPeriod", 60, 1209600, 345600},
		{"delaySeconds", "DelaySeconds", 0, 900, 0},
		{"receiveWaitTimeSeconds", "ReceiveMessageWaitTimeSeconds", 0, 20, 0},
		{"maxMessageSize", "MaximumMessageSize", 1024, 1048576, 262144},
		{"kmsDataKeyReusePeriodSeconds", "KmsDataKeyReusePeriodSeconds", 60, 86400, 300},
	}
}

func checkQueue(in Object) []Fault {
	i := inspect(in)
	i.name("name", 80, queueName)
	for _, n := range queueNumbers() {
		i.between(n.property, n.low, n.high)
	}
	i.document("policy")
	i.document("redrivePolicy")
	i.document("redriveAllowPolicy")
	if in.Bool("sqsManagedSseEnabled") {
		i.exclusive("sqsManagedSseEnabled", "kmsMasterKeyId")
	}
	if in.Known("name") && in.Bool("fifoQueue") != strings.HasSuffix(in.Str("name"), ".fifo") {
		i.fault("name", "InvalidParameterValue: the name of a FIFO queue ends in .fifo, and of no other")
	}
	if !in.Known("redrivePolicy") {
		return i.found()
	}
	var redrive struct {
		Target string `json:"deadLetterTargetArn"`
		Count  any    `json:"maxReceiveCount"`
	}
	if json.Unmarshal([]byte(in.Str("redrivePolicy")), &redrive) != nil {
		return i.found() // said above
	}
	if n, ok := redrive.Count.(float64); !ok || n < 1 || n > 1000 || redrive.Target == "" {
		i.fault("redrivePolicy", "InvalidParameterValue: give deadLetterTargetArn and maxReceiveCount, a number from 1 to 1000")
	}
	return i.found()
}

// queueAttributes are the attributes as SQS wants them: every number, and the texts that are given or have to be
// emptied because they were.
func queueAttributes(state, in Object) map[string]string {
	out := map[string]string{}
	for _, n := range queueNumbers() {
		value := n.standard
		if in.Has(n.property) {
			value = in.Int(n.property)
		}
		out[n.attribute] = strconv.Itoa(value)
	}
	texts := map[string]string{
		"kmsMasterKeyId": "KmsMasterKeyId", "policy": "Policy", "redrivePolicy": "RedrivePolicy", "redriveAllowPolicy": "RedriveAllowPolicy",
	}
	for property, attribute := range texts {
		if in.Has(property) || state.Str(property) != "" {
			out[attribute] = in.Str(property)
		}
	}
	if in.Has("sqsManagedSseEnabled") {
		out["SqsManagedSseEnabled"] = strconv.FormatBool(in.Bool("sqsManagedSseEnabled"))
	}
	return out
}

func createQueue(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	attributes := queueAttributes(nil, in)
	if in.Bool("fifoQueue") {
		attributes["FifoQueue"] = "true"
		attributes["ContentBasedDeduplication"] = strconv.FormatBool(in.Bool("contentBasedDeduplication"))
	}
	made, err := c.Queue.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: in.StrPtr("name"), Attributes: attributes, Tags: in.Tags()})
	if err != nil {
		return "", nil, fmt.Errorf("create queue %s: %w", in.Str("name"), err)
	}
	out, err := readQueue(ctx, c, *made.QueueUrl, in)
	return *made.QueueUrl, out, err
}

// readQueue leaves the policies as the program wrote them: the real provider looks for drift in them only when they are
// written here, and the stack writes them as QueuePolicy.
func readQueue(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	attributes, err := c.queueHas(ctx, id)
	if err != nil {
		return nil, err
	}
	out := state.With(Object{
		"url": id, "arn": attributes["QueueArn"], "fifoQueue": attributes["FifoQueue"] == "true",
		"sqsManagedSseEnabled": attributes["SqsManagedSseEnabled"] == "true",
	})
	for _, n := range queueNumbers() {
		if value, err := strconv.Atoi(attributes[n.attribute]); err == nil {
			out[n.property] = value
		}
	}
	if key := attributes["KmsMasterKeyId"]; key != "" {
		out["kmsMasterKeyId"] = key
	}
	if redrive := attributes["RedrivePolicy"]; redrive != "" {
		out["redrivePolicy"] = asWritten(state.Str("redrivePolicy"), redrive)
	}
	return out, nil
}

// queueHas are all attributes of the queue, or ErrGone.
func (c *Cloud) queueHas(ctx context.Context, url string) (map[string]string, error) {
	got, err := c.Queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if isCode(err, queueGone, "QueueDoesNotExist") {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read attributes of queue %s: %w", url, err)
	}
	return got.Attributes, nil
}

func updateQueue(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	err := c.setQueue(ctx, id, queueAttributes(state, in))
	if err != nil {
		return nil, err
	}
	err = changeTags("queue "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Queue.TagQueue(ctx, &sqs.TagQueueInput{QueueUrl: &id, Tags: set})
			return err
		},
		func(remove []string) error {
			_, err := c.Queue.UntagQueue(ctx, &sqs.UntagQueueInput{QueueUrl: &id, TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return readQueue(ctx, c, id, in)
}

func (c *Cloud) setQueue(ctx context.Context, url string, attributes map[string]string) error {
	_, err := c.Queue.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: maps.Clone(attributes)})
	return wrap(err, "set attributes of queue %s", url)
}

func deleteQueue(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Queue.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &id})
	return wrap(unless(err, queueGone, "QueueDoesNotExist"), "delete queue %s", id)
}

func createQueuePolicy(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	url := in.Str("queueUrl")
	out, err := updateQueuePolicy(ctx, c, url, nil, in)
	if err != nil {
		return "", nil, err
	}
	return url, out, nil
}

func readQueuePolicy(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	attributes, err := c.queueHas(ctx, id)
	if err != nil {
		return nil, err
	}
	if attributes["Policy"] == "" {
		return nil, ErrGone
	}
	return state.With(Object{"queueUrl": id, "policy": asWritten(state.Str("policy"), attributes["Policy"])}), nil
}

func updateQueuePolicy(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	if err := c.setQueue(ctx, id, map[string]string{"Policy": in.Str("policy")}); err != nil {
		return nil, err
	}
	return readQueuePolicy(ctx, c, id, in)
}

func deleteQueuePolicy(ctx context.Context, c *Cloud, id string, _ Object) error {
	return unless(c.setQueue(ctx, id, map[string]string{"Policy": ""}), queueGone, "QueueDoesNotExist")
}
