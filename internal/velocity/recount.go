package velocity

import (
	"math"
	"math/big"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// Recount says what a reading for e must be when history was observed before, in this order and under different ids. It is
// the definition of the features by brute force: every feature goes over the whole history, some of them several times,
// so that it is for tests and for proofs over samples. It shares no code with [Memory] but the names, the defaults and
// [CounterpartOrder]. If e's id is in the history, the reading is that of a duplicate.
//
// A plan or options that NewMemory refuses give a zero Reading.
func Recount(plan Plan, history []Remembered, e Event, o Options) Reading {
	b, err := o.resolve()
	if err != nil {
		return Reading{}
	}
	c := recount{bounds: b, event: e, asOf: e.At.Unix()}
	out := Reading{Values: make([]float64, len(plan))}
	var newest int64 = math.MinInt64
	for _, h := range history {
		newest = max(newest, h.At.Unix())
		out.Duplicate = out.Duplicate || h.ID == e.ID
	}
	out.Late = newest != math.MinInt64 && c.asOf < newest-37*86400
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		if e.Entities[kind].IsZero() {
			for i, f := range plan {
				if f.Kind == kind {
					out.Values[i] = math.NaN()
				}
			}
			continue
		}
		c.choose(history, kind)
		asked := kind == payment.KindCustomer || slices.ContainsFunc(plan, func(f Feature) bool { return f.Kind == kind })
		for _, h := range c.all {
			out.Late = out.Late || asked && c.asOf < h.At.Unix()-86400
		}
		for i, f := range plan {
			if f.Kind == kind {
				var saturated bool
				out.Values[i], saturated = c.value(f)
				out.Saturated = out.Saturated || saturated
			}
		}
	}
	return out
}

// recount is the work on one kind of the event's entities.
type recount struct {
	bounds
	event   Event
	asOf    int64
	all     []Remembered // the entity's history, in the order of observation
	past    []Remembered // of it, what counts: not the event itself, not later, not dropped
	dropped int64        // the newest second that was dropped for lack of room
}

func (c *recount) choose(history []Remembered, kind payment.Kind) {
	c.all, c.past, c.dropped = nil, nil, math.MinInt64
	var seconds []int64
	for _, h := range history {
		if h.Entities[kind] == c.event.Entities[kind] {
			c.all = append(c.all, h)
			seconds = append(seconds, h.At.Unix())
		}
	}
	if len(seconds) > c.events { // the newest second from which on there are too many
		slices.Sort(seconds)
		c.dropped = seconds[len(seconds)-c.events-1]
	}
	for _, h := range c.all {
		if at := h.At.Unix(); at <= c.asOf && at > c.dropped && h.ID != c.event.ID {
			c.past = append(c.past, h)
		}
	}
}

func (c *recount) value(f Feature) (value float64, saturated bool) {
	switch f.Aggregate {
	case SecondsSinceLast:
		newest := math.NaN()
		for _, h := range c.sample() {
			newest = math.Max(orMinusInf(newest), float64(h.At.Unix()))
		}
		return float64(c.asOf) - newest, false
	case FirstSeenSeconds:
		var times []int64
		for _, h := range c.all {
			times = append(times, h.At.Unix())
		}
		return c.age(times), false
	case AmountMedian:
		return median(c.amounts()), false
	case AmountSpread:
		amounts := c.amounts()
		center := median(amounts)
		for i := range amounts {
			amounts[i] = math.Abs(amounts[i] - center)
		}
		return 1.4826 * median(amounts), false
	case HourShare:
		return c.hourShare(), false
	case FraudRun:
		return float64(c.fraudRun()), false
	case CounterpartAge:
		return c.counterpartAge(f), false
	}
	start, end := c.edges(f)
	var inside []Remembered
	for _, h := range c.past {
		if at := h.At.Unix(); at > start && at <= end {
			inside = append(inside, h)
		}
	}
	saturated = c.dropped > start
	if f.Aggregate == Distinct {
		n, more := c.distinctOf(inside, f.Counterpart)
		return float64(n), saturated || more
	}
	return c.aggregate(f.Aggregate, inside), saturated
}

func orMinusInf(x float64) float64 {
	if math.IsNaN(x) {
		return math.Inf(-1)
	}
	return x
}

// edges returns the window of f: start < t ≤ end.
func (c *recount) edges(f Feature) (start, end int64) {
	end = c.asOf
	if f.Delayed {
		end -= 7 * 86400
	}
	hour := time.Unix(end, 0).UTC().Truncate(time.Hour)
	switch f.Window {
	case Minute:
		return end - 60, end
	case FiveMinutes:
		return end - 5*60, end
	case Hour:
		return end - 60*60, end
	case Day:
		return end - 24*60*60, end
	case Week:
		return hour.Add(-167*time.Hour).Unix() - 1, end
	default:
		return hour.Add(-719*time.Hour).Unix() - 1, end
	}
}

func (c *recount) aggregate(a Aggregate, events []Remembered) float64 {
	n := float64(len(events))
	sum, squares, largest := new(big.Int), new(big.Int), math.NaN()
	var declines, frauds, anomalies float64
	for _, h := range events {
		amount := big.NewInt(h.Amount)
		sum.Add(sum, amount)
		squares.Add(squares, amount.Mul(amount, amount))
		largest = math.Max(orMinusInf(largest), float64(h.Amount))
		if h.Declined {
			declines++
		}
		if h.Anomalous {
			anomalies++
		}
		if c.truth(h) == fraud {
			frauds++
		}
	}
	total, _ := new(big.Float).SetInt(sum).Float64()
	switch a {
	case Count:
		return n
	case Sum:
		return total
	case Mean:
		return total / n
	case Max:
		return largest
	case Declines:
		return declines
	case Anomalies:
		return anomalies
	case Frauds:
		return frauds
	case FraudShare:
		return frauds / n
	}
	if n < 2 {
		return math.NaN()
	}
	spread := squares.Mul(squares, big.NewInt(int64(n)))
	spread.Sub(spread, sum.Mul(sum, sum))
	exact, _ := new(big.Float).SetInt(spread).Float64()
	return math.Sqrt(exact / (n * (n - 1)))
}

func (c *recount) distinctOf(events []Remembered, kind payment.Kind) (n int, saturated bool) {
	var seconds []int64
	for _, h := range events {
		seconds = append(seconds, h.At.Unix())
	}
	slices.Sort(seconds)
	oldest := int64(math.MinInt64) // an event before this has too many newer ones
	if len(seconds) > c.scanned {
		oldest = seconds[len(seconds)-c.scanned]
	}
	tokens := make(map[payment.Token]bool)
	for _, h := range events {
		if h.At.Unix() < oldest {
			saturated = true
		} else if !h.Entities[kind].IsZero() {
			tokens[h.Entities[kind]] = true
		}
	}
	if len(tokens) > c.distinct {
		return c.distinct, true
	}
	return len(tokens), saturated
}
