package pipeline

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/stream"
)

// ReplayChain is the audit chain of replayed dead letters.
const ReplayChain = "replay"

// Replayed is what became of a dead letter that was tried again.
type Replayed struct {
	DeadLetterKey
	ID      string           // of the transaction; empty if it still cannot be decoded
	Settled bool             // it is stored now, or had been all along
	Reason  DeadLetterReason // why it stays, if it is not settled
	Detail  string           // in words, without personal data
}

// ReplayDeadLetters decides and commits letters again, one by one. A letter that succeeds, or whose very transaction is
// stored already, is settled in the same commit; the others stay as they are. An error that wraps ErrUnavailable ends
// the replay; what was settled before stays settled, and a repeat is safe.
func (c *Config) ReplayDeadLetters(ctx context.Context, letters []DeadLetter) ([]Replayed, error) {
	done := make([]Replayed, 0, len(letters))
	for i := range letters {
		r, err := c.replayOne(ctx, &letters[i])
		if err != nil {
			return done, fmt.Errorf("replay dead letter %s/%s: %w", letters[i].Partition, letters[i].Position, err)
		}
		done = append(done, r)
	}
	return done, nil
}

func (c *Config) replayOne(ctx context.Context, l *DeadLetter) (Replayed, error) {
	r := Replayed{DeadLetterKey: l.DeadLetterKey}
	t, err := payment.DecodeTransaction(l.Data)
	if err != nil {
		r.Reason, r.Detail = Undecodable, err.Error()
		return r, nil
	}
	r.ID = t.ID
	known, err := c.Store.Known(ctx, []string{t.ID})
	if err != nil {
		return r, err
	}
	counted := c.losses()
	batch := Batch{Chain: ReplayChain, Resolved: []DeadLetterKey{l.DeadLetterKey}}
	if k, ok := known[t.ID]; ok {
		if k.Conflict(&t) {
			r.Reason, r.Detail = IDConflict, "the id was taken by another transaction"
			return r, nil
		}
	} else {
		e, err := c.decide(ctx, &t, decision.Async)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err != nil {
			c.retract(ctx, &t)
			r.Reason, r.Detail = Undecidable, err.Error()
			return r, nil
		}
		// The record goes along: should the id be taken by the time of the commit, it is put aside again.
		e.Origin = &stream.Record{Partition: l.Partition, Position: l.Position, Key: l.Key, Data: l.Data}
		batch.Entries = []Entry{e}
	}
	receipts, err := c.Store.Commit(ctx, batch)
	switch {
	case err != nil && (retryable(err) || ctx.Err() != nil):
		return r, err
	case err != nil:
		c.retract(ctx, &t)
		r.Reason, r.Detail = Unstorable, err.Error()
		return r, nil
	}
	c.settled(ctx, batch.Entries, receipts, counted)
	if len(receipts) > 0 && receipts[0].Conflict(&t) {
		r.Reason, r.Detail = IDConflict, "the id was taken by another transaction"
		return r, nil
	}
	r.Settled = true
	return r, nil
}
