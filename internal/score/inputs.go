package score

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/velocity"
)

// ErrVariable is wrapped by the error for a name that is no variable, or none that a model can read.
var ErrVariable = errors.New("unknown variable")

// Inputs are the numbers that a learned model reads of a transaction, by name: every number and flag of [Schema] (a flag is
// 0 or 1), and a text compared with a value, "tx.method=pix", which is 1 if it is equal and 0 if not. What is missing is NaN.
// The same code fills them in training, in a backtest and live. Inputs are safe for concurrent use.
type Inputs struct {
	names   []string
	own     []ownInput
	values  []valueInput
	zone    *time.Location
	moments sync.Pool
}

// ownInput is one that the transaction itself gives.
type ownInput struct {
	own
	at    int
	equal string // of a text
}

// valueInput is one that comes from the windows, with the amount if need be.
type valueInput struct {
	derivation
	at int
}

// NewInputs binds names to a plan. The error wraps ErrVariable, for a name that is none or what the plan lacks.
func NewInputs(names []string, plan velocity.Plan, zone *time.Location) (*Inputs, error) {
	index := map[string]int{}
	for i, f := range plan {
		index[f.Name()] = i
	}
	in := &Inputs{names: slices.Clone(names), zone: zone, moments: sync.Pool{New: func() any { return &moment{} }}}
	for at, name := range names {
		if o, equal, ok := ownNamed(name); ok {
			in.own = append(in.own, ownInput{own: o, at: at, equal: equal})
			continue
		}
		needs, eval := wayOf(name)
		d := derivation{value: eval}
		for _, need := range needs {
			i, ok := index[need]
			if !ok {
				return nil, fmt.Errorf("%w: %q, or the plan lacks %q", ErrVariable, name, need)
			}
			d.from = append(d.from, i)
		}
		in.values = append(in.values, valueInput{d, at})
	}
	return in, nil
}

// ownNamed finds what a transaction itself gives under a name.
func ownNamed(name string) (o own, equal string, ok bool) {
	base, equal, compared := strings.Cut(name, "=")
	for _, o := range ownVariables() {
		if o.Name == base && compared == (o.Type == rule.Text) {
			return o, equal, true
		}
	}
	return own{}, "", false
}

// OwnText is what a transaction itself gives under the name of a text, such as tx.method; "" for any other name.
func OwnText(t *payment.Transaction, name string) string {
	for _, o := range ownVariables() {
		if o.Name == name && o.Type == rule.Text {
			return o.text(&moment{Transaction: t})
		}
	}
	return ""
}

// wayOf is which features a name is made of, and how; nil for a feature itself.
func wayOf(name string) (needs []string, value func(amount float64, v [maxNeeds]float64) float64) {
	for _, d := range derivedVariables() {
		if d.name == name {
			return d.needs, d.value
		}
	}
	return []string{name}, nil
}

// Names are what the inputs are called, in order.
func (in *Inputs) Names() []string { return in.names }

// Fill writes the inputs of t into out, which is as long as Names. The values are those of a reading of the plan, or what
// a stored decision remembers of it.
func (in *Inputs) Fill(t *payment.Transaction, values, out []float64) {
	m := in.moments.Get().(*moment)
	defer in.moments.Put(m)
	m.Transaction, m.local = t, t.OccurredAt.In(in.zone)
	for i := range in.own {
		o := &in.own[i]
		switch {
		case o.Type == rule.Number:
			out[o.at] = o.number(m)
		case o.Type == rule.Text && o.text(m) == o.equal, o.Type == rule.Flag && o.flag(m):
			out[o.at] = 1
		default:
			out[o.at] = 0
		}
	}
	amount := float64(t.Amount.Centavos)
	for i := range in.values {
		v := &in.values[i]
		out[v.at] = v.eval(amount, values)
	}
}

// ParsePlan is the plan whose features have these names, as a store remembers them. The error wraps velocity.ErrFeature.
func ParsePlan(names []string) (velocity.Plan, error) {
	plan := make(velocity.Plan, len(names))
	for i, name := range names {
		var err error
		if plan[i], err = velocity.ParseFeature(name); err != nil {
			return nil, fmt.Errorf("read plan: %w", err)
		}
	}
	return plan, nil
}
