package score

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
)

// maxGrounds is how many variables a decision names of a model: what a person can weigh.
const maxGrounds = 3

// bound is a model with its inputs. All methods take nil for no model.
type bound struct {
	Model
	*Inputs
}

func bind(m Model, plan velocity.Plan, zone *time.Location) (*bound, error) {
	if m == nil {
		return nil, nil
	}
	in, err := NewInputs(m.Variables(), plan, zone)
	if err != nil {
		return nil, err
	}
	return &bound{m, in}, nil
}

func (b *bound) width() int {
	if b == nil {
		return 0
	}
	return len(b.Names())
}

// judge asks the model. Without windows (values all missing) a model would judge what it has never seen; it does so all
// the same, and the engine marks the result.
func (b *bound) judge(t *payment.Transaction, values, inputs []float64) (points int, gone bool) {
	if b == nil {
		return 0, false
	}
	b.Fill(t, values, inputs)
	points, err := b.Points(inputs)
	if err != nil {
		return 0, true
	}
	return min(max(points, 0), Max), false
}

// Ground fills r.Grounds: the variables that speak most for fraud, with their shares of the model's points. It takes up to
// a millisecond, so it is for results that are no approval.
func (e *Engine) Ground(t *payment.Transaction, r *Result) {
	r.Grounds = nil
	if e.model == nil || r.ModelGone || r.Model == 0 {
		return
	}
	_, all := e.Contributions(t, r.Values)
	total := 0.0
	for _, c := range all {
		total += max(c.LogOdds, 0)
	}
	for _, c := range all[:min(maxGrounds, len(all))] {
		if points := int(math.Round(float64(r.Model) * c.LogOdds / total)); c.LogOdds > 0 && points > 0 {
			r.Grounds = append(r.Grounds, Ground{c.Variable, points})
		}
	}
}

// Contributions are what each variable of the model did for a transaction whose windows had the given values, those that
// speak for fraud first, the strongest of them at the head; and the log-odds without any. Added up they are the model's
// log-odds. What was stored with a decision gives the same bits later. Without a model there are none.
func (e *Engine) Contributions(t *payment.Transaction, values []float64) (base float64, all []Contribution) {
	if e.model == nil {
		return 0, nil
	}
	inputs, out := make([]float64, e.model.width()), make([]float64, e.model.width())
	e.model.Fill(t, values, inputs)
	base = e.model.Explain(inputs, out)
	all = make([]Contribution, len(inputs))
	for i, name := range e.model.Names() {
		all[i] = Contribution{Variable: name, Value: inputs[i], LogOdds: out[i]}
	}
	slices.SortStableFunc(all, func(a, b Contribution) int { return cmp.Compare(b.LogOdds, a.LogOdds) })
	return base, all
}
