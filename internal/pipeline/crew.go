package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

// Crew runs a worker for every partition of a source, also for those that come later.
type Crew struct {
	Config
	Source    Source
	BatchSize int           // of each worker
	Look      time.Duration // how often new partitions are looked for; 0: never, the source has what it has
}

// Branching is a source whose partitions end and go on in others: a shard that is split or merged.
type Branching interface {
	// Parents returns for each partition those whose keys it took over. What a parent holds comes before what its
	// children hold.
	Parents(ctx context.Context) (map[stream.Partition][]stream.Partition, error)
}

// Run works until ctx ends, and then returns nil. It returns the first error of a worker that cannot go on, after
// stopping the others. A partition is begun when all of its parents have been read to their ends.
func (c *Crew) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	begun := map[stream.Partition]bool{}
	ended := make(chan struct{}, 1)
	for try := 0; ; {
		ready, more, err := c.ready(ctx, begun)
		if err != nil && !retryable(err) && ctx.Err() == nil {
			stop(fmt.Errorf("look for partitions: %w", err))
		}
		for _, p := range ready {
			begun[p] = true
			w := NewWorker(WorkerConfig{Config: c.Config, Source: c.Source, Partition: p, BatchSize: c.BatchSize})
			workers.Go(func() {
				if err := w.Run(ctx); err != nil {
					stop(err)
				}
				select {
				case ended <- struct{}{}:
				default:
				}
			})
		}
		if err != nil && ctx.Err() == nil {
			c.Log.WarnContext(ctx, "partitions not found, trying again", slog.Any("error", err))
			_ = pause(ctx, try) // ctx is looked at next
			try++
			continue
		}
		try = 0
		if !c.wait(ctx, more, ended) {
			workers.Wait()
			return cause(ctx)
		}
	}
}

// wait returns when partitions are to be looked for again, and false when the crew is done.
func (c *Crew) wait(ctx context.Context, more bool, ended <-chan struct{}) bool {
	var again <-chan time.Time
	if c.Look > 0 {
		timer := time.NewTimer(c.Look)
		defer timer.Stop()
		again = timer.C
	}
	if !more && c.Look == 0 {
		ended = nil
	}
	select {
	case <-ctx.Done():
		return false
	case <-again:
	case <-ended:
	}
	return true
}

// cause is why ctx ended, nil if its caller ended it.
func cause(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// ready returns the partitions that can be begun, and whether others wait for their parents.
func (c *Crew) ready(ctx context.Context, begun map[stream.Partition]bool) (ready []stream.Partition, more bool, err error) {
	partitions, err := c.Source.Partitions(ctx)
	if err != nil {
		return nil, false, err
	}
	parents := map[stream.Partition][]stream.Partition{}
	if b, ok := c.Source.(Branching); ok {
		if parents, err = b.Parents(ctx); err != nil {
			return nil, false, err
		}
	}
	for _, p := range partitions {
		if begun[p] {
			continue
		}
		free := true
		for _, parent := range parents[p] {
			if !slices.Contains(partitions, parent) {
				continue // gone with its last record, long ago
			}
			at, found, err := c.Store.Checkpoint(ctx, parent)
			if err != nil {
				return ready, more, fmt.Errorf("read checkpoint: %w", err)
			}
			free = free && found && at.Position == stream.Ended
		}
		if free {
			ready = append(ready, p)
		}
		more = more || !free
	}
	return ready, more, nil
}
