package backtest

import (
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/payment"
)

// Table is what each payment of a history looked like when it had to be judged, and what became of it, in time order.
// A payment takes 4 bytes a feature and 13 more.
type Table struct {
	gbdt.Frame
	At    []int64 // seconds since 1970
	Card  []int32 // who paid, numbered from 0
	Fraud []bool
	cards map[payment.Token]int32
}

// NewTable makes an empty table of some features.
func NewTable(features []string) *Table {
	return &Table{Frame: gbdt.Frame{Names: features, Columns: make([][]float32, len(features))}, cards: map[payment.Token]int32{}}
}

// Add appends a payment with its features.
func (t *Table) Add(c Case, row []float64) {
	for j, v := range row {
		t.Columns[j] = append(t.Columns[j], toFloat32(v))
	}
	card, ok := t.cards[c.Transaction.Customer]
	if !ok {
		card = int32(len(t.cards))
		t.cards[c.Transaction.Customer] = card
	}
	t.At = append(t.At, c.Transaction.OccurredAt.Unix())
	t.Card = append(t.Card, card)
	t.Fraud = append(t.Fraud, c.Fraud)
}

// between are the rows with from ≤ time < until, as a range.
func (t *Table) between(from, until time.Time) (first, end int) {
	return lowerBound(t.At, from.Unix()), lowerBound(t.At, until.Unix())
}

// part is the rows first to end as a frame of its own that shares the columns.
func (t *Table) part(first, end int) *gbdt.Frame {
	f := &gbdt.Frame{Names: t.Names, Columns: make([][]float32, len(t.Columns))}
	for j, column := range t.Columns {
		f.Columns[j] = column[first:end:end]
	}
	return f
}
