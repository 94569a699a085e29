package backtest

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// Judge is what is put on trial: rules, a model or both, and the thresholds that make outcomes of their scores.
type Judge struct {
	Rules  *rule.Set   // nil: none
	Model  score.Model // nil: none
	Policy decision.Policy
}

// Court is what a judge is tried with.
type Court struct {
	Zone     *time.Location // whose clock "night" means
	Maturity time.Duration  // after which a payment without a label counts as genuine; at least 1 second
	Now      func() time.Time
}

// Verdict is what a judge says of one payment.
type Verdict struct {
	Outcome decision.Outcome
	Score   int // 0 to score.Max
	Hits    []RuleHit
}

// RuleHit is a rule that held.
type RuleHit struct {
	ID, Code string
	Shadow   bool
}

// Flagged tells whether the payment is not simply let through.
func (v *Verdict) Flagged() bool { return v.Outcome > decision.Approve }

// Trial plays a history before one judge, with windows of its own: they count the payments that this judge declines. Time
// and labels run as in a [Rehearsal]. It is not safe for concurrent use.
type Trial struct {
	rehearsal *Rehearsal
	policy    decision.Policy
}

// NewTrial makes a trial with an empty past. Its errors are those of score, velocity and Policy.Validate.
func NewTrial(j Judge, c Court) (*Trial, error) {
	if err := j.Policy.Validate(); err != nil {
		return nil, fmt.Errorf("prepare trial: %w", err)
	}
	r, err := NewRehearsal(Stage{
		Rules: j.Rules, Model: j.Model, Zone: c.Zone, Maturity: c.Maturity, Now: c.Now,
		Declines: func(r *score.Result) bool { return j.Policy.Asks(r) == decision.Decline },
	})
	if err != nil {
		return nil, fmt.Errorf("prepare trial: %w", err)
	}
	return &Trial{rehearsal: r, policy: j.Policy}, nil
}

// Play judges the next payment as of its own time and lets the windows count it. Its errors are those of Rehearsal.Play.
func (t *Trial) Play(ctx context.Context, c Case) (Verdict, error) {
	r, err := t.rehearsal.Play(ctx, c, nil)
	if err != nil {
		return Verdict{}, err
	}
	v := Verdict{Outcome: t.policy.Asks(&r), Score: r.Score}
	for _, h := range r.Hits {
		v.Hits = append(v.Hits, RuleHit{ID: h.Rule.ID, Code: h.Rule.Code, Shadow: h.Rule.Mode == rule.Shadow})
	}
	return v, nil
}

// Decided is the verdict that a stored decision holds.
func Decided(d *decision.Decision) Verdict {
	v := Verdict{Outcome: d.Outcome, Score: d.Score}
	for _, r := range d.Reasons {
		if r.Rule != decision.ByModel && r.Rule != decision.ByShadow {
			v.Hits = append(v.Hits, RuleHit{ID: r.Rule, Code: r.Code, Shadow: r.Shadow})
		}
	}
	return v
}

// ShadowPoints are what the shadow model said when d was made. ok is false if it said nothing; a decision that does not name
// its shadow model does not tell that from 0 points.
func ShadowPoints(d *decision.Decision) (points int, ok bool) {
	for _, r := range d.Reasons {
		if r.Rule == decision.ByShadow {
			return r.Points, true
		}
	}
	return 0, d.Shadow != ""
}

// Shadowed is the verdict that d would have been with the shadow model in the place of the live one: the points of the live
// rules that held combined with those of the shadow. Floors are the outcomes that rules ask for, by the rule's id; they are
// not stored with a decision. What made a decision degraded counts as it does live. The windows were those of live traffic:
// declines that differ would have changed what came after.
func Shadowed(d *decision.Decision, p decision.Policy, floors map[string]decision.Outcome) Verdict {
	v := Decided(d)
	floor := decision.Approve
	var points []int
	for _, r := range d.Reasons {
		switch {
		case r.Rule == decision.ByShadow:
			points = append(points, r.Points)
		case r.Rule != decision.ByModel && !r.Shadow:
			points = append(points, r.Points)
			floor = max(floor, floors[r.Rule])
		}
	}
	lost := d.Degraded&decision.RuleFailed != 0 && d.Outcome > decision.Approve // a failed shadow rule raises nothing
	if d.Degraded&decision.FeaturesDegraded != 0 || lost {
		floor = max(floor, decision.Challenge)
	}
	v.Score = score.Combine(points)
	v.Outcome = p.Outcome(v.Score, floor)
	return v
}
