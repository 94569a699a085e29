package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/velocity"
)

// work is a batch on its way from decide to commit.
type work struct {
	entries []Entry
	ordinal []int64 // of each entry's record in the batch, from 1
	dead    []DeadLetter
	before  int64 // records of the batch that are committed already
	records int64
	last    stream.Position
	counted uint64 // losses of the windows before they counted the batch
	idle    bool   // nothing came, and there is nothing to commit
}

// halves splits b between two of its entries, so that a checkpoint between the halves skips nothing. All dead letters
// go with the first half: those from behind its position are merely early, and putting the same record aside again
// changes nothing, while one from before it would be lost if the process ended between the halves.
func (b work) halves() (first, second work) {
	middle := len(b.entries) / 2
	first, second = b, b
	first.entries, second.entries = b.entries[:middle], b.entries[middle:]
	first.ordinal, second.ordinal = b.ordinal[:middle], b.ordinal[middle:]
	first.last = first.entries[middle-1].Origin.Position
	first.records = first.ordinal[middle-1] - b.before
	second.before = b.before + first.records
	second.records = b.records - first.records
	second.dead = nil
	return first, second
}

// decoded is a record that is a transaction.
type decoded struct {
	payment.Transaction
	origin  *stream.Record
	ordinal int64
}

// decideAll turns records into entries and dead letters. It leaves out what the store has already, and repeats.
func (c *Config) decideAll(ctx context.Context, records []stream.Record) (work, error) {
	b := work{records: int64(len(records)), last: records[len(records)-1].Position}
	fresh, err := c.fresh(ctx, records, &b)
	if err != nil {
		return work{}, err
	}
	b.counted = c.losses()
	windows, end := c.begin(ctx, fresh)
	first := make(map[string]int, len(fresh)) // index into entries, by id
	b.entries = make([]Entry, 0, len(fresh))
	for i := range fresh {
		t := &fresh[i].Transaction
		if j, ok := first[t.ID]; ok {
			if b.entries[j].Transaction.MAC != t.MAC {
				b.dead = append(b.dead, c.letter(fresh[i].origin, IDConflict, nil))
			}
			continue
		}
		e, err := c.decideIn(ctx, windows, t, decision.Async)
		if ctx.Err() != nil {
			return work{}, ctx.Err()
		}
		if err != nil {
			b.dead = append(b.dead, c.letter(fresh[i].origin, Undecidable, err))
			c.retract(ctx, t)
			continue
		}
		first[t.ID] = len(b.entries)
		e.Origin = fresh[i].origin
		b.entries = append(b.entries, e)
		b.ordinal = append(b.ordinal, fresh[i].ordinal)
	}
	if err := end(ctx); err != nil {
		c.Log.WarnContext(ctx, "windows not told of declines; they will be counted from the store", slog.Any("error", err))
		for i := range b.entries {
			d := &b.entries[i].Decision
			if d.Outcome == decision.Decline || d.Anomalous {
				d.Degraded |= decision.FeaturesDegraded
			}
		}
	}
	return b, ctx.Err()
}

// fresh decodes records and returns those whose id the store does not have. The others that matter become dead letters.
func (c *Config) fresh(ctx context.Context, records []stream.Record, b *work) ([]decoded, error) {
	all := make([]decoded, 0, len(records))
	ids := make([]string, 0, len(records))
	for i := range records {
		t, err := payment.DecodeTransaction(records[i].Data)
		if err != nil {
			b.dead = append(b.dead, c.letter(&records[i], Undecodable, err))
			continue
		}
		all = append(all, decoded{t, &records[i], int64(i) + 1})
		ids = append(ids, t.ID)
	}
	known, err := c.Store.Known(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up ids: %w", err)
	}
	if len(known) == 0 {
		return all, nil
	}
	fresh := all[:0]
	for i := range all {
		k, ok := known[all[i].ID]
		switch {
		case !ok:
			fresh = append(fresh, all[i])
		case k.Conflict(&all[i].Transaction):
			b.dead = append(b.dead, c.letter(all[i].origin, IDConflict, nil))
		}
	}
	return fresh, nil
}

// begin returns the windows for a batch and what to call at its end. Windows that cannot be reached are replaced by
// some that say so for each transaction, so that the batch asks once and not a thousand times.
func (c *Config) begin(ctx context.Context, batch []decoded) (score.Windows, func(context.Context) error) {
	nothing := func(context.Context) error { return nil }
	batcher, ok := c.Windows.(Batcher)
	if !ok || len(batch) == 0 {
		return c.Engine.Windows, nothing
	}
	events := make([]velocity.Event, 0, len(batch))
	seen := make(map[string]bool, len(batch))
	for i := range batch {
		if t := &batch[i].Transaction; score.Counts(t) && !seen[t.ID] {
			seen[t.ID] = true
			events = append(events, velocity.EventOf(t))
		}
	}
	session, err := batcher.Begin(ctx, events)
	switch {
	case err == nil:
		return session, session.End
	case errors.Is(err, velocity.ErrEvent):
		return c.Engine.Windows, nothing // one by one, to find out which
	}
	c.Metrics.Retried("windows")
	c.Log.WarnContext(ctx, "windows out of reach, deciding without them", slog.Any("error", err))
	return unreachable{err}, nothing
}

// unreachable stands for windows that did not answer.
type unreachable struct{ err error }

func (u unreachable) Observe(context.Context, []velocity.Event) ([]velocity.Reading, error) {
	return nil, u.err
}

func (u unreachable) Settle(context.Context, []velocity.Settlement) error { return u.err }

// letter puts a record aside.
func (c *Config) letter(r *stream.Record, reason DeadLetterReason, cause error) DeadLetter {
	detail := "the id was taken by another transaction"
	if cause != nil {
		detail = cause.Error()
	}
	return DeadLetter{
		DeadLetterKey: DeadLetterKey{r.Partition, r.Position},
		Key:           r.Key, Data: r.Data, Reason: reason, Detail: detail, At: c.Now(),
	}
}
