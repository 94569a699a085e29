package explanation

import (
	"cmp"
	"slices"

	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// inputs are what the rules and the model read and all that was stored, in the order of the schema. Without values, those
// of the engine's plan, who read what is not known, and they are what was stored.
func (x *Explainer) inputs(c *Case, values []float64) []Input {
	s, stored := x.schemaOf(), c.Decision.Features.Values
	all := make([]Input, 0, len(c.Names)+len(x.read))
	for i, name := range c.Names[:min(len(c.Names), len(stored))] {
		all = append(all, x.input(s, name, NumberValue(stored[i]), values != nil))
	}
	if values != nil {
		filled := make([]float64, len(x.fill.Names()))
		x.fill.Fill(c.Transaction, values, filled)
		for i, name := range x.fill.Names() {
			value := NumberValue(filled[i])
			if v := s.variable(name); v != nil && v.Type == rule.Flag {
				value = FlagValue(filled[i] == 1)
			}
			all = append(all, x.input(s, name, value, true))
		}
		for name := range x.read {
			if v := s.variable(name); v != nil && v.Type == rule.Text {
				all = append(all, x.input(s, name, TextValue(score.OwnText(c.Transaction, name)), true))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Input) int {
		return cmp.Or(cmp.Compare(s.order(a.Name), s.order(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// order is the place of a name; those that are not known come last.
func (s *schema) order(name string) int {
	if i, ok := s.place[name]; ok {
		return i
	}
	return len(s.all)
}

func (x *Explainer) input(s *schema, name string, value Value, known bool) Input {
	in := Input{Name: name, Value: value, Text: s.about(name), ReadBy: []string{}}
	if v := s.variable(name); v != nil {
		in.Doc = v.Doc
		if v.Type == rule.Text && !value.IsNothing() {
			in.Text = wordsFor(name + "=" + value.String())
		}
	}
	if by := x.read[name]; known {
		if by.rules {
			in.ReadBy = append(in.ReadBy, "rules")
		}
		if by.model {
			in.ReadBy = append(in.ReadBy, "model")
		}
	}
	return in
}
