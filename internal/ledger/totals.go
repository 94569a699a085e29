package ledger

import "github.com/fastshop/pipeline/internal/decision"

// Totals are running counts of what a store holds.
type Totals struct {
	Approve, Challenge, Review, Decline int64 // transactions by outcome
	Frauds, Genuine                     int64 // labels by verdict
	Alerts                              int64 // ever opened
	DeadLetters                         int64 // open ones
	Erased                              int64 // transactions of erased customers
}

// Transactions is how many are stored.
func (n *Totals) Transactions() int64 { return n.Approve + n.Challenge + n.Review + n.Decline }

// Count adds a transaction of an outcome. An invalid one is counted nowhere.
func (n *Totals) Count(o decision.Outcome) {
	switch o {
	case decision.Approve:
		n.Approve++
	case decision.Challenge:
		n.Challenge++
	case decision.Review:
		n.Review++
	case decision.Decline:
		n.Decline++
	}
}

// TotalNames names the counts in the order of Values.
var totalNames = [9]string{"approve", "challenge", "review", "decline", "frauds", "genuine", "alerts", "dead letters", "erased"}

// Values are the counts in the order of the fields, as stores write them.
func (n *Totals) Values() [9]int64 {
	return [9]int64{n.Approve, n.Challenge, n.Review, n.Decline, n.Frauds, n.Genuine, n.Alerts, n.DeadLetters, n.Erased}
}

// TotalsOf is the inverse of Values.
func TotalsOf(v [9]int64) Totals {
	return Totals{
		Approve: v[0], Challenge: v[1], Review: v[2], Decline: v[3], Frauds: v[4],
		Genuine: v[5], Alerts: v[6], DeadLetters: v[7], Erased: v[8],
	}
}
