package simulate

import (
	"container/heap"
	"math"
)

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
// the debt covers half of an episode, the scenario that lags furthest behind its target starts one,
// so that frauds are neither late nor early on the whole. In a world with a given number of
// transactions the debts add up to the given number of frauds.
type crime struct {
	debt    float64
	odds    float64 // frauds per ordinary purchase
	all     float64 // frauds in all, as expected; infinite in an endless world
	planned [scenarioCount]float64
	total   float64
	order   uint64
	next    scenario
	size    int
	episode []attempt // under way to the plans
}

func (c *crime) open(s *Shop) {
	c.odds = s.cfg.FraudShare / (1 - s.cfg.FraudShare)
	c.all = math.Inf(1)
	switch {
	case s.left > 0:
		c.all = float64(s.cfg.frauds())
		c.odds = c.all / float64(s.left)
	case s.last != 0:
		c.all = s.days * s.cfg.PerDay * c.odds
	}
	c.choose(s)
}

// choose decides on the next episode and its size: in a small world episodes are small, so that all kinds come about.
func (c *crime) choose(s *Shop) {
	best := -1.0
	foresight := min(60, c.all/2)
	for kind := cardTesting; kind < scenarioCount; kind++ {
		lag := target[kind]*(c.total+foresight) - c.planned[kind] + s.rnd.Float64()
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
	c.size = int(min(float64(c.size), max(6, c.all/6)))
	if s.left >= 0 {
		c.size = min(c.size, int(c.all-c.total))
	}
}

// owe counts one ordinary purchase and starts the episodes that are due. The last purchase of a world settles the debt.
func (c *crime) owe(s *Shop) {
	for c.debt += c.odds; c.size > 0 && (c.debt >= float64(c.size)/2 || s.left == 0); {
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
		c.commit(s)
		c.choose(s)
	}
}

// commit hands the episode to the future. One that would outlast the world is told faster, in the same order.
func (c *crime) commit(s *Shop) {
	end := int64(0)
	for i := range c.episode {
		end = max(end, c.episode[i].at)
	}
	for i := range c.episode {
		a := c.episode[i]
		if s.last != 0 && end > s.last {
			a.at = s.clock + int64(float64(a.at-s.clock)/float64(end-s.clock+1)*float64(s.last-s.clock))
		}
		c.order++
		heap.Push(&s.plans, plannedFraud{at: a.at, order: c.order, attempt: &a})
	}
	made := float64(len(c.episode))
	c.episode = c.episode[:0]
	c.debt -= made
	c.planned[c.next] += made
	c.total += made
}

// plan adds an attempt to the episode that is being planned.
func (s *Shop) plan(kind scenario, a attempt) {
	a.scenario = kind
	s.crime.episode = append(s.crime.episode, a)
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
