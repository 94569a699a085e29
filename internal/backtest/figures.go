// Package backtest reads labeled history, plays it as if it happened now, and measures
// how well verdicts separate fraud from the rest.
//
// A [Rehearsal] runs the code that judges live, strictly in time order, and tells the
// windows of a label when it became known and not sooner: no row of features holds
// anything that was not known at its time. A [Protocol] trains and tests models on
// such rows, fold by fold. All of it is in memory and none of it is stored.
//
// The figures follow the common definitions (see for example the Fraud Detection
// Handbook, Le Borgne et al. 2022, chapter 4): precision and recall of the
// transactions that were not approved, average precision as the step sum over all
// thresholds, and the area under the ROC curve as the probability that a fraud
// scores higher than a genuine transaction, a tie counting one half.
package backtest

import "github.com/fastshop/pipeline/internal/score"

// Tally counts transactions by score and truth. Scores are whole numbers from 0 to
// score.Max, so a tally of any size takes the same memory and its figures are exact.
// The zero Tally is empty and ready; it is not safe for concurrent use.
type Tally struct {
	frauds, genuine         [score.Max + 1]int
	caught, missed, alarmed int
}

// Figures are what a tally says. A figure that has no value (no fraud seen, nothing flagged) is 0.
type Figures struct {
	Transactions     int     `json:"transactions"`
	Frauds           int     `json:"frauds"`
	FraudsCaught     int     `json:"frauds_caught"` // frauds that were not approved
	FalseAlarms      int     `json:"false_alarms"`  // genuine ones that were not approved
	Precision        float64 `json:"precision"`
	Recall           float64 `json:"recall"`
	AveragePrecision float64 `json:"average_precision"`
	AUC              float64 `json:"auc"`
}

// Add counts one transaction; points outside 0 to score.Max count as the nearer end.
func (t *Tally) Add(points int, fraud, flagged bool) {
	points = min(max(points, 0), score.Max)
	if fraud {
		t.frauds[points]++
	} else {
		t.genuine[points]++
	}
	switch {
	case fraud && flagged:
		t.caught++
	case fraud:
		t.missed++
	case flagged:
		t.alarmed++
	}
}

// Figures computes the figures of what was added so far.
func (t *Tally) Figures() Figures {
	f := Figures{Frauds: t.caught + t.missed, FraudsCaught: t.caught, FalseAlarms: t.alarmed}
	var truePositives, falsePositives int
	var step, ranked float64
	genuine := 0
	for _, n := range t.genuine {
		genuine += n
	}
	for s := score.Max; s >= 0; s-- {
		truePositives += t.frauds[s]
		falsePositives += t.genuine[s]
		if t.frauds[s] > 0 {
			step += float64(t.frauds[s]) * float64(truePositives) / float64(truePositives+falsePositives)
			below := genuine - falsePositives
			ranked += float64(t.frauds[s]) * (float64(below) + float64(t.genuine[s])/2)
		}
	}
	f.Transactions = f.Frauds + genuine
	f.Precision = ratio(t.caught, t.caught+t.alarmed)
	f.Recall = ratio(t.caught, f.Frauds)
	if f.Frauds > 0 {
		f.AveragePrecision = step / float64(f.Frauds)
	}
	if f.Frauds > 0 && genuine > 0 {
		f.AUC = ranked / (float64(f.Frauds) * float64(genuine))
	}
	return f
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
