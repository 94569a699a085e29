package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/stream"
)

// Log is a stream, as an event source mapping reads it. The contract is that of the stream's implementations.
type Log interface {
	Partitions(ctx context.Context) ([]stream.Partition, error)
	Read(ctx context.Context, p stream.Partition, after stream.Position, limit int) ([]stream.Record, error)
}

// unread is a log that keeps back shards until those that they come of are read; *Kinesis is one.
type unread interface {
	Unread(ctx context.Context) (bool, error)
}

// SourceOptions are the settings of an event source mapping.
type SourceOptions struct {
	Batch   int           // records in an event; 100 if zero
	Retries int           // after the first try; a batch that fails more often is given up
	Pause   time.Duration // between tries, and between looks at an empty stream; 20 ms if zero
	// Failed is the on-failure destination: it is given the message that an SQS queue would be. It may be called at once.
	Failed func(message []byte)
	// Event makes the event of records of a shard; KinesisEvent if nil.
	Event func(shard stream.Partition, records []stream.Record) events.KinesisEvent
}

// Source is a running event source mapping. It keeps where it is in memory alone, as Lambda keeps it to itself.
type Source struct {
	SourceOptions
	t           testing.TB
	log         Log
	function    Invoker
	concurrency int

	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	shards  map[stream.Partition]*position
	invoked int
}

// position is where a shard stands.
type position struct {
	after stream.Position // of the last record that was handled or given up
	ended bool
}

// Poll sends the records of a log to a function as an event source mapping does that starts at the oldest record, halves
// batches on errors and lets the function report what it did not handle. concurrency is the parallelization factor: how
// many batches of a shard are under way at once, while the records of a key stay in order. It ends with the test.
//
// Lambda does not begin with the children of a shard before their parents are read; Poll reads all shards at once that
// Partitions names, as [Kinesis] names them in their time.
func Poll(t testing.TB, log Log, f Invoker, concurrency int, o SourceOptions) *Source {
	t.Helper()
	if o.Batch <= 0 {
		o.Batch = 100
	}
	if o.Pause <= 0 {
		o.Pause = 20 * time.Millisecond
	}
	if o.Event == nil {
		o.Event = KinesisEvent
	}
	s := &Source{SourceOptions: o, t: t, log: log, function: f, concurrency: max(1, concurrency), shards: map[stream.Partition]*position{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	t.Cleanup(s.Stop)
	s.work.Go(s.discover)
	return s
}

// Stop ends the source after the events that are under way.
func (s *Source) Stop() {
	s.cancel()
	s.work.Wait()
}

// Invoked is how many events were sent.
func (s *Source) Invoked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.invoked
}

// Drain waits until every record that is in the log was handled or given up, or returns ctx's error.
func (s *Source) Drain(ctx context.Context) error {
	for {
		done, err := s.drained(ctx)
		if done || err != nil {
			return err
		}
		if !pause(ctx, s.Pause) {
			return ctx.Err()
		}
	}
}

func (s *Source) drained(ctx context.Context) (bool, error) {
	if log, ok := s.log.(unread); ok {
		if waits, err := log.Unread(ctx); waits || err != nil {
			return false, err
		}
	}
	partitions, err := s.log.Partitions(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range partitions {
		s.mu.Lock()
		at := s.shards[p]
		if at == nil {
			s.mu.Unlock()
			return false, nil
		}
		here := *at
		s.mu.Unlock()
		if here.ended {
			continue
		}
		records, err := s.log.Read(ctx, p, here.after, 1)
		if err != nil && !errors.Is(err, stream.ErrEnded) || len(records) > 0 {
			return false, ctx.Err() // an error that passes is one more reason to wait
		}
	}
	return true, nil
}

// discover starts to read each shard that appears.
func (s *Source) discover() {
	for {
		partitions, err := s.log.Partitions(s.ctx)
		if err != nil && s.ctx.Err() == nil {
			s.t.Logf("event source: list shards: %v", err)
		}
		for _, p := range partitions {
			s.mu.Lock()
			_, known := s.shards[p]
			if !known {
				s.shards[p] = &position{}
			}
			s.mu.Unlock()
			if !known {
				s.work.Go(func() { s.read(p) })
			}
		}
		if !pause(s.ctx, 10*s.Pause) {
			return
		}
	}
}

// read sends a shard's records until the source or the shard ends.
func (s *Source) read(p stream.Partition) {
	after := stream.Position("")
	for s.ctx.Err() == nil {
		records, err := s.log.Read(s.ctx, p, after, s.Batch*s.concurrency)
		switch {
		case errors.Is(err, stream.ErrEnded):
			s.move(p, after, true)
			return
		case err != nil && s.ctx.Err() == nil:
			s.t.Logf("event source: read shard %s: %v", p, err)
			pause(s.ctx, s.Pause)
		case len(records) == 0:
			pause(s.ctx, s.Pause)
		default:
			if s.sendAll(p, records) {
				after = records[len(records)-1].Position
				s.move(p, after, false)
			}
		}
	}
}

func (s *Source) move(p stream.Partition, after stream.Position, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[p].after, s.shards[p].ended = after, ended
}

// sendAll sends records in as many lanes as may be under way at once, all of a key in one lane. It reports whether all
// were handled or given up.
func (s *Source) sendAll(p stream.Partition, records []stream.Record) bool {
	lanes := make([][]stream.Record, s.concurrency)
	for i := range records {
		h := fnv.New32a()
		_, _ = h.Write(records[i].Key)
		lane := h.Sum32() % uint32(s.concurrency)
		lanes[lane] = append(lanes[lane], records[i])
	}
	var work sync.WaitGroup
	for _, lane := range lanes {
		work.Go(func() {
			for len(lane) > 0 {
				n := min(s.Batch, len(lane))
				s.send(p, lane[:n])
				lane = lane[n:]
			}
		})
	}
	work.Wait()
	return s.ctx.Err() == nil
}

// piece is a part of a batch that was halved, with how often it has failed.
type piece struct {
	records []stream.Record
	failed  int
}

// send tries until each record of the batch was handled or given up, or the source is stopped.
func (s *Source) send(p stream.Partition, batch []stream.Record) {
	for todo := []piece{{batch, 0}}; len(todo) > 0; {
		if s.ctx.Err() != nil {
			return
		}
		now := todo[0]
		handled := s.invoke(p, now.records)
		switch {
		case handled == len(now.records):
			todo = todo[1:]
			continue
		case handled > 0: // the rest is a batch of its own
			todo[0] = piece{now.records[handled:], 0}
		case len(now.records) > 1 && now.failed < s.Retries: // halving does not count as a try
			middle := len(now.records) / 2
			todo = append([]piece{{now.records[:middle], now.failed}, {now.records[middle:], now.failed}}, todo[1:]...)
		case now.failed >= s.Retries:
			s.giveUp(p, now)
			todo = todo[1:]
			continue
		default:
			todo[0].failed++
		}
		pause(s.ctx, s.Pause)
	}
}

// invoke sends records and returns how many of them, from the first, were handled.
func (s *Source) invoke(p stream.Partition, records []stream.Record) int {
	s.mu.Lock()
	s.invoked++
	s.mu.Unlock()
	response, functionError, err := s.function.Invoke(context.WithoutCancel(s.ctx), s.Event(p, records))
	if err != nil {
		s.t.Logf("event source: invoke: %v", err)
		return 0
	}
	if functionError != "" {
		return 0
	}
	var r struct {
		Failures []struct {
			Item *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(response) > 0 && json.Unmarshal(response, &r) != nil {
		return 0
	}
	// Lambda goes on from the lowest sequence number that is reported; one that is none of the batch fails all of it.
	handled := len(records)
	for _, f := range r.Failures {
		at := -1
		for i := range records {
			if f.Item != nil && string(records[i].Position) == *f.Item {
				at = i
			}
		}
		handled = min(handled, max(at, 0))
	}
	return handled
}

// giveUp tells the destination of a batch as Lambda does.
func (s *Source) giveUp(p stream.Partition, batch piece) {
	if s.Failed == nil {
		return
	}
	s.Failed(FailedMessage(p, batch.records, batch.failed+1))
}

// FailedMessage is what Lambda sends to an SQS queue when it gives up records of a shard after so many tries.
func FailedMessage(p stream.Partition, records []stream.Record, tries int) []byte {
	first, last := &records[0], &records[len(records)-1]
	message, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": last.AppendedAt.UTC().Add(time.Minute).Format("2006-01-02T15:04:05.000Z07:00"),
		"requestContext": map[string]any{
			"requestId": "c9b8fa9f-5a7f-4b8e-af9c-0c604cde93a5", "functionArn": "arn:aws:lambda:us-east-1:" + Account + ":function:test",
			"condition": "RetryAttemptsExhausted", "approximateInvokeCount": tries,
		},
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"KinesisBatchInfo": map[string]any{
			"shardId": p, "startSequenceNumber": first.Position, "endSequenceNumber": last.Position,
			"approximateArrivalOfFirstRecord": first.AppendedAt.UTC().Format(time.RFC3339Nano), "approximateArrivalOfLastRecord": last.AppendedAt.UTC().Format(time.RFC3339Nano),
			"batchSize": len(records), "streamArn": StreamARN,
		},
	})
	if err != nil {
		panic("encode message: " + err.Error()) // texts and numbers
	}
	return message
}

// pause waits for d and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
