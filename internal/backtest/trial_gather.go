package backtest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

// Subject is who is judged about, and by what, as findings name it.
type Subject struct {
	Name           string
	RuleSet, Model string // versions, "" for none
	Policy         decision.Policy
	Rules          []RuleHit // rules that findings list also when they never hold
}

// Gathering adds up what a judge said of payments whose truth is known. It keeps 24 bytes a payment. It is not safe for
// concurrent use.
type Gathering struct {
	subject  Subject
	zone     *time.Location
	cards    int
	cost     Cost
	tally    Tally
	money    Money
	outcomes [decision.Decline + 1]counts
	days     map[string]*gatheredDay
	rules    map[string]*RuleRow
	pairs    map[[2]string]*counts
	numbers  map[payment.Token]int32 // of those who pay
}

// counts are payments and the frauds among them.
type counts struct{ payments, frauds int }

func (c *counts) add(fraud bool) {
	c.payments++
	if fraud {
		c.frauds++
	}
}

type gatheredDay struct {
	DayRow
	scores []CardScore
}

// NewGathering makes an empty one. Days are those of the zone's clock; cards are how many are looked into on a day (the k
// of CP@k), at least 1.
func NewGathering(s Subject, zone *time.Location, cards int, cost Cost) *Gathering {
	g := &Gathering{
		subject: s, zone: zone, cards: max(cards, 1), cost: cost,
		days: map[string]*gatheredDay{}, rules: map[string]*RuleRow{}, pairs: map[[2]string]*counts{}, numbers: map[payment.Token]int32{},
	}
	for _, r := range s.Rules {
		g.rule(r)
	}
	return g
}

// Add counts one payment. The outcome is one of the four.
func (g *Gathering) Add(t *payment.Transaction, fraud bool, v *Verdict) {
	amount, flagged := t.Amount.Centavos, v.Flagged()
	g.tally.Add(v.Score, fraud, flagged)
	g.outcomes[v.Outcome].add(fraud)
	cost, approved := g.cost(v.Outcome, fraud, amount), g.cost(decision.Approve, fraud, amount)
	g.money.Cost += cost
	g.money.ApproveAll += approved

	d := g.day(t.OccurredAt)
	d.Payments++
	d.Cost += cost
	d.ApproveAll += approved
	switch {
	case fraud:
		d.Frauds++
		g.money.Frauds += amount
		if flagged {
			d.Caught++
			g.money.Caught += amount
		}
	case flagged:
		d.Alarms++
		g.money.Alarmed += amount
	}
	number, ok := g.numbers[t.Customer]
	if !ok {
		number = int32(len(g.numbers))
		g.numbers[t.Customer] = number
	}
	d.scores = append(d.scores, CardScore{Card: number, Score: float64(v.Score), Fraud: fraud})
	g.hits(v.Hits, fraud)
}

func (g *Gathering) day(at time.Time) *gatheredDay {
	date := at.In(g.zone).Format(time.DateOnly)
	d := g.days[date]
	if d == nil {
		d = &gatheredDay{DayRow: DayRow{Date: date}}
		g.days[date] = d
	}
	return d
}

func (g *Gathering) rule(h RuleHit) *RuleRow {
	r := g.rules[h.ID]
	if r == nil {
		r = &RuleRow{ID: h.ID}
		g.rules[h.ID] = r
	}
	r.Code, r.Shadow = h.Code, h.Shadow // as of the latest hit: stored decisions may be of several versions
	return r
}

func (g *Gathering) hits(hits []RuleHit, fraud bool) {
	for i, h := range hits {
		r := g.rule(h)
		r.Hits++
		if fraud {
			r.Frauds++
		}
		if len(hits) == 1 {
			r.Alone++
		}
		for _, other := range hits[i+1:] {
			pair := [2]string{min(h.ID, other.ID), max(h.ID, other.ID)}
			if g.pairs[pair] == nil {
				g.pairs[pair] = &counts{}
			}
			g.pairs[pair].add(fraud)
		}
	}
}

// Findings are what was gathered so far.
func (g *Gathering) Findings() Findings {
	f := Findings{
		Name: g.subject.Name, RuleSet: g.subject.RuleSet, Model: g.subject.Model, Policy: g.subject.Policy.Version(),
		Figures: g.tally.Figures(), Cards: g.cards, Money: g.money,
		Curve: g.tally.curve(), Scores: g.tally.bins(), Reliability: g.tally.shares(),
		Overlaps: []Overlap{}, Rules: []RuleRow{}, Days: []DayRow{},
	}
	var scores [][]CardScore
	for _, date := range slices.Sorted(maps.Keys(g.days)) {
		f.Days = append(f.Days, g.days[date].DayRow)
		scores = append(scores, g.days[date].scores)
	}
	f.CardPrecision = CardPrecision(scores, g.cards)
	if len(f.Days) > 0 {
		f.Money.PerDay = f.Money.Cost / float64(len(f.Days))
		f.Money.PerThousand = 1000 * f.Money.Cost / float64(f.Transactions)
	}
	for _, o := range decision.Outcomes() {
		f.Outcomes = append(f.Outcomes, OutcomeRow{o.String(), g.outcomes[o].payments, g.outcomes[o].frauds})
	}
	for _, from := range []int{g.subject.Policy.Challenge, g.subject.Policy.Review, g.subject.Policy.Decline} {
		f.Thresholds = append(f.Thresholds, g.tally.at(from))
	}
	for _, r := range g.rules {
		row := *r
		row.Precision, row.Recall = ratio(r.Frauds, r.Hits), ratio(r.Frauds, f.Frauds)
		f.Rules = append(f.Rules, row)
	}
	slices.SortFunc(f.Rules, func(a, b RuleRow) int { return cmp.Or(cmp.Compare(b.Hits, a.Hits), cmp.Compare(a.ID, b.ID)) })
	for pair, n := range g.pairs {
		either := g.rules[pair[0]].Hits + g.rules[pair[1]].Hits - n.payments
		f.Overlaps = append(f.Overlaps, Overlap{A: pair[0], B: pair[1], Both: n.payments, Frauds: n.frauds, Share: ratio(n.payments, either)})
	}
	slices.SortFunc(f.Overlaps, func(a, b Overlap) int {
		return cmp.Or(cmp.Compare(b.Both, a.Both), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
	return f
}
