package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/stream"
)

// Carry decides and stores records of one partition, in order, without keeping a position: the first done of them are
// stored or put aside, durably. err is not nil exactly when done is less than all; the rest is for another try, which
// must change nothing for what was carried before. It ends soon after ctx does.
type Carry func(ctx context.Context, p stream.Partition, records []stream.Record) (done int, err error)

// Convert is what a record of an event holds, one record or more, or what is wrong with it.
type Convert func(record events.KinesisEventRecord) ([]stream.Record, error)

const streamMargin = 5 * time.Second

// Consumer handles an event of Kinesis and reports what is to be sent again.
type Consumer func(ctx context.Context, event events.KinesisEvent) (events.KinesisEventResponse, error)

// Stream carries the records of events. Margin is 5 s if zero.
//
// The response has one item for each shard that was not carried to its end: the sequence number of the first record that
// was not, from which on Lambda sends the records again, to halve them if nothing helps. All records of a shard carried
// means no item. A record that cannot be converted is one that was not carried; those before it are carried first. An
// event that is none of Kinesis's is an error, and nothing of it is carried.
//
// A carry that does not end with its context is left to Lambda, which ends the process: two carries of one record at
// once, one of them without anybody who waits for it, would be worse.
func Stream(carry Carry, convert Convert, o Options) Consumer {
	o = o.or(streamMargin)
	return func(ctx context.Context, event events.KinesisEvent) (events.KinesisEventResponse, error) {
		response := events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{}}
		shards, err := byShard(event.Records)
		if err != nil {
			return response, err
		}
		ctx, cancel, _ := o.work(ctx)
		defer cancel()
		for _, s := range shards {
			done, err := s.carry(ctx, carry, convert)
			if err == nil {
				continue
			}
			first := s.records[done].Kinesis.SequenceNumber
			o.Log.WarnContext(ctx, "records left to be sent again", slog.String("partition", string(s.id)), slog.String("from", first),
				slog.Int("done", done), slog.Int("records", len(s.records)), slog.Any("error", err))
			response.BatchItemFailures = append(response.BatchItemFailures, events.KinesisBatchItemFailure{ItemIdentifier: first})
		}
		return response, nil
	}
}

// shard is what an event has of one shard, in order.
type shard struct {
	id      stream.Partition
	records []events.KinesisEventRecord
}

// byShard sorts the records by their shards, of which Lambda sends one at a time, and checks what an answer needs.
func byShard(records []events.KinesisEventRecord) ([]*shard, error) {
	var shards []*shard
	index := map[string]*shard{}
	for i := range records {
		r := &records[i]
		id, sequence, ok := strings.Cut(r.EventID, ":")
		switch {
		case r.EventSource != "aws:kinesis":
			return nil, fmt.Errorf("read record %d: %w: its source is not Kinesis", i, errEvent)
		case !ok || id == "" || r.Kinesis.SequenceNumber == "" || sequence != r.Kinesis.SequenceNumber:
			return nil, fmt.Errorf("read record %d: %w: no id of shard and sequence number", i, errEvent)
		}
		s := index[id]
		if s == nil {
			s = &shard{id: stream.Partition(id)}
			index[id] = s
			shards = append(shards, s)
		}
		s.records = append(s.records, *r)
	}
	return shards, nil
}

var (
	errOutOfTime = errors.New("no time left in this invocation")
	errShort     = errors.New("carried in part without a reason")
)

// carry carries the records and returns how many were, whole; err is nil if and only if that is all of them.
func (s *shard) carry(ctx context.Context, carry Carry, convert Convert) (whole int, err error) {
	if ctx.Err() != nil {
		return 0, errOutOfTime
	}
	converted, ends, fault := s.convert(convert)
	done := 0
	if len(converted) > 0 {
		err = contained(func() (err error) {
			done, err = carry(ctx, s.id, converted)
			return err
		})
	}
	// What is carried of a record in part is carried again with the rest of it.
	for whole < len(ends) && ends[whole] <= done {
		whole++
	}
	switch {
	case whole == len(s.records):
		return whole, nil // an error beside that is one of nothing
	case err != nil:
		return whole, err
	case whole < len(ends):
		return whole, errShort
	}
	return whole, fault
}

// convert converts the records up to the first that cannot be. ends has for each where it ends in what they hold.
func (s *shard) convert(convert Convert) (converted []stream.Record, ends []int, fault error) {
	converted = make([]stream.Record, 0, len(s.records))
	ends = make([]int, 0, len(s.records))
	for i := range s.records {
		err := contained(func() error {
			held, err := convert(s.records[i])
			converted = append(converted, held...)
			return err
		})
		if err != nil {
			return converted, ends, fmt.Errorf("convert record: %w", err)
		}
		ends = append(ends, len(converted))
	}
	return converted, ends, nil
}
