package backtest

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRankingsEqualTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var scores []float64
		var fraud []bool
		var samples []sample
		for range rapid.IntRange(0, 60).Draw(t, "payments") {
			points := rapid.IntRange(-5, 5).Draw(t, "score")
			scores = append(scores, float64(points)/3)
			fraud = append(fraud, rapid.Bool().Draw(t, "fraud"))
			samples = append(samples, sample{points: points, fraud: fraud[len(fraud)-1]})
		}
		want := naive(samples)
		if got := AUC(scores, fraud); math.Abs(got-want.AUC) > 1e-9 {
			t.Fatalf("AUC is %v, want %v", got, want.AUC)
		}
		if got := AveragePrecision(scores, fraud); math.Abs(got-want.AveragePrecision) > 1e-9 {
			t.Fatalf("average precision is %v, want %v", got, want.AveragePrecision)
		}
	})
}

// TestCardPrecisionEqualsItsDefinition picks the k cards one after the other, each time the best that is left.
func TestCardPrecisionEqualsItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) CardScore {
			return CardScore{int32(rapid.IntRange(0, 6).Draw(t, "card")), float64(rapid.IntRange(0, 4).Draw(t, "score")), rapid.IntRange(0, 2).Draw(t, "fraud") == 0}
		}), 0, 12), 0, 5).Draw(t, "days")
		k := rapid.IntRange(1, 4).Draw(t, "k")
		var blocked []int32
		hits := 0
		for _, payments := range days {
			var seen []int32
			for range k {
				best := -1
				for i, p := range payments {
					if slices.Contains(blocked, p.Card) || slices.Contains(seen, p.Card) {
						continue
					}
					if best < 0 || p.Score > payments[best].Score || p.Score == payments[best].Score && p.Card < payments[best].Card {
						best = i
					}
				}
				if best < 0 {
					break
				}
				seen = append(seen, payments[best].Card)
			}
			for _, card := range seen {
				if slices.ContainsFunc(payments, func(p CardScore) bool { return p.Card == card && p.Fraud }) {
					hits++
					blocked = append(blocked, card)
				}
			}
		}
		want := 0.0
		if len(days) > 0 {
			want = float64(hits) / float64(k) / float64(len(days))
		}
		if got := CardPrecision(days, k); math.Abs(got-want) > 1e-9 {
			t.Fatalf("card precision is %v, want %v", got, want)
		}
	})
}

// TestACardThatWasHitIsGone has one bad card for two days: it counts on the first of them.
func TestACardThatWasHitIsGone(t *testing.T) {
	bad, good := CardScore{1, 0.9, true}, CardScore{2, 0.1, false}
	if got := CardPrecision([][]CardScore{{bad, good}, {bad, good}}, 1); got != 0.5 {
		t.Errorf("CP@1 is %v, want 0.5", got)
	}
}
