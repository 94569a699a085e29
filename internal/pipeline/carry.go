package pipeline

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/stream"
)

// Carry decides and commits records of a partition whose position somebody else keeps: the event source of a function,
// which may carry several batches of one partition at once and any of them again. Nothing is skipped by position; the
// unique id alone decides what is new.
//
// The first done records are stored or dead letters, durably. With fewer than all of them comes an error, which may pass:
// the rest is for another try, which is safe. While the store is away Carry waits for it for as long as ctx allows, or a
// second if ctx has no end: an event source counts its tries, and a try that waits bridges more than one that does not.
func (c *Config) Carry(ctx context.Context, p stream.Partition, records []stream.Record) (done int, err error) {
	if len(records) == 0 {
		return 0, nil
	}
	for try := 0; ; try++ {
		var n int
		n, err = c.carryOnce(ctx, p, records[done:])
		if done += n; err == nil || !retryable(err) || !c.waits(ctx, try) {
			break
		}
	}
	if err != nil {
		return done, fmt.Errorf("carry %d records of partition %s: %w", len(records), p, err)
	}
	return len(records), nil
}

// carryTries is how often a store that is away is tried when the context has no end: about a second.
const carryTries = 7

// waits pauses before another try, and reports whether there is to be one.
func (c *Config) waits(ctx context.Context, try int) bool {
	if _, ends := ctx.Deadline(); !ends && try+1 >= carryTries {
		return false
	}
	c.Metrics.Retried("store")
	return pause(ctx, try) == nil
}

func (c *Config) carryOnce(ctx context.Context, p stream.Partition, records []stream.Record) (done int, err error) {
	b, err := c.decideAll(ctx, records)
	if err != nil {
		return 0, err
	}
	c.crash("pipeline.decided")
	err = c.commitAll(ctx, b, func(ctx context.Context, b work) error {
		if err := c.commitUnpositioned(ctx, p, &b); err != nil {
			return err
		}
		done += int(b.records)
		return nil
	})
	return done, err
}

// commitUnpositioned stores b without a checkpoint. There is nothing to store for a batch that had been carried before.
func (c *Config) commitUnpositioned(ctx context.Context, p stream.Partition, b *work) error {
	if len(b.entries) == 0 && len(b.dead) == 0 {
		return nil
	}
	began := c.Now()
	receipts, err := c.Store.Commit(ctx, Batch{Chain: ChainOf(p), Entries: b.entries, DeadLetters: b.dead})
	if err != nil {
		return err
	}
	c.crash("pipeline.committed")
	c.committed(ctx, b, receipts, c.Now().Sub(began))
	return nil
}
