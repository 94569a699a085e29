package gbdt

import (
	"bytes"
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// naiveLogLoss is the mean negative log-likelihood.
func naiveLogLoss(m *Model, set Set) (loss float64) {
	for i, label := range set.Labels {
		p := 1 / (1 + math.Exp(-naiveMargin(m, rowOf(set.Frame, i))))
		if label {
			loss -= math.Log(p)
		} else {
			loss -= math.Log(1 - p)
		}
	}
	return loss / float64(len(set.Labels))
}

// naivePrecision is average precision from its definition, threshold by threshold.
func naivePrecision(margins []float64, set Set) (sum float64) {
	weight := func(i int) float64 {
		if set.Weights == nil {
			return 1
		}
		return float64(set.Weights[i])
	}
	at := func(threshold float64) (hits, seen float64) {
		for i, m := range margins {
			if m >= threshold {
				seen += weight(i)
				if set.Labels[i] {
					hits += weight(i)
				}
			}
		}
		return hits, seen
	}
	all, _ := at(math.Inf(-1))
	done := map[float64]bool{}
	for i, m := range margins {
		if done[m] || weight(i) == 0 {
			continue
		}
		done[m] = true
		hits, seen := at(m)
		above, _ := at(math.Nextafter(m, math.Inf(1)))
		sum += (hits - above) / all * hits / seen
	}
	return sum
}

func TestStoppingEarly(t *testing.T) {
	train, validation := shopLike(1_500, 8, 1), shopLike(1_500, 8, 2)
	for _, measure := range []Measure{LogLoss, AveragePrecision} {
		s := DefaultSettings()
		s.Trees, s.Rate, s.Depth, s.Stop, s.StopOn = 300, 0.5, 5, 7, measure
		last := 0
		m, err := Train(context.Background(), train, &validation, s, func(done, _ int) { last = done })
		if err != nil {
			t.Fatal(err)
		}
		if last == 300 || len(m.Trees) != last-7 {
			t.Fatalf("measure %d: %d trees are kept after %d rounds", measure, len(m.Trees), last)
		}
		s.Stop = 0
		s.Trees = last
		full := mustTrain(t, train, s)
		if !bytes.HasPrefix(bitsOf(t, full), bitsOf(t, m)) {
			t.Fatal("the trees are not those of the whole training")
		}
		value := func(trees int) float64 {
			part := &Model{Base: full.Base, Trees: full.Trees[:trees]}
			if measure == LogLoss {
				return -naiveLogLoss(part, validation)
			}
			margins := make([]float64, len(validation.Labels))
			for i := range margins {
				margins[i] = naiveMargin(part, rowOf(validation.Frame, i))
			}
			return naivePrecision(margins, validation)
		}
		best := value(len(m.Trees))
		for trees := 1; trees <= last; trees++ {
			if v := value(trees); v > best+1e-9 {
				t.Fatalf("measure %d: %d trees have %v, %d are kept with %v", measure, trees, v, len(m.Trees), best)
			}
		}
	}
}

func TestMeasuresEqualTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := smallSet(t)
		s := DefaultSettings()
		s.Stop = 1
		p, err := newStopper(set, &set, s)
		if err != nil {
			t.Fatal(err)
		}
		loss, total := 0.0, 0.0
		for i := range p.margins {
			p.margins[i] = float64(rapid.IntRange(-3, 3).Draw(t, "margin"))
			sign := 1.0
			if set.Labels[i] {
				sign = -1
			}
			loss += p.weight(i) * math.Log(1+math.Exp(sign*p.margins[i]))
			total += p.weight(i)
		}
		if got, want := p.averagePrecision(), naivePrecision(p.margins, set); math.Abs(got-want) > 1e-9 {
			t.Fatalf("average precision is %v, want %v", got, want)
		}
		if got := p.logLoss(); math.Abs(got-loss/total) > 1e-9 {
			t.Fatalf("log loss is %v, want %v", got, loss/total)
		}
	})
}
