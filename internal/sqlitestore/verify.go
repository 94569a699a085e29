package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectChains = "SELECT DISTINCT chain FROM audit_entries ORDER BY chain"
	selectChain  = `SELECT seq, at, kind, count, rows, prev, hash, first_row, last_row, first_dead, last_dead, newest
		FROM audit_entries WHERE chain = ? ORDER BY seq`
	selectCoveredLabels = `SELECT t.id, l.verdict, l.source, l.known_at, l.recorded_at
		FROM labels l JOIN transactions t ON t.seq = l.subject WHERE l.seq BETWEEN ? AND ? ORDER BY l.seq`
	selectCoveredRows    = storedColumns + "WHERE seq BETWEEN ? AND ? ORDER BY seq"
	selectCoveredDead    = "SELECT partition, position, reason FROM dead_letters WHERE seq BETWEEN ? AND ? ORDER BY seq"
	selectCoveredChanges = "SELECT removed, list, kind, expires_at, at FROM list_changes WHERE seq BETWEEN ? AND ? ORDER BY seq"
)

// covered is an audit entry with the ranges of rows that it covers.
type covered struct {
	audit.Entry
	rows, dead span
	newest     int64 // latest time of the transactions, or noTime
}

// Chains names the audit chains, sorted.
func (s *Store) Chains(ctx context.Context) (chains []string, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error { return readChains(c, &chains) })
	if err != nil {
		return nil, fmt.Errorf("read audit chains: %w", unavailable(err))
	}
	return chains, nil
}

func readChains(c *sqlitefile.Conn, chains *[]string) error {
	return c.Query(selectChains, func(r sqlitefile.Row) error {
		*chains = append(*chains, r.Text(0))
		return nil
	})
}

// AuditEntries calls fn for every entry of a chain, oldest first, until fn returns an error. fn must be quick: the
// write-ahead log grows meanwhile.
func (s *Store) AuditEntries(ctx context.Context, chain string, fn func(audit.Entry) error) error {
	return s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectChain, func(r sqlitefile.Row) error {
			e, err := scanCovered(r, chain)
			if err != nil {
				return err
			}
			return fn(e.Entry)
		}, chain)
	})
}

// scanCovered reads the columns of selectChain.
func scanCovered(r sqlitefile.Row, chain string) (covered, error) {
	e := covered{
		Entry:  audit.Entry{Chain: chain, Seq: r.Int(0), At: time.UnixMilli(r.Int(1)).UTC(), Kind: r.Text(2), Count: int(r.Int(3))},
		rows:   span{r.Int(7), r.Int(8)},
		dead:   span{r.Int(9), r.Int(10)},
		newest: r.Int(11),
	}
	for i, hash := range []*[32]byte{&e.Rows, &e.Prev, &e.Hash} {
		if copy(hash[:], r.Blob(4+i)) != len(hash) {
			return e, fmt.Errorf("chain %q, entry %d: %w", chain, e.Seq, errCorrupt)
		}
	}
	return e, nil
}

// ChainCheck is what VerifyChains found of one chain.
type ChainCheck struct {
	audit.Head         // of the last entry that is right, to compare with one that was kept elsewhere
	Transactions int64 // that the chain's entries cover, also those behind a fault
	Fault        error // nil, or an *audit.Fault that names the first wrong entry
}

// VerifyChains checks every audit chain, and that the rows which its entries cover are stored as they were, all as of
// one moment. A fault ends the check of its chain alone. Rows that no entry covers are a fault as well, of one more
// chain, "". The error joins all faults; it is another one only if the chains could not be read at all, and then there
// are no checks.
func (s *Store) VerifyChains(ctx context.Context) (checks []ChainCheck, err error) {
	err = s.file.Snapshot(ctx, func(c *sqlitefile.Conn) error {
		var chains []string
		if err := readChains(c, &chains); err != nil {
			return err
		}
		var total tally
		for _, chain := range chains {
			check, err := verifyChain(ctx, c, chain, &total)
			if err != nil {
				return err
			}
			checks = append(checks, check)
		}
		uncovered, err := total.compare(c)
		if uncovered != nil {
			checks = append(checks, ChainCheck{Fault: uncovered})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify audit chains: %w", unavailable(err))
	}
	var faults []error
	for i := range checks {
		faults = append(faults, checks[i].Fault)
	}
	return checks, errors.Join(faults...)
}

// verifyChain goes over one chain to its end, also past a fault: what the entries cover is counted all the same.
func verifyChain(ctx context.Context, c *sqlitefile.Conn, chain string, total *tally) (ChainCheck, error) {
	v := audit.NewVerifier(chain)
	check := ChainCheck{}
	err := c.Query(selectChain, func(r sqlitefile.Row) error {
		e, err := scanCovered(r, chain)
		if err == nil && check.Fault == nil {
			err = v.Add(&e.Entry)
		}
		if err == nil && check.Fault == nil {
			err = verifyCovered(c, &e)
		}
		if err != nil && check.Fault == nil {
			check.Fault = faultOf(&e, err)
		}
		n, err := total.add(c, &e)
		check.Transactions += n
		return errors.Join(err, ctx.Err())
	}, chain)
	check.Head = v.Head()
	return check, err
}

// faultOf names the entry, if err does not.
func faultOf(e *covered, err error) error {
	var fault *audit.Fault
	if errors.As(err, &fault) {
		return err
	}
	return &audit.Fault{Chain: e.Chain, Seq: e.Seq, Err: err}
}

// verifyCovered compares an entry with the rows that it covers.
func verifyCovered(c *sqlitefile.Conn, e *covered) error {
	rows := audit.NewRows()
	newest := int64(noTime)
	var err error
	switch e.Kind {
	case audit.Decisions:
		err = c.Query(selectCoveredRows, func(r sqlitefile.Row) error {
			one, err := scanStored(r)
			if err != nil {
				return err
			}
			newest = max(newest, one.Transaction.OccurredAt.UnixMilli())
			rows.Decision(audited(&one.Transaction, &one.Decision))
			return nil
		}, e.rows.first, e.rows.last)
	case audit.Labels:
		err = c.Query(selectCoveredLabels, func(r sqlitefile.Row) error {
			rows.Label(r.Text(0), uint8(r.Int(1)), uint8(r.Int(2)), moment(r, 3), moment(r, 4))
			return nil
		}, e.rows.first, e.rows.last)
	case audit.Lists:
		err = c.Query(selectCoveredChanges, func(r sqlitefile.Row) error {
			rows.ListChange(r.Int(0) != 0, payment.Lists(r.Int(1)), uint8(r.Int(2)), moment(r, 3), moment(r, 4))
			return nil
		}, e.rows.first, e.rows.last)
	}
	if err == nil {
		err = c.Query(selectCoveredDead, func(r sqlitefile.Row) error {
			rows.DeadLetter(r.Text(0), r.Text(1), r.Text(2))
			return nil
		}, e.dead.first, e.dead.last)
	}
	if err != nil {
		return err
	}
	if rows.Count() != e.Count || rows.Sum() != e.Rows {
		return &audit.Fault{Chain: e.Chain, Seq: e.Seq, Err: audit.ErrRows}
	}
	if newest != e.newest { // no part of the hash, but it decides where a rebuild of the windows begins
		return &audit.Fault{Chain: e.Chain, Seq: e.Seq, Err: fmt.Errorf("its newest transaction is not the newest of its rows: %w", audit.ErrRows)}
	}
	return nil
}

// tally counts the rows that entries cover, by table.
type tally struct{ transactions, labels, changes, dead int64 }

const (
	countCoveredRows    = "SELECT count(*) FROM transactions WHERE seq BETWEEN ? AND ?"
	countCoveredLabels  = "SELECT count(*) FROM labels WHERE seq BETWEEN ? AND ?"
	countCoveredChanges = "SELECT count(*) FROM list_changes WHERE seq BETWEEN ? AND ?"
	countCoveredDead    = "SELECT count(*) FROM dead_letters WHERE seq BETWEEN ? AND ?"
	countAll            = `SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM labels),
		(SELECT count(*) FROM list_changes), (SELECT count(*) FROM dead_letters)`
)

// add counts what an entry covers, and returns how many transactions that are.
func (n *tally) add(c *sqlitefile.Conn, e *covered) (transactions int64, err error) {
	count := func(sql string, in span, into *int64) {
		if err == nil && in.first <= in.last {
			err = c.Query(sql, func(r sqlitefile.Row) error { *into += r.Int(0); return nil }, in.first, in.last)
		}
	}
	switch e.Kind {
	case audit.Decisions:
		count(countCoveredRows, e.rows, &transactions)
		n.transactions += transactions
	case audit.Labels:
		count(countCoveredLabels, e.rows, &n.labels)
	case audit.Lists:
		count(countCoveredChanges, e.rows, &n.changes)
	}
	count(countCoveredDead, e.dead, &n.dead)
	return transactions, err
}

// compare finds rows that were added past the chains, or that an entry covered which is gone.
func (n *tally) compare(c *sqlitefile.Conn) (fault, err error) {
	var all tally
	err = c.Query(countAll, func(r sqlitefile.Row) error {
		all = tally{r.Int(0), r.Int(1), r.Int(2), r.Int(3)}
		return nil
	})
	if err == nil && all != *n {
		fault = &audit.Fault{Err: fmt.Errorf("stored are %v, the chains cover %v: %w", all, *n, audit.ErrRows)}
	}
	return fault, err
}

func (n tally) String() string {
	return fmt.Sprintf("%d transactions, %d labels, %d list changes and %d dead letters", n.transactions, n.labels, n.changes, n.dead)
}
