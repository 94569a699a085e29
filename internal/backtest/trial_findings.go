package backtest

import "github.com/fastshop/pipeline/internal/decision"

// Findings are how a judge did on a history, gathered by [Gathering]. Shares are 0 to 1, money is centavos. A figure that
// has no value (no fraud seen, nothing flagged) is 0.
type Findings struct {
	Name    string `json:"name"`
	RuleSet string `json:"rule_set"` // version, "" for none
	Model   string `json:"model"`    // version, "" for none
	Policy  string `json:"policy"`   // version
	Figures
	CardPrecision float64      `json:"card_precision"` // CP@k with k = Cards
	Cards         int          `json:"cards"`          // that are looked into on a day
	Money         Money        `json:"money"`
	Outcomes      []OutcomeRow `json:"outcomes"`    // the mildest first
	Thresholds    []CurvePoint `json:"thresholds"`  // precision and recall where challenge, review and decline begin, by the score alone
	Curve         []CurvePoint `json:"curve"`       // one for each score that occurs, the highest first
	Scores        []ScoreBin   `json:"scores"`      // all bins, the lowest first
	Reliability   []ScoreShare `json:"reliability"` // bins that hold payments, the lowest first
	Days          []DayRow     `json:"days"`        // with payments, in order
	Rules         []RuleRow    `json:"rules"`       // the most hits first
	Overlaps      []Overlap    `json:"overlaps"`    // pairs of rules that held together, the most often first
}

// Money is what a judge costs and saves, in centavos.
type Money struct {
	Cost        float64 `json:"cost"`         // with its outcomes
	ApproveAll  float64 `json:"approve_all"`  // if every payment were approved
	PerDay      float64 `json:"per_day"`      // Cost over the days with payments
	PerThousand float64 `json:"per_thousand"` // Cost for a thousand payments
	Frauds      int64   `json:"frauds"`       // sum of the frauds' amounts
	Caught      int64   `json:"caught"`       // of that, frauds that were not approved
	Alarmed     int64   `json:"alarmed"`      // sum of the amounts of false alarms
}

// OutcomeRow is how many payments had an outcome.
type OutcomeRow struct {
	Outcome  string `json:"outcome"`
	Payments int    `json:"payments"`
	Frauds   int    `json:"frauds"`
}

// CurvePoint is precision and recall if everything were flagged from a score on.
type CurvePoint struct {
	Threshold int     `json:"threshold"`
	Flagged   int     `json:"flagged"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// ScoreBin counts payments with scores from From to To, both included.
type ScoreBin struct {
	From    int `json:"from"`
	To      int `json:"to"`
	Frauds  int `json:"frauds"`
	Genuine int `json:"genuine"`
}

// ScoreShare compares scores with what came of them. Low and High bound the share of frauds with 95 % confidence (Wilson,
// Journal of the American Statistical Association 22, 1927).
type ScoreShare struct {
	From     int     `json:"from"`
	To       int     `json:"to"`
	Payments int     `json:"payments"`
	Score    float64 `json:"score"` // mean
	Share    float64 `json:"share"` // of frauds
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
}

// DayRow is one day by the clock of the shop.
type DayRow struct {
	Date       string  `json:"date"` // 2006-01-02
	Payments   int     `json:"payments"`
	Frauds     int     `json:"frauds"`
	Caught     int     `json:"caught"` // frauds that were not approved
	Alarms     int     `json:"alarms"` // genuine payments that were not approved
	Cost       float64 `json:"cost"`
	ApproveAll float64 `json:"approve_all"` // the cost if every payment were approved
}

// RuleRow is how one rule did.
type RuleRow struct {
	ID        string  `json:"id"`
	Code      string  `json:"code"`
	Shadow    bool    `json:"shadow"`
	Hits      int     `json:"hits"`
	Frauds    int     `json:"frauds"` // among the hits
	Alone     int     `json:"alone"`  // hits in which no other rule held
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"` // of all frauds
}

// Overlap is how often two rules held together.
type Overlap struct {
	A      string  `json:"a"`
	B      string  `json:"b"`
	Both   int     `json:"both"`
	Frauds int     `json:"frauds"` // among them
	Share  float64 `json:"share"`  // Both over the hits of either (Jaccard)
}

// Difference is what changes when the candidate judges in place of the live set. Gained frauds are those that the candidate
// does not approve and the live set does, and lost ones the reverse; alarms likewise of genuine payments.
type Difference struct {
	Payments     int       `json:"payments"` // that both judged
	Changed      int       `json:"changed"`  // whose outcome differs
	FraudsGained int       `json:"frauds_gained"`
	FraudsLost   int       `json:"frauds_lost"`
	AlarmsGained int       `json:"alarms_gained"`
	AlarmsLost   int       `json:"alarms_lost"`
	Cost         float64   `json:"cost"` // candidate less live, centavos
	Moves        []MoveRow `json:"moves"`
}

// MoveRow counts payments that have one outcome from the live set and another from the candidate.
type MoveRow struct {
	Live      string `json:"live"`
	Candidate string `json:"candidate"`
	Payments  int    `json:"payments"`
	Frauds    int    `json:"frauds"`
}

// Cost is what an outcome costs for a payment whose truth is known, in centavos.
type Cost func(o decision.Outcome, fraud bool, amount int64) float64
