package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
)

// queue is the stream as this program uses it, wherever it is.
type queue interface {
	ingest.Appender
	pipeline.Source
	Ready(ctx context.Context) error
	Close() error
}

var (
	_ queue = (*sqlitestream.Log)(nil)
	_ queue = remote{}
)

// shardLook is how often a stream of the cloud is asked for new shards.
const shardLook = 10 * time.Second

// openStream opens the stream where it is. An embedded one is kept in b.local as well, which can do more.
func (b *backends) openStream(ctx context.Context) error {
	s := b.settings
	if s.streamEmbedded() {
		partitions := s.Partitions
		path := filepath.Join(s.DataDir, streamFile)
		if _, err := os.Stat(path); err == nil {
			partitions = 0 // an existing stream keeps its own
		}
		local, err := sqlitestream.Open(ctx, path, sqlitestream.Options{
			Partitions: partitions, Retention: s.Retention, MaxBytes: s.StreamRoom, Now: b.now, Crash: b.crash,
		})
		if err != nil {
			return err
		}
		b.stream, b.local = local, local
		b.closers = append(b.closers, local.Close)
		return nil
	}
	remote, err := b.openKinesis(ctx)
	if err != nil {
		return err
	}
	b.stream = remote
	b.closers = append(b.closers, remote.Close)
	return nil
}

// remote is a stream of the cloud, which lets go of records by age alone.
type remote struct{ *kinesisstream.Log }

// Horizon implements pipeline.Gapped: reading from nowhere begins with the oldest record.
func (remote) Horizon(context.Context, stream.Partition) (stream.Position, error) { return "", nil }

var (
	_ pipeline.Gapped    = remote{}
	_ pipeline.Branching = remote{}
)

func (b *backends) openKinesis(ctx context.Context) (remote, error) {
	at, err := kinesisstream.ParseURL(b.settings.Stream)
	if err != nil {
		return remote{}, fmt.Errorf("read --stream: %w", err)
	}
	aws, err := b.clouds.config(ctx, cloud.Options{Region: at.Region, Endpoint: at.Endpoint})
	if err != nil {
		return remote{}, err
	}
	log, err := kinesisstream.Open(ctx, kinesisstream.Options{
		Client: kinesis.NewFromConfig(aws), Name: at.Name, Now: b.now, Log: b.log,
		Retried: func(string) { b.metrics.Retried("stream") },
	})
	return remote{log}, withHint(err, "fastshop doctor says what is wrong with the stream")
}

// crew works on every partition, also on those that come later.
func (b *backends) crew() *pipeline.Crew {
	c := &pipeline.Crew{Config: b.common, Source: b.stream, BatchSize: b.settings.BatchSize}
	if b.local == nil {
		c.Look = shardLook
	}
	return c
}

// standing is how far one partition has been carried.
type standing struct {
	partition  stream.Partition
	end        int64 // records ever appended
	checkpoint pipeline.Checkpoint
}

// waiting is how many records are appended but not yet decided.
func (p *standing) waiting() int64 { return max(0, p.end-p.checkpoint.Records) }

// standings returns how far every partition of an embedded stream has been carried. Others do not count their records.
func (b *backends) standings(ctx context.Context) ([]standing, error) {
	if b.local == nil {
		return nil, nil
	}
	partitions, err := b.local.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]standing, len(partitions))
	for i, p := range partitions {
		_, end, err := b.local.End(ctx, p)
		if err != nil {
			return nil, err
		}
		c, _, err := b.store.Checkpoint(ctx, p)
		if err != nil {
			return nil, err
		}
		all[i] = standing{p, end, c}
	}
	return all, nil
}

// lag is how many records of an embedded stream wait to be decided.
func (b *backends) lag(ctx context.Context) (int64, error) {
	all, err := b.standings(ctx)
	var lag int64
	for i := range all {
		lag += all[i].waiting()
	}
	return lag, err
}

// drain waits until every record that was appended is decided, or ctx ends. A stream of the cloud is not waited for:
// nothing in it depends on this process.
func (b *backends) drain(ctx context.Context) error {
	for {
		lag, err := b.lag(context.WithoutCancel(ctx)) // that time is up does not matter when nothing waits
		if err != nil || lag <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drain: %s records still wait in the stream and will be decided at the next start: %w", count(lag), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// trim lets go of old records of an embedded stream, now and then.
func (b *backends) trim(ctx context.Context) error {
	all, err := b.standings(ctx)
	if err != nil || b.local == nil {
		return err
	}
	positions := make(map[stream.Partition]stream.Position, len(all))
	for i := range all {
		positions[all[i].partition] = all[i].checkpoint.Position
	}
	_, err = b.local.Trim(ctx, b.now().Add(-b.settings.Retention), positions)
	return err
}

// fault is why writing to an embedded part broke down for good, or nil.
func (b *backends) fault() error {
	fault := b.store.Fault()
	if b.local != nil {
		fault = errors.Join(fault, b.local.Fault())
	}
	return fault
}
