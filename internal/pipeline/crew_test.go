package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
)

// shards is a log whose partitions end, split and lose their oldest records.
type shards struct {
	mu      sync.Mutex
	parents map[stream.Partition][]stream.Partition
	records map[stream.Partition][]stream.Record
	ended   map[stream.Partition]bool
	trimmed map[stream.Partition]int // records that are gone
	failing int                      // calls of Partitions that fail
	reads   []stream.Partition       // of which records were given out
}

func newShards() *shards {
	return &shards{parents: map[stream.Partition][]stream.Partition{}, records: map[stream.Partition][]stream.Record{},
		ended: map[stream.Partition]bool{}, trimmed: map[stream.Partition]int{}}
}

func (s *shards) add(p stream.Partition, transactions ...payment.Transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range transactions {
		t := &transactions[i]
		s.records[p] = append(s.records[p], stream.Record{
			Partition: p, Position: stream.Position(fmt.Sprintf("%03d", len(s.records[p])+1)),
			Key: t.Customer[:], Data: payment.AppendTransaction(nil, t),
		})
	}
}

func (s *shards) open(p stream.Partition, parents ...stream.Partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parents[p] = parents
	for _, parent := range parents {
		s.ended[parent] = true
	}
}

func (s *shards) ID() string { return "shards" }

func (s *shards) Partitions(context.Context) ([]stream.Partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing--; s.failing >= 0 {
		return nil, fmt.Errorf("%w: throttled", stream.ErrUnavailable)
	}
	var all []stream.Partition
	for p := range s.parents {
		all = append(all, p)
	}
	slices.Sort(all)
	return all, nil
}

func (s *shards) Parents(context.Context) (map[stream.Partition][]stream.Partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := map[stream.Partition][]stream.Partition{}
	for p, parents := range s.parents {
		copied[p] = parents
	}
	return copied, nil
}

func (s *shards) Read(_ context.Context, p stream.Partition, after stream.Position, limit int) ([]stream.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.records[p]
	if gone := s.trimmed[p]; gone > 0 && after < all[gone-1].Position {
		return nil, stream.ErrTrimmed
	}
	for i := range all {
		if all[i].Position > after {
			s.reads = append(s.reads, p)
			return all[i:min(len(all), i+limit)], nil
		}
	}
	if s.ended[p] {
		return nil, stream.ErrEnded
	}
	return nil, nil
}

func (s *shards) Wait(ctx context.Context, p stream.Partition, after stream.Position) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}

func (s *shards) Horizon(_ context.Context, p stream.Partition) (stream.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[p][s.trimmed[p]-1].Position, nil
}

// crew runs a crew until the store has n transactions, and returns what Run returned.
func (s *shop) crew(source *shards, n int64) error {
	s.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	c := pipeline.Crew{Config: s.config, Source: source, BatchSize: 2, Look: 5 * time.Millisecond}
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(2 * time.Millisecond):
		}
		if totals, err := s.stored.Totals(ctx); err == nil && totals.Transactions() >= n {
			stop()
			return <-done
		}
	}
}

func TestChildrenWaitForTheirParents(t *testing.T) {
	s, source := newShop(t), newShards()
	source.open("a")
	for i := range 9 {
		source.add("a", pay(fmt.Sprint("a", i), byte(10+i), i, 0))
	}
	source.open("b", "a")
	source.open("c", "a")
	source.add("b", pay("b0", 1, 20, 0), pay("b1", 1, 21, 0))
	source.add("c", pay("c0", 2, 20, 0))
	source.open("d", "b", "c") // merged again while everything is still behind
	source.add("d", pay("d0", 1, 22, 0), pay("d1", 1, 23, 0))
	source.failing = 2
	s.must(s.crew(source, 14))
	last := func(p stream.Partition) int {
		for i := len(source.reads) - 1; ; i-- {
			if source.reads[i] == p {
				return i
			}
		}
	}
	first := func(p stream.Partition) int { return slices.Index(source.reads, p) }
	if first("b") < last("a") || first("c") < last("a") || first("d") < last("b") || first("d") < last("c") {
		t.Errorf("read in the order %v", source.reads)
	}
	if got := s.outcome("d1"); got != decision.Decline {
		t.Errorf("d1 is %v: the fourth payment of the hour, over three shards", got)
	}
	for _, p := range []stream.Partition{"a", "b", "c"} {
		c, _, err := s.stored.Checkpoint(t.Context(), p)
		if err != nil || c.Position != stream.Ended || c.Records != int64(len(source.records[p])) {
			t.Errorf("checkpoint of %s: %+v, %v", p, c, err)
		}
	}
	// Another start finds the ended ones ended, and a shard that came meanwhile.
	source.open("e", "d")
	source.add("e", pay("e0", 3, 30, 0))
	s.must(s.crew(source, 15))
}

func TestACrewStopsWhenAWorkerCannotGoOn(t *testing.T) {
	s, source := newShop(t), newShards()
	source.open("a")
	source.open("b")
	source.add("a", pay("a0", 1, 0, 0))
	source.add("b", pay("b0", 1, 0, 0))
	s.store.before = func(b pipeline.Batch) error {
		if b.Chain == "partition/b" {
			return pipeline.ErrFenced
		}
		return nil
	}
	if err := s.crew(source, 100); !errors.Is(err, pipeline.ErrFenced) {
		t.Errorf("run: %v, want ErrFenced", err)
	}
}

func TestAGapIsOnRecord(t *testing.T) {
	s, source := newShop(t), newShards()
	source.open("a")
	for i := range 6 {
		source.add("a", pay(fmt.Sprint("a", i), byte(10+i), i, 0))
	}
	source.trimmed["a"] = 4
	s.must(s.crew(source, 2))
	if s.outcome("a4") != decision.Approve || s.outcome("a5") != decision.Approve || s.outcome("a3") != decision.Invalid {
		t.Error("what is left behind the gap was not decided, or what is gone was")
	}
	letters, err := s.stored.DeadLetters(t.Context(), 0, -1)
	if err != nil || len(letters) != 1 || letters[0].Reason != pipeline.Trimmed || letters[0].Position != "" || len(letters[0].Data) != 0 {
		t.Errorf("dead letters %+v, %v: want the gap", letters, err)
	}
}
