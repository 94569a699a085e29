package sqlitestore

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// RowFault is something that a stored row says otherwise than the rest of the store does.
type RowFault struct {
	Table string
	Row   int64  // its seq; 0 when it is about the whole table
	ID    string // of the transaction, if it is about one
	What  string // in words, without personal data
}

func (f *RowFault) Error() string {
	switch {
	case f.ID != "":
		return fmt.Sprintf("transaction %s (row %d): %s", f.ID, f.Row, f.What)
	case f.Row != 0:
		return fmt.Sprintf("%s, row %d: %s", f.Table, f.Row, f.What)
	}
	return f.Table + ": " + f.What
}

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
func (s *Store) VerifyRows(ctx context.Context, progress func(int64), found func(*RowFault)) (counted Totals, err error) {
	err = s.file.Snapshot(ctx, func(c *sqlitefile.Conn) error {
		v := rowCheck{found: found, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{})}
		var n int64
		err := c.Query(selectWhole, func(r sqlitefile.Row) error {
			v.transaction(r)
			if n++; progress != nil {
				progress(n)
			}
			return ctx.Err()
		})
		if err == nil {
			err = v.others(c)
		}
		counted = v.counted
		return err
	})
	if err != nil {
		return counted, fmt.Errorf("verify rows: %w", unavailable(err))
	}
	return counted, nil
}

// rowCheck is VerifyRows at work.
type rowCheck struct {
	found   func(*RowFault)
	counted Totals
	seed    maphash.Seed
	seen    map[uint64]struct{} // hashes of ids: an index that lost its uniqueness is damage, too
}

// transaction checks a row of selectWhole.
func (v *rowCheck) transaction(r sqlitefile.Row) {
	fault := func(format string, args ...any) {
		v.found(&RowFault{Table: "transactions", Row: r.Int(0), ID: r.Text(1), What: fmt.Sprintf(format, args...)})
	}
	h := maphash.String(v.seed, r.Text(1))
	if _, twice := v.seen[h]; twice {
		fault("stored twice")
	}
	v.seen[h] = struct{}{}
	flags := r.Int(2)
	if flags&flagErased != 0 {
		v.counted.Erased++
	}
	if !r.Null(10) {
		v.counted.Alerts++
	}
	one, err := scanStored(r)
	if err != nil {
		v.counted.count(decision.Outcome(r.Int(8))) // as well as can be told
		fault("%v", err)
		return
	}
	t, d := &one.Transaction, &one.Decision
	v.counted.count(d.Outcome)
	if !d.Outcome.Valid() {
		fault("its decision has no valid outcome")
	}
	if got, want := r.Int(7), t.OccurredAt.UnixMilli(); got != want {
		fault("column occurred_at is %d, its payload says %d", got, want)
	}
	if got, want := r.Int(8), int64(d.Outcome); got != want {
		fault("column outcome is %d, its decision says %d", got, want)
	}
	if !bytes.Equal(r.Blob(9), t.Customer[:]) {
		fault("column customer is not the token of its payload")
	}
	if anomalous := flags&flagAnomalous != 0; anomalous != d.Anomalous {
		fault("flag anomalous is %t, its decision says %t", anomalous, d.Anomalous)
	}
	if flags&^(flagAnomalous|flagErased) != 0 {
		fault("column flags is %d, which has unknown bits", flags)
	}
	sealOf(r, t, fault)
	alertOf(r, d, fault)
}

// sealOf checks that seal and MAC are there, or are gone with the customer.
func sealOf(r sqlitefile.Row, t *payment.Transaction, fault func(string, ...any)) {
	erased := r.Int(2)&flagErased != 0
	switch {
	case erased && !(r.Null(5) && r.Null(6)):
		fault("erased, but its MAC or sealed fields are still there")
	case !erased && t.SealState == payment.SealErased:
		fault("its payload is that of an erased customer, flag erased is not set")
	case !erased && r.Null(5):
		fault("its MAC is gone, and it is not erased")
	case !erased && t.SealState == payment.Sealed && r.Null(6):
		fault("its sealed fields are gone, and it is not erased")
	}
}

// alertOf checks that there is an alert if the verdict opens one, and what it says.
func alertOf(r sqlitefile.Row, d *decision.Decision, fault func(string, ...any)) {
	wanted, there := d.Outcome >= decision.Review, !r.Null(10)
	switch {
	case wanted && !there:
		fault("its alert is missing")
	case there && !wanted:
		fault("it has an alert, its verdict opens none")
	case there && (r.Int(10) != int64(d.Score) || r.Text(11) != leading(d)):
		fault("its alert has another score or code than its decision")
	}
}

// others checks the other tables.
func (v *rowCheck) others(c *sqlitefile.Conn) error {
	err := c.Query(selectStrayAlerts, func(r sqlitefile.Row) error {
		v.counted.Alerts++
		v.found(&RowFault{Table: "alerts", Row: r.Int(0), What: "there is no such transaction"})
		return nil
	})
	if err != nil {
		return err
	}
	err = c.Query(selectVerdicts, func(r sqlitefile.Row) error {
		switch review.Verdict(r.Int(1)) {
		case review.Fraud:
			v.counted.Frauds++
		case review.Genuine:
			v.counted.Genuine++
		default:
			v.found(&RowFault{Table: "labels", Row: r.Int(0), What: "no known verdict"})
		}
		if r.Null(2) {
			v.found(&RowFault{Table: "labels", Row: r.Int(0), What: "there is no such transaction"})
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = c.Query(countOpenDead, func(r sqlitefile.Row) error { v.counted.DeadLetters = r.Int(0); return nil })
	if err != nil {
		return err
	}
	err = c.Query(selectStrayList, func(r sqlitefile.Row) error {
		v.found(&RowFault{Table: "list_entries", Row: r.Int(0), What: "no change of the lists added it"})
		return nil
	})
	if err != nil {
		return err
	}
	return v.totals(c)
}

// totals compares the running totals with the rows.
func (v *rowCheck) totals(c *sqlitefile.Conn) error {
	var stored Totals
	if err := c.Query(selectTotals, func(r sqlitefile.Row) error { stored = totalsOf(r); return nil }); err != nil {
		return err
	}
	n := &v.counted
	for _, of := range []struct {
		name            string
		stored, counted int64
	}{
		{"approve", stored.Approve, n.Approve}, {"challenge", stored.Challenge, n.Challenge},
		{"review", stored.Review, n.Review}, {"decline", stored.Decline, n.Decline},
		{"frauds", stored.Frauds, n.Frauds}, {"genuine", stored.Genuine, n.Genuine},
		{"alerts", stored.Alerts, n.Alerts}, {"dead letters", stored.DeadLetters, n.DeadLetters}, {"erased", stored.Erased, n.Erased},
	} {
		if of.stored != of.counted {
			v.found(&RowFault{Table: "totals", What: fmt.Sprintf("%s is %d, the rows are %d", of.name, of.stored, of.counted)})
		}
	}
	return nil
}

// Bound returns what the store was tied to by Bind under a name, or "" if by nothing.
func (s *Store) Bound(ctx context.Context, name string) (value string, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectBinding, func(r sqlitefile.Row) error { value = r.Text(0); return nil }, name)
	})
	if err != nil {
		return "", fmt.Errorf("read binding: %w", unavailable(err))
	}
	return value, nil
}
