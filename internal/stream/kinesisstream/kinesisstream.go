// Package kinesisstream is the log on Amazon Kinesis Data Streams.
//
// # Appending
//
// PutRecords takes 500 records a call, but promises no order: one record of a call can fail while those behind it are
// stored, and even those that are stored may be numbered in any order. So a key has at most one Kinesis record under way.
// While it is, later entries of the key wait, also those of other calls; then they go together in one Kinesis record,
// length-prefixed, see [Split]. A customer who buys a lot costs one round trip per gathered record, not per entry, and
// the order of a key rests on nothing but "the one before was acknowledged".
//
// What Kinesis turns away is sent again, that alone, with growing random pauses. A record whose answer was lost is sent
// again too, so entries may be in the stream twice, possibly after later ones; the first of each keeps its place.
//
// # Reading
//
// Each partition is a shard. A reader resumes at the record of its position, not after it: if that record does not come
// first, it was trimmed, and so may have been others behind it. Kinesis itself would go on at the horizon in silence.
// A [TrimmedError] says so, and Read with the zero Position goes on from the horizon. A quiet shard whose last record
// aged away is reported as well, because nobody can tell that from a loss.
//
// # Limits
//
// The order of a key holds for one producer process; two that append for one key at once have no order among them. A
// failed append may have left some of its entries. Positions need the Kinesis stream they were made on, see [Log.ID].
package kinesisstream

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/time/rate"

	"github.com/fastshop/pipeline/internal/stream"
)

// Client is what the log asks of Kinesis; *kinesis.Client is one. It must not repeat calls by itself: a repeated
// PutRecords that was half done is harmless, but its pauses would not be ours. All methods may be called at once.
type Client interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// Options say how a stream is used. Name and Client are needed; the rest has defaults for production.
type Options struct {
	Client Client
	// Name is that of the Kinesis stream, which must exist.
	Name string

	// Linger is how long the first entry of a PutRecords call waits for company. Default 2 ms.
	Linger time.Duration
	// Requests bounds the PutRecords calls under way. Default 8.
	Requests int
	// MaxBuffered bounds the bytes of entries that wait for their acknowledgment; an append over it is stream.ErrFull.
	// An append that is larger by itself is taken when nothing else waits. Default 64 MiB.
	MaxBuffered int
	// Patience is how long an append may take, repeats included. Default 10 s.
	Patience time.Duration
	// Timeout bounds one call of Kinesis. Default 5 s.
	Timeout time.Duration
	// Backoff is the first pause before what failed is tried again; it doubles up to 32 times that. Default 50 ms.
	Backoff time.Duration

	// ReadEvery is the least time between two calls that read one shard. Kinesis allows five a second for all readers
	// together. Default 200 ms.
	ReadEvery time.Duration
	// Poll is how often Wait asks a shard that has nothing new. Default 250 ms.
	Poll time.Duration
	// Fetch is how many Kinesis records one call reads ahead, 2 to 10,000; Kinesis ends it at 10 MiB. They stay in
	// memory until they are passed. Default 2,000.
	Fetch int
	// ShardsFor is how long the list of shards is taken to be good. Default 5 s; negative means not at all.
	ShardsFor time.Duration

	// Now tells the time, for the age of positions and caches. Default time.Now.
	Now func() time.Time
	// Jitter makes pauses differ: numbers in [0, 1). It is called from many places at once. Default rand.Float64.
	Jitter func() float64
	// Log is told of calls that failed. Default: nobody.
	Log *slog.Logger
	// Retried is told of each PutRecords record and each reading call that will be tried again, by the error's code, for
	// a counter. It must not block. Default: nobody.
	Retried func(code string)
}

func (o *Options) defaults() {
	orDefault(&o.Linger, 2*time.Millisecond)
	orDefault(&o.Requests, 8)
	orDefault(&o.MaxBuffered, 64<<20)
	orDefault(&o.Patience, 10*time.Second)
	orDefault(&o.Timeout, 5*time.Second)
	orDefault(&o.Backoff, 50*time.Millisecond)
	orDefault(&o.ReadEvery, 200*time.Millisecond)
	orDefault(&o.Poll, 250*time.Millisecond)
	orDefault(&o.Fetch, 2000)
	orDefault(&o.ShardsFor, 5*time.Second)
	o.Fetch = min(max(2, o.Fetch), 10_000) // one is the position's own record, which is read again
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if o.Retried == nil {
		o.Retried = func(string) {}
	}
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}

// Log is an open stream. All methods may be called at once.
type Log struct {
	options  Options
	id       string
	producer *producer
	shards   shards

	life context.Context // ends with Close
	end  context.CancelFunc

	mu        sync.Mutex
	cursors   map[stream.Partition]*cursor // guarded by mu
	described time.Time                    // guarded by mu: when describe last succeeded
}

// Open asks Kinesis for the stream and returns a log on it. It needs the permission kinesis:DescribeStreamSummary;
// Append needs PutRecords, reading ListShards, GetShardIterator and GetRecords. An error wraps stream.ErrUnavailable if
// a later Open may succeed.
func Open(ctx context.Context, o Options) (*Log, error) {
	o.defaults()
	if o.Client == nil || o.Name == "" {
		return nil, fmt.Errorf("open stream: a client and the stream's name are needed")
	}
	l := &Log{options: o, cursors: make(map[stream.Partition]*cursor)}
	summary, err := l.describe(ctx)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	l.id = identity(summary)
	l.life, l.end = context.WithCancel(context.Background())
	l.shards = shards{options: &l.options}
	l.producer = newProducer(&l.options)
	return l, nil
}

// identity is the stream's ARN and the second of its creation: a stream that was made anew is another one.
func identity(s *types.StreamDescriptionSummary) string {
	return fmt.Sprintf("%s@%d", aws.ToString(s.StreamARN), aws.ToTime(s.StreamCreationTimestamp).Unix())
}

// describe asks for the stream and refuses one that cannot be used.
func (l *Log) describe(ctx context.Context) (*types.StreamDescriptionSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, l.options.Timeout)
	defer cancel()
	out, err := l.options.Client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &l.options.Name})
	if err != nil {
		return nil, explain("describe stream "+l.options.Name, err)
	}
	s := out.StreamDescriptionSummary
	switch {
	case s == nil || s.StreamARN == nil || s.StreamCreationTimestamp == nil:
		return nil, fmt.Errorf("describe stream %s: the answer has no ARN or no creation time", l.options.Name)
	case s.RecordDistributionStrategy == types.RecordDistributionStrategyAuto:
		return nil, fmt.Errorf("stream %s ignores partition keys (record distribution AUTO): the order of a customer's transactions needs USER_PARTITION_KEY", l.options.Name)
	case s.StreamStatus != types.StreamStatusActive && s.StreamStatus != types.StreamStatusUpdating:
		return nil, fmt.Errorf("%w: stream %s is %s", stream.ErrUnavailable, l.options.Name, s.StreamStatus)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.described = l.options.Now()
	return s, nil
}

// retention is how long the stream keeps records now.
func (l *Log) retention(ctx context.Context) (time.Duration, error) {
	s, err := l.describe(ctx)
	if err != nil {
		return 0, err
	}
	return time.Duration(aws.ToInt32(s.RetentionPeriodHours)) * time.Hour, nil
}

// ID is the stream's ARN and the Unix time of its creation, as "ARN@seconds".
func (l *Log) ID() string { return l.id }

// readyFor is how long the last word about the stream is good enough for Ready: DescribeStreamSummary is limited to 20
// calls a second in the whole account.
const readyFor = 10 * time.Second

// Ready returns why appends would fail now, or nil: the latest calls of Kinesis failed, the stream is gone or is not the
// one that was opened. It asks Kinesis at most every 10 s.
func (l *Log) Ready(ctx context.Context) error {
	if l.life.Err() != nil {
		return stream.ErrClosed
	}
	now := l.options.Now()
	if err := l.producer.trouble(now.Add(-readyFor)); err != nil {
		return err
	}
	l.mu.Lock()
	fresh := now.Sub(l.described) < readyFor
	l.mu.Unlock()
	if fresh {
		return nil
	}
	s, err := l.describe(ctx)
	if err != nil {
		return err
	}
	if id := identity(s); id != l.id {
		return fmt.Errorf("stream %s was made anew: it is %s now, not %s", l.options.Name, id, l.id)
	}
	return nil
}

// Close refuses new appends, waits for those that were taken in, which end within Options.Patience, and wakes everybody
// who reads or waits. Calls after it return stream.ErrClosed; a second Close does nothing.
func (l *Log) Close() error {
	l.end()
	l.producer.close()
	return nil
}

// cursorOf is the reader of a shard that is known to exist, or was once.
func (l *Log) cursorOf(p stream.Partition) *cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, ok := l.cursors[p]
	if !ok {
		c = &cursor{log: l, partition: p, turn: make(chan struct{}, 1), pace: rate.NewLimiter(rate.Every(l.options.ReadEvery), 1)}
		c.restart("")
		l.cursors[p] = c
	}
	return c
}

// Behind is how far the last call that read the partition was from its newest record; 0 if there was none.
func (l *Log) Behind(p stream.Partition) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c, ok := l.cursors[p]; ok {
		return time.Duration(c.behind.Load())
	}
	return 0
}
