package velocity

import (
	"errors"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

var (
	// ErrEvent is wrapped by the error for an event that cannot be remembered: no id, an amount outside 0 to
	// [payment.MaxCentavos], or a time before 1970 or after 2106.
	ErrEvent = errors.New("velocity: invalid event")
	// ErrFeature is wrapped by the error for a name, a plan or an option that makes no sense.
	ErrFeature = errors.New("velocity: invalid feature")
	// ErrUnavailable is wrapped by errors that say nothing about the call: windows that live elsewhere cannot be reached, or
	// not in time. What was to be counted may have been counted; to try again is safe.
	ErrUnavailable = errors.New("velocity: windows unavailable")
)

// Event is what velocity remembers of one transaction.
type Event struct {
	ID       string    // the transaction's id: an id that was counted is never counted again
	At       time.Time // occurred_at; whole seconds count
	Amount   int64     // centavos, 0 to payment.MaxCentavos
	Entities payment.Entities
}

// EventOf is what velocity remembers of t.
func EventOf(t *payment.Transaction) Event {
	return Event{ID: t.ID, At: t.OccurredAt, Amount: t.Amount.Centavos, Entities: t.Entities()}
}

// Settlement is what became of an observed event.
type Settlement struct {
	ID        string
	At        time.Time        // of the event, for implementations that must find it
	Entities  payment.Entities // of the event, likewise
	Declined  bool             // our own outcome was decline
	Anomalous bool             // its amount was far from the customer's own past
}

// Label is what became known of an event later.
type Label struct {
	ID       string
	At       time.Time        // of the event
	Entities payment.Entities // of the event
	Fraud    bool             // false: known to be genuine
	KnownAt  time.Time        // the label is invisible to reads as of an earlier moment
}

// Remembered is an event with all that has become of it: one row of the history that windows are rebuilt from.
type Remembered struct {
	Event
	Declined, Anomalous bool   // see Settlement
	Label               *Label // the latest one, or nil; only Fraud and KnownAt are read
}

// Reading is what the windows held just before an event was counted.
type Reading struct {
	// Values has one value for every feature of the plan, in its order. NaN means that there is nothing to say:
	// the transaction has no such entity, or the window is empty and the aggregate has no value for that.
	Values []float64
	// Saturated is true where a value hit a bound and the true one is larger or unknown: a distinct count that passed
	// its bound, or a window that reaches back to events that were dropped because the entity has too many.
	Saturated bool
	// Duplicate is true when the id had been counted before: Values are as of the event, without it.
	Duplicate bool
	// Late is true when the event is so much older than what is remembered that parts of its past may be gone.
	Late bool
	// Incomplete is true when something that was counted before is known to be missing, such as after a cache lost its
	// contents: values are lower bounds until the windows are healed.
	Incomplete bool
}

// Options are the bounds of what is remembered. The zero value of each field means its default.
type Options struct {
	// LabelMaturity is the age at which an event without a label counts as genuine. Default 7 days; at least 1 second.
	LabelMaturity time.Duration
	// ProfileHorizon is how long a silent entity, and a silent pair of entities, stays known. Default 180 days;
	// at least 38 days, at most 3,650.
	ProfileHorizon time.Duration
	// MaxCounterparts bounds the counterparts of one kind whose first meeting an entity remembers. Default and maximum 64.
	MaxCounterparts int
	// MaxDistinct is the largest distinct count. Default and maximum 256.
	MaxDistinct int
	// MaxDistinctEvents bounds the events that one distinct count looks at. Default 4,096; at least 1.
	MaxDistinctEvents int
	// MaxEvents bounds the events that one entity remembers. Default 1,048,576; 128 to 4,194,304.
	MaxEvents int
	// Location gives the local hour of an event. Default UTC−3, the time of Brasília (without the summer time that
	// Brazil gave up in 2019).
	Location *time.Location
}
