package gbdt

import "math"

// maxPoints is how many points a path of MaxDepth different features needs.
const maxPoints = MaxDepth / 2

// place is a point of a Gauss–Legendre rule for integrals from 0 to 1. With n points a rule is exact for polynomials of a
// degree up to 2n−1.
type place struct {
	at, rest float64 // rest is 1−at
	weight   float64
}

// factor is at×known + rest×share, not fused.
func (p *place) factor(known, share float64) float64 {
	return float64(p.at*known) + float64(p.rest*share)
}

// gauss computes the rule of n points, 1 to maxPoints: the roots of the Legendre polynomial by Newton's method, from the
// estimate that Abramowitz and Stegun give in 22.16.6. Its bits are the same on every machine, as Explain promises: the
// estimate is rounded, since the last bits of a cosine are not.
func gauss(n int) []place {
	rule := make([]place, n)
	for i := range rule {
		root := float64(float32(math.Cos(math.Pi * (float64(i) + 0.75) / (float64(n) + 0.5))))
		slope := 0.0
		for range 10 { // six are enough
			var value float64
			value, slope = legendre(n, root)
			root -= value / slope
		}
		below := (1 - root) * (1 + root)
		rule[i] = place{at: (1 + root) / 2, rest: (1 - root) / 2, weight: 1 / (below * slope * slope)}
	}
	return rule
}

// legendre is the Legendre polynomial of degree n at x, |x| < 1, and its derivative there.
func legendre(n int, x float64) (value, slope float64) {
	before := 0.0
	value = 1
	for k := range n {
		next := float64(float64(2*k+1)*x*value) - float64(float64(k)*before)
		before, value = value, next/float64(k+1)
	}
	return value, float64(n) * (float64(x*value) - before) / (float64(x*x) - 1)
}
