package simulate

import (
	"encoding/json"
	"fmt"
	"time"
)

// Item is what happens next in the world: a payment attempt, or a label that becomes known.
type Item struct {
	At time.Time // when it happens; UTC, to the millisecond
	ID string    // the transaction's id, for a label too

	// Submission is the attempt as the JSON object that the shop's checkout would send;
	// nil for a label. It belongs to the receiver.
	Submission json.RawMessage
	Fraud      bool   // the truth, which no checkout knows; for reading results only
	Scenario   string // how it came about, "" for an ordinary purchase; for reading results only

	Label *Label // nil for an attempt
}

// Wait is how long a caller that plays the world in real time has to wait before
// it hands on the item; 0 when it is due.
func (i *Item) Wait(now time.Time) time.Duration { return max(0, i.At.Sub(now)) }

// Label is what became known about a transaction, in the shape that the API takes.
type Label struct {
	TransactionID string    `json:"transaction_id"`
	Verdict       Verdict   `json:"verdict"`
	Source        Source    `json:"source"`
	KnownAt       time.Time `json:"known_at"` // UTC, to the millisecond
}

// Verdict is what a label says: "fraud" or "genuine".
type Verdict string

// The verdicts.
const (
	Fraud   Verdict = "fraud"
	Genuine Verdict = "genuine"
)

// Source is who found out.
type Source string

// The sources.
const (
	Chargeback  Source = "chargeback"  // the issuer returned the card payment
	PixMED      Source = "pix_med"     // refund through the Pix special return mechanism
	Disposition Source = "disposition" // an analyst's finding
	Report      Source = "report"      // the customer or the issuer told the shop
)

func (l *Label) check() error {
	switch {
	case l.TransactionID == "":
		return fmt.Errorf("label: transaction_id is missing")
	case l.Verdict != Fraud && l.Verdict != Genuine:
		return fmt.Errorf("label: verdict is neither fraud nor genuine")
	case l.Source != Chargeback && l.Source != PixMED && l.Source != Disposition && l.Source != Report:
		return fmt.Errorf("label: source is not one of chargeback, pix_med, disposition, report")
	case l.KnownAt.IsZero():
		return fmt.Errorf("label: known_at is missing")
	}
	return nil
}
