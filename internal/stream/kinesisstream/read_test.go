package kinesisstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// filled is a stream of one shard with n records of a key, one Kinesis record each.
func filled(t *testing.T, n int) (*cloud, *kinesisstream.Log, stream.Partition) {
	t.Helper()
	c := newCloud(t, 1)
	l := c.open(t, c.options())
	for i := range n {
		appendAll(t, l, entry("k", i))
	}
	return c, l, only(t, l)
}

func TestReadersThatFollowShareAnIterator(t *testing.T) {
	c, l, p := filled(t, 40)
	got := readAll(t, l, p, "")
	ordered(t, "k", texts(got), 40)
	if i, g := c.server.Calls("GetShardIterator"), c.server.Calls("GetRecords"); i != 1 || g != 2 {
		t.Errorf("%d iterators and %d calls, want 1 and 2: all records, and none", i, g)
	}
	for n := range got { // any place of what was read last is at hand
		if again := readAll(t, l, p, got[n].Position); len(again) != 40-n-1 {
			t.Errorf("%d records after record %d", len(again), n)
		}
	}
	if i := c.server.Calls("GetShardIterator"); i != 1 {
		t.Errorf("%d iterators", i)
	}
}

func TestExpiredIterators(t *testing.T) {
	c, _, p := filled(t, 20)
	o := c.options()
	o.Fetch = 3
	l := c.open(t, o)
	var got []stream.Record
	for after := stream.Position(""); ; {
		c.server.ExpireIterators()
		records, err := l.Read(t.Context(), p, after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			break
		}
		got = append(got, records...)
		after = records[len(records)-1].Position
	}
	ordered(t, "k", texts(got), 20)
	c.clock.move(6 * time.Minute) // by their age
	appendAll(t, l, entry("k", 20))
	if more := texts(readAll(t, l, p, got[19].Position)); !slices.Equal(more, []string{"k/20"}) {
		t.Errorf("read %v after the iterator expired", more)
	}
}

func TestEmptyAnswersArePassedOver(t *testing.T) {
	c, l, p := filled(t, 5)
	var n atomic.Int64
	c.server.Fail(kinesistest.Faults{Empty: func() bool { return n.Add(1)%4 != 0 }})
	got := readAll(t, l, p, "")
	ordered(t, "k", texts(got), 5)
	if n.Load() < 4 {
		t.Error("no answer was empty")
	}
	if err := l.Wait(t.Context(), p, got[2].Position); err != nil {
		t.Error(err)
	}
}

func TestThrottledReads(t *testing.T) {
	c, l, p := filled(t, 5)
	d := newDice(5)
	c.server.Fail(kinesistest.Faults{Call: func(operation string) string {
		if strings.HasPrefix(operation, "Get") && d.chance(0.3) {
			return kinesistest.Throttled
		}
		return ""
	}})
	for range 3 {
		fresh := c.open(t, c.options())
		ordered(t, "k", texts(readAll(t, fresh, p, "")), 5)
	}
	c.server.Fail(kinesistest.Faults{Call: func(string) string { return kinesistest.Throttled }})
	fresh := c.open(t, c.options2(func(o *kinesisstream.Options) { o.Client = past(o.Client) }))
	for _, log := range []*kinesisstream.Log{l, fresh} {
		if _, err := log.Read(t.Context(), p, "", 1); !errors.Is(err, stream.ErrUnavailable) {
			t.Errorf("throttled for long: %v, want ErrUnavailable", err)
		}
	}
}

// past lets a client open a stream whatever else fails.
func past(next kinesisstream.Client) kinesisstream.Client { return &opened{Client: next} }

type opened struct{ kinesisstream.Client }

func (o *opened) DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error) {
	return &kinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
		StreamARN: aws.String("arn"), StreamCreationTimestamp: aws.Time(time.Unix(1, 0)), StreamStatus: types.StreamStatusActive,
		RetentionPeriodHours: aws.Int32(24),
	}}, nil
}

// TestReadBudget: many readers and waiters of a shard together keep to five calls a second.
func TestReadBudget(t *testing.T) {
	c, _, p := filled(t, 1)
	o := c.options()
	o.ReadEvery, o.Poll = 50*time.Millisecond, time.Millisecond // four times as fast as in production
	l := c.open(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	results := make(chan error, 4)
	records, err := l.Read(ctx, p, "", 1)
	if err != nil {
		t.Fatal(err)
	}
	for range cap(results) {
		go func() { results <- l.Wait(ctx, p, records[0].Position) }()
	}
	for range cap(results) {
		if err := <-results; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
	}
	if n := c.server.Busiest(250 * time.Millisecond); n < 3 || n > 6 {
		t.Errorf("%d calls within 250 ms, want about 5", n)
	}
}

func TestTrimmedRecordsAreReported(t *testing.T) {
	c, l, p := filled(t, 3)
	all := readAll(t, l, p, "")
	began := c.clock.now()
	c.clock.move(20 * time.Hour)
	appendAll(t, l, entry("k", 3))
	c.clock.move(5 * time.Hour) // the first three are gone, of 24 hours
	fresh := c.open(t, c.options())
	_, err := fresh.Read(t.Context(), p, all[0].Position, 10)
	var gap *kinesisstream.TrimmedError
	if !errors.Is(err, stream.ErrTrimmed) || !errors.As(err, &gap) {
		t.Fatalf("read after a trimmed record: %v, want ErrTrimmed", err)
	}
	if gap.Partition != p || !gap.After.Equal(began) || !gap.Until.Equal(began.Add(20*time.Hour)) || !strings.Contains(err.Error(), "2026-03-02T08:00:00Z") {
		t.Errorf("gap %+v: %v", gap, err)
	}
	if err := fresh.Wait(t.Context(), p, all[0].Position); !errors.Is(err, stream.ErrTrimmed) {
		t.Errorf("wait: %v, want ErrTrimmed", err)
	}
	if got := texts(readAll(t, fresh, p, "")); !slices.Equal(got, []string{"k/3"}) {
		t.Errorf("from the horizon: %v, want what is left", got)
	}
	if got := texts(readAll(t, fresh, p, "")); !slices.Equal(got, []string{"k/3"}) {
		t.Errorf("once more: %v", got)
	}
	c.clock.move(48 * time.Hour)
	if _, err = c.open(t, c.options()).Read(t.Context(), p, all[0].Position, 10); !errors.As(err, &gap) || !gap.Until.IsZero() {
		t.Errorf("with nothing left: %v, %+v", err, gap)
	}
	young := kinesisstream.FromEvent(string(p), strings.Split(string(all[0].Position), ".")[0], "~", nil, c.clock.now())[0].Position
	if _, err = c.open(t, c.options()).Read(t.Context(), p, young, 10); !errors.Is(err, stream.ErrPosition) {
		t.Errorf("a position that cannot be trimmed yet, and is not there: %v, want ErrPosition", err)
	}
}

// TestAQuietShardGoesOn: a reader that keeps asking is not told of a gap, however old its position has become.
func TestAQuietShardGoesOn(t *testing.T) {
	c, l, p := filled(t, 1)
	after := readAll(t, l, p, "")[0].Position
	for range 25 * 15 { // for 25 hours, one more than records are kept
		c.clock.move(4 * time.Minute)
		if records, err := l.Read(t.Context(), p, after, 1); err != nil || len(records) != 0 {
			t.Fatalf("%v, %v", records, err)
		}
	}
	appendAll(t, l, entry("k", 1))
	if got := texts(readAll(t, l, p, after)); !slices.Equal(got, []string{"k/1"}) {
		t.Errorf("read %v", got)
	}
}

func TestAShardThatKinesisHasLetGoOf(t *testing.T) {
	c, l, p := filled(t, 2)
	after := readAll(t, l, p, "")[0].Position
	c.split(t, c.openShards(t)[0])
	c.clock.move(25 * time.Hour)
	fresh := c.open(t, c.options())
	names, err := fresh.Partitions(t.Context())
	if err != nil || slices.Contains(names, p) || len(names) != 2 {
		t.Fatalf("partitions %v, %v: the parent should be gone", names, err)
	}
	parents, err := fresh.Parents(t.Context())
	if err != nil || len(parents[names[0]])+len(parents[names[1]]) != 0 {
		t.Errorf("parents %v, %v: none are left", parents, err)
	}
	records, err := l.Read(t.Context(), p, after, 10)
	if err != nil || !slices.Equal(texts(records), []string{"k/1"}) {
		t.Fatalf("read %v, %v of what was fetched before", records, err)
	}
	if _, err := l.Read(t.Context(), p, records[0].Position, 1); !errors.Is(err, stream.ErrTrimmed) {
		t.Errorf("read on: %v, want ErrTrimmed", err)
	}
	if _, err := fresh.Read(t.Context(), p, after, 1); !errors.Is(err, stream.ErrTrimmed) {
		t.Errorf("read: %v, want ErrTrimmed", err)
	}
	if _, err := fresh.Read(t.Context(), p, "", 1); !errors.Is(err, stream.ErrPosition) {
		t.Errorf("read from the beginning: %v, want ErrPosition", err)
	}
}

func TestPositionsInsideARecord(t *testing.T) {
	c, l, p := filled(t, 0)
	var entries []stream.Entry
	for n := range 10 {
		entries = append(entries, entry("k", n))
	}
	appendAll(t, l, entries...)
	appendAll(t, l, entry("k", 10))
	got := readAll(t, l, p, "")
	for n := range got { // a new reader each time: nothing is at hand
		rest := texts(readAll(t, c.open(t, c.options()), p, got[n].Position))
		if len(rest) != 10-n || (len(rest) > 0 && rest[0] != fmt.Sprintf("k/%d", n+1)) {
			t.Errorf("after record %d: %v", n, rest)
		}
	}
	first := strings.TrimSuffix(string(got[0].Position), ".0")
	if _, err := l.Read(t.Context(), p, stream.Position(first+".77"), 1); !errors.Is(err, stream.ErrPosition) {
		t.Errorf("after an entry that the record does not have: %v, want ErrPosition", err)
	}
}

// TestBothWaysAgree: what an event of Lambda holds becomes the records that Read gives.
func TestBothWaysAgree(t *testing.T) {
	c, l, p := filled(t, 3)
	appendAll(t, l, entry("k", 3), entry("k", 4), stream.Entry{Key: make([]byte, 500), Data: []byte("long")}, stream.Entry{})
	iterator, err := c.client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: &c.name, ShardId: aws.String(string(p)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator.ShardIterator})
	if err != nil {
		t.Fatal(err)
	}
	var event []stream.Record
	for _, r := range raw.Records {
		event = append(event, kinesisstream.FromEvent(string(p), *r.SequenceNumber, *r.PartitionKey, r.Data, *r.ApproximateArrivalTimestamp)...)
	}
	read := readAll(t, l, p, "")
	if len(event) != 7 || len(read) != 7 {
		t.Fatalf("%d and %d records", len(event), len(read))
	}
	for i := range read {
		a, b := event[i], read[i]
		if a.Position != b.Position || a.Partition != b.Partition || string(a.Key) != string(b.Key) || string(a.Data) != string(b.Data) || !a.AppendedAt.Equal(b.AppendedAt) {
			t.Errorf("event %+v, read %+v", a, b)
		}
	}
}

func TestBehind(t *testing.T) {
	c, _, p := filled(t, 3)
	o := c.options()
	o.Fetch = 2
	l := c.open(t, o)
	if d := l.Behind(p); d != 0 {
		t.Errorf("%s before any read", d)
	}
	c.clock.move(time.Minute)
	if _, err := l.Read(t.Context(), p, "", 1); err != nil || l.Behind(p) != time.Minute {
		t.Errorf("behind by %s, %v, want a minute", l.Behind(p), err)
	}
	if readAll(t, l, p, ""); l.Behind(p) != 0 {
		t.Errorf("behind by %s at the end", l.Behind(p))
	}
}

func TestOutages(t *testing.T) {
	c, l, p := filled(t, 2)
	for _, code := range []string{kinesistest.InternalFailure, "KMSAccessDeniedException"} {
		c.server.Fail(kinesistest.Faults{Call: func(string) string { return code }})
		if _, err := l.Read(t.Context(), p, "", 1); !errors.Is(err, stream.ErrUnavailable) {
			t.Errorf("read: %v, want ErrUnavailable", err)
		}
		if _, err := l.Partitions(t.Context()); !errors.Is(err, stream.ErrUnavailable) {
			t.Errorf("partitions: %v, want ErrUnavailable", err)
		}
		if _, err := kinesisstream.Open(t.Context(), c.options()); !errors.Is(err, stream.ErrUnavailable) {
			t.Errorf("open: %v, want ErrUnavailable", err)
		}
	}
	c.server.Fail(kinesistest.Faults{})
	ordered(t, "k", texts(readAll(t, l, p, "")), 2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c.server.Fail(kinesistest.Faults{Delay: func(string) time.Duration { return time.Second }})
	if _, err := c.open(t, c.options2(func(o *kinesisstream.Options) { o.Client = past(o.Client) })).Read(ctx, p, "", 1); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, stream.ErrUnavailable) {
		t.Errorf("read that its context ended: %v", err)
	}
}
