// Package review is what people and issuers find out after the decision: labels
// (chargebacks, Pix MED refunds, dispositions) and the alerts that analysts work.
package review

import "time"

// Verdict is what a label says. The zero value is invalid.
type Verdict uint8

// The verdicts.
const (
	Fraud Verdict = iota + 1
	Genuine
)

// String is fraud, genuine, or "" for an invalid verdict.
func (v Verdict) String() string {
	switch v {
	case Fraud:
		return "fraud"
	case Genuine:
		return "genuine"
	}
	return ""
}

// Source is who found out. The zero value is invalid.
type Source uint8

// The sources.
const (
	Chargeback  Source = iota + 1 // the issuer returned the card payment
	PixMED                        // refund through the Pix special return mechanism (MED_FRAUDE)
	Disposition                   // an analyst's finding
	Report                        // the customer or the issuer told the shop
	Benchmark                     // a labeled file
)

var sourceNames = [...]string{"", "chargeback", "pix_med", "disposition", "report", "benchmark"}

// String is the source's word in the API, or "" for an invalid source.
func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return ""
}

// ParseVerdict is the inverse of String. ok is false for any other text.
func ParseVerdict(text string) (v Verdict, ok bool) {
	for _, v := range [...]Verdict{Fraud, Genuine} {
		if v.String() == text {
			return v, true
		}
	}
	return 0, false
}

// ParseSource is the inverse of String. ok is false for any other text.
func ParseSource(text string) (s Source, ok bool) {
	for s := Chargeback; s <= Benchmark; s++ {
		if s.String() == text {
			return s, true
		}
	}
	return 0, false
}

// Label is what became known about a transaction.
type Label struct {
	TransactionID string
	Verdict       Verdict
	Source        Source
	KnownAt       time.Time // UTC, to the millisecond; the label has no effect before
	RecordedAt    time.Time // when it was stored; set by the program
}

// Alert asks an analyst to look at a transaction. One is opened for every outcome of review and decline.
type Alert struct {
	TransactionID string
	Score         int
	Code          string // the strongest reason
	OpenedAt      time.Time
}
