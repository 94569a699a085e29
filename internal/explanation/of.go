package explanation

import (
	"math"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/score"
)

// Of explains a case.
func (x *Explainer) Of(c Case) Explanation {
	e := x.stored(&c)
	values, note := x.values(&c)
	if note == nil {
		x.recompute(&e, &c, values)
	} else {
		e.Note = note
	}
	e.Inputs = x.inputs(&c, values)
	return e
}

// stored is what the decision itself says.
func (x *Explainer) stored(c *Case) Explanation {
	t, d := c.Transaction, c.Decision
	e := Explanation{
		TransactionID: d.TransactionID, OccurredAt: t.OccurredAt.UTC(), ReceivedAt: t.ReceivedAt.UTC(),
		Amount: Amount{t.Amount.Centavos, t.Amount.Currency}, Method: t.Method.String(), Channel: t.Channel.String(),
		Outcome: d.Outcome.String(), Score: d.Score, Policy: Policy{Version: d.Policy}, Path: d.Path.String(), DecidedAt: d.DecidedAt.UTC(),
		Took: Number(d.Took) / Number(time.Microsecond), RuleSet: d.RuleSet, Plan: d.Features.Plan,
		Degraded: []Missing{}, Rules: []Rule{}, FailedRules: []string{}, Differs: []string{},
		Criteria: criteria(), Contest: contest(),
	}
	if p, ok := decision.ParsePolicy(d.Policy); ok {
		e.Policy.Challenge, e.Policy.Review, e.Policy.Decline = &p.Challenge, &p.Review, &p.Decline
	}
	for _, code := range d.Degraded.Names() {
		e.Degraded = append(e.Degraded, Missing{code, missingText(code)})
	}
	if d.Model != "" {
		e.Model = &Model{Version: d.Model, Contributions: []Contribution{}, Grounds: []Ground{}}
	}
	if d.Shadow != "" {
		e.ShadowModel = &Shadow{Version: d.Shadow}
	}
	for i := range d.Reasons {
		x.addReason(&e, &d.Reasons[i])
	}
	if l := c.Label; l != nil {
		e.Label = &Label{l.Verdict.String(), l.Source.String(), l.KnownAt.UTC()}
	}
	return e
}

func (x *Explainer) addReason(e *Explanation, r *decision.Reason) {
	switch {
	case r.Rule == decision.ByShadow:
		if e.ShadowModel == nil { // stored before shadow models were named
			e.ShadowModel = &Shadow{}
		}
		e.ShadowModel.Points = r.Points
	case r.Rule == decision.ByModel && e.Model != nil:
		e.Model.Grounds = append(e.Model.Grounds, x.ground(r.Code, r.Points))
	default:
		held := Rule{Rule: r.Rule, Code: r.Code, Points: r.Points, Shadow: r.Shadow}
		if text, ok := x.Words(r.Code); ok {
			held.Text = &text
		}
		// A rule may have been rewritten under its id; its words go with its code, and its floor with its version.
		if known, ok := x.rules[r.Rule]; ok && known.Code == r.Code {
			text := Text(known.Text)
			held.Text = &text
			if e.RuleSet == x.engine.Rules.Version() {
				held.Outcome = known.Outcome
			}
		}
		e.Rules = append(e.Rules, held)
	}
}

func (x *Explainer) ground(code string, points int) Ground {
	g := Ground{Code: code, Points: points}
	if text, ok := x.variableWords(code); ok {
		g.Text = &text
	}
	return g
}

// values are the stored ones in the order of the engine's plan. The note says why the decision cannot be computed anew;
// without one everything is there that the rules and the model that decided read.
func (x *Explainer) values(c *Case) (values []float64, note *Text) {
	d, model := c.Decision, ""
	if x.engine.Model != nil {
		model = x.engine.Model.Version()
	}
	switch rules := x.engine.Rules.Version(); {
	case d.RuleSet != rules:
		return nil, otherRules(d.RuleSet, rules)
	case d.Model != model:
		return nil, otherModel(d.Model, model)
	case len(c.Names) != len(d.Features.Values):
		return nil, otherValues(d.Features.Plan)
	}
	for _, name := range x.needs {
		if !slices.Contains(c.Names, name) {
			return nil, otherValues(d.Features.Plan)
		}
	}
	values = make([]float64, len(x.planned))
	for i, name := range x.planned {
		if at := slices.Index(c.Names, name); at >= 0 {
			values[i] = d.Features.Values[at]
		} else {
			values[i] = math.NaN() // which neither rules nor model read
		}
	}
	return values, nil
}

// recompute judges the values again, compares, and fills in what is not stored.
func (x *Explainer) recompute(e *Explanation, c *Case, values []float64) {
	t, d := c.Transaction, c.Decision
	r := score.Result{Values: values, Degraded: d.Degraded&decision.FeaturesDegraded != 0}
	x.engine.Evaluate(t, &r)
	x.engine.Ground(t, &r)
	e.Recomputed, e.RecomputedScore = true, &r.Score
	e.Differs = append(e.Differs, differences(c, r)...)
	agrees := len(e.Differs) == 0
	e.Agrees = &agrees
	if !agrees {
		e.Note = disagreement()
	}
	rules := x.engine.Rules.Rules()
	for _, i := range r.Failed {
		e.FailedRules = append(e.FailedRules, rules[i].ID)
	}
	if e.Model == nil || r.ModelGone {
		return
	}
	m := e.Model
	m.Points = &r.Model
	base, all := x.engine.Contributions(t, values)
	sum := base
	for _, one := range all {
		sum += one.LogOdds
		m.Contributions = append(m.Contributions, Contribution{one.Variable, Number(one.Value), Number(one.LogOdds), x.schemaOf().about(one.Variable)})
	}
	m.Base, m.LogOdds = (*Number)(&base), (*Number)(&sum)
	if d.Outcome == decision.Approve { // what speaks for fraud is not stored with an approval
		for _, g := range r.Grounds {
			m.Grounds = append(m.Grounds, x.ground(score.Code(g.Variable), g.Points))
		}
	}
}

// judgeable are the marks of a decision that come from judging, and not from reading windows or taking in.
const judgeable = decision.RuleFailed | decision.ModelGone

// differences names what of a decision is not what r says. A shadow model is left out: it changes nothing, and need not be at hand.
func differences(c *Case, r score.Result) (found []string) {
	d := c.Decision
	if d.Outcome == decision.Approve {
		r.Grounds = nil // they are not stored with it
	}
	policy, ok := decision.ParsePolicy(d.Policy)
	again := policy.Decide(c.Transaction, &r, decision.Versions{}, d.Path, d.DecidedAt)
	differ := func(what string, does bool) {
		if does {
			found = append(found, what)
		}
	}
	shadow := func(r decision.Reason) bool { return r.Rule == decision.ByShadow }
	differ("score", again.Score != d.Score)
	differ("outcome", ok && again.Outcome != d.Outcome)
	differ("reasons", !slices.Equal(slices.DeleteFunc(again.Reasons, shadow), slices.DeleteFunc(slices.Clone(d.Reasons), shadow)))
	differ("degraded", (again.Degraded^d.Degraded)&judgeable != 0)
	differ("anomalous", again.Anomalous != d.Anomalous)
	return found
}
