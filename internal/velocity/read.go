package velocity

import (
	"math"
	"slices"

	"github.com/fastshop/pipeline/internal/payment"
)

// scratch is room that every reading uses again.
type scratch struct {
	sums     [2][windowCount]summary
	distinct [2][payment.KindCount][windowCount]int
	ages     [payment.KindCount]int64 // -1: the event lacks the counterpart
	amounts  []int64
	seen     seenSet

	since          int64 // -1: no event
	first          int64
	median, spread float64
	hourShare      float64
	run            int
}

// read fills in what was known of all of its entities when s happened.
func (m *Memory) read(s *sighting, out *Reading) {
	out.Duplicate = s.known != 0
	m.begin(s, out)
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		var e *entity
		if place := s.places[kind]; place != 0 {
			e = m.arena.entities.at(place)
		}
		m.readKind(kind, e, s, out)
	}
}

// begin fills in what does not depend on entities.
func (c *core) begin(s *sighting, out *Reading) {
	out.Late = s.at < c.newest-staleSeconds
	s.limits = edgesAt(s.at)
}

// readKind fills in what was known of the entity of one kind when s happened; nil if it was never seen.
func (c *core) readKind(kind payment.Kind, e *entity, s *sighting, out *Reading) {
	k := &c.kinds[kind]
	if s.event.Entities[kind].IsZero() {
		for _, o := range k.outputs {
			out.Values[o.slot] = math.NaN()
		}
		return
	}
	if !k.logged {
		return
	}
	if e == nil {
		c.nothing(k, s)
	} else {
		out.Late = out.Late || s.at < int64(e.newest)-lateSeconds
		for g := range k.groups {
			if c.group(&k.groups[g], g, e, s, &s.limits) {
				out.Saturated = true
			}
		}
		c.profile(k, e, s)
	}
	for _, o := range k.outputs {
		out.Values[o.slot] = c.work.value(o.Feature)
	}
}

// nothing sets the work to that of an entity without a past.
func (c *core) nothing(k *kindPlan, s *sighting) {
	w := &c.work
	for g := range k.groups {
		for _, window := range k.groups[g].windows {
			w.sums[g][window] = summary{}
		}
		for _, d := range k.groups[g].distinct {
			w.distinct[g][d.counterpart] = [windowCount]int{}
		}
	}
	w.since, w.first, w.run = -1, 0, 0
	w.median, w.spread, w.hourShare = math.NaN(), math.NaN(), math.NaN()
	for _, other := range k.pairs {
		w.ages[other] = 0
		if s.event.Entities[other].IsZero() {
			w.ages[other] = -1
		}
	}
}

func (w *scratch) value(f Feature) float64 {
	switch f.Aggregate {
	case Distinct:
		return float64(w.distinct[group(f)][f.Counterpart][f.Window])
	case SecondsSinceLast:
		return floatOrNaN(w.since)
	case FirstSeenSeconds:
		return float64(w.first)
	case AmountMedian:
		return w.median
	case AmountSpread:
		return w.spread
	case HourShare:
		return w.hourShare
	case FraudRun:
		return float64(w.run)
	case CounterpartAge:
		return floatOrNaN(w.ages[f.Counterpart])
	default:
		return w.sums[group(f)][f.Window].value(f.Aggregate)
	}
}

func floatOrNaN(n int64) float64 {
	if n < 0 {
		return math.NaN()
	}
	return float64(n)
}

// group reads all windows of one end. It reports whether a bound was hit.
func (c *core) group(p *groupPlan, g int, e *entity, s *sighting, limits *edges) bool {
	if p.longest == NoWindow {
		return false
	}
	end, start := limits.end[g], &limits.start[g]
	saturated := start[p.longest]+1 < int64(e.floor)
	if len(p.windows) > 0 && e.tree != 0 {
		t := c.arena.trees.at(e.tree)
		var sum summary
		part := part{end: end, asOf: maxSecond, skip: s.known, amounts: p.amounts, flags: p.flags}
		if p.frauds { // else it does not matter which are known, and costs less
			part.asOf = s.at
		}
		for _, window := range p.windows {
			part.start = start[window]
			c.arena.treeSum(t, &sum, part)
			c.work.sums[g][window] = sum
			part.end = part.start
		}
	} else if len(p.windows) > 0 {
		c.listSums(p.windows, g, e, s, limits)
	}
	for _, d := range p.distinct {
		if c.distincts(&d, g, e, s, limits) {
			saturated = true
		}
	}
	return saturated
}

// listSums goes over a short list once, newest first, and takes down the sum wherever a window starts.
func (c *core) listSums(windows []Window, g int, e *entity, s *sighting, limits *edges) {
	var sum summary
	start := &limits.start[g]
	i := 0
	for w := c.arena.backward(e, limits.end[g]); i < len(windows); {
		ref, r := w.next()
		if r == nil {
			break
		}
		for i < len(windows) && int64(r.at) <= start[windows[i]] {
			c.work.sums[g][windows[i]] = sum
			i++
		}
		if ref != s.known {
			sum.addAsOf(r, s.at)
		}
	}
	for ; i < len(windows); i++ {
		c.work.sums[g][windows[i]] = sum
	}
}

// distincts counts the different counterparts of one kind in all windows of one end. It reports whether a bound was hit.
func (c *core) distincts(p *distinctPlan, g int, e *entity, s *sighting, limits *edges) bool {
	found := &c.work.distinct[g][p.counterpart]
	seen := &c.work.seen
	seen.reset()
	start := &limits.start[g]
	i, count, visited, newer := 0, 0, 0, 0
	second := int64(-1)
	saturated := false
	for w := c.arena.backward(e, limits.end[g]); ; {
		ref, r := w.next()
		if r == nil {
			break
		}
		for i < len(p.windows) && int64(r.at) <= start[p.windows[i]] {
			found[p.windows[i]] = count
			i++
		}
		if i == len(p.windows) {
			return false
		}
		if ref == s.known {
			continue
		}
		if int64(r.at) != second {
			second, newer = int64(r.at), visited
		}
		if newer >= c.scanned {
			saturated = true
			break
		}
		visited++
		other := r.entities[p.counterpart-1]
		if other == 0 {
			continue
		}
		if slot, ok := seen.has(other); !ok {
			if count == c.bounds.distinct {
				saturated = true
				break
			}
			seen.put(slot, other)
			count++
		}
	}
	for ; i < len(p.windows); i++ {
		found[p.windows[i]] = count
	}
	return saturated
}

// profile reads what is not in a window.
func (c *core) profile(k *kindPlan, e *entity, s *sighting) {
	w := &c.work
	if k.first {
		w.first = age(e.first, e.last, s.at, c.horizon)
	}
	if k.since || k.amounts || k.hours {
		c.sample(k, e, s)
	}
	if k.run {
		w.run = c.fraudRun(e, s)
	}
	if len(k.pairs) > 0 {
		pairs := c.arena.words.words(e.pairs)
		for _, other := range k.pairs {
			token := s.event.Entities[other]
			if token.IsZero() {
				w.ages[other] = -1
			} else if i := findPair(pairs, pairKey(other, token)); i >= 0 {
				w.ages[other] = age(pairs[i+2], pairs[i+3], s.at, c.horizon)
			} else {
				w.ages[other] = 0
			}
		}
	}
}

// sample reads time since last, amounts and hours from the newest events.
func (c *core) sample(k *kindPlan, e *entity, s *sighting) {
	w := &c.work
	w.since, w.median, w.spread, w.hourShare = -1, math.NaN(), math.NaN(), math.NaN()
	w.amounts = w.amounts[:0]
	near, n := 0, 0
	for walk := c.arena.backward(e, s.at); n < sampleSize; {
		ref, r := walk.next()
		if r == nil || int64(r.at) <= s.at-c.horizon {
			break
		}
		if ref == s.known {
			continue
		}
		if n == 0 {
			w.since = s.at - int64(r.at)
			if !k.amounts && !k.hours {
				return
			}
		}
		n++
		w.amounts = append(w.amounts, r.amount)
		if apart := (int(r.hour) - int(s.hour) + 24) % 24; apart <= 1 || apart == 23 {
			near++
		}
	}
	if n == 0 {
		return
	}
	w.hourShare = float64(near) / float64(n)
	if k.amounts {
		twice := twiceMedian(w.amounts)
		w.median = float64(twice) / 2
		for i, amount := range w.amounts {
			w.amounts[i] = max(2*amount-twice, twice-2*amount)
		}
		w.spread = madFactor * (float64(twiceMedian(w.amounts)) / 4)
	}
}

// twiceMedian sorts some numbers and returns the sum of the middle two.
func twiceMedian(numbers []int64) int64 {
	slices.Sort(numbers)
	n := len(numbers)
	return numbers[(n-1)/2] + numbers[n/2]
}

// fraudRun counts the known frauds that are newer than the newest event known to be genuine.
func (c *core) fraudRun(e *entity, s *sighting) int {
	oldest, mature := historyStart(s.at), s.at-c.maturity
	run, same := 0, 0 // same: those of the second that is being looked at
	second := int64(-1)
	for w := c.arena.backward(e, s.at); run < runLimit; {
		w.skipUnlabeled(max(oldest, mature))
		ref, r := w.next()
		if r == nil || int64(r.at) <= oldest {
			break
		}
		switch at := int64(r.at); {
		case ref == s.known:
		case r.fraudBy(s.at):
			if at != second {
				run, same, second = run+same, 0, at
			}
			same++
		case at <= mature, r.flags&flagLabeled != 0 && int64(r.knownAt) <= s.at:
			if at == second {
				same = 0
			}
			return min(run+same, runLimit)
		}
	}
	return min(run+same, runLimit)
}
