package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectChains = "SELECT DISTINCT chain FROM audit_entries ORDER BY chain"
	selectChain  = `SELECT seq, at, kind, count, rows, prev, hash, first_row, last_row, first_dead, last_dead, newest
		FROM audit_entries WHERE chain = ? ORDER BY seq`
	selectCoveredLabels = `SELECT t.id, l.verdict, l.source, l.known_at, l.recorded_at
		FROM labels l LEFT JOIN transactions t ON t.seq = l.subject WHERE l.seq BETWEEN ? AND ? ORDER BY l.seq`
	selectCoveredRows    = storedColumns + "WHERE seq BETWEEN ? AND ? ORDER BY seq"
	selectCoveredDead    = "SELECT partition, position, reason FROM dead_letters WHERE seq BETWEEN ? AND ? ORDER BY seq"
	selectCoveredChanges = "SELECT removed, list, kind, expires_at, at FROM list_changes WHERE seq BETWEEN ? AND ? ORDER BY seq"
	countAll             = `SELECT (SELECT count(*) FROM transactions), (SELECT count(*) FROM labels),
		(SELECT count(*) FROM list_changes), (SELECT count(*) FROM dead_letters)`
)

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
			e, err := scanEntry(r, chain)
			if err != nil {
				return err
			}
			return fn(e)
		}, chain)
	})
}

// scanEntry reads the first columns of selectChain.
func scanEntry(r sqlitefile.Row, chain string) (audit.Entry, error) {
	e := audit.Entry{Chain: chain, Seq: r.Int(0), At: time.UnixMilli(r.Int(1)).UTC(), Kind: r.Text(2), Count: int(r.Int(3))}
	for i, hash := range []*[32]byte{&e.Rows, &e.Prev, &e.Hash} {
		if copy(hash[:], r.Blob(4+i)) != len(hash) {
			return e, fmt.Errorf("chain %q, entry %d: %w", chain, e.Seq, ledger.ErrCorrupt)
		}
	}
	return e, nil
}

// VerifyChains checks every audit chain, and that the rows which its entries cover are stored as they were, all as of
// one moment; see [ledger.VerifyChains]. The error joins all faults; it is another one only if the chains could not be
// read at all, and then there are no checks.
func (s *Store) VerifyChains(ctx context.Context) (checks []ledger.ChainCheck, err error) {
	err = s.file.Snapshot(ctx, func(c *sqlitefile.Conn) (err error) {
		checks, err = ledger.VerifyChains(ctx, chains{c})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("verify audit chains: %w", unavailable(err))
	}
	return checks, ledger.Faults(checks)
}

// chains reads them from a snapshot.
type chains struct{ conn *sqlitefile.Conn }

func (c chains) Chains(context.Context) (names []string, err error) {
	return names, readChains(c.conn, &names)
}

func (c chains) Entries(_ context.Context, chain string, fn func(*ledger.Covered, *ledger.Evidence) error) error {
	return c.conn.Query(selectChain, func(r sqlitefile.Row) error {
		e := &ledger.Covered{}
		found := ledger.NewEvidence()
		var err error
		if e.Entry, err = scanEntry(r, chain); err != nil {
			found.Fail(err)
		}
		if newest := r.Int(11); newest != noTime {
			e.Newest = time.UnixMilli(newest).UTC()
		}
		if err := c.covered(e.Kind, span{r.Int(7), r.Int(8)}, found); err != nil {
			return err
		}
		err = c.conn.Query(selectCoveredDead, func(r sqlitefile.Row) error {
			found.DeadLetter(r.Text(0), r.Text(1), r.Text(2))
			return nil
		}, r.Int(9), r.Int(10))
		if err != nil {
			return err
		}
		return fn(e, found)
	}, chain)
}

// covered reads the rows of an entry of a kind.
func (c chains) covered(kind string, rows span, found *ledger.Evidence) error {
	var sql string
	var add func(sqlitefile.Row)
	switch kind {
	case audit.Decisions:
		sql, add = selectCoveredRows, func(r sqlitefile.Row) { one := columns(r); found.Transaction(&one) }
	case audit.Labels:
		sql, add = selectCoveredLabels, func(r sqlitefile.Row) {
			found.Label(r.Text(0), uint8(r.Int(1)), uint8(r.Int(2)), moment(r, 3), moment(r, 4))
		}
	case audit.Lists:
		sql, add = selectCoveredChanges, func(r sqlitefile.Row) {
			found.ListChange(r.Int(0) != 0, payment.Lists(r.Int(1)), ledger.ListKind(r.Int(2)), moment(r, 3), moment(r, 4))
		}
	default:
		return nil
	}
	return c.conn.Query(sql, func(r sqlitefile.Row) error { add(r); return nil }, rows.first, rows.last)
}

func (c chains) All(context.Context) (all ledger.Tally, err error) {
	err = c.conn.Query(countAll, func(r sqlitefile.Row) error {
		all = ledger.Tally{Transactions: r.Int(0), Labels: r.Int(1), Changes: r.Int(2), DeadLetters: r.Int(3)}
		return nil
	})
	return all, err
}
