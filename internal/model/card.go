package model

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/gbdt"
)

// Card says what a model was made of, how good it was on payments newer than those it learned from, and where it is worse
// (Mitchell et al., Model Cards for Model Reporting, FAT* 2019).
type Card struct {
	Source   string        `json:"source"` // what it was trained on, in words
	Notes    string        `json:"notes,omitempty"`
	Training Span          `json:"training"` // the trees
	Fitting  Span          `json:"fitting"`  // the calibration
	Holdout  Span          `json:"holdout"`  // the figures; seen by nothing else
	Settings gbdt.Settings `json:"settings"`
	Figures  Figures       `json:"figures"`
	Costs    Costs         `json:"costs"`
	// Thresholds are where the costs say that each outcome begins to pay.
	Thresholds  Thresholds   `json:"thresholds"`
	Reliability []Bin        `json:"reliability"`
	Segments    []Segment    `json:"segments"`
	Baseline    []Histogram  `json:"baseline"` // of every variable in training, then of the points
	Importance  []Importance `json:"importance"`
}

// Span is a stretch of history.
type Span struct {
	From   time.Time `json:"from"` // of the first payment, UTC
	Until  time.Time `json:"until"`
	Rows   int       `json:"rows"`
	Frauds int       `json:"frauds"`
}

// Figures are how good probabilities are.
type Figures struct {
	AUC              float64 `json:"auc"`
	AveragePrecision float64 `json:"average_precision"`
	Brier            float64 `json:"brier"`     // mean squared error of the probability
	LogLoss          float64 `json:"log_loss"`  // nats
	Precision        float64 `json:"precision"` // of what is not approved
	Recall           float64 `json:"recall"`
	CostPerThousand  float64 `json:"cost_per_thousand"` // centavos for a thousand payments, with the outcomes of the thresholds
	CostApproveAll   float64 `json:"cost_approve_all"`  // the same if all were approved
}

// Bin compares probabilities with what came of them.
type Bin struct {
	Rows     int     `json:"rows"`
	Expected float64 `json:"expected"` // mean probability
	Observed float64 `json:"observed"` // share of frauds
}

// Segment is how the model treats a part of the payments.
type Segment struct {
	By          string  `json:"by"`    // "uf", "method"
	Value       string  `json:"value"` // "" is none
	Rows        int     `json:"rows"`
	Frauds      int     `json:"frauds"`
	FalseAlarms float64 `json:"false_alarm_rate"` // of genuine payments, those not approved
	Missed      float64 `json:"miss_rate"`        // of frauds, those approved
}

// Importance is how much a variable moves the log-odds, on average, up or down.
type Importance struct {
	Variable string  `json:"variable"`
	Mean     float64 `json:"mean_absolute_log_odds"`
}

// reliabilityBins is how many bins of equal size a reliability table has.
const reliabilityBins = 10

// judged are probabilities with what is known of their payments.
type judged struct {
	p     []float64
	fraud []bool
}

// figures measures probabilities; outcomes follow from the thresholds.
func (j judged) figures(t Thresholds, c Costs) (f Figures) {
	f.AUC, f.AveragePrecision = backtest.AUC(j.p, j.fraud), backtest.AveragePrecision(j.p, j.fraud)
	n := float64(len(j.p))
	if n == 0 {
		return f
	}
	frauds, flagged, caught := 0.0, 0.0, 0.0
	for i, p := range j.p {
		truth := 0.0
		if j.fraud[i] {
			truth = 1
		}
		safe := min(max(p, 1e-15), 1-1e-15)
		f.Brier += (p - truth) * (p - truth) / n
		f.LogLoss -= (truth*math.Log(safe) + (1-truth)*math.Log1p(-safe)) / n
		o := t.outcome(p)
		f.CostPerThousand += 1000 / n * c.Of(o, truth)
		f.CostApproveAll += 1000 / n * truth * c.Fraud
		frauds += truth
		if p >= t.Challenge {
			flagged++
			caught += truth
		}
	}
	if flagged > 0 {
		f.Precision = caught / flagged
	}
	if frauds > 0 {
		f.Recall = caught / frauds
	}
	return f
}

// reliability sorts probabilities into bins of about equal size.
func (j judged) reliability() []Bin {
	order := make([]int, len(j.p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(j.p[a], j.p[b]) })
	var bins []Bin
	for b := range reliabilityBins {
		part := order[len(order)*b/reliabilityBins : len(order)*(b+1)/reliabilityBins]
		if len(part) == 0 {
			continue
		}
		bin := Bin{Rows: len(part)}
		for _, i := range part {
			bin.Expected += j.p[i] / float64(len(part))
			if j.fraud[i] {
				bin.Observed += 1 / float64(len(part))
			}
		}
		bins = append(bins, bin)
	}
	return bins
}

// segments splits by what each payment says of itself.
func (j judged) segments(by string, values []string, t Thresholds) []Segment {
	found := map[string]*Segment{}
	for i, value := range values {
		s := found[value]
		if s == nil {
			s = &Segment{By: by, Value: value}
			found[value] = s
		}
		s.Rows++
		flagged := j.p[i] >= t.Challenge
		switch {
		case j.fraud[i]:
			s.Frauds++
			if !flagged {
				s.Missed++
			}
		case flagged:
			s.FalseAlarms++
		}
	}
	all := make([]Segment, 0, len(found))
	for _, s := range found {
		if genuine := s.Rows - s.Frauds; genuine > 0 {
			s.FalseAlarms /= float64(genuine)
		}
		if s.Frauds > 0 {
			s.Missed /= float64(s.Frauds)
		}
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Segment) int { return cmp.Or(cmp.Compare(b.Rows, a.Rows), cmp.Compare(a.Value, b.Value)) })
	return all
}
