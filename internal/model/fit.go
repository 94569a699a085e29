package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/gbdt"
)

// ErrExamples is wrapped by the error for examples that no model can be made of.
var ErrExamples = errors.New("not enough to learn from")

// Examples are payments whose truth is known, in the order of time.
type Examples struct {
	Frame  *gbdt.Frame // their variables
	Frauds []bool
	At     []time.Time
	By     map[string][]string // what to split figures by, such as "uf": a value for each payment; may be nil
}

// Recipe is how a model is made.
type Recipe struct {
	Name     string
	Source   string // what the examples are, for the card
	Notes    string
	Made     time.Time
	Settings gbdt.Settings
	Costs    Costs
	Policy   decision.Policy // at whose points the thresholds of the costs come to lie
	// Fitting and Holdout are the shares of the newest examples that the calibration is fitted on, and that nothing but the
	// figures sees. The trees are grown on the rest.
	Fitting, Holdout float64
}

// DefaultRecipe keeps 15 % for each.
func DefaultRecipe(name string) Recipe {
	return Recipe{Name: name, Settings: gbdt.DefaultSettings(), Costs: DefaultCosts(), Policy: decision.DefaultPolicy(), Fitting: 0.15, Holdout: 0.15}
}

// explained is how many payments the importance of variables is taken from.
const explained = 2_000

// Fit grows a model on examples. Its errors wrap ErrExamples, ErrCosts or those of gbdt, or are ctx's.
func Fit(ctx context.Context, e Examples, r Recipe, progress func(done, of int)) (*Model, error) {
	if err := r.Costs.Validate(); err != nil {
		return nil, fmt.Errorf("fit model: %w", err)
	}
	train, fit, hold, err := e.split(r.Fitting, r.Holdout)
	if err != nil {
		return nil, fmt.Errorf("fit model: %w", err)
	}
	trees, err := gbdt.Train(ctx, gbdt.Set{Frame: train.Frame, Labels: train.Frauds}, nil, r.Settings, progress)
	if err != nil {
		return nil, fmt.Errorf("fit model: %w", err)
	}
	forest, err := trees.Forest()
	if err != nil {
		return nil, fmt.Errorf("fit model: %w", err)
	}
	margins, err := fit.margins(forest)
	if err != nil {
		return nil, err
	}
	calibration := Calibrate(margins, fit.Frauds)
	thresholds := r.Costs.Thresholds()
	scale := thresholds.Scale(r.Policy)
	if margins, err = hold.margins(forest); err != nil {
		return nil, err
	}
	card := Card{
		Source: r.Source, Notes: r.Notes, Training: train.span(), Fitting: fit.span(), Holdout: hold.span(), Settings: r.Settings,
		Costs: r.Costs, Thresholds: thresholds,
	}
	j := judged{p: make([]float64, len(margins)), fraud: hold.Frauds}
	for i, m := range margins {
		j.p[i] = calibration.Probability(m)
	}
	card.Figures, card.Reliability = j.figures(thresholds, r.Costs), j.reliability()
	for _, by := range slices.Sorted(maps.Keys(hold.By)) {
		card.Segments = append(card.Segments, j.segments(by, hold.By[by], thresholds)...)
	}
	card.Baseline = train.baseline()
	points := make([]float64, len(j.p))
	for i, p := range j.p {
		points[i] = float64(scale.Points(p))
	}
	card.Baseline = append(card.Baseline, HistogramOf(PointsVariable, points))
	card.Importance = hold.importance(forest, calibration)
	return New(Parts{Name: r.Name, Made: r.Made, Trees: trees, Calibration: calibration, Scale: scale, Card: card})
}

// PointsVariable is what the baseline calls the model's own points.
const PointsVariable = "model.points"

// split parts the examples by time.
func (e *Examples) split(fitting, holdout float64) (train, fit, hold *Examples, err error) {
	n := e.Frame.Rows()
	if len(e.Frauds) != n || len(e.At) != n {
		return nil, nil, nil, fmt.Errorf("%w: variables, labels and times of different lengths", ErrExamples)
	}
	if !slices.IsSortedFunc(e.At, time.Time.Compare) {
		return nil, nil, nil, fmt.Errorf("%w: payments are not in the order of time", ErrExamples)
	}
	if !(fitting > 0 && holdout > 0 && fitting+holdout < 1) {
		return nil, nil, nil, fmt.Errorf("%w: shares for calibration and figures must leave something for the trees", ErrExamples)
	}
	a, b := int(float64(n)*(1-fitting-holdout)), int(float64(n)*(1-holdout))
	train, fit, hold = e.part(0, a), e.part(a, b), e.part(b, n)
	for _, p := range []struct {
		use string
		of  *Examples
	}{{"growing trees", train}, {"calibration", fit}, {"figures", hold}} {
		if s := p.of.span(); s.Frauds == 0 || s.Frauds == s.Rows {
			return nil, nil, nil, fmt.Errorf("%w: of the payments for %s, %d of %d are frauds; some of both kinds are needed", ErrExamples, p.use, s.Frauds, s.Rows)
		}
	}
	return train, fit, hold, nil
}

func (e *Examples) part(from, to int) *Examples {
	p := &Examples{Frame: &gbdt.Frame{Names: e.Frame.Names}, Frauds: e.Frauds[from:to], At: e.At[from:to], By: map[string][]string{}}
	for _, column := range e.Frame.Columns {
		p.Frame.Columns = append(p.Frame.Columns, column[from:to])
	}
	for by, values := range e.By {
		p.By[by] = values[from:to]
	}
	return p
}

func (e *Examples) span() Span {
	s := Span{Rows: len(e.Frauds)}
	if s.Rows > 0 {
		s.From, s.Until = e.At[0].UTC(), e.At[s.Rows-1].UTC()
	}
	for _, f := range e.Frauds {
		if f {
			s.Frauds++
		}
	}
	return s
}

func (e *Examples) margins(f *gbdt.Forest) ([]float64, error) {
	out := make([]float64, e.Frame.Rows())
	if err := f.Batch(e.Frame, out); err != nil {
		return nil, fmt.Errorf("fit model: %w", err)
	}
	return out, nil
}

// baseline is how all variables are spread.
func (e *Examples) baseline() []Histogram {
	var all []Histogram
	values := make([]float64, e.Frame.Rows())
	for j, name := range e.Frame.Names {
		for i, v := range e.Frame.Columns[j] {
			values[i] = float64(v)
		}
		all = append(all, HistogramOf(name, values))
	}
	return all
}

// importance is taken from examples that lie evenly over all of them.
func (e *Examples) importance(f *gbdt.Forest, c Calibration) []Importance {
	all := make([]Importance, len(e.Frame.Names))
	row, out := make([]float64, len(all)), make([]float64, len(all))
	n := e.Frame.Rows()
	taken := min(n, explained)
	for k := range taken {
		i := n * k / taken
		for j := range row {
			row[j] = float64(e.Frame.Columns[j][i])
		}
		f.Explain(row, out)
		for j, v := range out {
			all[j].Mean += math.Abs(v*c.Slope) / float64(taken)
		}
	}
	for j, name := range e.Frame.Names {
		all[j].Variable = name
	}
	slices.SortStableFunc(all, func(a, b Importance) int { return cmp.Compare(b.Mean, a.Mean) })
	return all
}
