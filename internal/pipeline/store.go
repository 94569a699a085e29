package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/stream"
)

// Store is the one point of truth, as the pipeline needs it.
//
// Consistency: calls are linearizable; a read that starts after a commit returned sees it. Durability: what Commit
// returned survives SIGKILL and power loss. Retries: the store retries nothing; an error that wraps [ErrUnavailable]
// may be retried as it is, and a retry of a commit whose fate is unknown is safe because ids are unique. Any other
// error is about the batch itself: retrying the same batch fails again, a part of it may succeed. Concurrency: all
// methods may be called at once.
type Store interface {
	// Commit writes the batch in one transaction: all of it or nothing. It returns one receipt per entry, in order.
	Commit(ctx context.Context, b Batch) ([]Receipt, error)
	// Known returns the receipts of those ids that are stored already (Stored false), by id.
	Known(ctx context.Context, ids []string) (map[string]Receipt, error)
	// Checkpoint returns the last checkpoint of a partition and whether there is one.
	Checkpoint(ctx context.Context, p stream.Partition) (Checkpoint, bool, error)
	// Label stores labels of stored transactions, with one audit entry, and returns for each the transaction that it
	// is about (nil: no such transaction, nothing was stored for it). The same label again changes nothing.
	Label(ctx context.Context, labels []review.Label) ([]*Labeled, error)
	// Replay calls fn for every stored transaction that occurred at since or later, in the order of commits, with its
	// outcome and label, until fn returns an error. It passes over those of erased customers, which have no windows. It
	// does not block commits.
	Replay(ctx context.Context, since time.Time, fn func(Labeled) error) error
}

var (
	// ErrUnavailable is wrapped by errors that may go away by themselves: the store is down, busy, or out of reach.
	ErrUnavailable = errors.New("store unavailable")
	// ErrFenced is returned by a commit whose checkpoint belongs to a lease that is no longer held, or does not follow
	// the stored one: another worker owns the partition, nothing was written.
	ErrFenced = errors.New("checkpoint fenced")
)

// Entry is one decided transaction.
type Entry struct {
	Transaction payment.Transaction
	Decision    decision.Decision
	// Origin is the record that the entry was read from, nil on the synchronous path. When the commit finds the id
	// taken by another payload, it puts the record aside as an [IDConflict] in the same transaction: only the commit
	// can see a conflict with something that was stored a moment before.
	Origin *stream.Record
	// Recount has the windows told of the entry again after the commit: it was counted already, by another try, whoever
	// carries that may be taking it back. The store keeps it as one of its Uncounted.
	Recount bool
}

// Batch is what one commit writes.
type Batch struct {
	// Chain is the audit chain that gets one entry for this batch: "partition/0" …, or "sync".
	Chain string
	// Entries are inserted if their id is absent. An alert is opened for each inserted entry that asks for one.
	Entries []Entry
	// DeadLetters are records that could not be decided.
	DeadLetters []DeadLetter
	// Checkpoint, if not nil, moves the partition's checkpoint in the same transaction.
	Checkpoint *Checkpoint
	// Resolved are the dead letters that this batch settles (a replay).
	Resolved []DeadLetterKey
}

// Checkpoint is how far a partition of a stream has been handled.
type Checkpoint struct {
	Stream    string // the id of the stream; a stored one that differs is ErrFenced
	Partition stream.Partition
	After     stream.Position // the checkpoint that this one follows; must equal the stored one, or ErrFenced
	Position  stream.Position // the last record that was handled
	Records   int64           // how many records of the partition have been handled, in all
}

// Receipt is what became of an entry, or what is stored for an id.
type Receipt struct {
	// Stored is true when this commit inserted the entry. Otherwise the rest tells what was there.
	Stored bool
	// Decision is the verdict that counts: the entry's own, or the stored one.
	Decision decision.Decision
	// MAC is the payload MAC that counts; zero once the customer is erased.
	MAC [32]byte
	// Erased is true when the stored transaction belongs to an erased customer: its replay answers 410.
	Erased bool
}

// Conflict reports whether t is another transaction under an id that was taken.
func (r Receipt) Conflict(t *payment.Transaction) bool {
	return !r.Stored && !r.Erased && r.MAC != t.MAC
}

// DeadLetterReason says why a record was put aside.
type DeadLetterReason string

// The reasons.
const (
	Undecodable DeadLetterReason = "undecodable" // not a transaction in any known version
	IDConflict  DeadLetterReason = "id_conflict" // the id was taken by another transaction
	Undecidable DeadLetterReason = "undecidable" // the engine failed on it every time
	Unstorable  DeadLetterReason = "unstorable"  // the store refused it every time
	Trimmed     DeadLetterReason = "trimmed"     // not a record but a gap: the stream let go of what came after it unread
)

// DeadLetterKey names a dead letter by the place of its record.
type DeadLetterKey struct {
	Partition stream.Partition
	Position  stream.Position
}

// DeadLetter is a record that was put aside, with all that a replay needs.
type DeadLetter struct {
	DeadLetterKey
	Key    []byte
	Data   []byte // sealed, as it stood in the stream
	Reason DeadLetterReason
	Detail string // the error in words, without personal data
	At     time.Time
}

// Labeled is a stored transaction as the windows need it.
type Labeled struct {
	ID        string
	At        time.Time
	Amount    int64
	Entities  payment.Entities
	Outcome   decision.Outcome
	Anomalous bool
	Label     *review.Label // the latest one, or nil
}
