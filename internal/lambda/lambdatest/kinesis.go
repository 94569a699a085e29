package lambdatest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
)

// Kinesis is a stream of Kinesis as an event source mapping sees it: a [Log] of its raw records, whatever their producer
// put into them. Positions are sequence numbers, keys are partition keys as they are; [RawEvent] makes their events.
// Shards that come of others appear once those are read to their ends. All methods may be called at once.
type Kinesis struct {
	client *kinesis.Client
	name   string

	mu        sync.Mutex
	iterators map[stream.Partition]iterator
	ended     map[stream.Partition]bool
}

// iterator is where the last read of a shard ended.
type iterator struct {
	after stream.Position
	next  *string
}

// NewKinesis makes a log of the stream with this name.
func NewKinesis(client *kinesis.Client, name string) *Kinesis {
	return &Kinesis{client: client, name: name, iterators: map[stream.Partition]iterator{}, ended: map[stream.Partition]bool{}}
}

// shards are all of the stream.
func (k *Kinesis) shards(ctx context.Context) (all []types.Shard, err error) {
	for in := (&kinesis.ListShardsInput{StreamName: &k.name}); in != nil; {
		out, err := k.client.ListShards(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list shards: %w", err)
		}
		all, in = append(all, out.Shards...), nil
		if out.NextToken != nil {
			in = &kinesis.ListShardsInput{NextToken: out.NextToken}
		}
	}
	return all, nil
}

// Unread reports whether a shard was closed and is not read to its end: others will appear then.
func (k *Kinesis) Unread(ctx context.Context) (bool, error) {
	all, err := k.shards(ctx)
	if err != nil {
		return false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range all {
		numbers := all[i].SequenceNumberRange
		if numbers != nil && numbers.EndingSequenceNumber != nil && !k.ended[stream.Partition(*all[i].ShardId)] {
			return true, nil
		}
	}
	return false, nil
}

// Partitions implements [Log].
func (k *Kinesis) Partitions(ctx context.Context) ([]stream.Partition, error) {
	all, err := k.shards(ctx)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	there := map[string]bool{}
	for i := range all {
		there[*all[i].ShardId] = true
	}
	// A parent that is no longer there has nothing left to read.
	read := func(parent *string) bool {
		return parent == nil || !there[*parent] || k.ended[stream.Partition(*parent)]
	}
	var partitions []stream.Partition
	for i := range all {
		if read(all[i].ParentShardId) && read(all[i].AdjacentParentShardId) {
			partitions = append(partitions, stream.Partition(*all[i].ShardId))
		}
	}
	return partitions, nil
}

// Read implements [Log]; at the end of a shard that was closed it returns [stream.ErrEnded].
func (k *Kinesis) Read(ctx context.Context, p stream.Partition, after stream.Position, limit int) ([]stream.Record, error) {
	k.mu.Lock()
	at, known := k.iterators[p]
	delete(k.iterators, p) // an iterator is for one read at a time
	k.mu.Unlock()
	if !known || at.after != after {
		in := &kinesis.GetShardIteratorInput{StreamName: &k.name, ShardId: aws.String(string(p)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
		if after != "" {
			in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(string(after))
		}
		out, err := k.client.GetShardIterator(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("find place in shard: %w", err)
		}
		at = iterator{after, out.ShardIterator}
	}
	if at.next == nil {
		return nil, k.end(p)
	}
	out, err := k.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at.next, Limit: aws.Int32(int32(min(limit, 10_000)))})
	if err != nil {
		return nil, fmt.Errorf("read shard: %w", err)
	}
	records := make([]stream.Record, len(out.Records))
	for i := range out.Records {
		r := &out.Records[i]
		records[i] = stream.Record{
			Partition: p, Position: stream.Position(*r.SequenceNumber), Key: []byte(aws.ToString(r.PartitionKey)), Data: r.Data,
			AppendedAt: aws.ToTime(r.ApproximateArrivalTimestamp).UTC().Round(time.Millisecond),
		}
		after = records[i].Position
	}
	if len(records) == 0 && out.NextShardIterator == nil {
		return nil, k.end(p)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.iterators[p] = iterator{after, out.NextShardIterator}
	return records, nil
}

func (k *Kinesis) end(p stream.Partition) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended[p] = true
	return fmt.Errorf("read shard: %w", stream.ErrEnded)
}

// RawEvent is the event of records of a [Kinesis], for SourceOptions.Event.
func RawEvent(shard stream.Partition, records []stream.Record) events.KinesisEvent {
	e := KinesisEvent(shard, records)
	for i := range e.Records {
		e.Records[i].Kinesis.PartitionKey = string(records[i].Key)
	}
	return e
}
