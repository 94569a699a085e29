package kinesisstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream/kinesistest"
)

// clock is a clock that moves by hand.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// cloud is a service with a stream.
type cloud struct {
	server *kinesistest.Server // nil when it is another's
	client *kinesis.Client
	clock  *clock
	name   string
}

// newCloud makes a service of the test's own, with a stream.
func newCloud(t testing.TB, shards int) *cloud {
	t.Helper()
	c := &cloud{clock: newClock(), name: "orders"}
	c.server = kinesistest.New(c.clock.now, 1)
	c.client = kinesistest.Client(c.server.Start(t))
	c.create(t, shards)
	return c
}

// create makes the stream and waits until it can be used.
func (c *cloud) create(t testing.TB, shards int) {
	t.Helper()
	_, err := c.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &c.name, ShardCount: aws.Int32(int32(shards))})
	if err != nil {
		t.Fatal(err)
	}
	c.settle(t)
}

func (c *cloud) settle(t testing.TB) {
	t.Helper()
	for {
		out, err := c.client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &c.name})
		if err != nil {
			t.Fatal(err)
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// options are those of production with the pauses of a test.
func (c *cloud) options() kinesisstream.Options {
	o := kinesisstream.Options{
		Client: c.client, Name: c.name, Linger: 500 * time.Microsecond, Backoff: time.Millisecond,
		Patience: time.Minute, Timeout: 30 * time.Second, // a busy machine is no fault
		ReadEvery: time.Microsecond, Poll: 2 * time.Millisecond, ShardsFor: -1,
	}
	if c.clock != nil {
		o.Now = c.clock.now
	}
	return o
}

func (c *cloud) open(t testing.TB, o kinesisstream.Options) *kinesisstream.Log {
	t.Helper()
	l, err := kinesisstream.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// split splits an open shard in the middle.
func (c *cloud) split(t testing.TB, shard types.Shard) {
	t.Helper()
	_, err := c.client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: &c.name, ShardToSplit: shard.ShardId, NewStartingHashKey: aws.String(middle(shard.HashKeyRange)),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.settle(t)
}

func (c *cloud) merge(t testing.TB, a, b types.Shard) {
	t.Helper()
	_, err := c.client.MergeShards(t.Context(), &kinesis.MergeShardsInput{
		StreamName: &c.name, ShardToMerge: a.ShardId, AdjacentShardToMerge: b.ShardId,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.settle(t)
}

// openShards are the shards that take records, by where their range begins.
func (c *cloud) openShards(t testing.TB) (open []types.Shard) {
	t.Helper()
	out, err := c.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &c.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out.Shards {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			open = append(open, s)
		}
	}
	slices.SortFunc(open, func(a, b types.Shard) int {
		return integer(a.HashKeyRange.StartingHashKey).Cmp(integer(b.HashKeyRange.StartingHashKey))
	})
	return open
}

func entry(key string, n int) stream.Entry {
	return stream.Entry{Key: []byte(key), Data: fmt.Appendf(nil, "%s/%d", key, n)}
}

func appendAll(t testing.TB, l *kinesisstream.Log, entries ...stream.Entry) {
	t.Helper()
	if err := l.Append(t.Context(), entries); err != nil {
		t.Fatalf("append %d entries: %v", len(entries), err)
	}
}

// readAll reads a partition after a position to what is its end now.
func readAll(t testing.TB, l *kinesisstream.Log, p stream.Partition, after stream.Position) (all []stream.Record) {
	t.Helper()
	for {
		records, err := l.Read(t.Context(), p, after, 7)
		if errors.Is(err, stream.ErrEnded) {
			return all
		}
		if err != nil {
			t.Fatalf("read %s after %q: %v", p, after, err)
		}
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
		after = records[len(records)-1].Position
	}
}

func only(t testing.TB, l *kinesisstream.Log) stream.Partition {
	t.Helper()
	names, err := l.Partitions(t.Context())
	if err != nil || len(names) != 1 {
		t.Fatalf("partitions %v, %v; want one", names, err)
	}
	return names[0]
}

func texts(records []stream.Record) []string {
	list := make([]string, len(records))
	for i := range records {
		list[i] = string(records[i].Data)
	}
	return list
}

// firsts drops what is there again: a record whose answer was lost is sent twice, and ids make that harmless.
func firsts(all []string) (list []string) {
	seen := make(map[string]bool)
	for _, s := range all {
		if !seen[s] {
			list = append(list, s)
		}
		seen[s] = true
	}
	return list
}

// dice are chances that many may ask for at once.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, seed))} }

func (d *dice) chance(p float64) bool { return d.float() < p }

func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// supervisor reads a stream as its owner would: a shard once its parents have been read to their end.
type supervisor struct {
	log *kinesisstream.Log

	mu    sync.Mutex
	got   map[string][]string // data by key, in the order of reading
	ended map[stream.Partition]bool
	began map[stream.Partition]bool
	total int
	fault error
}

// follow reads until the number of different records is there, and returns them by key.
func follow(t testing.TB, l *kinesisstream.Log, want int) map[string][]string {
	t.Helper()
	s := &supervisor{log: l, got: make(map[string][]string), ended: make(map[stream.Partition]bool), began: make(map[stream.Partition]bool)}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var group sync.WaitGroup
	for s.running(want) && ctx.Err() == nil {
		parents, err := l.Parents(ctx)
		if err != nil && !errors.Is(err, stream.ErrUnavailable) {
			t.Error(err)
			break
		}
		for p := range parents {
			if s.may(p, parents[p]) {
				group.Go(func() { s.read(ctx, p) })
			}
		}
		time.Sleep(time.Millisecond)
	}
	stop()
	group.Wait()
	if s.fault != nil || s.total < want {
		t.Fatalf("read %d records of %d: %v", s.total, want, s.fault)
	}
	return s.got
}

func (s *supervisor) running(want int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total < want && s.fault == nil
}

func (s *supervisor) may(p stream.Partition, parents []stream.Partition) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, parent := range parents {
		if !s.ended[parent] {
			return false
		}
	}
	if s.began[p] {
		return false
	}
	s.began[p] = true
	return true
}

func (s *supervisor) read(ctx context.Context, p stream.Partition) {
	after := stream.Position("")
	for {
		records, err := s.log.Read(ctx, p, after, 50)
		if err == nil && len(records) == 0 {
			err = s.log.Wait(ctx, p, after)
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, stream.ErrUnavailable):
			continue
		}
		s.mu.Lock()
		for i := range records {
			key, data := string(records[i].Key), string(records[i].Data)
			if !slices.Contains(s.got[key], data) {
				s.got[key] = append(s.got[key], data)
				s.total++
			}
			after = records[i].Position
		}
		if s.ended[p] = errors.Is(err, stream.ErrEnded); err != nil && !s.ended[p] {
			s.fault = err
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// ordered checks that a key's records are key/0, key/1 … up to n-1.
func ordered(t testing.TB, key string, got []string, n int) {
	t.Helper()
	for i := range max(len(got), n) {
		if want := fmt.Sprintf("%s/%d", key, i); i >= len(got) || i >= n || got[i] != want {
			t.Fatalf("key %s has %d records of %d and not %s in its place: %s", key, len(got), n, want, strings.Join(got, " "))
		}
	}
}
