package gbdt

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// stopper watches a validation set while a model grows.
type stopper struct {
	set      *Set
	margins  []float64
	measure  Measure
	patience int
	workers  int
	best     int     // number of trees that were best
	value    float64 // their measure; more is better
	order    []int32
}

// newStopper returns nil if training is not to stop early.
func newStopper(train Set, validation *Set, s Settings) (*stopper, error) {
	switch {
	case validation == nil && s.Stop == 0:
		return nil, nil
	case validation == nil:
		return nil, fmt.Errorf("%w: to stop early takes a validation set", ErrSettings)
	case s.Stop == 0:
		return nil, fmt.Errorf("%w: a validation set is used for stopping early alone", ErrSettings)
	}
	if err := validation.validate(); err != nil {
		return nil, fmt.Errorf("validation set: %w", err)
	}
	if !slices.Equal(validation.Frame.Names, train.Frame.Names) {
		return nil, fmt.Errorf("%w: the validation set has other features", ErrData)
	}
	rows := len(validation.Labels)
	p := &stopper{
		set: validation, margins: make([]float64, rows), measure: s.StopOn, patience: s.Stop, workers: s.Workers,
		value: math.Inf(-1), order: make([]int32, rows),
	}
	for i := range rows {
		p.margins[i], p.order[i] = s.Base, int32(i)
	}
	return p, nil
}

// goOn takes in the newest of the trees and tells whether there is still hope.
func (p *stopper) goOn(trees []Tree) bool {
	newest := trees[len(trees)-1]
	chunks(len(p.margins), p.workers, func(from, to int) {
		for i := from; i < to; i++ {
			p.margins[i] += float64(newest.valueAt(p.set.Frame, i))
		}
	})
	value := -p.logLoss()
	if p.measure == AveragePrecision {
		value = p.averagePrecision()
	}
	if value > p.value {
		p.value, p.best = value, len(trees)
	}
	return len(trees)-p.best < p.patience
}

func (p *stopper) weight(i int) float64 {
	if p.set.Weights == nil {
		return 1
	}
	return float64(p.set.Weights[i])
}

// logLoss is the weighted mean of log(1 + exp(∓margin)).
func (p *stopper) logLoss() float64 {
	loss, total := 0.0, 0.0
	for i, m := range p.margins {
		w := p.weight(i)
		if p.set.Labels[i] {
			m = -m
		}
		loss += w * (max(m, 0) + math.Log1p(math.Exp(-math.Abs(m))))
		total += w
	}
	return loss / total
}

// averagePrecision is the sum over thresholds of precision times the step in recall; equal margins are one threshold.
func (p *stopper) averagePrecision() float64 {
	slices.SortFunc(p.order, func(a, b int32) int {
		if c := cmp.Compare(p.margins[b], p.margins[a]); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	var hits, seen, sum, step float64
	for i, row := range p.order {
		w := p.weight(int(row))
		seen += w
		if p.set.Labels[row] {
			hits += w
			step += w
		}
		if i == len(p.order)-1 || p.margins[p.order[i+1]] != p.margins[row] {
			if step > 0 {
				sum += step * hits / seen
			}
			step = 0
		}
	}
	return sum / hits
}
