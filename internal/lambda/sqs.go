package lambda

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// SQS is a [Queue] of AWS. For how long a received message is hidden is the queue's own setting.
type SQS struct {
	client *sqs.Client
	url    string
}

// NewSQS makes a queue of its URL. It calls nobody.
func NewSQS(client *sqs.Client, url string) *SQS { return &SQS{client, url} }

// receiveWait is how long a receipt looks, in seconds. Without waiting, SQS asks only some of its servers, and may find
// nothing though something waits.
const receiveWait = 2

// Receive implements [Queue].
func (q *SQS) Receive(ctx context.Context) (Message, bool, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url, MaxNumberOfMessages: 1, WaitTimeSeconds: receiveWait})
	if err != nil {
		return Message{}, false, fmt.Errorf("receive from SQS: %w", err)
	}
	if len(out.Messages) == 0 {
		return Message{}, false, nil
	}
	m := out.Messages[0]
	return Message{ID: aws.ToString(m.MessageId), Handle: aws.ToString(m.ReceiptHandle), Body: []byte(aws.ToString(m.Body))}, true, nil
}

// Delete implements [Queue].
func (q *SQS) Delete(ctx context.Context, m Message) error {
	if _, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &m.Handle}); err != nil {
		return fmt.Errorf("delete from SQS: %w", err)
	}
	return nil
}

// Release implements [Queue]. A message that is not hidden any more needs no release.
func (q *SQS) Release(ctx context.Context, m Message) error {
	_, err := q.client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.url, ReceiptHandle: &m.Handle, VisibilityTimeout: 0})
	var seen *types.MessageNotInflight
	if err != nil && !errors.As(err, &seen) {
		return fmt.Errorf("release to SQS: %w", err)
	}
	return nil
}
