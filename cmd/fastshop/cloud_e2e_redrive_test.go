package main

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fastshop/pipeline/internal/lambda"
	"github.com/fastshop/pipeline/internal/lambda/lambdatest"
)

// failing is a function that fails whatever it is sent.
type failing struct{}

// Invoke implements lambdatest.Invoker.
func (failing) Invoke(context.Context, any) ([]byte, string, error) { return nil, "Unhandled", nil }

// redrive has the event source give up what is in the stream, as it would after a long time without a database, and has
// admin carry it from the notes in the queue. So many transactions have been sent; none is stored.
func (s *deployedStack) redrive(admin *lambdatest.Function, sent int) {
	s.t.Helper()
	queue := s.configuration(s.outputs.Admin).Environment.Variables["FASTSHOP_DEAD_LETTERS"]
	client := sqs.NewFromConfig(s.config(s.endpoint))
	var mu sync.Mutex
	notes := 0
	source := lambdatest.Poll(s.t, lambdatest.NewKinesis(kinesis.NewFromConfig(s.config(s.account.url)), s.outputs.Stream), failing{}, 1, lambdatest.SourceOptions{
		Batch: s.mapping().BatchSize, Event: lambdatest.RawEvent,
		Failed: func(note []byte) {
			mu.Lock()
			defer mu.Unlock()
			notes++
			body := string(bytes.ReplaceAll(note, []byte(lambdatest.StreamARN), []byte(s.mapping().EventSourceArn)))
			if _, err := client.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}); err != nil {
				s.t.Errorf("leave a note: %v", err)
			}
		},
	})
	s.drain(source)
	source.Stop()
	for _, want := range []lambda.Redriven{{Batches: notes, Records: sent}, {}} { // the second time there is nothing to do
		said := s.command(admin, "deadletters", "redrive", "--json")
		var done lambda.Redriven
		if err := json.Unmarshal([]byte(said), &done); err != nil || done.Batches != want.Batches || done.Records != want.Records || done.Stay > 0 || len(done.Gaps) > 0 {
			s.t.Errorf("redrive said %s (%v), want %+v", said, err, want)
		}
	}
	s.wait(sent)
}
