package model_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/model"
)

// shop draws payments of which the large ones at night are often frauds.
func shop(n int, seed uint64) model.Examples {
	random := rand.New(rand.NewPCG(seed, 0))
	e := model.Examples{Frame: &gbdt.Frame{Names: []string{"tx.amount", "tx.night", "tx.weekday"}, Columns: make([][]float32, 3)}, By: map[string][]string{}}
	for i := range n {
		amount, night := float32(random.ExpFloat64()*1000), float32(random.IntN(2))
		odds := -6 + float64(amount)/500 + 2*float64(night)
		e.Frame.Columns[0] = append(e.Frame.Columns[0], amount)
		e.Frame.Columns[1] = append(e.Frame.Columns[1], night)
		e.Frame.Columns[2] = append(e.Frame.Columns[2], float32(random.IntN(7)))
		e.Frauds = append(e.Frauds, random.Float64() < 1/(1+math.Exp(-odds)))
		e.At = append(e.At, noon.Add(time.Duration(i)*time.Minute))
		e.By["uf"] = append(e.By["uf"], []string{"SP", "RJ", ""}[i%3])
	}
	return e
}

func recipe() model.Recipe {
	r := model.DefaultRecipe("shop")
	r.Made, r.Source = noon, "drawn"
	r.Settings.Trees, r.Settings.Depth = 30, 3
	return r
}

func TestFit(t *testing.T) {
	e := shop(6000, 1)
	m, err := model.Fit(t.Context(), e, recipe(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Card()
	if c.Training.Rows != 4200 || c.Fitting.Rows != 900 || c.Holdout.Rows != 900 || !c.Training.Until.Before(c.Fitting.From) || !c.Fitting.Until.Before(c.Holdout.From) {
		t.Errorf("the parts are %+v, %+v, %+v", c.Training, c.Fitting, c.Holdout)
	}
	if c.Figures.AUC < 0.8 || c.Figures.AveragePrecision < 0.3 || c.Figures.CostPerThousand >= c.Figures.CostApproveAll {
		t.Errorf("figures %+v", c.Figures)
	}
	expected, observed, rows := 0.0, 0.0, 0
	for _, b := range c.Reliability {
		expected, observed, rows = expected+b.Expected*float64(b.Rows), observed+b.Observed*float64(b.Rows), rows+b.Rows
	}
	if rows != 900 || math.Abs(observed-float64(c.Holdout.Frauds)) > 1e-6 || expected < observed*0.7 || expected > observed*1.4 {
		t.Errorf("of %d payments %.1f frauds were expected, and %.1f came", rows, expected, observed)
	}
	if len(c.Segments) != 3 || c.Segments[0].Rows != 300 || c.Segments[0].By != "uf" {
		t.Errorf("segments %+v", c.Segments)
	}
	if c.Importance[0].Variable != "tx.amount" || c.Importance[2].Variable != "tx.weekday" {
		t.Errorf("importance %+v", c.Importance)
	}
	if n := len(c.Baseline); n != 4 || c.Baseline[3].Variable != model.PointsVariable {
		t.Errorf("%d baselines", n)
	}
	again, err := model.Fit(t.Context(), shop(6000, 1), recipe(), nil)
	if err != nil || again.Version() != m.Version() {
		t.Errorf("the same again is %s, %v; was %s", again.Version(), err, m.Version())
	}
}

func TestFitRefusesWhatTeachesNothing(t *testing.T) {
	for name, change := range map[string]func(*model.Examples, *model.Recipe){
		"no frauds":        func(e *model.Examples, _ *model.Recipe) { clear(e.Frauds) },
		"none at the end":  func(e *model.Examples, _ *model.Recipe) { clear(e.Frauds[len(e.Frauds)/2:]) },
		"out of order":     func(e *model.Examples, _ *model.Recipe) { e.At[0], e.At[9] = e.At[9], e.At[0] },
		"lengths":          func(e *model.Examples, _ *model.Recipe) { e.At = e.At[1:] },
		"nothing to learn": func(_ *model.Examples, r *model.Recipe) { r.Fitting = 0.9 },
	} {
		e, r := shop(500, 2), recipe()
		change(&e, &r)
		if _, err := model.Fit(t.Context(), e, r, nil); !errors.Is(err, model.ErrExamples) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := recipe()
	r.Costs = model.Costs{}
	if _, err := model.Fit(t.Context(), shop(500, 2), r, nil); !errors.Is(err, model.ErrCosts) {
		t.Errorf("without costs: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := model.Fit(ctx, shop(500, 2), recipe(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
