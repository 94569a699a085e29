package backtest

import (
	"cmp"
	"slices"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

// Contest sets two judges of the same payments side by side. It is not safe for concurrent use.
type Contest struct {
	cost  Cost
	sum   Difference
	moves map[[2]decision.Outcome]*counts
}

// NewContest makes an empty one.
func NewContest(cost Cost) *Contest {
	return &Contest{cost: cost, moves: map[[2]decision.Outcome]*counts{}}
}

// Add counts one payment that both judged.
func (c *Contest) Add(t *payment.Transaction, fraud bool, candidate, live *Verdict) {
	c.sum.Payments++
	amount := t.Amount.Centavos
	c.sum.Cost += c.cost(candidate.Outcome, fraud, amount) - c.cost(live.Outcome, fraud, amount)
	if candidate.Outcome == live.Outcome {
		return
	}
	c.sum.Changed++
	move := [2]decision.Outcome{live.Outcome, candidate.Outcome}
	if c.moves[move] == nil {
		c.moves[move] = &counts{}
	}
	c.moves[move].add(fraud)
	switch now, before := candidate.Flagged(), live.Flagged(); {
	case now == before:
	case now && fraud:
		c.sum.FraudsGained++
	case now:
		c.sum.AlarmsGained++
	case fraud:
		c.sum.FraudsLost++
	default:
		c.sum.AlarmsLost++
	}
}

// Difference is what was counted so far.
func (c *Contest) Difference() Difference {
	d := c.sum
	d.Moves = []MoveRow{}
	for move, n := range c.moves {
		d.Moves = append(d.Moves, MoveRow{move[0].String(), move[1].String(), n.payments, n.frauds})
	}
	slices.SortFunc(d.Moves, func(a, b MoveRow) int {
		return cmp.Or(cmp.Compare(b.Payments, a.Payments), cmp.Compare(a.Live, b.Live), cmp.Compare(a.Candidate, b.Candidate))
	})
	return d
}
