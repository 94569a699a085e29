package lambda

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
)

// readEvery is the least time between two reads of a shard. Kinesis allows five a second, for the event source as well.
const readEvery = 250 * time.Millisecond

// KinesisRange reads ranges of the Kinesis stream of that name. convert is given what an event would have had. Calls that
// fail are not repeated but by client.
func KinesisRange(client *kinesis.Client, name string, convert Convert) ReadRange {
	return func(ctx context.Context, p stream.Partition, from, to string) (Range, error) {
		r := &rangeReader{client: client, name: name, shard: string(p), from: from, to: to, convert: convert}
		return r.read(ctx)
	}
}

type rangeReader struct {
	client            *kinesis.Client
	name, shard       string
	from, to          string
	convert           Convert
	found             Range
	gapped, throughTo bool
}

func (r *rangeReader) read(ctx context.Context) (Range, error) {
	start, err := r.client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &r.name, ShardId: &r.shard, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &r.from,
	})
	var gone *types.ResourceNotFoundException
	if errors.As(err, &gone) {
		return Range{}, r.shardGone(ctx)
	}
	if err != nil {
		return Range{}, fmt.Errorf("find records: %w", err)
	}
	for iterator := start.ShardIterator; iterator != nil && !r.throughTo; {
		out, err := r.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator})
		if err != nil {
			return Range{}, fmt.Errorf("read records: %w", err)
		}
		if err := r.take(out.Records); err != nil {
			return Range{}, err
		}
		if len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0 {
			break // at the tip, so what is missing will not come
		}
		iterator = out.NextShardIterator
		if iterator != nil && !r.throughTo {
			if err := sleep(ctx, readEvery); err != nil {
				return Range{}, err
			}
		}
	}
	if r.found.Found == 0 || r.gapped {
		return r.found, fmt.Errorf("read records: %w", stream.ErrTrimmed)
	}
	return r.found, nil
}

// take keeps the records of the range. Kinesis goes on at its oldest record in silence when the first one is gone.
func (r *rangeReader) take(records []types.Record) error {
	for i := range records {
		record := &records[i]
		sequence := aws.ToString(record.SequenceNumber)
		if compareSequence(sequence, r.to) >= 0 {
			r.throughTo = true
		}
		if compareSequence(sequence, r.to) > 0 {
			return nil
		}
		if r.found.Found == 0 {
			r.gapped = sequence != r.from
		}
		held, err := r.convert(r.event(record))
		if err != nil {
			return fmt.Errorf("convert record: %w", err)
		}
		r.found.Found++
		r.found.Records = append(r.found.Records, held...)
	}
	return nil
}

// event is the record as an event source mapping would have sent it.
func (r *rangeReader) event(record *types.Record) events.KinesisEventRecord {
	sequence := aws.ToString(record.SequenceNumber)
	return events.KinesisEventRecord{
		EventID: r.shard + ":" + sequence, EventName: "aws:kinesis:record", EventSource: "aws:kinesis", EventVersion: "1.0",
		Kinesis: events.KinesisRecord{
			KinesisSchemaVersion: "1.0", PartitionKey: aws.ToString(record.PartitionKey), SequenceNumber: sequence, Data: record.Data,
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: aws.ToTime(record.ApproximateArrivalTimestamp)},
		},
	}
}

// shardGone tells a shard whose time is over, with all it had, from a stream that was never there.
func (r *rangeReader) shardGone(ctx context.Context) error {
	if _, err := r.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &r.name}); err != nil {
		return fmt.Errorf("find stream: %w", err)
	}
	return fmt.Errorf("find shard: %w", stream.ErrTrimmed)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
