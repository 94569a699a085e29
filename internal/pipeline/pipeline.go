// Package pipeline carries records from the stream to the store: read, decide,
// commit, and then forget, in that order.
//
// # What is guaranteed
//
// A record that was appended is decided and stored exactly once, or is put aside
// as a dead letter with its reason, whatever happens in between. Records are read
// at least once; what makes the effect happen once is the store: decision, alert,
// audit entry and checkpoint are one transaction, and an id is inserted only if it
// is absent. Windows are rebuilt from the store at start, so nothing that was
// counted without being stored outlives the process.
//
// # Errors
//
// An error that may pass ([ErrUnavailable]) is retried for as long as it lasts,
// with growing pauses, without reading further. Any other error is about the batch:
// it is halved until the record that causes it stands alone, and that one is put
// aside. A fenced commit stops the worker: somebody else owns the partition.
//
// # The two paths
//
// [Worker] serves the stream and [Decider] a caller who waits. Both use the same
// engine and the same store, and the first verdict for an id counts on both.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/telemetry"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Source is the stream, as the pipeline reads it.
//
// Read returns at once with at most max records after a position, in order, and an empty slice when there are none.
// Wait returns when there may be records after the position, or with ctx's error. Neither changes the stream; both
// may be called at once. An error may pass unless it wraps stream.ErrPosition, stream.ErrTrimmed or stream.ErrClosed.
type Source interface {
	ID() string
	Partitions(ctx context.Context) ([]stream.Partition, error)
	Read(ctx context.Context, p stream.Partition, after stream.Position, limit int) ([]stream.Record, error)
	Wait(ctx context.Context, p stream.Partition, after stream.Position) error
}

// Windows is what the pipeline asks of velocity beside what the engine does.
//
// Retract takes back what was counted for events that will never be stored; Settle corrects the outcome of an event
// that turned out to have been decided before. Both change nothing for ids that were not counted.
type Windows interface {
	Settle(ctx context.Context, settled []velocity.Settlement) error
	Retract(ctx context.Context, events []velocity.Event) error
	Label(ctx context.Context, labels []velocity.Label) error
}

// Config is what both paths are made of.
type Config struct {
	Engine  *score.Engine
	Policy  decision.Policy
	Windows Windows
	Store   Store
	Now     func() time.Time
	Log     *slog.Logger
	Metrics *telemetry.Metrics // nil counts nothing
	// Healer looks after Windows if they outlive the process; nil for those that do not.
	Healer *Healer
	// Decided is told of every decision that was stored, after the commit; nil tells nobody. It must not block.
	Decided func(Entry)
	// Chain is the audit chain of the synchronous path; SyncChain if empty. Commits on one chain wait for each other, so
	// processes that share a store have several between them.
	Chain string
	// Crash is told the name of every point where a test may end the process; nil in production.
	Crash func(point string)
}

func (c *Config) crash(point string) {
	if c.Crash != nil {
		c.Crash(point)
	}
}

// decide judges t and makes the record of it, without storing anything. It contains a panic of the engine: one
// transaction must not stop the others.
func (c *Config) decide(ctx context.Context, t *payment.Transaction, path decision.Path) (Entry, error) {
	return c.decideIn(ctx, c.Engine.Windows, t, path)
}

// decideIn is decide with the windows of a batch.
func (c *Config) decideIn(ctx context.Context, w score.Windows, t *payment.Transaction, path decision.Path) (e Entry, err error) {
	defer func() {
		if p := recover(); p != nil {
			// The panic's value may quote the transaction; its type says enough to find the place.
			err = fmt.Errorf("decide: panic of type %T", p)
		}
	}()
	result, err := c.Engine.ScoreIn(ctx, w, t, func(r *score.Result) bool { return c.Policy.Asks(r) == decision.Decline })
	if err != nil {
		return Entry{}, err
	}
	if c.Policy.Asks(&result) != decision.Approve {
		c.Engine.Ground(t, &result)
	}
	for _, i := range result.Failed {
		c.Metrics.RuleFailed(c.Engine.Rules.Rules()[i].ID)
	}
	return Entry{
		Transaction: *t, Decision: c.Policy.Decide(t, &result, c.versions(), path, c.Now()),
		Recount: result.Repeated && c.Healer != nil,
	}, nil
}

func (c *Config) versions() decision.Versions {
	plan, _ := c.Engine.Plan()
	v := decision.Versions{RuleSet: c.Engine.Rules.Version(), Plan: plan}
	if c.Engine.Model != nil {
		v.Model = c.Engine.Model.Version()
	}
	if c.Engine.Shadow != nil {
		v.Shadow = c.Engine.Shadow.Version()
	}
	return v
}

// losses is how often windows were found to have lost something; see Healer.
func (c *Config) losses() uint64 {
	if c.Healer == nil {
		return 0
	}
	return c.Healer.Losses()
}

// settled corrects the windows for entries whose id had been decided before, and tells who wants to know of the rest.
// counted is what losses was before the entries were counted.
func (c *Config) settled(ctx context.Context, entries []Entry, receipts []Receipt, counted uint64) {
	if c.losses() != counted {
		c.Healer.Again()
	}
	for i, r := range receipts {
		t := &entries[i].Transaction
		if r.Conflict(t) && entries[i].Origin != nil {
			c.Metrics.DeadLettered(string(IDConflict))
		}
		if r.Stored {
			c.Metrics.Decided(entries[i].Decision.Outcome.String(), entries[i].Decision.Path.String(), entries[i].Decision.Took)
			if c.Decided != nil {
				c.Decided(entries[i])
			}
			continue
		}
		if r.Erased || r.Conflict(t) {
			// The windows hold the id once, and which of two conflicting bodies they counted depends on who came
			// first; the stored one is what a rebuild would count.
			continue
		}
		err := c.Windows.Settle(ctx, []velocity.Settlement{{
			ID: t.ID, At: t.OccurredAt, Entities: t.Entities(),
			Declined: r.Decision.Outcome == decision.Decline, Anomalous: r.Decision.Anomalous,
		}})
		if err != nil {
			c.Log.WarnContext(ctx, "windows not settled; a restart rebuilds them", slog.Any("error", err))
		}
	}
}

// retract takes back what the windows counted for t.
func (c *Config) retract(ctx context.Context, t *payment.Transaction) {
	if err := c.Windows.Retract(ctx, []velocity.Event{velocity.EventOf(t)}); err != nil {
		c.Log.WarnContext(ctx, "windows not retracted; a restart rebuilds them", slog.Any("error", err))
	}
}

// retryable reports whether the same call may succeed later.
func retryable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, stream.ErrUnavailable)
}

// pause grows from 10 ms to 5 s with the number of tries.
func pause(ctx context.Context, try int) error {
	wait := min(10*time.Millisecond<<min(try, 9), 5*time.Second)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
