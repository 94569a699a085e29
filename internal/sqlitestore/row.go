package sqlitestore

import (
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// Bits of transactions.flags.
const (
	flagAnomalous = 1 << iota
	flagErased
)

// row is an entry as the table holds it.
type row struct {
	flags    int64
	payload  []byte
	decision []byte
	mac      []byte // nil: NULL
	sealed   []byte // likewise
}

// encode prepares the rows on the caller's goroutine, so that the writer only writes. What could never be read back is
// refused here.
func (c *commit) encode() error {
	entries := c.batch.Entries
	c.rows = make([]row, len(entries))
	arena := make([]byte, 0, 640*len(entries))
	for i := range entries {
		t, d := &entries[i].Transaction, &entries[i].Decision
		if err := check(t, d); err != nil {
			return fmt.Errorf("entry %d of %d: %w", i+1, len(entries), err)
		}
		r := &c.rows[i]
		open := *t
		open.MAC, open.Sealed = [32]byte{}, nil
		start := len(arena)
		arena = payment.AppendTransaction(arena, &open)
		middle := len(arena)
		arena = appendDecision(arena, d)
		r.payload, r.decision = arena[start:middle:middle], arena[middle:len(arena):len(arena)]
		if d.Anomalous {
			r.flags |= flagAnomalous
		}
		if t.SealState == payment.SealErased {
			r.flags |= flagErased
		} else if len(t.Sealed) > 0 {
			r.sealed = t.Sealed
		}
		if t.MAC != [32]byte{} {
			r.mac = t.MAC[:]
		}
	}
	return nil
}

// check refuses what the store could not give back.
func check(t *payment.Transaction, d *decision.Decision) error {
	switch {
	case !payment.ValidID(t.ID):
		return fmt.Errorf("transaction id: %w", payment.ErrCodec)
	case len(t.Sealed) > payment.MaxSealed:
		return fmt.Errorf("sealed fields of %d bytes: %w", len(t.Sealed), payment.ErrCodec)
	case !d.Outcome.Valid():
		return fmt.Errorf("outcome %d is no verdict", d.Outcome)
	case len(d.Reasons) > maxReasons || len(d.Features.Values) > maxFeatures:
		return fmt.Errorf("decision with %d reasons and %d features is too large", len(d.Reasons), len(d.Features.Values))
	}
	longest := max(len(d.RuleSet), len(d.Policy), len(d.Model), len(d.Features.Plan))
	for i := range d.Reasons {
		longest = max(longest, len(d.Reasons[i].Code), len(d.Reasons[i].Rule))
	}
	if longest > maxText {
		return fmt.Errorf("decision with a text of %d bytes is too large", longest)
	}
	return nil
}

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
	return append(args, seq, e.Transaction.ID, e.Transaction.OccurredAt.UnixMilli(), int64(e.Decision.Outcome), r.flags,
		e.Transaction.Customer[:], r.payload, r.decision, r.mac, r.sealed)
}

// stored fills the receipt of an entry that was inserted, and lets readers ask for it.
func (c *commit) stored(i int) {
	e := &c.batch.Entries[i]
	c.receipts[i] = pipeline.Receipt{Stored: true, Decision: e.Decision, MAC: e.Transaction.MAC, Erased: c.rows[i].flags&flagErased != 0}
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
			return fmt.Errorf("insert transactions: a row was neither stored nor there: %w", errCorrupt)
		}
	}
	return nil
}

const selectReceipt = "SELECT flags, decision, mac FROM transactions WHERE id = ?"

// findReceipt fills what is stored for an id.
func findReceipt(conn *sqlitefile.Conn, id string, receipt *pipeline.Receipt) (found bool, err error) {
	err = conn.Query(selectReceipt, func(r sqlitefile.Row) (err error) {
		found = true
		receipt.Erased = r.Int(0)&flagErased != 0
		if mac := r.Blob(2); mac != nil && copy(receipt.MAC[:], mac) != len(receipt.MAC) {
			return fmt.Errorf("payload MAC: %w", errCorrupt)
		}
		receipt.Decision, err = decodeDecision(id, r.Blob(1))
		return err
	}, id)
	if err != nil {
		return false, fmt.Errorf("look up a stored transaction: %w", err)
	}
	return found, nil
}

// audited is what the audit chain remembers of a decided transaction.
func audited(t *payment.Transaction, d *decision.Decision) audit.Decision {
	return audit.Decision{
		ID:         t.ID,
		OccurredAt: t.OccurredAt,
		Centavos:   t.Amount.Centavos,
		Method:     t.Method,
		Outcome:    uint8(d.Outcome),
		Score:      d.Score,
		RuleSet:    d.RuleSet,
	}
}

// moment is the inverse of millis: the zero time for NULL.
func moment(r sqlitefile.Row, i int) time.Time {
	if r.Null(i) {
		return time.Time{}
	}
	return time.UnixMilli(r.Int(i)).UTC()
}

// Totals are running counts of what the store holds.
type Totals struct {
	Approve, Challenge, Review, Decline int64 // transactions by outcome
	Frauds, Genuine                     int64 // labels by verdict
	Alerts                              int64 // ever opened
	DeadLetters                         int64 // open ones
	Erased                              int64 // transactions of erased customers
}

// Transactions is how many are stored.
func (n *Totals) Transactions() int64 { return n.Approve + n.Challenge + n.Review + n.Decline }

func (n *Totals) count(o decision.Outcome) {
	switch o {
	case decision.Approve:
		n.Approve++
	case decision.Challenge:
		n.Challenge++
	case decision.Review:
		n.Review++
	case decision.Decline:
		n.Decline++
	}
}

func totalsOf(r sqlitefile.Row) Totals {
	return Totals{
		Approve: r.Int(0), Challenge: r.Int(1), Review: r.Int(2), Decline: r.Int(3), Frauds: r.Int(4),
		Genuine: r.Int(5), Alerts: r.Int(6), DeadLetters: r.Int(7), Erased: r.Int(8),
	}
}
