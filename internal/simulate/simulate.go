// Package simulate is a seeded Brazilian shop: customers with habits, sellers,
// terminals, the rhythm of day, week and pay-day, and fraud as it happens.
//
// A [Shop] yields what happens in time order: payment attempts in the very JSON
// that a checkout sends, and the labels that arrive days later. The same [Config]
// gives the same bytes on the same processor architecture, so a run can be repeated and a report compared.
//
// # What it is good for, and what not
//
// It shows the program at work and feeds tests with plausible, valid, harmless
// input: documents have right check digits but belong to nobody known, e-mail
// domains and IP ranges are reserved for documentation, phone numbers are
// unassigned. It is no benchmark of fraud detection. Its frauds are as easy or as
// hard as their authors made them; figures about detection belong to real data.
// To keep the picture honest, part of every scenario hides inside ordinary
// behavior, and ordinary customers travel, replace phones, send gifts, use VPNs
// and sometimes buy something large.
//
// # Limits
//
// Memory grows with the number of customers (about 200 bytes each) and with the
// labels under way (at most 40 days of frauds), not with the number of transactions.
// A Shop is for one goroutine.
package simulate

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// Config describes a world. The zero value of a field means its default, where it has one.
type Config struct {
	Seed      uint64
	Customers int // known at Start; default 20,000, at most 5,000,000
	Merchants int // sellers; default 400, at most 90,000
	Terminals int // in stores; default 150, at most 90,000

	// Start is the first moment; it has no default. End is the last; zero means that
	// the world goes on without end and the caller paces it. A demo whose world ends
	// now sets End to now and Start to a span before; one that goes on in real
	// time leaves End zero and waits [Item.Wait] once the history has caught up.
	Start, End time.Time

	// Count is how many transactions there are, exactly; 0 means as many as come about. Labels do not count.
	// Labels still on their way after the last transaction follow, as far as they become known by End.
	Count int

	// PerDay is the mean number of ordinary purchases a day at Start; it grows with the
	// customers. Default 1.5 a customer. Count and End together say it already, and then it must be 0.
	PerDay float64

	// FraudShare of all transactions; default 0.008, at most 0.2. Negative means no fraud. With a Count
	// the frauds are that share of it, rounded; otherwise they are about as many.
	FraudShare float64

	// Growth is the share of new customers a month; default 0.04, at most 1. Negative means none.
	Growth float64
}

// ErrConfig is returned, wrapped, by New for a world that cannot be.
var ErrConfig = errors.New("simulate: unusable configuration")

// withDefaults fills in what is not set and checks the rest.
func (c Config) withDefaults() (Config, error) {
	c.Customers = orDefault(c.Customers, 20_000)
	c.Merchants = orDefault(c.Merchants, 400)
	c.Terminals = orDefault(c.Terminals, 150)
	c.FraudShare = max(0, orDefault(c.FraudShare, 0.008))
	c.Growth = max(0, orDefault(c.Growth, 0.04))
	switch {
	case c.Customers < 1 || c.Customers > 5_000_000:
		return c, fmt.Errorf("%w: customers must be 1 to 5,000,000", ErrConfig)
	case c.Merchants < 1 || c.Merchants > 90_000 || c.Terminals < 1 || c.Terminals > 90_000:
		return c, fmt.Errorf("%w: merchants and terminals must each be 1 to 90,000", ErrConfig)
	case c.Start.IsZero() || c.Start.Year() < 2000 || c.Start.Year() > 2200:
		return c, fmt.Errorf("%w: a start between the years 2000 and 2200 is needed", ErrConfig)
	case !c.End.IsZero() && !c.End.After(c.Start):
		return c, fmt.Errorf("%w: the end must be after the start", ErrConfig)
	case !c.End.IsZero() && c.End.Sub(c.Start) > longest:
		return c, fmt.Errorf("%w: a world lasts at most 100 years", ErrConfig)
	case c.Count < 0:
		return c, fmt.Errorf("%w: count must not be negative", ErrConfig)
	case c.Count > 0 && !c.End.IsZero() && c.PerDay != 0:
		return c, fmt.Errorf("%w: count and end leave no choice of purchases a day", ErrConfig)
	case !(c.FraudShare <= 0.2) || !(c.Growth <= 1):
		return c, fmt.Errorf("%w: the fraud share is at most 0.2, growth at most 1", ErrConfig)
	}
	if c.PerDay == 0 {
		c.PerDay = 1.5 * float64(c.Customers)
		if c.Count > 0 && !c.End.IsZero() {
			days, _ := c.walk(c.End.UnixMilli(), math.Inf(1))
			c.PerDay = float64(c.Count-c.frauds()) / days
		}
	}
	if !(c.PerDay > 0 && c.PerDay <= 1e9) {
		return c, fmt.Errorf("%w: purchases a day must be above 0 and at most 1e9", ErrConfig)
	}
	return c, nil
}

// longest is how long a world with an end may last.
const longest = 100 * 366 * 24 * time.Hour

// frauds is how many of Count are frauds.
func (c *Config) frauds() int { return int(math.Round(float64(c.Count) * c.FraudShare)) }

func orDefault[T int | float64](v, preset T) T {
	if v == 0 {
		return preset
	}
	return v
}

// Shop is a running world. Make one with New.
type Shop struct {
	cfg    Config
	rnd    *rand.Rand
	prefix string // of every transaction id

	// Tables, constant after New.
	states                []state
	firsts, lasts         []string
	firstSlugs, lastSlugs []string
	lines                 []category
	ranges                []bin
	agents, isbps         []string
	statePick, binPick    picker
	rhythm                rhythm

	// The market, constant after New but for mules.
	merchants []merchant
	sellers   picker
	terminals []terminal
	byState   [][]uint32 // indexes of terminals
	mule      merchant   // the receiver that Pix scammers use at present
	mules     uint32     // receivers ever made

	customers []*customer
	persons   uint64 // identities ever made, fraudsters' too
	serials   uint64 // cards and devices ever made

	// The clock of ordinary purchases, Unix ms.
	end     int64 // nothing happens after it; 0: none
	last    int64 // no attempt happens after it; 0: none
	clock   int64
	carry   float64 // fraction of a millisecond
	hourEnd int64
	rate    float64 // mean days a millisecond until hourEnd
	days    float64 // mean days left until last
	left    int     // ordinary purchases left; -1: no bound

	pending *attempt // the next ordinary purchase; nil when it has to be drawn
	plans   planHeap // frauds that are planned
	labels  dueHeap
	crime   crime
	count   uint64 // transactions yielded
	buf     []byte
}

// New makes the world of a configuration. It returns ErrConfig, wrapped, for one that cannot be.
func New(cfg Config) (*Shop, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Shop{
		cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.Seed, 0x464153_5453484f50)),
		states: brazil(), firsts: firstNames(), lasts: surnames(), lines: categories(), ranges: bins(),
		agents: userAgents(), isbps: banks(), rhythm: newRhythm(),
		clock: cfg.Start.UnixMilli(),
	}
	if err := s.bound(); err != nil {
		return nil, err
	}
	// Another start makes other ids, so that two runs into one store do not collide.
	s.prefix = string(appendLetters([]byte("fs-"), mix(cfg.Seed^mix(uint64(s.clock))), 8)) + "-"
	for _, n := range s.firsts {
		s.firstSlugs = append(s.firstSlugs, asciiFold(n))
	}
	for _, n := range s.lasts {
		s.lastSlugs = append(s.lastSlugs, asciiFold(n))
	}
	weights := make([]float64, 0, len(s.states))
	for _, st := range s.states {
		weights = append(weights, st.weight)
	}
	s.statePick = newPicker(weights...)
	weights = weights[:0]
	for _, b := range s.ranges {
		weights = append(weights, b.weight)
	}
	s.binPick = newPicker(weights...)
	s.openMarket()
	s.customers = make([]*customer, 0, cfg.Customers+cfg.Customers/8)
	for range cfg.Customers {
		s.newCustomer()
	}
	s.crime.open(s)
	return s, nil
}

// bound finds out when the world ends and how many ordinary purchases it has.
func (s *Shop) bound() error {
	c := &s.cfg
	s.left = -1
	if !c.End.IsZero() {
		s.end = c.End.UnixMilli()
		s.last = s.end
		s.days, _ = c.walk(s.last, math.Inf(1))
	}
	if c.Count == 0 {
		return nil
	}
	s.left = c.Count - c.frauds()
	if c.End.IsZero() {
		s.days = float64(s.left) / c.PerDay
		limit := c.Start.Add(longest).UnixMilli()
		if _, s.last = c.walk(limit, s.days); s.last >= limit {
			return fmt.Errorf("%w: a world lasts at most 100 years", ErrConfig)
		}
	}
	return nil
}

// Next yields what happens next, or false when the world has ended. Times never run backward.
func (s *Shop) Next() (Item, bool) {
	if s.pending == nil && s.left != 0 {
		s.draw()
	}
	const never = int64(1) << 62
	purchase, plan, label := never, never, never
	if s.pending != nil {
		purchase = s.pending.at
	}
	if len(s.plans) > 0 {
		plan = s.plans[0].at
	}
	if len(s.labels) > 0 {
		label = s.labels[0].at
	}
	first := min(purchase, plan, label)
	if first == never || s.end != 0 && first > s.end {
		return Item{}, false
	}
	switch first {
	case label:
		return s.labelItem(heap.Pop(&s.labels).(due)), true
	case plan:
		return s.yield(heap.Pop(&s.plans).(plannedFraud).attempt), true
	}
	a := s.pending
	s.pending = nil
	return s.yield(a), true
}

// draw makes the next ordinary purchase and, when frauds are owed, plans some.
func (s *Shop) draw() {
	s.advance()
	s.left = max(s.left-1, -1)
	monthly := s.cfg.Growth * float64(s.cfg.Customers)
	var c *customer
	if s.chance(monthly / (30 * s.cfg.PerDay * s.cfg.growth(s.clock))) {
		c = s.newCustomer()
	} else {
		c = s.drawCustomer()
	}
	a := s.buy(c)
	s.pending = &a
	if s.last == 0 || s.clock <= s.last {
		s.crime.owe(s)
	}
}

func (s *Shop) yield(a *attempt) Item {
	tx := s.count
	s.count++
	s.learn(tx, a)
	id := s.transactionID(tx)
	s.buf = s.appendSubmission(s.buf[:0], id, a)
	return Item{
		At: time.UnixMilli(a.at).UTC(), ID: id, Submission: append([]byte(nil), s.buf...),
		Fraud: a.scenario != ordinary, Scenario: a.scenario.String(),
	}
}

// transactionID is the id of the n-th transaction.
func (s *Shop) transactionID(n uint64) string {
	return string(appendDigits([]byte(s.prefix), n, 9))
}

func (s *Shop) chance(p float64) bool { return s.rnd.Float64() < p }

func (s *Shop) drawState() uint8 { return uint8(s.statePick.draw(s.rnd.Float64())) }
