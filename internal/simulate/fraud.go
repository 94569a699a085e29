package simulate

import "container/heap"

// scenario is how an attempt came about.
type scenario uint8

const (
	ordinary scenario = iota
	cardTesting
	accountTakeover
	cardRing
	pixScam
	compromisedTerminal

	scenarioCount = iota
)

var scenarioNames = [scenarioCount]string{"", "card_testing", "account_takeover", "card_ring", "pix_scam", "compromised_terminal"}

// String is the scenario's name in items, "" for an ordinary purchase.
func (c scenario) String() string { return scenarioNames[c] }

// target is each scenario's share of the frauds, in transactions.
var target = [scenarioCount]float64{0, 0.28, 0.16, 0.24, 0.20, 0.12}

// plannedFraud is an attempt that waits for its time.
type plannedFraud struct {
	at      int64
	order   uint64 // breaks ties, so that the order is always the same
	attempt *attempt
}

type planHeap []plannedFraud

func (h planHeap) Len() int { return len(h) }
func (h planHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h planHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *planHeap) Push(x any)   { *h = append(*h, x.(plannedFraud)) }
func (h *planHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// crime keeps the share of fraud: every ordinary purchase adds to a debt, and when
// the debt covers a whole episode, the scenario that lags furthest behind its target starts one.
type crime struct {
	debt    float64
	odds    float64 // frauds per ordinary purchase
	planned [scenarioCount]float64
	total   float64
	order   uint64
	next    scenario
	size    int
}

func (c *crime) open(s *Shop) {
	c.odds = s.cfg.FraudShare / (1 - s.cfg.FraudShare)
	c.choose(s)
}

// choose decides on the next episode and its size.
func (c *crime) choose(s *Shop) {
	best := -1.0
	for kind := cardTesting; kind < scenarioCount; kind++ {
		lag := target[kind]*(c.total+60) - c.planned[kind] + s.rnd.Float64()
		if lag > best {
			best, c.next = lag, kind
		}
	}
	switch c.next {
	case cardTesting:
		c.size = 12 + s.rnd.IntN(40)
	case accountTakeover:
		c.size = 1 + s.rnd.IntN(5)
	case cardRing:
		c.size = 8 + s.rnd.IntN(25)
	case pixScam:
		c.size = 1 + s.rnd.IntN(3)
	case compromisedTerminal:
		c.size = 8 + s.rnd.IntN(25)
	}
}

// owe counts one ordinary purchase and starts the episodes that are due.
func (c *crime) owe(s *Shop) {
	for c.debt += c.odds; c.debt >= float64(c.size); {
		before := len(s.plans)
		switch c.next {
		case cardTesting:
			s.testCards(c.size)
		case accountTakeover:
			s.takeOver(c.size)
		case cardRing:
			s.ring(c.size)
		case pixScam:
			s.scam(c.size)
		case compromisedTerminal:
			s.compromise(c.size)
		}
		made := float64(len(s.plans) - before)
		c.debt -= made
		c.planned[c.next] += made
		c.total += made
		c.choose(s)
	}
}

// plan hands an attempt to the future.
func (s *Shop) plan(kind scenario, a attempt) {
	a.scenario = kind
	s.crime.order++
	heap.Push(&s.plans, plannedFraud{at: a.at, order: s.crime.order, attempt: &a})
}

// soon is a moment from now on at which fraudsters of a kind set to work: within the
// next hours, at an hour between from and to (local, to may be past midnight).
func (s *Shop) soon(from, to int) int64 {
	hour := (from + s.rnd.IntN(to-from)) % 24
	return atHour(s.clock, hour) + s.between(0, hourMS)
}

// victim draws an established customer who was not robbed before.
func (s *Shop) victim() *customer {
	c := s.customers[s.rnd.IntN(len(s.customers))]
	for range 16 {
		if !c.taken && c.appetite > 0.15 {
			break
		}
		c = s.customers[s.rnd.IntN(len(s.customers))]
	}
	c.taken = true
	return c
}
