// Package decision turns a score into an outcome and is the record of it: what was
// decided, why, by which version of what, from which numbers.
package decision

import (
	"time"
)

// Outcome is the verdict on a transaction. The zero value is invalid: nothing is approved by accident.
type Outcome uint8

// The outcomes, from the mildest to the hardest, in the order of their stored numbers.
const (
	Invalid   Outcome = iota
	Approve           // let it through
	Challenge         // ask the customer for another proof (3-D Secure, a code)
	Review            // hold it for an analyst
	Decline           // refuse it
)

// Path is how a transaction reached the engine.
type Path uint8

// The paths.
const (
	Async Path = iota + 1 // through the stream
	Sync                  // decided in the request
)

// Degraded is a set of things that were missing when the decision was made. Bits; stored, so they never change.
type Degraded uint32

// What can be missing.
const (
	FeaturesDegraded Degraded = 1 << iota // windows could not be read; rules saw missing values
	RuleFailed                            // at least one rule failed at run time and was skipped
	WindowsSaturated                      // a distinct count was at its bound
	LateEvent                             // occurred long before its entities' newest event; parts of the past were gone
	PersonalDropped                       // personal fields were dropped at ingest (emergency stop)
	ModelGone                             // the learned model could not judge; the rules alone did
)

// Reason is one ground of a decision.
type Reason struct {
	Code   string // the rule's reason code, such as "CARD_TESTING"
	Rule   string // the rule's id
	Points int    // 0 to 1000
	Shadow bool   // recorded only
}

// Decision is the durable verdict on one transaction. It holds tokens and numbers only.
type Decision struct {
	TransactionID string
	Outcome       Outcome
	Score         int      // 0 (nothing speaks for fraud) to 1000
	Reasons       []Reason // strongest first; live before shadow
	RuleSet       string   // version of the rules: name and checksum
	Policy        string   // version of the thresholds
	Model         string   // version of the learned model; empty while there is none
	Shadow        string   // version of the model that judged beside it without effect; empty if none did, or if it was not noted yet
	Features      Features // what the engine saw
	Degraded      Degraded
	Anomalous     bool // the amount was far from the customer's own past
	Path          Path
	DecidedAt     time.Time     // UTC, to the millisecond
	Took          time.Duration // of the engine for this transaction
}

// Features are the values that the engine saw, in the order of a plan. The plan's
// names are stored once per version, not with every decision.
type Features struct {
	Plan   string // version of the list of names
	Values []float64
}
