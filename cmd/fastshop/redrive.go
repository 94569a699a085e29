package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/lambda"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
)

type deadlettersRedrive struct {
	places
	judges
	policyFlags
	DeadLetters string `help:"URL of the SQS queue where Lambda puts the batches that it gave up." placeholder:"URL"`
	ForgetGaps  bool   `help:"Delete a message also when records of it are gone from the stream, once they have been reported."`
	JSON        bool   `help:"Print JSON."`
}

func (c *deadlettersRedrive) Help() string {
	return "Reads each batch that a message of the queue names from the stream again, carries it as process would, and deletes the message when all of it is stored. What is stored already does not change. Judges with the rules and thresholds that are given here."
}

// Validate refuses thresholds that make no policy; kong calls it.
func (c *deadlettersRedrive) Validate() error {
	return errors.Join(c.places.validate(), c.policy().Validate())
}

func (c *deadlettersRedrive) Run(ctx context.Context, out streams) error {
	if c.DeadLetters == "" {
		return withHint(errors.New("redrive: --dead-letters names no queue"), "infra/ has its URL as the output dead_letter_queue_url")
	}
	if c.streamEmbedded() || c.storeEmbedded() {
		return withHint(errors.New("redrive: --stream and --store must be in the cloud"), "an embedded stream is carried by fastshop serve, which gives up nothing")
	}
	s := defaultSettings(c.DataDir, c.KeysDir)
	s.places, s.judges, s.policyFlags = c.places, c.judges, c.policyFlags
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	b, err := openJudge(ctx, s, log, out.err)
	if err != nil {
		return err
	}
	done, err := c.redrive(ctx, b, log)
	// What was carried before an error stays carried, and is told.
	return errors.Join(err, c.print(out, done), b.Close())
}

func (c *deadlettersRedrive) redrive(ctx context.Context, b *backends, log *slog.Logger) (lambda.Redriven, error) {
	at, err := kinesisstream.ParseURL(c.Stream)
	if err != nil {
		return lambda.Redriven{}, fmt.Errorf("read --stream: %w", err)
	}
	config, err := b.clouds.config(ctx, cloud.Options{Region: at.Region, Endpoint: at.Endpoint})
	if err != nil {
		return lambda.Redriven{}, err
	}
	queueConfig := config
	if at.Endpoint != "" { // which is the stream's alone
		if queueConfig, err = b.clouds.config(ctx, cloud.Options{Region: at.Region}); err != nil {
			return lambda.Redriven{}, err
		}
	}
	read := lambda.KinesisRange(repeating(config), at.Name, fromEvent)
	return lambda.Redrive(ctx, lambda.NewSQS(sqs.NewFromConfig(queueConfig), c.DeadLetters), read, b.common.Carry,
		lambda.RedriveOptions{Stream: at.Name, ForgetGaps: c.ForgetGaps, Log: log})
}

// readTries is how often a read of the stream is tried: it shares five a second with the readers at work.
const readTries = 5

// repeating is a client that tries throttled reads again by itself.
func repeating(config aws.Config) *kinesis.Client {
	return kinesis.NewFromConfig(config, func(o *kinesis.Options) {
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts = readTries })
	})
}

func (c *deadlettersRedrive) print(out streams, done lambda.Redriven) error {
	if c.JSON {
		return printJSON(out.out, done)
	}
	for _, g := range done.Gaps {
		fmt.Fprintf(out.out, "%s  gone: %s of the records from %s to %s\n", g.Partition, count(g.Missing), g.From, g.To)
	}
	fmt.Fprintf(out.out, "%s batches carried (%s records), %s messages stay\n", count(done.Batches), count(done.Records), count(done.Stay))
	return nil
}
