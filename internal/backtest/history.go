package backtest

import "time"

// Heard is until when something is heard of a history: its last payment or its last label. The history must not be empty;
// its payments are in the order of time.
func Heard(history []Case) time.Time {
	end := history[len(history)-1].Transaction.OccurredAt
	for i := range history {
		if history[i].KnownAt.After(end) {
			end = history[i].KnownAt
		}
	}
	return end
}

// Settled tells whether at a moment the truth about a payment counts as known: it is as old as labels take to come then.
// Whoever counts frauds leaves younger ones out, also if one is known already to be a fraud: of their like only the frauds
// are known.
func (c *Case) Settled(at time.Time, maturity time.Duration) bool {
	return at.Sub(c.Transaction.OccurredAt) >= maturity
}
