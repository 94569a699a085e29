// Package score judges one transaction: it reads the windows, evaluates the rules
// and adds up the evidence to a score from 0 (nothing speaks for fraud) to 1000.
//
// # How the score is formed
//
// Every live rule that holds contributes points, its weight of evidence between 0
// and 1000. Points combine as independent evidence does (noisy-or):
//
//	score = 1000 · (1 − Π(1 − points/1000))
//
// so a second reason never counts for more than what is left to 1000, the order of
// rules is without meaning, and one strong reason is not drowned by many absent
// ones. Shadow rules are evaluated and recorded, and add nothing. A learned model
// joins through [Model]; without one the score is that of the rules alone.
//
// A rule that cannot be evaluated is skipped, counted and marked on the result. A
// missing score is never a low score: when windows cannot be read the result says
// so, and rules see missing values, with which no comparison holds.
package score

import (
	"context"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Max is the highest score.
const Max = 1000

// Windows is what the engine asks of velocity.
//
// Observe reads as of each event and then counts it, in order; an id that was
// counted before is read but not counted again. Calls may be made at once. An error
// means that nothing can be said of the batch now; what was counted stays counted,
// and a repeat is safe.
type Windows interface {
	Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error)
	Settle(ctx context.Context, settled []velocity.Settlement) error
}

// Model is a learned score beside the rules. Predict must be safe for concurrent use and must not keep values.
type Model interface {
	// Version names the model, with its checksum.
	Version() string
	// Predict returns the probability of fraud, 0 to 1, from the values of the plan. It returns an error for values
	// that it cannot judge; the engine then goes on with the rules and marks the result.
	Predict(values []float64) (float64, error)
}

// Hit is a rule that held.
type Hit struct {
	Rule   *rule.Rule
	Points int
}

// Result is the judgment on one transaction.
type Result struct {
	Score     int    // 0 to Max
	Hits      []Hit  // live and shadow, in the order of the rule set
	Failed    []int  // rules that failed at run time, as indexes into the rule set
	LiveLost  bool   // a live rule is among them: the score may be too low
	Floor     string // the hardest outcome that a live rule asks for, or ""
	Values    []float64
	Saturated bool
	Late      bool
	Degraded  bool // the windows could not be read
	Repeated  bool // the windows had counted the id before, for a try that was not stored then
	ModelGone bool // the model could not judge
	Anomalous bool // the amount was far from the customer's own past
	Took      time.Duration
}

// Combine adds up points as independent evidence; see the package comment.
func Combine(points []int) int {
	rest := 1.0
	for _, p := range points {
		rest *= remaining(p)
	}
	return toScore(rest)
}

func remaining(points int) float64 {
	return 1 - float64(min(max(points, 0), Max))/Max
}

func toScore(rest float64) int {
	return int(math.Round(Max * (1 - rest)))
}
