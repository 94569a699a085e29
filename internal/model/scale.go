package model

import (
	"errors"
	"math"

	"github.com/fastshop/pipeline/internal/score"
)

// Calibration turns the margin of trees into a probability: 1/(1+exp(−(Slope·margin+Intercept))).
type Calibration struct {
	Slope     float64 `json:"slope"` // above 0, so that the order stays
	Intercept float64 `json:"intercept"`
}

func (c Calibration) validate() error {
	if !(c.Slope > 0) || math.IsInf(c.Slope, 0) || math.IsNaN(c.Intercept) || math.IsInf(c.Intercept, 0) {
		return errors.New("calibration is not an ascending line")
	}
	return nil
}

// Probability is the calibrated probability of a margin.
func (c Calibration) Probability(margin float64) float64 {
	return 1 / (1 + math.Exp(-(c.Slope*margin + c.Intercept)))
}

// fitSteps bounds the steps of Newton's method, which needs some ten.
const fitSteps = 100

// Calibrate fits a calibration to margins whose truth is known, as Platt does it: with targets pulled in from 0 and 1 by
// what the number of examples leaves open, so that separable data have a finite line, and with Newton's method (Lin, Lin
// and Weng, A Note on Platt's Probabilistic Outputs for Support Vector Machines, Machine Learning 68, 2007). Without
// examples of both kinds, or when the margins say the opposite of the truth, it is the identity.
func Calibrate(margins []float64, frauds []bool) Calibration {
	identity := Calibration{Slope: 1}
	positive := 0
	for _, f := range frauds {
		if f {
			positive++
		}
	}
	negative := len(frauds) - positive
	if positive == 0 || negative == 0 {
		return identity
	}
	high, low := (float64(positive)+1)/(float64(positive)+2), 1/(float64(negative)+2)
	c := Calibration{Slope: 1, Intercept: 0}
	loss := c.loss(margins, frauds, high, low)
	for range fitSteps {
		step, ok := c.newton(margins, frauds, high, low)
		if !ok {
			break
		}
		size := 1.0
		next, lower := c, loss
		for ; size > 1e-10; size /= 2 {
			next = Calibration{c.Slope - size*step.Slope, c.Intercept - size*step.Intercept}
			if lower = next.loss(margins, frauds, high, low); lower < loss {
				break
			}
		}
		if loss-lower < 1e-12*math.Abs(loss) {
			break
		}
		c, loss = next, lower
	}
	if c.validate() != nil {
		return identity
	}
	return c
}

// target is what a row's probability ought to be.
func target(fraud bool, high, low float64) float64 {
	if fraud {
		return high
	}
	return low
}

// loss is the log loss.
func (c Calibration) loss(margins []float64, frauds []bool, high, low float64) float64 {
	sum := 0.0
	for i, m := range margins {
		z := c.Slope*m + c.Intercept
		t := target(frauds[i], high, low)
		// log(1+exp(z)) − t·z without overflow
		sum += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - t*z
	}
	return sum
}

// newton is the step that would end at the lowest loss if it were a parabola.
func (c Calibration) newton(margins []float64, frauds []bool, high, low float64) (step Calibration, ok bool) {
	var g1, g0 float64
	h11, h10, h00 := 1e-12, 0.0, 1e-12
	for i, m := range margins {
		p := c.Probability(m)
		d, w := p-target(frauds[i], high, low), p*(1-p)
		g1, g0 = g1+d*m, g0+d
		h11, h10, h00 = h11+w*m*m, h10+w*m, h00+w
	}
	det := h11*h00 - h10*h10
	if !(det > 0) {
		return step, false
	}
	return Calibration{(h00*g1 - h10*g0) / det, (h11*g0 - h10*g1) / det}, true
}

// Knot is a point of a scale.
type Knot struct {
	Probability float64 `json:"probability"`
	Points      int     `json:"points"`
}

// Scale turns a probability into points, piecewise linearly. Its knots ascend from probability 0 with 0 points to 1 with
// score.Max.
type Scale []Knot

func (s Scale) validate() error {
	if len(s) < 2 || s[0] != (Knot{}) || s[len(s)-1] != (Knot{1, score.Max}) {
		return errors.New("scale does not go from 0 to 1")
	}
	for i := 1; i < len(s); i++ {
		if !(s[i].Probability > s[i-1].Probability) || s[i].Points < s[i-1].Points {
			return errors.New("scale does not ascend")
		}
	}
	return nil
}

// Points is what p is on the scale.
func (s Scale) Points(p float64) int {
	for i := 1; i < len(s); i++ {
		if a, b := s[i-1], s[i]; p <= b.Probability {
			part := (p - a.Probability) / (b.Probability - a.Probability)
			return int(math.Round(float64(a.Points) + part*float64(b.Points-a.Points)))
		}
	}
	return score.Max
}
