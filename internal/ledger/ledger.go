// Package ledger is what every store keeps, apart from how: the stored forms of
// decisions and rows, what is refused before it is written, the running totals, and
// what whoever reads a store back gets to see. Checks that find damage are here as
// well, so that every store is checked alike: a store only reads its rows to them.
//
// # Guarantees
//
// What [Encode] takes comes back as it was from [Columns.Stored]. Encoded forms have a
// version in front and never change; other bytes than this package writes are
// [ErrCorrupt].
//
// # Limits
//
// Moments are kept to the millisecond. Nothing here opens a seal: a sealed blob is
// bytes.
package ledger

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
)

var (
	// ErrNotFound is wrapped when what was asked for by name is not stored.
	ErrNotFound = errors.New("not stored")
	// ErrStream is wrapped when a store is opened for another stream than its checkpoints belong to.
	ErrStream = errors.New("the checkpoints belong to another stream: put back the stream that this store was run with, or, if it is lost for good, start with an empty store")
	// ErrForeign is wrapped when a store belongs to something else than it is bound to.
	ErrForeign = errors.New("the store belongs to another")
	// ErrPlan is wrapped when a plan's version is stored already with other names.
	ErrPlan = errors.New("another feature plan has this version")
	// ErrRuleSet is wrapped when a rule set's version is stored already with another text.
	ErrRuleSet = errors.New("another rule file has this version")
	// ErrCorrupt is wrapped when a stored value is not what this program writes.
	ErrCorrupt = errors.New("stored value is corrupt: restore from a backup and run verify")
)

// The audit chains of what is not decided: labels, and the block and allow lists.
const (
	LabelChain = "labels"
	ListChain  = "lists"
)

// Stored is a decided transaction with what became of it.
type Stored struct {
	Seq         int64 // ascending in the order of commits, with gaps
	Transaction payment.Transaction
	Decision    decision.Decision
	Label       *review.Label // the latest one, or nil
	Alert       *review.Alert // nil if none was opened
	Erased      bool          // of an erased customer: no seal, no MAC
}

// DeadLetter is an open dead letter with its place in the list.
type DeadLetter struct {
	Seq int64
	pipeline.DeadLetter
}

// Conflict is the dead letter of an entry whose id was taken by another payload.
func Conflict(e *pipeline.Entry, at time.Time) pipeline.DeadLetter {
	return pipeline.DeadLetter{
		DeadLetterKey: pipeline.DeadLetterKey{Partition: e.Origin.Partition, Position: e.Origin.Position},
		Key:           e.Origin.Key,
		Data:          e.Origin.Data,
		Reason:        pipeline.IDConflict,
		Detail:        "the id was taken by another transaction",
		At:            at,
	}
}

// ListEntry is an identifier on the block list or the allow list.
type ListEntry struct {
	Seq       int64         // ascending in the order of adding; set by the store
	List      payment.Lists // payment.Blocked or payment.Allowed
	Kind      ListKind
	Token     payment.Token
	ExpiresAt time.Time // UTC, to the millisecond; zero: never. An expired entry stays listed until it is deleted.
	Reason    string    // in words, without personal data; at most 1 KiB
	AddedBy   string    // who added it, an id and no name; at most 1 KiB
	AddedAt   time.Time // set by the store if zero
}

// ListKind is the number of a kind of identifier, as whoever makes the tokens counts them. 0 is none.
type ListKind uint8

// Check refuses what is no entry of a list.
func (e *ListEntry) Check() error {
	if e.List != payment.Blocked && e.List != payment.Allowed || e.Kind == 0 || e.Token.IsZero() || len(e.Reason) > maxText || len(e.AddedBy) > maxText {
		return fmt.Errorf("list %d, kind %d, or token, reason or author out of range", e.List, e.Kind)
	}
	return nil
}

// CheckLabels refuses labels that say nothing.
func CheckLabels(labels []review.Label) error {
	for i := range labels {
		if v := labels[i].Verdict; v != review.Fraud && v != review.Genuine || labels[i].Source == 0 || labels[i].KnownAt.IsZero() {
			return fmt.Errorf("label %d of %d has no verdict, source or time", i+1, len(labels))
		}
	}
	return nil
}

// JoinNames is the stored form of the names of feature values: one to a line.
func JoinNames(names []string) (string, error) {
	for _, n := range names {
		if n == "" || strings.Contains(n, "\n") {
			return "", fmt.Errorf("%q is no name", n)
		}
	}
	return strings.Join(names, "\n"), nil
}

// SplitNames is the inverse of JoinNames.
func SplitNames(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// maxRuleSet bounds the text of a rule set, in bytes; package rule takes no larger file.
const maxRuleSet = 1 << 20

// CheckRuleSet refuses what is no version or no text of a rule set.
func CheckRuleSet(version string, text []byte) error {
	if version == "" || len(version) > maxText || len(text) == 0 || len(text) > maxRuleSet {
		return fmt.Errorf("version of %d bytes or rule file of %d bytes is out of range", len(version), len(text))
	}
	return nil
}

// Leading is the code of the strongest live reason, which stands first: that of the alert.
func Leading(d *decision.Decision) string {
	for i := range d.Reasons {
		if !d.Reasons[i].Shadow {
			return d.Reasons[i].Code
		}
	}
	return ""
}
