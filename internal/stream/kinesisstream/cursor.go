package kinesisstream

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/time/rate"

	"github.com/fastshop/pipeline/internal/stream"
)

// cursor reads one shard. It holds what one call of Kinesis brought, from which readers that follow one another are
// served, and the iterator behind it.
type cursor struct {
	log       *Log
	partition stream.Partition
	turn      chan struct{} // held by whom it serves; guards the rest
	pace      *rate.Limiter // of all calls for this shard
	behind    atomic.Int64  // time.Duration

	base     stream.Position // what the first of page follows
	page     []stream.Record
	next     int // of page, for the next reader
	iterator string
	found    bool // whether the record of base has been seen, since the iterator was made; always so for the zero Position
	ended    bool // the shard has nothing behind page
}

// name is for errors.
func (c *cursor) name() string {
	return fmt.Sprintf("partition %s of stream %s", c.partition, c.log.options.Name)
}

// tail is the position behind which the iterator goes on.
func (c *cursor) tail() stream.Position {
	if len(c.page) == 0 {
		return c.base
	}
	return c.page[len(c.page)-1].Position
}

// seek turns the cursor to a position. Where the page has it, nothing is read again.
func (c *cursor) seek(after stream.Position) {
	switch {
	case c.next == 0 && c.base == after, c.next > 0 && c.page[c.next-1].Position == after:
		return
	case c.base == after:
		c.next = 0
		return
	}
	for i := range c.page {
		if c.page[i].Position == after {
			c.next = i + 1
			return
		}
	}
	c.restart(after)
}

// restart forgets everything but the position.
func (c *cursor) restart(after stream.Position) {
	c.base, c.page, c.next = after, nil, 0
	c.iterator, c.found, c.ended = "", after == "", false
}

func (c *cursor) holds() bool { return c.next < len(c.page) }

// take returns up to max of what is there.
func (c *cursor) take(n int) []stream.Record {
	n = min(max(n, 1), len(c.page)-c.next)
	records := append([]stream.Record(nil), c.page[c.next:c.next+n]...)
	c.next += n
	return records
}

// tolerance is how often one fetch is refused for a moment before it gives up.
const tolerance = 8

// fetch replaces the page, which was passed, by what one call brings, which may be nothing. Tip tells that there is
// nothing more now.
func (c *cursor) fetch(ctx context.Context) (tip bool, err error) {
	for try := 1; ; try++ {
		if c.ended {
			return false, fmt.Errorf("partition %s: %w", c.partition, stream.ErrEnded)
		}
		tip, err := c.once(ctx)
		var f *failure
		switch {
		case err == nil || !errors.As(err, &f) || try >= tolerance:
			return tip, err
		case f.code == expiredIterator:
			c.restart(c.tail())
		case !f.throttled():
			return false, err
		default:
			if err := sleep(ctx, c.log.options.pause(try)); err != nil {
				return false, err
			}
		}
		c.log.options.Retried(f.code)
	}
}

// once asks Kinesis for one page.
func (c *cursor) once(ctx context.Context) (tip bool, err error) {
	if c.iterator == "" {
		if err := c.iterate(ctx); err != nil {
			return false, err
		}
	}
	if err := c.wait(ctx); err != nil {
		return false, err
	}
	o := &c.log.options
	call, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	out, err := o.Client.GetRecords(call, &kinesis.GetRecordsInput{ShardIterator: &c.iterator, Limit: aws.Int32(int32(o.Fetch))})
	if err != nil {
		return false, c.refused(ctx, explain("read "+c.name(), err))
	}
	c.behind.Store(aws.ToInt64(out.MillisBehindLatest) * int64(time.Millisecond))
	tip = len(out.Records) == 0 && aws.ToInt64(out.MillisBehindLatest) == 0
	return c.turnPage(ctx, out, tip)
}

// wait keeps the calls for a shard apart.
func (c *cursor) wait(ctx context.Context) error {
	err := c.pace.Wait(ctx)
	if err != nil && ctx.Err() == nil {
		return context.DeadlineExceeded // before the turn would come
	}
	return err
}

// turnPage takes over the answer of a call.
func (c *cursor) turnPage(ctx context.Context, out *kinesis.GetRecordsOutput, tip bool) (bool, error) {
	closed := out.NextShardIterator == nil
	records := unpack(c.partition, out.Records)
	if !c.found && (len(records) > 0 || tip || closed) {
		var err error
		if records, err = c.resume(ctx, records); err != nil {
			return false, err
		}
	}
	if len(records) > 0 {
		c.base, c.page, c.next = c.tail(), records, 0
	}
	c.iterator = aws.ToString(out.NextShardIterator)
	if c.ended = closed; closed {
		c.log.shards.forget() // there are children now
		return false, nil
	}
	return tip, nil
}

// resume makes sure that the first records are those of base, and cuts off what base has passed already.
func (c *cursor) resume(ctx context.Context, records []stream.Record) ([]stream.Record, error) {
	want, err := parse(c.base)
	if err != nil {
		return nil, err
	}
	for i := range records {
		have, err := parse(records[i].Position)
		if err != nil || have.sequence != want.sequence {
			break
		}
		if have.index == want.index {
			c.found = true
			return records[i+1:], nil
		}
	}
	base, until := c.base, time.Time{}
	if len(records) > 0 {
		until = records[0].AppendedAt
	}
	c.restart(base)
	return nil, c.log.lost(ctx, c.partition, base, until)
}

// iterate gets an iterator that begins with the record of base, or at the horizon.
func (c *cursor) iterate(ctx context.Context) error {
	if err := c.wait(ctx); err != nil {
		return err
	}
	o := &c.log.options
	in := &kinesis.GetShardIteratorInput{
		StreamName: &o.Name, ShardId: aws.String(string(c.partition)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	}
	if c.base != "" {
		sequence, err := SequenceNumber(c.base)
		if err != nil {
			return err
		}
		in.ShardIteratorType, in.StartingSequenceNumber = types.ShardIteratorTypeAtSequenceNumber, &sequence
	}
	call, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	out, err := o.Client.GetShardIterator(call, in)
	if err != nil {
		return c.refused(ctx, explain("get an iterator of "+c.name(), err))
	}
	if c.iterator = aws.ToString(out.ShardIterator); c.iterator == "" {
		return fmt.Errorf("%w: Kinesis gave no iterator of partition %s", stream.ErrUnavailable, c.partition)
	}
	return nil
}

// refused says what it means that Kinesis does not know the place: the shard has aged away, or was never there.
func (c *cursor) refused(ctx context.Context, f *failure) error {
	if f.code != invalidArgument && f.code != notFound {
		return f
	}
	after := c.tail()
	c.restart(after)
	return c.log.lost(ctx, c.partition, after, time.Time{})
}

// unpack makes the records of what Kinesis gave.
func unpack(p stream.Partition, from []types.Record) []stream.Record {
	records := make([]stream.Record, 0, len(from))
	for i := range from {
		r := &from[i]
		records = appendRecords(records, p, aws.ToString(r.SequenceNumber), aws.ToString(r.PartitionKey), r.Data, aws.ToTime(r.ApproximateArrivalTimestamp))
	}
	return records
}
