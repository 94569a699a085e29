package velocity

import (
	"cmp"
	"math"
	"slices"

	"github.com/fastshop/pipeline/internal/payment"
)

// truth is what is known of an event at the moment of reading.
type truth uint8

const (
	unknown truth = iota
	genuine
	fraud
)

func (c *recount) truth(h Remembered) truth {
	switch {
	case h.Label != nil && h.Label.KnownAt.Unix() <= c.asOf && h.Label.Fraud:
		return fraud
	case h.Label != nil && h.Label.KnownAt.Unix() <= c.asOf:
		return genuine
	case c.asOf-h.At.Unix() >= c.maturity:
		return genuine
	}
	return unknown
}

// sample is the newest 64 events within the horizon, of one second the larger amounts first.
func (c *recount) sample() []Remembered {
	var events []Remembered
	for _, h := range c.past {
		if h.At.Unix() > c.asOf-c.horizon {
			events = append(events, h)
		}
	}
	slices.SortFunc(events, func(x, y Remembered) int {
		return cmp.Or(cmp.Compare(y.At.Unix(), x.At.Unix()), cmp.Compare(y.Amount, x.Amount))
	})
	return events[:min(64, len(events))]
}

func (c *recount) amounts() []float64 {
	var amounts []float64
	for _, h := range c.sample() {
		amounts = append(amounts, float64(h.Amount))
	}
	return amounts
}

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	return (sorted[(len(xs)-1)/2] + sorted[len(xs)/2]) / 2
}

func (c *recount) hourShare() float64 {
	near, sample := 0.0, c.sample()
	now := c.event.At.In(c.location).Hour()
	for _, h := range sample {
		switch then := h.At.In(c.location).Hour(); then {
		case (now + 23) % 24, now, (now + 1) % 24:
			near++
		}
	}
	return near / float64(len(sample))
}

func (c *recount) fraudRun() int {
	oldest := (c.asOf/3600 - 887) * 3600
	newestGenuine := int64(math.MinInt64)
	for _, h := range c.past {
		if at := h.At.Unix(); at >= oldest && c.truth(h) == genuine {
			newestGenuine = max(newestGenuine, at)
		}
	}
	run := 0
	for _, h := range c.past {
		if at := h.At.Unix(); at >= oldest && at > newestGenuine && c.truth(h) == fraud {
			run++
		}
	}
	return min(run, 64)
}

// age is the time since the first of times, which are in the order of observation, starting anew after a silence.
func (c *recount) age(times []int64) float64 {
	if len(times) == 0 {
		return 0
	}
	first, last := times[0], times[0]
	for _, at := range times[1:] {
		switch {
		case at-last > c.horizon:
			first, last = at, at
		case first-at <= c.horizon:
			first, last = min(first, at), max(last, at)
		}
	}
	if first > c.asOf || c.asOf-last > c.horizon {
		return 0
	}
	return float64(c.asOf - first)
}

func (c *recount) counterpartAge(f Feature) float64 {
	other := c.event.Entities[f.Counterpart]
	if other.IsZero() {
		return math.NaN()
	}
	met := make(map[payment.Token][]int64) // the meetings of the counterparts that are remembered
	for _, h := range c.all {
		token := h.Entities[f.Counterpart]
		if token.IsZero() {
			continue
		}
		met[token] = append(met[token], h.At.Unix())
		if len(met) > c.counterparts {
			var oldest payment.Token
			for t := range met {
				if oldest.IsZero() || c.seenBefore(t, oldest, met) {
					oldest = t
				}
			}
			delete(met, oldest)
		}
	}
	return c.age(met[other])
}

func (c *recount) seenBefore(x, y payment.Token, met map[payment.Token][]int64) bool {
	return cmp.Or(cmp.Compare(c.lastOf(met[x]), c.lastOf(met[y])),
		cmp.Compare(CounterpartOrder(x), CounterpartOrder(y))) < 0
}

func (c *recount) lastOf(times []int64) int64 { return slices.Max(times) }
