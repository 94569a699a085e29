// Package rule holds what an analyst writes: named conditions over a transaction
// and its windows, in YAML with CEL expressions, compiled and type-checked when
// they are loaded, each with a reason code and texts in Portuguese and English.
//
// # A rule file
//
//	name: fastshop-default
//	version: "2026-01"
//	rules:
//	  - id: card-declines
//	    code: RECENT_DECLINES
//	    mode: live                 # or shadow: recorded, without effect; default live
//	    when: card.declines_1h >= 2
//	    points: 150 * card.declines_1h   # or a plain integer from 0 to 1000
//	    outcome: review            # optional floor: challenge, review or decline
//	    text:
//	      pt: Este cartão teve outras tentativas recusadas há pouco.
//	      en: This card had other attempts declined a short while ago.
//
// The file is strict: an unknown key, a second rule of the same id, a missing text
// or an expression of the wrong type refuse the whole file, and every fault is
// reported at once ([Faults]), with its line and what to change.
//
// # Expressions
//
// Conditions are CEL (https://github.com/google/cel-spec) over the variables that
// the caller declares: Number is a double, Text a string, Flag a bool. A missing
// number is NaN, and every comparison with NaN is false, also inside CEL; so a rule
// never holds because of something that is not there. A condition built with "!" can:
// !(x > 3) holds for a missing x. Ask with known(x) and missing(x).
//
// Beyond CEL's standard functions there are min and max of two or three numbers (a missing one is
// passed over), abs, clamp(x, low, high), known and missing (of a Number or a Text). Integer literals
// may stand wherever a double is expected: tx.amount / 100 > 3 * 50 needs no decimal points.
//
// Points that are an expression are rounded and kept within 0 and 1000. NaN points are 0: the rule
// holds, its reason is given and its outcome applies, but evidence of unknown weight adds nothing.
//
// # How it runs
//
// A checked expression is compiled to Go closures, a few nanoseconds an operator and
// without allocation. What the closures do not cover (comprehensions, maps, conversions of
// text) is left to the CEL interpreter under a cost limit: correct, and some hundred times
// slower. Both give the same answers, which a property test and a fuzz target hold them to.
//
// A rule that fails at run time (an integer division by zero, the cost limit, a panic) is
// skipped and named in [Result.Failed]. This package never turns a failure into an outcome:
// the caller marks the decision.
package rule

// Type is the type of a variable.
type Type uint8

// The types a rule can read.
const (
	Number Type = iota + 1 // a CEL double; NaN means missing, and every comparison with it is false
	Text                   // a CEL string; "" means missing
	Flag                   // a CEL bool
)

// Variable is something that a rule may read, such as "tx.amount" or "card.count_1h".
type Variable struct {
	Name string
	Type Type
	Doc  string // one line: meaning, unit, when it is missing
}

// Input holds the values of the variables that a Set reads: the k-th Number of
// [Set.Variables] is Numbers[k], the k-th Text is Texts[k], the k-th Flag is Flags[k].
// [Set.NewInput] makes one of the right size, [Set.Slot] tells where a variable is.
type Input struct {
	Numbers []float64
	Texts   []string
	Flags   []bool
}

// Mode says whether a rule counts.
type Mode uint8

// The modes. The zero value is invalid.
const (
	Live   Mode = iota + 1
	Shadow      // evaluated and recorded, but without effect on score and outcome
)

// String gives the mode as it is written in a rule file.
func (m Mode) String() string {
	switch m {
	case Live:
		return "live"
	case Shadow:
		return "shadow"
	}
	return "invalid"
}

// Wording is what is said of a rule that held, to a customer and to an analyst.
// It holds no value of the transaction, so it is the same for everyone.
type Wording struct {
	PT string `json:"pt"` // Portuguese
	EN string `json:"en"` // English
}

// Rule is one rule of a [Set], as it was written.
type Rule struct {
	ID      string   `json:"id"`                // unique in its set, lower case with dashes: "card-declines"
	Code    string   `json:"code"`              // reason code, upper case with underscores; several rules may share one
	Mode    Mode     `json:"mode"`              // live or shadow
	When    string   `json:"when"`              // source of the condition
	Points  string   `json:"points"`            // source of the points: an integer or a CEL expression
	Outcome string   `json:"outcome,omitempty"` // the mildest outcome when the rule holds: challenge, review, decline, or "" for none
	Text    Wording  `json:"text"`
	Tags    []string `json:"tags,omitempty"`
	Notes   string   `json:"notes,omitempty"` // for the next analyst
}

// MarshalText writes the mode as in a rule file.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// Hit is a rule that held for a transaction.
type Hit struct {
	Rule   int // index into Set.Rules
	Points int // 0 to 1000; what the rule adds to the score, also for a shadow rule (which adds nothing)
}

// Result is what a Set says of one transaction. It may be reused.
type Result struct {
	Hits   []Hit // in the order of Set.Rules
	Failed []int // rules that failed at run time and were skipped
}
