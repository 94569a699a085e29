package console

import (
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

// Truth is what is known about a transaction besides our verdict.
type Truth uint8

// The zero value means that nothing is known.
const (
	Unknown Truth = iota
	Genuine
	Fraud
)

// Reason is one ground of a decision with its texts.
type Reason struct {
	Code       string // such as "CARD_TESTING"
	Portuguese string
	English    string
}

// Event is one decision as the live page shows it: tokens and numbers only.
type Event struct {
	ID       string    // of the transaction
	At       time.Time // when the payment occurred
	Centavos int64
	Method   payment.Method
	Channel  payment.Channel
	Merchant string
	Outcome  decision.Outcome
	Score    int      // 0 to 1000
	Reasons  []Reason // strongest first; not changed after Publish
	Path     decision.Path
	Latency  time.Duration // from receipt to the durable verdict
	Truth    Truth         // when it is known already; else see Learn

	seq uint64
}

const (
	seriesSeconds = 300               // of throughput
	seriesSlots   = seriesSeconds + 1 // the full seconds that are shown, and the one under way
	keepApproved  = 100               // latest events kept by kind; together the latest 200
	keepHeld      = 100
	outcomes      = int(decision.Decline) + 1
)

// Feed gathers decisions for the live page: running totals, the last five minutes
// second by second, latencies of the last minute, and the latest events. Publish takes
// a lock for well under a microsecond and never waits for a viewer: viewers
// come and take a [Snapshot] when they are ready, and what they were too slow to see is
// counted as skipped. All methods may be called at once.
type Feed struct {
	now func() time.Time

	mu       sync.Mutex
	seq      uint64
	started  time.Time
	last     time.Time // of the latest Publish
	outcome  [outcomes]uint64
	series   [seriesSlots]tally
	latency  rolling
	approved ring
	held     ring
	truth    Detection
	backlog  int64
	skipped  uint64
}

// tally counts one second.
type tally struct {
	second int64 // Unix; tells a current slot from one of five minutes ago
	total  uint32
	held   uint32
}

// Detection counts the transactions whose truth is known.
type Detection struct {
	Genuine         uint64
	Frauds          uint64
	Caught          uint64 // frauds that were not approved
	FalseAlarms     uint64 // genuine ones that were not approved
	CaughtCentavos  int64  // amount of the caught frauds whose event is still kept or carried the truth
	UnknownOutcomes uint64 // learned without a valid outcome; counted in neither of the others
}

// NewFeed returns an empty feed. now is the wall clock.
func NewFeed(now func() time.Time) *Feed {
	return &Feed{now: now, started: now(), approved: ring{limit: keepApproved}, held: ring{limit: keepHeld}}
}

// Publish adds a decision. It never blocks on viewers. An event with an invalid outcome is shown and counted as held.
func (f *Feed) Publish(e Event) {
	at := f.now()
	held := e.Outcome != decision.Approve
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	e.seq = f.seq
	f.last = at
	if int(e.Outcome) < outcomes {
		f.outcome[e.Outcome]++
	} else {
		f.outcome[decision.Invalid]++
	}
	slot := &f.series[at.Unix()%seriesSlots]
	if slot.second != at.Unix() {
		*slot = tally{second: at.Unix()}
	}
	slot.total++
	if held {
		slot.held++
		f.held.add(e)
	} else {
		f.approved.add(e)
	}
	f.latency.add(at, e.Latency)
	if e.Truth != Unknown {
		f.learn(e.Outcome, e.Truth, e.Centavos)
	}
}

// Learn tells what became known about a transaction that was published without its
// truth, with the outcome it had. Call it once per transaction. Its row is marked if it is still kept.
func (f *Feed) Learn(id string, outcome decision.Outcome, truth Truth) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var centavos int64
	for _, r := range []*ring{&f.approved, &f.held} {
		if e := r.find(id); e != nil {
			e.Truth, centavos = truth, e.Centavos
			break
		}
	}
	f.learn(outcome, truth, centavos)
}

func (f *Feed) learn(outcome decision.Outcome, truth Truth, centavos int64) {
	stopped := outcome > decision.Approve && int(outcome) < outcomes
	switch {
	case truth == Unknown:
	case outcome == decision.Invalid || int(outcome) >= outcomes:
		f.truth.UnknownOutcomes++
	case truth == Fraud:
		f.truth.Frauds++
		if stopped {
			f.truth.Caught++
			f.truth.CaughtCentavos += centavos
		}
	default:
		f.truth.Genuine++
		if stopped {
			f.truth.FalseAlarms++
		}
	}
}

// SetBacklog says how many accepted records wait to be decided.
func (f *Feed) SetBacklog(records int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backlog = records
}

// Skipped is the number of events that passed between two looks of a viewer without being shown to it, over all viewers.
func (f *Feed) Skipped() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.skipped
}

// Second is the count of one second.
type Second struct {
	Total uint32
	Held  uint32 // those not approved
}

// Snapshot is the state of a Feed at one moment.
type Snapshot struct {
	Seq       uint64 // of the latest event; 0 when there was none
	Now       time.Time
	Started   time.Time
	Last      time.Time // wall time of the latest event; zero when there was none
	Outcomes  [outcomes]uint64
	Series    [seriesSeconds]Second // oldest first; the last one is the latest full second
	PerSecond float64               // mean of the last five full seconds
	P50, P99  time.Duration         // of the last minute; 0 without an event
	Detection Detection
	Backlog   int64
	Events    []Event // newer than asked for, newest first
}

// Total is the number of decisions since the feed started.
func (s *Snapshot) Total() uint64 {
	var n uint64
	for _, v := range s.Outcomes {
		n += v
	}
	return n
}

// Snapshot returns the state and at most perKind approved and perKind held events that
// came after the event with sequence number after. What is left out counts as skipped, unless after is 0: a first look skips nothing.
func (f *Feed) Snapshot(after uint64, perKind int) Snapshot {
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Snapshot{
		Seq: f.seq, Now: now, Started: f.started, Last: f.last, Outcomes: f.outcome, Detection: f.truth, Backlog: f.backlog,
	}
	sum := uint32(0)
	for i := range s.Series {
		second := now.Unix() - seriesSeconds + int64(i)
		if slot := f.series[second%seriesSlots]; slot.second == second {
			s.Series[i] = Second{slot.total, slot.held}
			if i >= seriesSeconds-5 {
				sum += slot.total
			}
		}
	}
	s.PerSecond = float64(sum) / 5
	s.P50, s.P99 = f.latency.quantiles(now)
	if after > f.seq { // the viewer knew another feed, before a restart
		after = 0
	}
	s.Events = merge(f.approved.after(after, perKind), f.held.after(after, perKind))
	if after > 0 {
		f.skipped += f.seq - after - uint64(len(s.Events))
	}
	return s
}

// ring keeps the latest events.
type ring struct {
	limit  int
	events []Event
	next   int
}

func (r *ring) add(e Event) {
	if len(r.events) < r.limit {
		r.events = append(r.events, e)
		return
	}
	r.events[r.next] = e
	r.next = (r.next + 1) % r.limit
}

// after returns up to n events with a higher sequence number, newest first.
func (r *ring) after(seq uint64, n int) []Event {
	var out []Event
	for i := len(r.events) - 1; i >= 0 && len(out) < n; i-- {
		e := r.events[(r.next+i)%len(r.events)]
		if e.seq <= seq {
			break
		}
		out = append(out, e)
	}
	return out
}

func (r *ring) find(id string) *Event {
	for i := range r.events {
		if r.events[i].ID == id {
			return &r.events[i]
		}
	}
	return nil
}

// merge joins two lists, each newest first.
func merge(a, b []Event) []Event {
	out := make([]Event, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].seq > b[0].seq {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
