package model

import (
	"math"
	"slices"
	"sort"
)

// driftBins is how many parts of equal size a variable's values in training are cut into.
const driftBins = 10

// Histogram is how a variable's values were spread in training.
type Histogram struct {
	Variable string    `json:"variable"`
	Cuts     []float64 `json:"cuts"`   // ascending; part i holds what is less than or equal to cut i, and more than the one before
	Shares   []float64 `json:"shares"` // of the parts, the one behind the last cut, and missing values
}

// HistogramOf cuts values, of which there is at least one, into parts of about equal size. NaN is missing.
func HistogramOf(variable string, values []float64) Histogram {
	known := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			known = append(known, v)
		}
	}
	slices.Sort(known)
	h := Histogram{Variable: variable}
	for i := 1; i < driftBins && len(known) > 0; i++ {
		cut := known[len(known)*i/driftBins]
		if n := len(h.Cuts); n == 0 || cut > h.Cuts[n-1] {
			h.Cuts = append(h.Cuts, cut)
		}
	}
	h.Shares = shares(h.Count(values))
	return h
}

// Count sorts values into the parts of h.
func (h *Histogram) Count(values []float64) []int {
	counts := make([]int, len(h.Cuts)+2)
	for _, v := range values {
		counts[h.Part(v)]++
	}
	return counts
}

// Part is the part of h that a value belongs to.
func (h *Histogram) Part(v float64) int {
	if math.IsNaN(v) {
		return len(h.Cuts) + 1
	}
	return sort.SearchFloat64s(h.Cuts, v)
}

func shares(counts []int) []float64 {
	total := 0
	for _, n := range counts {
		total += n
	}
	s := make([]float64, len(counts))
	for i, n := range counts {
		s[i] = float64(n) / float64(max(total, 1))
	}
	return s
}

// leastShare stands for a part that nothing fell into, or the index would be infinite.
const leastShare = 1e-4

// PSI is the population stability index of counts in the parts of h against training: Σ (now−then)·ln(now/then). Below 0.1
// nothing has changed, from 0.25 on the variable is another one than in training (Siddiqi, Credit Risk Scorecards, 2006).
// It is 0 while nothing was counted, and NaN for counts of another histogram.
func (h *Histogram) PSI(counts []int) float64 {
	if len(counts) != len(h.Shares) {
		return math.NaN()
	}
	if !slices.ContainsFunc(counts, func(n int) bool { return n > 0 }) {
		return 0
	}
	sum := 0.0
	for i, now := range shares(counts) {
		now, then := max(now, leastShare), max(h.Shares[i], leastShare)
		sum += (now - then) * math.Log(now/then)
	}
	return sum
}
