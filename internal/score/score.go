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

// Model is a learned score beside the rules. Its methods are safe for concurrent use and keep nothing that they are given.
type Model interface {
	// Version names the model, with its checksum.
	Version() string
	// Variables are what the model reads; see Inputs.
	Variables() []string
	// Points is the weight of the model's evidence, 0 to Max, from its variables in order. It returns an error for inputs
	// that it cannot judge; the engine then goes on with the rules and marks the result.
	Points(inputs []float64) (int, error)
	// Explain writes what each variable adds to the log-odds of fraud into out, and returns the log-odds without any of
	// them. The same inputs give the same bits.
	Explain(inputs, out []float64) (base float64)
}

// Ground is a variable that speaks for fraud in the model's eyes.
type Ground struct {
	Variable string
	Points   int // its share of the model's points
}

// Contribution is what one variable of a model did.
type Contribution struct {
	Variable string
	Value    float64 // NaN: missing
	LogOdds  float64 // below 0 it speaks against fraud
}

// NoShadow stands for the points of a shadow model that there is not.
const NoShadow = -1

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
	Degraded  bool     // the windows could not be read
	Repeated  bool     // the windows had counted the id before, for a try that was not stored then
	Model     int      // the model's points, or 0
	ModelGone bool     // the model could not judge
	Shadow    int      // points of the shadow model, which add nothing to Score; NoShadow without an answer of one
	Grounds   []Ground // why the model says so, strongest first; empty until Engine.Ground has been asked
	Anomalous bool     // the amount was far from the customer's own past
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
