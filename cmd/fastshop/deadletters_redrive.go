package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/lambda"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
)

type deadlettersRedrive struct {
	places
	DeadLetters string `help:"URL of the queue of batches that the event source gave up." required:"" placeholder:"URL"`
	Rules       string `help:"Rule file to judge by; the built-in rules if empty." type:"path" placeholder:"FILE"`
	policyFlags
	ForgetGaps bool `help:"Let go of batches of which records are gone from the stream, once they have been reported."`
	Limit      int  `help:"Messages to look at, at most." default:"10000"`
	JSON       bool `help:"Print JSON."`
}

func (c *deadlettersRedrive) Help() string {
	return "The queue names places in the Kinesis stream and holds no records. Each batch is read from the stream again, decided and stored as function process would, and its message deleted. To run it twice changes nothing."
}

// Validate refuses what makes no sense; kong calls it.
func (c *deadlettersRedrive) Validate() error {
	err := errors.Join(c.places.validate(), c.policy().Validate())
	if c.Limit < 1 {
		err = errors.Join(err, errors.New("--limit must be at least 1"))
	}
	return err
}

func (c *deadlettersRedrive) Run(ctx context.Context, out streams) error {
	if c.streamEmbedded() {
		return withHint(errors.New("redrive: --stream names no Kinesis stream"), "dead letters of an embedded stream are in the store: fastshop deadletters replay")
	}
	at, err := kinesisstream.ParseURL(c.Stream)
	if err != nil {
		return fmt.Errorf("read --stream: %w", err)
	}
	s := defaultSettings(c.DataDir, c.KeysDir)
	s.places, s.Rules, s.policyFlags = c.places, c.Rules, c.policyFlags
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	b, err := openJudge(ctx, s, log, out.err)
	if err != nil {
		return err
	}
	aws, err := b.clouds.config(ctx, cloud.Options{Region: at.Region, Endpoint: at.Endpoint})
	if err != nil {
		return errors.Join(err, b.Close())
	}
	done, err := lambda.Redrive(ctx, lambda.NewSQS(sqs.NewFromConfig(aws), c.DeadLetters),
		lambda.KinesisRange(kinesis.NewFromConfig(aws), at.Name, fromEvent), b.common.Carry,
		lambda.RedriveOptions{Stream: at.Name, ForgetGaps: c.ForgetGaps, Limit: c.Limit, Log: log})
	// What was carried before an error is told.
	return errors.Join(c.print(out, &done), err, b.Close())
}

func (c *deadlettersRedrive) print(out streams, done *lambda.Redriven) error {
	if c.JSON {
		return printJSON(out.out, done)
	}
	fmt.Fprintf(out.out, "%s batches with %s records carried; %s messages stay\n", count(done.Batches), count(done.Records), count(done.Stay))
	for _, g := range done.Gaps {
		fmt.Fprintf(out.out, "GONE from the stream: %s records of shard %s between %s and %s\n", count(g.Missing), g.Partition, g.From, g.To)
	}
	return nil
}
