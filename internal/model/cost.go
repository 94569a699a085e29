package model

import (
	"errors"
	"fmt"
	"math"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/score"
)

// ErrCosts is wrapped by the error for costs that make no sense.
var ErrCosts = errors.New("invalid costs")

// Costs are what outcomes cost the shop, in centavos of a payment, and what they are good for. They are a shop's own
// judgment; the defaults are a starting point and no measurement.
type Costs struct {
	Fraud           float64 `json:"fraud"`            // a fraud that goes through: goods, fee, chargeback
	Insult          float64 `json:"insult"`           // a genuine customer who is refused: margin and trust
	Review          float64 `json:"review"`           // an analyst's minutes
	Challenge       float64 `json:"challenge"`        // the proof itself, and customers who leave at it
	ReviewStops     float64 `json:"review_stops"`     // share of frauds that an analyst finds, 0 to 1
	ChallengeStops  float64 `json:"challenge_stops"`  // share of frauds that fail at a proof, 0 to 1
	ReviewInsults   float64 `json:"review_insults"`   // share of genuine customers who are lost over a review, 0 to 1
	ChallengeInsult float64 `json:"challenge_insult"` // share of genuine customers who are lost at a proof, 0 to 1
}

// DefaultCosts are those of a shop whose average fraud costs R$ 450 (goods and chargeback), a refused customer R$ 60, a
// review R$ 8 and a proof R$ 0.30, at which every tenth customer leaves.
func DefaultCosts() Costs {
	return Costs{Fraud: 45_000, Insult: 6_000, Review: 800, Challenge: 30,
		ReviewStops: 0.9, ChallengeStops: 0.7, ReviewInsults: 0.05, ChallengeInsult: 0.1}
}

// Validate checks that nothing is negative and shares are shares. The error wraps ErrCosts.
func (c Costs) Validate() error {
	for _, v := range [...]float64{c.Fraud, c.Insult, c.Review, c.Challenge} {
		if !(v >= 0) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: costs are centavos, 0 or more", ErrCosts)
		}
	}
	for _, v := range [...]float64{c.ReviewStops, c.ChallengeStops, c.ReviewInsults, c.ChallengeInsult} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: shares are 0 to 1", ErrCosts)
		}
	}
	if c.Fraud == 0 {
		return fmt.Errorf("%w: a fraud that costs nothing needs no model", ErrCosts)
	}
	return nil
}

// Of is what an outcome costs on average for a payment that is a fraud with probability p.
func (c Costs) Of(o decision.Outcome, p float64) float64 {
	switch o {
	case decision.Challenge:
		return c.Challenge + p*c.Fraud*(1-c.ChallengeStops) + (1-p)*c.Insult*c.ChallengeInsult
	case decision.Review:
		return c.Review + p*c.Fraud*(1-c.ReviewStops) + (1-p)*c.Insult*c.ReviewInsults
	case decision.Decline:
		return (1 - p) * c.Insult
	default:
		return p * c.Fraud
	}
}

// Thresholds are the probabilities from which on an outcome, or a harder one, costs least.
type Thresholds struct {
	Challenge float64 `json:"challenge"`
	Review    float64 `json:"review"`
	Decline   float64 `json:"decline"`
}

// steps is how finely probabilities are looked at: to a hundredth of a percent.
const steps = 10_000

// Thresholds finds where each outcome begins to pay. An outcome that never pays begins where the next harder one does.
func (c Costs) Thresholds() Thresholds {
	first := map[decision.Outcome]float64{decision.Challenge: 1, decision.Review: 1, decision.Decline: 1}
	for i := steps; i >= 0; i-- {
		p := float64(i) / steps
		best := decision.Approve
		for _, o := range decision.Outcomes() {
			if c.Of(o, p) < c.Of(best, p) {
				best = o
			}
		}
		for o := range first {
			if best >= o {
				first[o] = p
			}
		}
	}
	return Thresholds{first[decision.Challenge], first[decision.Review], first[decision.Decline]}
}

// Scale is the scale on which t lies at the points of a policy.
func (t Thresholds) Scale(p decision.Policy) Scale {
	s := Scale{{}}
	for _, k := range []Knot{{t.Challenge, p.Challenge}, {t.Review, p.Review}, {t.Decline, p.Decline}} {
		last := &s[len(s)-1]
		switch {
		case k.Probability >= 1 || k.Points >= score.Max:
		case k.Probability > last.Probability:
			s = append(s, k)
		case len(s) > 1: // two begin together: the harder one
			last.Points = k.Points
		}
	}
	return append(s, Knot{1, score.Max})
}

// outcome is what the thresholds say of a probability.
func (t Thresholds) outcome(p float64) decision.Outcome {
	switch {
	case p >= t.Decline:
		return decision.Decline
	case p >= t.Review:
		return decision.Review
	case p >= t.Challenge:
		return decision.Challenge
	}
	return decision.Approve
}
