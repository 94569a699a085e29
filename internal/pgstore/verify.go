package pgstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore/query"
)

// snapshot runs read as of one moment, however long it takes.
func (s *Store) snapshot(ctx context.Context, read func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(t pgx.Tx) error {
		if _, err := t.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		if _, err := t.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		return read(t)
	})
	return unavailable(ctx, err)
}

// Chains names the audit chains, sorted.
func (s *Store) Chains(ctx context.Context) ([]string, error) {
	names, err := bounded(ctx, s, s.query.Chains)
	if err != nil {
		return nil, fmt.Errorf("read audit chains: %w", err)
	}
	return names, nil
}

// pageEntries is how many audit entries are read at a time.
const pageEntries = 256

// AuditEntries calls fn for every entry of a chain, oldest first, until fn returns an error. What is added meanwhile may
// be among them or not.
func (s *Store) AuditEntries(ctx context.Context, chain string, fn func(audit.Entry) error) error {
	for after := int64(0); ; {
		page, err := bounded(ctx, s, func(ctx context.Context) ([]query.AuditEntry, error) {
			return s.query.EntriesAfter(ctx, query.EntriesAfterParams{Chain: chain, After: after, Most: pageEntries})
		})
		if err != nil {
			return fmt.Errorf("read audit entries: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		for i := range page {
			e, err := entryOf(&page[i])
			if err != nil {
				return err
			}
			if err := fn(e); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
}

// entryOf is an audit entry as it was read.
func entryOf(r *query.AuditEntry) (audit.Entry, error) {
	e := audit.Entry{Chain: r.Chain, Seq: r.Seq, At: r.At.UTC(), Kind: r.Kind, Count: int(r.Count)}
	for _, h := range []struct {
		into *[32]byte
		from []byte
	}{{&e.Rows, r.Rows}, {&e.Prev, r.Prev}, {&e.Hash, r.Hash}} {
		if len(h.from) != len(h.into) {
			return e, fmt.Errorf("chain %q, entry %d: %w", e.Chain, e.Seq, ledger.ErrCorrupt)
		}
		copy(h.into[:], h.from)
	}
	return e, nil
}

// VerifyChains checks every audit chain, that the rows which its entries cover are stored as they were, and that its last
// entry is the head that the next one would follow, all as of one moment; see [ledger.VerifyChains]. The error joins all
// faults; it is another one only if the chains could not be read at all, and then there are no checks.
func (s *Store) VerifyChains(ctx context.Context) (checks []ledger.ChainCheck, err error) {
	err = s.snapshot(ctx, func(t pgx.Tx) (err error) {
		c := chains{Queries: query.New(t), tx: t}
		if checks, err = ledger.VerifyChains(ctx, c); err != nil {
			return err
		}
		checks, err = c.heads(ctx, checks)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify audit chains: %w", err)
	}
	return checks, ledger.Faults(checks)
}

// chains reads them from a snapshot.
type chains struct {
	*query.Queries
	tx pgx.Tx
}

// heads compares the heads that are kept beside the chains. One of a chain that is gone is a check of its own.
func (c chains) heads(ctx context.Context, checks []ledger.ChainCheck) ([]ledger.ChainCheck, error) {
	heads, err := c.Heads(ctx)
	if err != nil {
		return nil, err
	}
	kept := make(map[string]query.HeadsRow, len(heads))
	for _, h := range heads {
		kept[h.Chain] = h
	}
	for i := range checks {
		c := &checks[i]
		h, ok := kept[c.Chain]
		delete(kept, c.Chain)
		if c.Fault == nil && (!ok || h.Seq != c.Seq || string(h.Hash) != string(c.Hash[:])) {
			c.Fault = &audit.Fault{Chain: c.Chain, Seq: h.Seq, Err: audit.ErrHead}
		}
	}
	for _, h := range heads {
		if _, gone := kept[h.Chain]; gone {
			checks = append(checks, ledger.ChainCheck{Head: audit.Head{Chain: h.Chain}, Fault: &audit.Fault{Chain: h.Chain, Seq: h.Seq, Err: audit.ErrHead}})
		}
	}
	return checks, nil
}

// Entries implements ledger.Chains.
func (c chains) Entries(ctx context.Context, chain string, fn func(*ledger.Covered, *ledger.Evidence) error) error {
	for after := int64(0); ; {
		page, err := c.EntriesAfter(ctx, query.EntriesAfterParams{Chain: chain, After: after, Most: pageEntries})
		if err != nil || len(page) == 0 {
			return err
		}
		found, err := c.evidence(ctx, page)
		if err != nil {
			return err
		}
		for i := range page {
			e := &ledger.Covered{Newest: moment(page[i].Newest)}
			if e.Entry, err = entryOf(&page[i]); err != nil {
				found[i].Fail(err)
			}
			if err := fn(e, found[i]); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
}

// All implements ledger.Chains.
func (c chains) All(ctx context.Context) (ledger.Tally, error) {
	n, err := c.CountAll(ctx)
	return ledger.Tally(n), err
}

// coveredRows are the transactions of many entries in one answer. The rows of one entry come in order.
const coveredRows = `SELECT e.n, t.seq, t.key, t.flags, t.payload, t.decision, t.mac
	FROM unnest($1::int4[], $2::int8[], $3::int8[]) AS e (n, first, last) CROSS JOIN LATERAL (
		SELECT seq, key, flags, payload, decision, mac FROM transactions WHERE seq BETWEEN e.first AND e.last ORDER BY seq) AS t`

// evidence reads the rows of a page of entries.
func (c chains) evidence(ctx context.Context, page []query.AuditEntry) ([]*ledger.Evidence, error) {
	found := make([]*ledger.Evidence, len(page))
	var ns []int32
	var first, last []int64
	for i := range page {
		found[i] = ledger.NewEvidence()
		if e := &page[i]; e.Kind == audit.Decisions && e.FirstRow <= e.LastRow {
			ns, first, last = append(ns, int32(i)), append(first, e.FirstRow), append(last, e.LastRow)
		}
	}
	rows, err := c.tx.Query(ctx, coveredRows, ns, first, last)
	if err != nil {
		return nil, err
	}
	var n int32
	var key []byte
	var one ledger.Columns
	_, err = pgx.ForEachRow(rows, []any{&n, &one.Seq, &key, &one.Flags, &one.Payload, &one.Decision, &one.MAC}, func() (err error) {
		if one.ID, err = idOf(key); err != nil {
			found[n].Fail(err)
		}
		found[n].Transaction(&one)
		return nil
	})
	for i := 0; err == nil && i < len(page); i++ {
		err = c.others(ctx, &page[i], found[i])
	}
	return found, err
}

// others reads what is no transaction.
func (c chains) others(ctx context.Context, e *query.AuditEntry, found *ledger.Evidence) error {
	var err error
	switch {
	case e.FirstRow > e.LastRow:
	case e.Kind == audit.Labels:
		var rows []query.CoveredLabelsRow
		rows, err = c.CoveredLabels(ctx, query.CoveredLabelsParams{First: e.FirstRow, Last: e.LastRow})
		for _, r := range rows {
			id, bad := idOf(r.Key)
			if bad != nil {
				found.Fail(bad)
			}
			found.Label(id, uint8(r.Verdict), uint8(r.Source), r.KnownAt, r.RecordedAt)
		}
	case e.Kind == audit.Lists:
		var rows []query.CoveredChangesRow
		rows, err = c.CoveredChanges(ctx, query.CoveredChangesParams{First: e.FirstRow, Last: e.LastRow})
		for _, r := range rows {
			found.ListChange(r.Removed, payment.Lists(r.List), ledger.ListKind(r.Kind), moment(r.ExpiresAt), r.At)
		}
	}
	if err != nil || e.FirstDead > e.LastDead {
		return err
	}
	letters, err := c.CoveredDeadLetters(ctx, query.CoveredDeadLettersParams{First: e.FirstDead, Last: e.LastDead})
	for _, l := range letters {
		found.DeadLetter(l.Partition, l.Position, l.Reason)
	}
	return err
}
