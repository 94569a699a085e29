package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	selectWhole = `SELECT t.seq, t.id, t.flags, t.payload, t.decision, t.mac, t.sealed, t.occurred_at, t.outcome, t.customer, a.score, a.code
		FROM transactions t LEFT JOIN alerts a ON a.subject = t.seq ORDER BY t.seq`
	selectStrayAlerts = "SELECT subject FROM alerts WHERE subject NOT IN (SELECT seq FROM transactions)"
	selectVerdicts    = "SELECT l.seq, l.verdict, t.seq FROM labels l LEFT JOIN transactions t ON t.seq = l.subject ORDER BY l.seq"
	countOpenDead     = "SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL"
	selectStrayList   = `SELECT e.seq FROM list_entries e LEFT JOIN list_changes c
		ON c.seq = e.seq AND c.removed = 0 AND c.list = e.list AND c.kind = e.kind WHERE c.seq IS NULL`
)

// VerifyRows reads everything as of one moment and compares what the store holds twice: each column of a transaction
// with its decoded payload and decision, alerts with the verdicts that open them, labels and list entries with what they
// refer to, and the running totals with the rows. It calls found for each difference and returns the totals as the rows
// give them. The error is about reading alone. progress, if not nil, is told the running number of transactions.
//
// What the rows say is not compared with what was committed; that is VerifyChains' part.
func (s *Store) VerifyRows(ctx context.Context, progress func(int64), found func(*ledger.RowFault)) (counted ledger.Totals, err error) {
	err = s.file.Snapshot(ctx, func(c *sqlitefile.Conn) error {
		v := ledger.NewRowCheck(found)
		var n int64
		err := c.Query(selectWhole, func(r sqlitefile.Row) error {
			v.Transaction(wholeOf(r))
			if n++; progress != nil {
				progress(n)
			}
			return ctx.Err()
		})
		if err == nil {
			err = others(c, v)
		}
		counted = v.Counted
		return err
	})
	if err != nil {
		return counted, fmt.Errorf("verify rows: %w", unavailable(err))
	}
	return counted, nil
}

// wholeOf reads the columns of selectWhole.
func wholeOf(r sqlitefile.Row) *ledger.Whole {
	w := &ledger.Whole{
		Columns: columns(r), OccurredAt: time.UnixMilli(r.Int(7)).UTC(), Outcome: decision.Outcome(r.Int(8)), Customer: r.Blob(9),
	}
	if !r.Null(10) {
		w.Alert = &review.Alert{TransactionID: w.ID, Score: int(r.Int(10)), Code: r.Text(11)}
	}
	return w
}

// others checks the other tables.
func others(c *sqlitefile.Conn, v *ledger.RowCheck) error {
	for _, of := range []struct {
		sql string
		row func(sqlitefile.Row)
	}{
		{selectStrayAlerts, func(r sqlitefile.Row) { v.StrayAlert(r.Int(0)) }},
		{selectVerdicts, func(r sqlitefile.Row) { v.Label(r.Int(0), review.Verdict(r.Int(1)), r.Null(2)) }},
		{countOpenDead, func(r sqlitefile.Row) { v.Counted.DeadLetters = r.Int(0) }},
		{selectStrayList, func(r sqlitefile.Row) { v.StrayListEntry(r.Int(0)) }},
		{selectTotals, func(r sqlitefile.Row) { v.Totals(totalsOf(r)) }},
	} {
		if err := c.Query(of.sql, func(r sqlitefile.Row) error { of.row(r); return nil }); err != nil {
			return err
		}
	}
	return nil
}
