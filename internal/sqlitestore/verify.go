package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectChains = "SELECT DISTINCT chain FROM audit_entries ORDER BY chain"
	selectChain  = `SELECT seq, at, kind, count, rows, prev, hash, first_row, last_row, first_dead, last_dead
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
		Entry: audit.Entry{Chain: chain, Seq: r.Int(0), At: time.UnixMilli(r.Int(1)).UTC(), Kind: r.Text(2), Count: int(r.Int(3))},
		rows:  span{r.Int(7), r.Int(8)},
		dead:  span{r.Int(9), r.Int(10)},
	}
	for i, hash := range []*[32]byte{&e.Rows, &e.Prev, &e.Hash} {
		if copy(hash[:], r.Blob(4+i)) != len(hash) {
			return e, fmt.Errorf("chain %q, entry %d: %w", chain, e.Seq, errCorrupt)
		}
	}
	return e, nil
}

// VerifyChains checks every audit chain, and that the rows which its entries cover are stored as they were, all as of
// one moment. It returns the chains' heads, to compare with those that were kept elsewhere. The error is an
// *audit.Fault that names the first wrong entry. Rows that no entry covers are a fault as well, of the chain "".
func (s *Store) VerifyChains(ctx context.Context) (heads []audit.Head, err error) {
	err = s.file.Snapshot(ctx, func(c *sqlitefile.Conn) error {
		var chains []string
		if err := readChains(c, &chains); err != nil {
			return err
		}
		var total int64
		for _, chain := range chains {
			v := audit.NewVerifier(chain)
			err := c.Query(selectChain, func(r sqlitefile.Row) error {
				e, err := scanCovered(r, chain)
				if err == nil {
					err = v.Add(&e.Entry)
				}
				if err == nil {
					err = verifyRows(c, &e, &total)
				}
				if err == nil {
					err = ctx.Err()
				}
				return err
			}, chain)
			if err != nil {
				return err
			}
			heads = append(heads, v.Head())
		}
		return verifyTotal(c, total)
	})
	return heads, err
}

// verifyRows compares an entry with the rows that it covers, and adds to total the transactions among them.
func verifyRows(c *sqlitefile.Conn, e *covered, total *int64) error {
	rows := audit.NewRows()
	var err error
	switch e.Kind {
	case audit.Decisions:
		err = c.Query(selectCoveredRows, func(r sqlitefile.Row) error {
			one, err := scanStored(r)
			if err != nil {
				return err
			}
			*total++
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
	return nil
}

const countRows = "SELECT count(*) FROM transactions"

// verifyTotal finds rows that were added past the chains.
func verifyTotal(c *sqlitefile.Conn, total int64) error {
	return c.Query(countRows, func(r sqlitefile.Row) error {
		if r.Int(0) != total {
			return &audit.Fault{Err: fmt.Errorf("%d transactions stored, the chains cover %d: %w", r.Int(0), total, audit.ErrRows)}
		}
		return nil
	})
}
