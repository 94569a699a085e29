package backtest

import (
	"cmp"
	"slices"
	"sort"
)

// Ranking tells how well real-valued scores order payments by fraud. Each figure is from 0 to 1.
type Ranking struct {
	AUC              float64
	AveragePrecision float64
	CardPrecision    float64 // CP@k
}

// Mean is the mean of each figure; all are 0 of none.
func Mean(of []Outcome) (m Ranking) {
	for i := range of {
		m.AUC += of[i].AUC / float64(len(of))
		m.AveragePrecision += of[i].AveragePrecision / float64(len(of))
		m.CardPrecision += of[i].CardPrecision / float64(len(of))
	}
	return m
}

// AUC is the probability that a fraud scores higher than a genuine payment, a tie counting one half; 0 if there is none
// of either. Scores are beside fraud and are no NaN.
func AUC(scores []float64, fraud []bool) float64 {
	var won float64
	frauds, genuine := 0, 0 // so far, from the lowest score up
	groups(scores, fraud, true, func(groupFrauds, groupGenuine int) {
		won += float64(groupFrauds) * (float64(genuine) + float64(groupGenuine)/2)
		frauds += groupFrauds
		genuine += groupGenuine
	})
	if frauds == 0 || genuine == 0 {
		return 0
	}
	return won / (float64(frauds) * float64(genuine))
}

// AveragePrecision is the sum over all thresholds of precision times the step in recall; 0 if there is no fraud. Scores
// are beside fraud and are no NaN; equal scores are one threshold.
func AveragePrecision(scores []float64, fraud []bool) float64 {
	var steps float64
	frauds, flagged := 0, 0 // so far, from the highest score down
	groups(scores, fraud, false, func(groupFrauds, groupGenuine int) {
		frauds += groupFrauds
		flagged += groupFrauds + groupGenuine
		steps += float64(groupFrauds) * float64(frauds) / float64(flagged)
	})
	if frauds == 0 {
		return 0
	}
	return steps / float64(frauds)
}

// groups calls add with how many frauds and genuine payments share a score, for each score in order.
func groups(scores []float64, fraud []bool, ascending bool, add func(frauds, genuine int)) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		if ascending {
			return cmp.Compare(scores[x], scores[y])
		}
		return cmp.Compare(scores[y], scores[x])
	})
	for i := 0; i < len(order); {
		frauds, first := 0, i
		for ; i < len(order) && scores[order[i]] == scores[order[first]]; i++ {
			if fraud[order[i]] {
				frauds++
			}
		}
		add(frauds, i-first-frauds)
	}
}

// CardScore is a payment for [CardPrecision].
type CardScore struct {
	Card  int32
	Score float64
	Fraud bool
}

// CardPrecision is CP@k (Fraud Detection Handbook, chapter 4): each day the k cards with the highest score of that day
// are looked into, and the share of k that had a fraud that day is the day's figure; such a card is blocked and does not
// appear again. It is the mean over the days, 0 of none. Of cards with equal scores those with smaller numbers come first.
func CardPrecision(days [][]CardScore, k int) float64 {
	blocked := map[int32]bool{}
	hits := 0
	for _, payments := range days {
		best := map[int32]CardScore{}
		for _, p := range payments {
			if blocked[p.Card] {
				continue
			}
			if b, ok := best[p.Card]; ok {
				p.Score, p.Fraud = max(p.Score, b.Score), p.Fraud || b.Fraud
			}
			best[p.Card] = p
		}
		cards := make([]CardScore, 0, len(best))
		for _, b := range best {
			cards = append(cards, b)
		}
		slices.SortFunc(cards, func(x, y CardScore) int {
			return cmp.Or(cmp.Compare(y.Score, x.Score), cmp.Compare(x.Card, y.Card))
		})
		for _, c := range cards[:min(k, len(cards))] {
			if c.Fraud {
				blocked[c.Card] = true
				hits++
			}
		}
	}
	if len(days) == 0 {
		return 0
	}
	return float64(hits) / float64(k*len(days))
}

// scores predicts the test rows of a fold, day by day.
func (t *Table) scores(f *Fold, predict Predict) [][]float64 {
	row := make([]float64, len(t.Columns))
	days := make([][]float64, len(f.Days))
	for d, rows := range f.Days {
		for _, i := range rows {
			for j, column := range t.Columns {
				row[j] = float64(column[i])
			}
			days[d] = append(days[d], predict(row))
		}
	}
	return days
}

// rank computes the figures of a fold from the scores of its test rows.
func (t *Table) rank(f *Fold, scores [][]float64, k int) Ranking {
	all, fraud := slices.Concat(scores...), pick(t.Fraud, slices.Concat(f.Days...))
	days := make([][]CardScore, len(f.Days))
	for d, rows := range f.Days {
		for n, i := range rows {
			days[d] = append(days[d], CardScore{t.Card[i], scores[d][n], t.Fraud[i]})
		}
	}
	return Ranking{AUC: AUC(all, fraud), AveragePrecision: AveragePrecision(all, fraud), CardPrecision: CardPrecision(days, k)}
}

func pick[T any](from []T, rows []int) []T {
	out := make([]T, len(rows))
	for n, i := range rows {
		out[n] = from[i]
	}
	return out
}

// lowerBound is how many values of an ascending list are less than v.
func lowerBound(ascending []int64, v int64) int {
	return sort.Search(len(ascending), func(i int) bool { return ascending[i] >= v })
}
