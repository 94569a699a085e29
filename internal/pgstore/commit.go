package pgstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/group"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// Rows of one transaction share a block of numbers.
const (
	blockBits = 16
	maxRows   = 1 << blockBits
)

// Commit implements pipeline.Store. Beyond that contract: if ctx ends before a connection has taken the batch, nothing of
// it is written; from then on ctx has no effect, so that a caller always learns what happened, within twice
// Options.Timeout.
func (s *Store) Commit(ctx context.Context, b pipeline.Batch) ([]pipeline.Receipt, error) {
	c, err := newChange(&b)
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	if c.small() {
		err = s.small.Do(ctx, c)
		if errors.Is(err, group.ErrClosed) {
			err = fmt.Errorf("%w: %w", pipeline.ErrUnavailable, err)
		} else if err == nil {
			err = c.err
		}
	} else {
		err = s.transact(ctx, []*change{c})
	}
	if err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return c.receipts, nil
}

// change is one batch on its way into the store.
type change struct {
	batch    *pipeline.Batch
	rows     []ledger.Row
	keys     [][]byte
	first    int // place of its first row in the block
	receipts []pipeline.Receipt
	covered  *audit.Rows
	newest   *time.Time // occurrence of the latest row that was inserted
	totals   ledger.Totals
	err      error // when it shared its transaction
}

// newChange prepares a batch on the caller's goroutine. What could never be stored is refused here.
func newChange(b *pipeline.Batch) (*change, error) {
	if b.Chain == "" {
		return nil, errors.New("batch without an audit chain")
	}
	if n := len(b.Entries) + len(b.DeadLetters); n > maxRows {
		return nil, fmt.Errorf("batch of %d records, at most %d fit", n, maxRows)
	}
	rows, err := ledger.Encode(b.Entries)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(b.Entries))
	for i := range b.Entries {
		t := &b.Entries[i].Transaction
		if y := t.OccurredAt.Year(); y < 1 || y > 9999 {
			return nil, fmt.Errorf("entry %d of %d: year out of range", i+1, len(b.Entries))
		}
		ids[i] = t.ID
	}
	return &change{batch: b, rows: rows, keys: keysOf(ids)}, nil
}

// small reports whether the change may share a transaction: it inserts a few rows and does nothing else, so that it
// cannot be refused for anything but its data.
func (c *change) small() bool {
	b := c.batch
	if len(b.Entries) > smallRows || b.Checkpoint != nil || len(b.DeadLetters) > 0 || len(b.Resolved) > 0 {
		return false
	}
	for i := range b.Entries {
		if b.Entries[i].Origin != nil {
			return false
		}
	}
	return true
}

// commitGroup is the group's: it writes the changes in one transaction, or, when it fails for what one of them asks, each
// in its own.
func (s *Store) commitGroup(changes []*change) {
	err := s.transact(context.Background(), changes)
	if err == nil {
		return
	}
	if len(changes) == 1 || errors.Is(err, pipeline.ErrUnavailable) {
		for _, c := range changes {
			c.err = err
		}
		return
	}
	for _, c := range changes {
		c.err = s.transact(context.Background(), []*change{c})
	}
}

// count adds the inserted rows to the audit hash and to the totals.
func (c *change) count() {
	c.covered, c.newest, c.totals = audit.NewRows(), nil, ledger.Totals{}
	for i := range c.receipts {
		if !c.receipts[i].Stored {
			continue
		}
		e := &c.batch.Entries[i]
		c.covered.Decision(ledger.Audited(&e.Transaction, &e.Decision))
		if at := &e.Transaction.OccurredAt; c.newest == nil || at.After(*c.newest) {
			c.newest = at
		}
		c.totals.Count(e.Decision.Outcome)
		if c.rows[i].Flags&ledger.Erased != 0 {
			c.totals.Erased++
		}
		if e.Decision.Outcome >= decision.Review {
			c.totals.Alerts++
		}
	}
}

// letters are the batch's dead letters and those that only this commit could see: records whose id was taken by another
// payload.
func (c *change) letters(now time.Time) []pipeline.DeadLetter {
	letters := c.batch.DeadLetters
	for i := range c.receipts {
		if e := &c.batch.Entries[i]; e.Origin != nil && c.receipts[i].Conflict(&e.Transaction) {
			letters = append(letters[:len(letters):len(letters)], ledger.Conflict(e, now))
		}
	}
	return letters
}
