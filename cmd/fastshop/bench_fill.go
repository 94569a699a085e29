package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/score"
)

const (
	// storedAge is how old the transactions are that --stored puts in: out of every window.
	storedAge = 60 * 24 * time.Hour
	// fillBatch is how many are committed together.
	fillBatch = 1000
)

// fillBench is how the store took in what was to be there before the clock started.
type fillBench struct {
	Transactions int     `json:"transactions"`
	PerSecond    float64 `json:"per_second"`
}

// sample decides records and keeps what comes out: transactions as large as those that are measured.
func (m *engineMeter) sample(ctx context.Context, records [][]byte) ([]pipeline.Entry, error) {
	policy := m.settings.policy()
	entries := make([]pipeline.Entry, len(records))
	for i, record := range records {
		t, err := payment.DecodeTransaction(record)
		if err != nil {
			return nil, err
		}
		r, err := m.engine.Score(ctx, &t, func(r *score.Result) bool { return policy.Asks(r) == decision.Decline })
		if err != nil {
			return nil, err
		}
		entries[i] = pipeline.Entry{Transaction: t, Decision: policy.Decide(&t, &r, decision.Versions{}, decision.Async, m.now())}
	}
	return entries, nil
}

// fill stores --stored transactions of long ago.
func (c *benchCommand) fill(ctx context.Context, servers *scratch, p *progress) (f fillBench, err error) {
	at := embeddedPlaces("", "")
	at.Store = servers.store
	err = withStore(ctx, &at, func(s books) error {
		ctx, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		var next, stored atomic.Int64
		var writers sync.WaitGroup
		start := time.Now()
		for w := range rawConnections {
			chain := fmt.Sprintf("partition/fill-%d", w)
			writers.Go(func() {
				for from := int(next.Add(fillBatch)) - fillBatch; from < c.Stored && ctx.Err() == nil; from = int(next.Add(fillBatch)) - fillBatch {
					entries := c.past(from, min(fillBatch, c.Stored-from))
					if _, err := s.Commit(ctx, pipeline.Batch{Chain: chain, Entries: entries}); err != nil {
						stop(err)
					}
					p.show("filling the store: %s of %s transactions", count(stored.Add(int64(len(entries)))), count(c.Stored))
				}
			})
		}
		writers.Wait()
		f.Transactions = int(stored.Load())
		f.PerSecond = float64(f.Transactions) / time.Since(start).Seconds()
		return context.Cause(ctx)
	})
	if err != nil {
		return f, fmt.Errorf("fill the store: %w", err)
	}
	return f, nil
}

// past makes n transactions out of the sample, with ids that ascend as they do in a shop.
func (c *benchCommand) past(from, n int) []pipeline.Entry {
	entries := make([]pipeline.Entry, n)
	began := time.Now().UTC().Add(-storedAge)
	for i := range entries {
		e := c.sampled[(from+i)%len(c.sampled)]
		e.Transaction.ID = fmt.Sprintf("stored-%012d", from+i)
		e.Transaction.OccurredAt = began.Add(time.Duration(from+i-c.Stored) * time.Millisecond)
		e.Transaction.ReceivedAt = e.Transaction.OccurredAt
		e.Decision.TransactionID, e.Decision.DecidedAt = e.Transaction.ID, e.Transaction.OccurredAt
		entries[i] = e
	}
	return entries
}

// validateFill refuses what cannot be done.
func (c *benchCommand) validateFill() error {
	if c.Stored < 0 || c.Stored > 0 && c.Store == "" {
		return withHint(errors.New("--stored is for a PostgreSQL server"), "give --store postgres://…")
	}
	return nil
}
