package backtest

import (
	"math"

	"github.com/fastshop/pipeline/internal/score"
)

const (
	scoreBins = 40 // of the distribution: wide enough to hold something, narrow enough to show where thresholds cut
	shareBins = 10 // of the reliability
)

// at counts everything from a score on.
func (t *Tally) at(threshold int) CurvePoint {
	frauds := 0
	p := CurvePoint{Threshold: threshold}
	for s := max(threshold, 0); s <= score.Max; s++ {
		frauds += t.frauds[s]
		p.Flagged += t.frauds[s] + t.genuine[s]
	}
	p.Precision, p.Recall = ratio(frauds, p.Flagged), ratio(frauds, t.caught+t.missed)
	return p
}

// curve is precision and recall at every score that occurs, from the highest down.
func (t *Tally) curve() []CurvePoint {
	points := []CurvePoint{}
	frauds, flagged := 0, 0
	for s := score.Max; s >= 0; s-- {
		if t.frauds[s]+t.genuine[s] == 0 {
			continue
		}
		frauds += t.frauds[s]
		flagged += t.frauds[s] + t.genuine[s]
		points = append(points, CurvePoint{s, flagged, ratio(frauds, flagged), ratio(frauds, t.caught+t.missed)})
	}
	return points
}

// edges are the scores of bin i of n; the last one holds score.Max too.
func edges(i, n int) (from, to int) {
	from, to = i*score.Max/n, (i+1)*score.Max/n-1
	if i == n-1 {
		to = score.Max
	}
	return from, to
}

// bins are how scores are spread.
func (t *Tally) bins() []ScoreBin {
	all := make([]ScoreBin, scoreBins)
	for i := range all {
		b := &all[i]
		b.From, b.To = edges(i, scoreBins)
		for s := b.From; s <= b.To; s++ {
			b.Frauds += t.frauds[s]
			b.Genuine += t.genuine[s]
		}
	}
	return all
}

// shares compare scores with the share of frauds.
func (t *Tally) shares() []ScoreShare {
	all := []ScoreShare{}
	for i := range shareBins {
		b := ScoreShare{}
		b.From, b.To = edges(i, shareBins)
		frauds, sum := 0, 0
		for s := b.From; s <= b.To; s++ {
			n := t.frauds[s] + t.genuine[s]
			frauds += t.frauds[s]
			b.Payments += n
			sum += n * s
		}
		if b.Payments == 0 {
			continue
		}
		b.Score, b.Share = float64(sum)/float64(b.Payments), ratio(frauds, b.Payments)
		b.Low, b.High = wilson(frauds, b.Payments)
		all = append(all, b)
	}
	return all
}

// wilson bounds the share that part of whole, which is not 0, is an example of, with 95 % confidence.
func wilson(part, whole int) (low, high float64) {
	const z = 1.959964 // the normal distribution's 97.5th percentile
	n, p := float64(whole), ratio(part, whole)
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return min(p, max(0, middle-half)), max(p, min(1, middle+half)) // p is between them, also when rounded
}
