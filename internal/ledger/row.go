package ledger

import (
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// Flags are what a store must know of a row without decoding it. Bits; stored, so they never change.
type Flags int64

// The flags.
const (
	// Anomalous is the decision's own word for it: the windows count anomalies.
	Anomalous Flags = 1 << iota
	// Erased marks a row of an erased customer.
	Erased
	// Uncounted marks a row that was decided, or labeled, while the windows could not be reached, or that they had counted
	// for another try, until it has been restored there. An erased customer has no windows.
	Uncounted
)

// Row is an entry as a table holds it. Its slices are parts of one allocation of the batch, or the entry's own.
type Row struct {
	Flags    Flags
	Payload  []byte // package payment's wire form, without seal and MAC
	Decision []byte // AppendDecision's
	MAC      []byte // nil: NULL
	Sealed   []byte // likewise
}

// Encode makes the rows of a batch. What could never be read back is refused here.
func Encode(entries []pipeline.Entry) ([]Row, error) {
	rows := make([]Row, len(entries))
	arena := make([]byte, 0, 1<<10*len(entries))
	for i := range entries {
		t, d := &entries[i].Transaction, &entries[i].Decision
		if err := check(t, d); err != nil {
			return nil, fmt.Errorf("entry %d of %d: %w", i+1, len(entries), err)
		}
		r := &rows[i]
		open := *t
		open.MAC, open.Sealed = [32]byte{}, nil
		start := len(arena)
		arena = payment.AppendTransaction(arena, &open)
		middle := len(arena)
		arena = AppendDecision(arena, d)
		r.Payload, r.Decision = arena[start:middle:middle], arena[middle:len(arena):len(arena)]
		if d.Anomalous {
			r.Flags |= Anomalous
		}
		if t.SealState == payment.SealErased {
			r.Flags |= Erased
		} else if len(t.Sealed) > 0 {
			r.Sealed = t.Sealed
		}
		if t.MAC != [32]byte{} {
			r.MAC = t.MAC[:]
		}
		if (d.Degraded&decision.FeaturesDegraded != 0 || entries[i].Recount) && r.Flags&Erased == 0 {
			r.Flags |= Uncounted // an erased customer has no windows
		}
	}
	return rows, nil
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
	longest := max(len(d.RuleSet), len(d.Policy), len(d.Model), len(d.Shadow), len(d.Features.Plan))
	for i := range d.Reasons {
		longest = max(longest, len(d.Reasons[i].Code), len(d.Reasons[i].Rule))
	}
	if longest > maxText {
		return fmt.Errorf("decision with a text of %d bytes is too large", longest)
	}
	return nil
}

// Receipt is that of an entry which was inserted as r.
func (r *Row) Receipt(e *pipeline.Entry) pipeline.Receipt {
	return pipeline.Receipt{Stored: true, Decision: e.Decision, MAC: e.Transaction.MAC, Erased: r.Flags&Erased != 0}
}

// ReceiptOf is what is stored for an id. A nil mac is NULL.
func ReceiptOf(id string, flags Flags, decided, mac []byte) (r pipeline.Receipt, err error) {
	r.Erased = flags&Erased != 0
	if mac != nil && copy(r.MAC[:], mac) != len(r.MAC) {
		return r, fmt.Errorf("payload MAC: %w", ErrCorrupt)
	}
	r.Decision, err = DecodeDecision(id, decided)
	return r, err
}

// Audited is what the audit chain remembers of a decided transaction.
func Audited(t *payment.Transaction, d *decision.Decision) audit.Decision {
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

// Columns are a stored row as it was read. Nil stands for NULL. What is made of them keeps Sealed and copies the rest.
type Columns struct {
	Seq      int64
	ID       string
	Flags    Flags
	Payload  []byte
	Decision []byte
	MAC      []byte
	Sealed   []byte
}

// Stored decodes the row, without label and alert.
func (c *Columns) Stored() (Stored, error) {
	fault := func(err error) (Stored, error) {
		return Stored{}, fmt.Errorf("row %d: %w", c.Seq, errors.Join(ErrCorrupt, err))
	}
	t, err := payment.DecodeTransaction(c.Payload)
	if err != nil {
		return fault(err)
	}
	if t.ID != c.ID {
		return fault(errors.New("payload has another id"))
	}
	d, err := DecodeDecision(t.ID, c.Decision)
	if err != nil {
		return fault(err)
	}
	if c.MAC != nil && copy(t.MAC[:], c.MAC) != len(t.MAC) {
		return fault(errors.New("payload MAC has another length"))
	}
	t.Sealed = c.Sealed
	erased := c.Flags&Erased != 0
	if erased {
		t.SealState = payment.SealErased
	}
	return Stored{Seq: c.Seq, Transaction: t, Decision: d, Erased: erased}, nil
}

// Labeled decodes what the windows need of a row, without its label.
func Labeled(seq int64, outcome decision.Outcome, flags Flags, payload []byte) (pipeline.Labeled, error) {
	t, err := payment.DecodeTransaction(payload)
	if err != nil {
		return pipeline.Labeled{}, fmt.Errorf("row %d: %w", seq, errors.Join(ErrCorrupt, err))
	}
	return pipeline.Labeled{
		ID:        t.ID,
		At:        t.OccurredAt,
		Amount:    t.Amount.Centavos,
		Entities:  t.Entities(),
		Outcome:   outcome,
		Anomalous: flags&Anomalous != 0,
	}, nil
}
