package model

import (
	"math"
	"sync"
	"time"
)

// watchHours is how far back a watch looks: the last day.
const watchHours = 24

// Watch compares what a model reads live with what it read in training. It keeps counts for each of the last 24 hours,
// some ten a variable. All methods may be called at once.
type Watch struct {
	baseline []Histogram // of the variables in order, then of the points
	now      func() time.Time

	mu    sync.Mutex
	hour  int64 // since 1970, of the newest counts
	hours [watchHours][][]int
}

// NewWatch makes a watch of m that has seen nothing; nil if m was made without a baseline.
func NewWatch(m *Model, now func() time.Time) *Watch {
	b := m.body.Card.Baseline
	if len(b) != len(m.trees.Names)+1 {
		return nil
	}
	w := &Watch{baseline: b, now: now, hour: now().Unix() / 3600}
	for i := range w.hours {
		w.hours[i] = make([][]int, len(b))
		for j := range b {
			w.hours[i][j] = make([]int, len(b[j].Shares))
		}
	}
	return w
}

// Seen counts what the model has just read, and its points. It takes some microseconds.
func (w *Watch) Seen(inputs []float64, points int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := w.turn()
	for j, v := range inputs {
		counts[j][w.baseline[j].Part(v)]++
	}
	last := len(inputs)
	counts[last][w.baseline[last].Part(float64(points))]++
}

// turn clears hours that have passed and returns the counts of this one. The caller holds mu.
func (w *Watch) turn() [][]int {
	for now := w.now().Unix() / 3600; w.hour < now; {
		if w.hour++; now-w.hour > watchHours {
			w.hour = now - watchHours
		}
		for _, counts := range w.hours[w.hour%watchHours] {
			clear(counts)
		}
	}
	return w.hours[w.hour%watchHours]
}

// Drift is the population stability index of each variable, and of the points (PointsVariable), over the last day.
func (w *Watch) Drift() map[string]float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn()
	drift := make(map[string]float64, len(w.baseline))
	for j := range w.baseline {
		total := make([]int, len(w.baseline[j].Shares))
		for _, hour := range w.hours {
			for part, n := range hour[j] {
				total[part] += n
			}
		}
		if psi := w.baseline[j].PSI(total); !math.IsNaN(psi) {
			drift[w.baseline[j].Variable] = psi
		}
	}
	return drift
}
