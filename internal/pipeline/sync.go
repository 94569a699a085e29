package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Decider judges transactions for a caller who waits. It is safe for concurrent use.
type Decider struct {
	Config
}

// NewDecider makes a decider.
func NewDecider(c Config) *Decider { return &Decider{c} }

var (
	// ErrConflict is returned when the id belongs to another transaction.
	ErrConflict = errors.New("id taken by another transaction")
	// ErrErased is returned when the id belongs to a customer whose data were erased.
	ErrErased = errors.New("transaction of an erased customer")
)

// Decide judges t, commits the decision and returns the verdict that counts: the stored one if the id was decided
// before, on either path. When it returns a decision, that decision is durable. An error is never an approval: it
// wraps ErrConflict, ErrErased, ErrUnavailable, or ctx's error (the decision may then have been stored all the same,
// and asking again tells).
func (d *Decider) Decide(ctx context.Context, t payment.Transaction) (decision.Decision, error) {
	known, err := d.Store.Known(ctx, []string{t.ID})
	if err != nil {
		return decision.Decision{}, fmt.Errorf("look up id: %w", err)
	}
	if k, ok := known[t.ID]; ok {
		return verdict(k, &t)
	}
	counted := d.losses()
	decided, err := d.decide(ctx, &t, decision.Sync)
	if err != nil {
		if !errors.Is(err, velocity.ErrEvent) { // which no window can hold
			d.undo(&t, true) // it may have been counted before the caller gave up, and by another try before
		}
		return decision.Decision{}, err
	}
	d.crash("sync.decided")
	entries := []Entry{decided}
	began := d.Now()
	receipts, err := d.Store.Commit(ctx, Batch{Chain: d.chain(), Entries: entries})
	if err != nil {
		d.undo(&t, decided.Recount)
		return decision.Decision{}, fmt.Errorf("commit decision: %w", err)
	}
	d.Metrics.Committed(1, d.Now().Sub(began))
	d.crash("sync.committed")
	d.settled(ctx, entries, receipts, counted)
	return verdict(receipts[0], &t)
}

func (d *Decider) chain() string {
	if d.Chain != "" {
		return d.Chain
	}
	return SyncChain
}

// undo takes t out of the windows after a commit that failed, unless it was stored all the same; see Healer.Doubt.
func (d *Decider) undo(t *payment.Transaction, repeated bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if !score.Counts(t) {
		return
	}
	if d.Healer != nil {
		d.Healer.Doubt(ctx, velocity.EventOf(t), repeated)
		return
	}
	if stored, err := d.has(ctx, t.ID); err != nil || stored {
		return
	}
	d.retract(ctx, t)
}

// has tells whether an id is stored.
func (d *Decider) has(ctx context.Context, id string) (bool, error) {
	known, err := d.Store.Known(ctx, []string{id})
	_, stored := known[id]
	return stored, err
}

func verdict(r Receipt, t *payment.Transaction) (decision.Decision, error) {
	switch {
	case r.Erased && !r.Stored:
		return decision.Decision{}, ErrErased
	case r.Conflict(t):
		return decision.Decision{}, ErrConflict
	}
	return r.Decision, nil
}
