// Package explanation says why a payment was judged as it was, in words and numbers, from what was stored with the
// decision: the outcome and its thresholds, the rules that held, what every variable of the model did, all that either of
// them read, what was missing, and how the customer may contest it (LGPD, art. 20).
//
// # What is guaranteed
//
// Nothing is stored for an explanation with the decision. With the rules and the model that decided, [Explainer.Of]
// judges the stored values again, and the same decision gives the same bytes of JSON whenever it is asked, also years
// later and after its customer was erased: windows, clock and randomness are not read. It compares what comes out with
// what was stored and says if they differ ([Explanation.Agrees]). With other rules or another model it says so, and holds
// what was stored: outcome, score, reasons and values.
//
// Another shadow model, or a plan with more features, changes nothing: values are found by their names.
//
// # Limits
//
// No personal data and no token is in an explanation. What a shadow model read is not explained; of decisions from before
// shadow models were named, neither its version nor points of 0 are known. Thresholds and points help those who want to
// get around them: an explanation is for the shop's own people, who answer the customer in the words of the reasons.
package explanation

import (
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
)

// Case is a stored decision with what belongs to it.
type Case struct {
	Transaction *payment.Transaction
	Decision    *decision.Decision
	Names       []string      // of Decision.Features.Values, by its plan; nil if they are not known
	Label       *review.Label // the latest that is known, or nil
}

// Text is a sentence for people.
type Text struct {
	PT string `json:"pt"`
	EN string `json:"en"`
}

// Explanation is all that can be said of a decision.
type Explanation struct {
	TransactionID string    `json:"transaction_id"`
	OccurredAt    time.Time `json:"occurred_at"`
	ReceivedAt    time.Time `json:"received_at"`
	Amount        Amount    `json:"amount"`
	Method        string    `json:"method"`
	Channel       string    `json:"channel,omitempty"`

	Outcome   string    `json:"outcome"`
	Score     int       `json:"score"`
	Policy    Policy    `json:"policy"`
	Path      string    `json:"path"`
	DecidedAt time.Time `json:"decided_at"`
	Took      Number    `json:"took_us"` // of the engine, microseconds
	RuleSet   string    `json:"rule_set"`
	Plan      string    `json:"plan"`     // of the windows' values
	Degraded  []Missing `json:"degraded"` // what was missing

	Rules       []Rule   `json:"rules"`        // that held: live ones, the strongest first, then shadow rules
	FailedRules []string `json:"failed_rules"` // ids of rules that could not be evaluated; known when Recomputed
	Model       *Model   `json:"model"`        // nil: none judged
	ShadowModel *Shadow  `json:"shadow_model"` // nil: none
	Inputs      []Input  `json:"inputs"`

	// Recomputed is true if the stored values were judged again by the rules and the model that decided. Then Agrees says
	// whether the same came out, and Differs what did not: score, outcome, reasons, degraded or anomalous. Note says why
	// there is less to see than there could be, or that the stored decision and its explanation do not agree.
	Recomputed      bool     `json:"recomputed"`
	RecomputedScore *int     `json:"recomputed_score"`
	Agrees          *bool    `json:"agrees"`
	Differs         []string `json:"differs"`
	Note            *Text    `json:"note"`

	Label    *Label `json:"label"` // nil while nothing is known
	Criteria Text   `json:"criteria"`
	Contest  Text   `json:"contest"`
}

// Amount is a sum of money.
type Amount struct {
	Centavos int64  `json:"centavos"`
	Currency string `json:"currency"`
}

// Policy is the thresholds of the decision. They are nil when its version does not tell them.
type Policy struct {
	Version   string `json:"version"`
	Challenge *int   `json:"challenge"` // scores from here on are challenged
	Review    *int   `json:"review"`    // … held for an analyst
	Decline   *int   `json:"decline"`   // … refused
}

// Missing is something that the decision had to do without.
type Missing struct {
	Code string `json:"code"`
	Text Text   `json:"text"`
}

// Rule is a rule that held.
type Rule struct {
	Rule    string `json:"rule"` // its id
	Code    string `json:"code"`
	Points  int    `json:"points"`            // 0 to 1000
	Outcome string `json:"outcome,omitempty"` // the mildest that it asks for, if any and if the rule is at hand
	Shadow  bool   `json:"shadow"`            // recorded only
	Text    *Text  `json:"text"`              // nil for a rule that is not at hand
}

// Model is what a learned model said. Points, Base, LogOdds and Contributions need the model, and are nil or empty without.
type Model struct {
	Version string `json:"version"`
	Points  *int   `json:"points"` // the weight of its evidence, 0 to 1000; nil also if it could not judge
	// Base is the log-odds of fraud without any variable. With all contributions it is LogOdds, which the model's
	// calibration and scale turn into Points.
	Base          *Number        `json:"base_log_odds"`
	LogOdds       *Number        `json:"log_odds"`
	Contributions []Contribution `json:"contributions"` // what speaks for fraud first, the strongest at the head
	Grounds       []Ground       `json:"grounds"`       // the strongest that speak for fraud
}

// Contribution is what one variable of the model did.
type Contribution struct {
	Variable string `json:"variable"`
	Value    Number `json:"value"`    // a flag, and a text compared with a value, is 0 or 1
	LogOdds  Number `json:"log_odds"` // below 0 it speaks against fraud
	Text     *Text  `json:"text"`
}

// Ground is a variable that speaks for fraud, with its share of the model's points.
type Ground struct {
	Code   string `json:"code"`
	Points int    `json:"points"`
	Text   *Text  `json:"text"`
}

// Shadow is what a shadow model said, without effect.
type Shadow struct {
	Version string `json:"version,omitempty"` // empty if it was not stored yet
	Points  int    `json:"points"`
}

// Input is something that was read.
type Input struct {
	Name   string   `json:"name"`
	Value  Value    `json:"value"`
	Doc    string   `json:"doc"`     // meaning, unit, and when it is missing
	Text   *Text    `json:"text"`    // what it is about, for people
	ReadBy []string `json:"read_by"` // rules, model; empty for what others are made of, and when it is not known
}

// Label is what became known later.
type Label struct {
	Verdict string    `json:"verdict"`
	Source  string    `json:"source"`
	KnownAt time.Time `json:"known_at"`
}
