package sqlitestore

import (
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// Inserts of several rows at once: fewer calls, until binding costs more than it saves.
const (
	insertRow  = "INSERT INTO transactions (seq, id, occurred_at, outcome, flags, customer, payload, decision, mac, sealed) VALUES "
	oneRow     = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	fourRows   = oneRow + ", " + oneRow + ", " + oneRow + ", " + oneRow
	rowColumns = 10
	ifAbsent   = " ON CONFLICT (id) DO NOTHING"

	insertOne     = insertRow + oneRow + ifAbsent
	insertMany    = insertRow + fourRows + ", " + fourRows + ifAbsent
	rowsPerInsert = 8

	selectSpan = "SELECT seq FROM transactions WHERE seq BETWEEN ? AND ?"
)

// insert inserts the entries whose id is absent, entry i as seq t.row+1+i, and fills the receipts.
func (c *commit) insert(t *tx) error {
	n := len(c.rows)
	first := t.row + 1
	c.receipts = make([]pipeline.Receipt, n)
	args := make([]any, 0, rowsPerInsert*rowColumns)
	var inserted int64
	for at := 0; at < n; {
		sql, end := insertOne, at+1
		if n-at >= rowsPerInsert {
			sql, end = insertMany, at+rowsPerInsert
		}
		args = args[:0]
		for ; at < end; at++ {
			args = c.args(args, at, first+int64(at))
		}
		changed, err := t.exec(sql, args...)
		if err != nil {
			return fmt.Errorf("insert transactions: %w", err)
		}
		inserted += changed
	}
	t.row += int64(n)
	if inserted == int64(n) {
		for i := range c.receipts {
			c.stored(i)
		}
		return nil
	}
	return c.findStored(t, first)
}

func (c *commit) args(args []any, i int, seq int64) []any {
	e, r := &c.batch.Entries[i], &c.rows[i]
	return append(args, seq, e.Transaction.ID, e.Transaction.OccurredAt.UnixMilli(), int64(e.Decision.Outcome), int64(r.Flags),
		e.Transaction.Customer[:], r.Payload, r.Decision, r.MAC, r.Sealed)
}

// stored fills the receipt of an entry that was inserted, and lets readers ask for it.
func (c *commit) stored(i int) {
	e := &c.batch.Entries[i]
	c.receipts[i] = c.rows[i].Receipt(e)
	c.ids.add(e.Transaction.ID)
}

// findStored tells the inserted entries from those whose id was taken, and looks up what is stored for these.
func (c *commit) findStored(t *tx, first int64) error {
	err := t.conn.Query(selectSpan, func(r sqlitefile.Row) error {
		c.stored(int(r.Int(0) - first))
		return nil
	}, first, t.row)
	if err != nil {
		return fmt.Errorf("look for inserted transactions: %w", err)
	}
	for i := range c.receipts {
		if c.receipts[i].Stored {
			continue
		}
		id := c.batch.Entries[i].Transaction.ID
		found, err := findReceipt(t.conn, id, &c.receipts[i])
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("insert transactions: a row was neither stored nor there: %w", ledger.ErrCorrupt)
		}
	}
	return nil
}

const selectReceipt = "SELECT flags, decision, mac FROM transactions WHERE id = ?"

// findReceipt fills what is stored for an id.
func findReceipt(conn *sqlitefile.Conn, id string, receipt *pipeline.Receipt) (found bool, err error) {
	err = conn.Query(selectReceipt, func(r sqlitefile.Row) (err error) {
		found = true
		*receipt, err = ledger.ReceiptOf(id, ledger.Flags(r.Int(0)), r.Blob(1), r.Blob(2))
		return err
	}, id)
	if err != nil {
		return false, fmt.Errorf("look up a stored transaction: %w", err)
	}
	return found, nil
}

// moment is the inverse of millis: the zero time for NULL.
func moment(r sqlitefile.Row, i int) time.Time {
	if r.Null(i) {
		return time.Time{}
	}
	return time.UnixMilli(r.Int(i)).UTC()
}

func totalsOf(r sqlitefile.Row) ledger.Totals {
	var v [9]int64
	for i := range v {
		v[i] = r.Int(i)
	}
	return ledger.TotalsOf(v)
}
