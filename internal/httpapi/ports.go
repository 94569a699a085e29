package httpapi

import (
	"context"
	"errors"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// What a port may answer instead of a result. Any other error is answered 500 and logged, but for the context's own
// (504). Errors hold no personal data.
var (
	ErrConflict    = errors.New("id taken by another transaction")         // 409
	ErrErased      = errors.New("transaction of an erased customer")       // 410
	ErrNotFound    = errors.New("not stored")                              // 404
	ErrUnavailable = errors.New("a part that is needed is out of reach")   // 503, may be tried again
	ErrOverloaded  = errors.New("no room for more work")                   // 503, may be tried again
	ErrIdentifier  = errors.New("value is no identifier of the said kind") // 422
)

// Intake seals submissions; *ingest.Intake is one.
//
// All methods may be called at once. They retry nothing: ErrUnavailable and ErrOverloaded mean that none of the
// submissions was taken or that the client may send them all again, which changes nothing for those that were.
type Intake interface {
	// Accept appends the submissions to the stream and returns one acceptance for each, in order. What it calls
	// accepted survives SIGKILL and power loss. A conflict or an erased customer is an acceptance's status, not an error.
	Accept(ctx context.Context, submissions []*ingest.Submission) ([]ingest.Acceptance, error)
	// Seal only seals: nothing is stored but the keys of new customers.
	Seal(ctx context.Context, submissions []*ingest.Submission) ([]payment.Transaction, error)
}

// Decider judges transactions for a caller who waits.
type Decider interface {
	// Decide judges, commits, and returns the verdict that counts: the first one for the id, on whatever path. When it
	// returns one, it is durable. It may return ErrConflict, ErrErased, ErrUnavailable, ErrOverloaded or ctx's error;
	// after the last the decision may have been stored all the same, and asking again tells. It may be called at once.
	Decide(ctx context.Context, t payment.Transaction) (decision.Decision, error)
}

// Record is a stored transaction as far as the API shows it: no token, no identifier but its own.
type Record struct {
	Decision   decision.Decision
	OccurredAt time.Time
	ReceivedAt time.Time
	Label      *review.Label // the latest that is known, or nil
}

// Decisions reads what is stored.
type Decisions interface {
	// Decision returns the record of an id. A read that starts after a commit returned sees it. It may return
	// ErrNotFound or ErrUnavailable. Erasing a customer leaves the record, which says nothing about the person.
	Decision(ctx context.Context, id string) (Record, error)
}

// Explanations says why stored decisions were made.
type Explanations interface {
	// Explanation explains the decision of an id from what was stored with it, and changes nothing. A call that starts
	// after a commit returned sees it. It may return ErrNotFound or ErrUnavailable, and may be called at once. Erasing a
	// customer changes nothing about it: it says nothing about the person.
	Explanation(ctx context.Context, id string) (explanation.Explanation, error)
}

// Labels stores what became known later.
type Labels interface {
	// Label stores the labels and tells for each whether its transaction is stored; what is not, is not kept. All of it
	// is durable on return. The same label again changes nothing. It may return ErrUnavailable, and then all of them
	// may be sent again.
	Label(ctx context.Context, labels []review.Label) (stored []bool, err error)
}

// ListEntry is an identifier on a block or allow list, known by its token only.
type ListEntry struct {
	Seq       int64         // counts up from 1 in the order of adding; set by the store
	List      payment.Lists // payment.Blocked or payment.Allowed
	Kind      string        // one of ListKinds
	Token     payment.Token // under the lists' own key, so that it joins with no transaction
	Reason    string        // a code such as "confirmed_fraud", or empty
	AddedBy   string        // the id of the API key
	AddedAt   time.Time     // UTC, to the millisecond
	ExpiresAt time.Time     // UTC, to the millisecond; the entry has no effect from then on
}

// Lists keeps the block and allow lists.
//
// A change is durable on return and holds for transactions that come in after it. All methods may be called at once
// and may return ErrUnavailable; every one may be tried again.
type Lists interface {
	// Put adds an entry, or replaces expiry, reason and author of the one with the same list, kind and token. It
	// returns the stored entry and whether it is new.
	Put(ctx context.Context, e ListEntry) (ListEntry, bool, error)
	// Remove takes an entry off a list and reports whether it was there.
	Remove(ctx context.Context, list payment.Lists, kind string, token payment.Token) (bool, error)
	// Entries returns at most limit entries that have not expired and whose Seq is above after, in the order of Seq.
	Entries(ctx context.Context, list payment.Lists, after int64, limit int) ([]ListEntry, error)
}

// ListVault turns a clear identifier into its token on the lists.
type ListVault interface {
	// ListToken normalizes value as ingest does and returns its token, or ErrIdentifier if it is not valid for the
	// kind, or ErrUnavailable. The value goes nowhere else.
	ListToken(ctx context.Context, kind, value string) (payment.Token, error)
}

// ListKinds are the kinds of identifiers that a list can hold.
func ListKinds() []string {
	return []string{"customer", "document", "email", "phone", "card", "device", "ip", "address"}
}
