package kinesisstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
)

// options2 are the options, changed.
func (c *cloud) options2(change func(*kinesisstream.Options)) kinesisstream.Options {
	o := c.options()
	change(&o)
	return o
}

func TestAStreamMadeAnewIsAnotherOne(t *testing.T) {
	c := newCloud(t, 1)
	l := c.open(t, c.options())
	want := fmt.Sprintf("arn:aws:kinesis:us-east-1:123456789012:stream/orders@%d", c.clock.now().Unix())
	if l.ID() != want || c.open(t, c.options()).ID() != want {
		t.Errorf("id %q, want %q each time", l.ID(), want)
	}
	appendAll(t, l, entry("k", 0))
	p := only(t, l)
	after := readAll(t, l, p, "")[0].Position
	if _, err := c.client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: &c.name}); err != nil {
		t.Fatal(err)
	}
	c.clock.move(time.Minute)
	for doing, err := range map[string]error{
		"ready": l.Ready(t.Context()), "append": l.Append(t.Context(), []stream.Entry{entry("k", 1)}), "wait": l.Wait(t.Context(), p, after),
	} {
		if err == nil || errors.Is(err, stream.ErrUnavailable) || !strings.Contains(err.Error(), "orders") {
			t.Errorf("%s without the stream: %v, want an error that names it", doing, err)
		}
	}
	c.create(t, 1)
	if other := c.open(t, c.options()); other.ID() == want {
		t.Error("the stream that was made anew has the same id")
	} else if _, err := other.Read(t.Context(), p, after, 1); !errors.Is(err, stream.ErrPosition) {
		t.Errorf("read after a position of the old stream: %v, want ErrPosition", err)
	}
	c.clock.move(time.Minute)
	appendAll(t, l, entry("k", 1))
	if err := l.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("ready: %v, want that the stream was made anew", err)
	}
}

func TestReadyAsksSeldom(t *testing.T) {
	c := newCloud(t, 1)
	l := c.open(t, c.options())
	before := c.server.Calls("DescribeStreamSummary")
	for range 100 {
		if err := l.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.clock.move(time.Second)
	}
	if n := c.server.Calls("DescribeStreamSummary") - before; n < 9 || n > 10 {
		t.Errorf("asked %d times in 100 s, want every 10 s", n)
	}
}

func TestStreamsThatCannotBeUsed(t *testing.T) {
	c := newCloud(t, 1)
	if _, err := kinesisstream.Open(t.Context(), kinesisstream.Options{Name: c.name}); err == nil {
		t.Error("opened without a client")
	}
	missing := c.options2(func(o *kinesisstream.Options) { o.Name = "missing" })
	if _, err := kinesisstream.Open(t.Context(), missing); err == nil || errors.Is(err, stream.ErrUnavailable) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("open of no stream: %v", err)
	}
	for name, s := range map[string]struct {
		change  func(*types.StreamDescriptionSummary)
		passing bool
	}{
		"no order": {func(s *types.StreamDescriptionSummary) {
			s.RecordDistributionStrategy = types.RecordDistributionStrategyAuto
		}, false},
		"being made": {func(s *types.StreamDescriptionSummary) { s.StreamStatus = types.StreamStatusCreating }, true},
		"nameless":   {func(s *types.StreamDescriptionSummary) { s.StreamARN = nil }, false},
	} {
		o := c.options2(func(o *kinesisstream.Options) { o.Client = &described{o.Client, s.change} })
		if _, err := kinesisstream.Open(t.Context(), o); err == nil || errors.Is(err, stream.ErrUnavailable) != s.passing {
			t.Errorf("%s: %v, passing %t", name, err, s.passing)
		}
	}
}

// described is a client of a stream that describes itself otherwise.
type described struct {
	kinesisstream.Client
	change func(*types.StreamDescriptionSummary)
}

func (d *described) DescribeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput, o ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	out, err := d.Client.DescribeStreamSummary(ctx, in, o...)
	if err == nil {
		d.change(out.StreamDescriptionSummary)
	}
	return out, err
}
