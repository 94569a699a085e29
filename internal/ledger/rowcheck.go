package ledger

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// RowFault is something that a stored row says otherwise than the rest of the store does.
type RowFault struct {
	Table string
	Row   int64  // its seq; 0 when it is about the whole table
	ID    string // of the transaction, if it is about one
	What  string // in words, without personal data
}

// Error implements error.
func (f *RowFault) Error() string {
	switch {
	case f.ID != "":
		return fmt.Sprintf("transaction %s (row %d): %s", f.ID, f.Row, f.What)
	case f.Row != 0:
		return fmt.Sprintf("%s, row %d: %s", f.Table, f.Row, f.What)
	}
	return f.Table + ": " + f.What
}

// Whole is a stored transaction with all that a store holds twice.
type Whole struct {
	Columns
	OccurredAt time.Time
	Outcome    decision.Outcome
	Customer   []byte
	Hidden     bool          // whoever reads may not see Sealed: nothing is said about it
	Alert      *review.Alert // as it is stored; nil if there is none
}

// RowCheck compares what a store holds twice. The store reads all of its rows to it, as of one moment, and then calls
// Totals. Make one with [NewRowCheck].
type RowCheck struct {
	// Counted are the totals as the rows give them.
	Counted Totals

	found func(*RowFault)
	seed  maphash.Seed
	seen  map[uint64]struct{} // hashes of ids: an index that lost its uniqueness is damage, too
}

// NewRowCheck begins a check that calls found for each difference.
func NewRowCheck(found func(*RowFault)) *RowCheck {
	return &RowCheck{found: found, seed: maphash.MakeSeed(), seen: make(map[uint64]struct{})}
}

// Fault tells of something that the store itself found.
func (v *RowCheck) Fault(table string, row int64, what string) {
	v.found(&RowFault{Table: table, Row: row, What: what})
}

// Transaction checks a row, and counts it.
func (v *RowCheck) Transaction(w *Whole) {
	fault := func(format string, args ...any) {
		v.found(&RowFault{Table: "transactions", Row: w.Seq, ID: w.ID, What: fmt.Sprintf(format, args...)})
	}
	h := maphash.String(v.seed, w.ID)
	if _, twice := v.seen[h]; twice {
		fault("stored twice")
	}
	v.seen[h] = struct{}{}
	if w.Flags&Erased != 0 {
		v.Counted.Erased++
	}
	if w.Alert != nil {
		v.Counted.Alerts++
	}
	one, err := w.Stored()
	if err != nil {
		v.Counted.Count(w.Outcome) // as well as can be told
		fault("%v", err)
		return
	}
	v.Counted.Count(one.Decision.Outcome)
	w.compare(&one.Transaction, &one.Decision, fault)
	w.sealOf(&one.Transaction, fault)
	w.alertOf(&one.Decision, fault)
}

// compare compares the columns with what is decoded.
func (w *Whole) compare(t *payment.Transaction, d *decision.Decision, fault func(string, ...any)) {
	if !d.Outcome.Valid() {
		fault("its decision has no valid outcome")
	}
	if got, want := w.OccurredAt.UnixMilli(), t.OccurredAt.UnixMilli(); got != want {
		fault("column occurred_at is %d, its payload says %d", got, want)
	}
	if w.Outcome != d.Outcome {
		fault("column outcome is %d, its decision says %d", w.Outcome, d.Outcome)
	}
	if !bytes.Equal(w.Customer, t.Customer[:]) {
		fault("column customer is not the token of its payload")
	}
	if anomalous := w.Flags&Anomalous != 0; anomalous != d.Anomalous {
		fault("flag anomalous is %t, its decision says %t", anomalous, d.Anomalous)
	}
	if w.Flags&(Uncounted|Erased) == Uncounted|Erased {
		fault("flag uncounted is set, and there is nothing to count")
	}
	if w.Flags&^(Anomalous|Erased|Uncounted) != 0 {
		fault("column flags is %d, which has unknown bits", w.Flags)
	}
}

// sealOf checks that seal and MAC are there, or are gone with the customer.
func (w *Whole) sealOf(t *payment.Transaction, fault func(string, ...any)) {
	erased := w.Flags&Erased != 0
	switch {
	case erased && !(w.MAC == nil && w.Sealed == nil):
		fault("erased, but its MAC or sealed fields are still there")
	case !erased && t.SealState == payment.SealErased:
		fault("its payload is that of an erased customer, flag erased is not set")
	case !erased && w.MAC == nil:
		fault("its MAC is gone, and it is not erased")
	case !erased && t.SealState == payment.Sealed && w.Sealed == nil && !w.Hidden:
		fault("its sealed fields are gone, and it is not erased")
	}
}

// alertOf checks that there is an alert if the verdict opens one, and what it says.
func (w *Whole) alertOf(d *decision.Decision, fault func(string, ...any)) {
	wanted, there := d.Outcome >= decision.Review, w.Alert != nil
	switch {
	case wanted && !there:
		fault("its alert is missing")
	case there && !wanted:
		fault("it has an alert, its verdict opens none")
	case there && (w.Alert.Score != d.Score || w.Alert.Code != Leading(d)):
		fault("its alert has another score or code than its decision")
	}
}

// StrayAlert counts an alert about no stored transaction.
func (v *RowCheck) StrayAlert(row int64) {
	v.Counted.Alerts++
	v.Fault("alerts", row, "there is no such transaction")
}

// Label checks a label, and counts it; stray says that it is about no stored transaction.
func (v *RowCheck) Label(row int64, verdict review.Verdict, stray bool) {
	switch verdict {
	case review.Fraud:
		v.Counted.Frauds++
	case review.Genuine:
		v.Counted.Genuine++
	default:
		v.Fault("labels", row, "no known verdict")
	}
	if stray {
		v.Fault("labels", row, "there is no such transaction")
	}
}

// StrayListEntry tells of an entry that no change of the lists added.
func (v *RowCheck) StrayListEntry(row int64) {
	v.Fault("list_entries", row, "no change of the lists added it")
}

// Totals compares the running totals with the rows.
func (v *RowCheck) Totals(stored Totals) {
	counted := v.Counted.Values()
	for i, n := range stored.Values() {
		if n != counted[i] {
			v.Fault("totals", 0, fmt.Sprintf("%s is %d, the rows are %d", totalNames[i], n, counted[i]))
		}
	}
}
