package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/payment"
)

// Covered is an audit entry with what it says beyond its hash.
type Covered struct {
	audit.Entry
	Newest time.Time // occurrence of the latest transaction that it covers; zero if it covers none
}

// ChainCheck is what [VerifyChains] found of one chain.
type ChainCheck struct {
	audit.Head         // of the last entry that is right, to compare with one that was kept elsewhere
	Transactions int64 // that the chain's entries cover, also those behind a fault
	Fault        error // nil, or an *audit.Fault that names the first wrong entry
}

// Tally counts rows by table.
type Tally struct{ Transactions, Labels, Changes, DeadLetters int64 }

func (n Tally) String() string {
	return fmt.Sprintf("%d transactions, %d labels, %d list changes and %d dead letters", n.Transactions, n.Labels, n.Changes, n.DeadLetters)
}

func (n *Tally) add(m Tally) {
	n.Transactions += m.Transactions
	n.Labels += m.Labels
	n.Changes += m.Changes
	n.DeadLetters += m.DeadLetters
}

// Evidence is what is stored of the rows that an entry covers. The store adds them in the order of seq: those of the
// entry's kind first, then dead letters.
type Evidence struct {
	tally  Tally
	rows   *audit.Rows
	newest time.Time
	err    error // the first value that could not be read
}

// NewEvidence begins with no row.
func NewEvidence() *Evidence { return &Evidence{rows: audit.NewRows()} }

// Fail notes that a stored value could not be read: the entry, or one of its rows, is damaged.
func (v *Evidence) Fail(err error) {
	if v.err == nil {
		v.err = err
	}
}

// Transaction adds a decided transaction.
func (v *Evidence) Transaction(c *Columns) {
	v.tally.Transactions++
	one, err := c.Stored()
	if err != nil {
		v.Fail(err)
		return
	}
	if t := &one.Transaction; v.tally.Transactions == 1 || t.OccurredAt.After(v.newest) {
		v.newest = t.OccurredAt
	}
	v.rows.Decision(Audited(&one.Transaction, &one.Decision))
}

// Label adds a label. One whose transaction is gone is counted, and has no id.
func (v *Evidence) Label(id string, verdict, source uint8, knownAt, recordedAt time.Time) {
	v.tally.Labels++
	v.rows.Label(id, verdict, source, knownAt, recordedAt)
}

// ListChange adds a change of the block and allow lists.
func (v *Evidence) ListChange(removed bool, list payment.Lists, kind ListKind, expiresAt, at time.Time) {
	v.tally.Changes++
	v.rows.ListChange(removed, list, uint8(kind), expiresAt, at)
}

// DeadLetter adds a record that was put aside.
func (v *Evidence) DeadLetter(partition, position, reason string) {
	v.tally.DeadLetters++
	v.rows.DeadLetter(partition, position, reason)
}

// against compares the evidence with the entry.
func (v *Evidence) against(e *Covered) error {
	switch {
	case v.err != nil:
		return v.err
	case v.rows.Count() != e.Count || v.rows.Sum() != e.Rows:
		return audit.ErrRows
	case !v.newest.Equal(e.Newest): // no part of the hash, but it decides where a rebuild of the windows begins
		return fmt.Errorf("its newest transaction is not the newest of its rows: %w", audit.ErrRows)
	}
	return nil
}

// Chains reads audit chains and what they cover, all as of one moment. Errors are about reading alone.
type Chains interface {
	// Chains names the chains, sorted.
	Chains(ctx context.Context) ([]string, error)
	// Entries calls fn for every entry of a chain, oldest first, with what is stored of its rows, until fn returns an
	// error.
	Entries(ctx context.Context, chain string, fn func(*Covered, *Evidence) error) error
	// All counts all rows, by table.
	All(ctx context.Context) (Tally, error)
}

// VerifyChains checks every audit chain, and that the rows which its entries cover are stored as they were. A fault ends
// the check of its chain alone. Rows that no entry covers are a fault as well, of one more chain, "". The error is about
// reading alone: see [Faults].
func VerifyChains(ctx context.Context, r Chains) (checks []ChainCheck, err error) {
	chains, err := r.Chains(ctx)
	if err != nil {
		return nil, err
	}
	var covered Tally
	for _, chain := range chains {
		check, err := verifyChain(ctx, r, chain, &covered)
		if err != nil {
			return nil, err
		}
		checks = append(checks, check)
	}
	all, err := r.All(ctx)
	if err != nil {
		return nil, err
	}
	if all != covered {
		fault := fmt.Errorf("stored are %v, the chains cover %v: %w", all, covered, audit.ErrRows)
		checks = append(checks, ChainCheck{Fault: &audit.Fault{Err: fault}})
	}
	return checks, nil
}

// Faults joins the faults of all checks.
func Faults(checks []ChainCheck) error {
	var faults []error
	for i := range checks {
		faults = append(faults, checks[i].Fault)
	}
	return errors.Join(faults...)
}

// verifyChain goes over one chain to its end, also past a fault: what the entries cover is counted all the same.
func verifyChain(ctx context.Context, r Chains, chain string, covered *Tally) (ChainCheck, error) {
	v := audit.NewVerifier(chain)
	check := ChainCheck{}
	err := r.Entries(ctx, chain, func(e *Covered, found *Evidence) error {
		if check.Fault == nil {
			check.Fault = verifyEntry(v, e, found)
		}
		covered.add(found.tally)
		check.Transactions += found.tally.Transactions
		return ctx.Err()
	})
	check.Head = v.Head()
	return check, err
}

// verifyEntry checks the entry, then its rows. The error is nil or an *audit.Fault.
func verifyEntry(v *audit.Verifier, e *Covered, found *Evidence) error {
	if err := v.Add(&e.Entry); err != nil {
		if found.err == nil {
			return err
		}
		return &audit.Fault{Chain: e.Chain, Seq: e.Seq, Err: found.err} // it says more
	}
	if err := found.against(e); err != nil {
		return &audit.Fault{Chain: e.Chain, Seq: e.Seq, Err: err}
	}
	return nil
}
