package decision

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

var outcomeNames = [...]string{"invalid", "approve", "challenge", "review", "decline"}

// String is the outcome's word in the API, "invalid" for anything that is no outcome.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[Invalid]
}

// Valid reports whether o is one of the four verdicts.
func (o Outcome) Valid() bool { return o >= Approve && o <= Decline }

// Outcomes returns the four verdicts, the mildest first.
func Outcomes() []Outcome { return []Outcome{Approve, Challenge, Review, Decline} }

// ParseOutcome is the inverse of String; it returns Invalid for any other text.
func ParseOutcome(s string) Outcome {
	for _, o := range Outcomes() {
		if o.String() == s {
			return o
		}
	}
	return Invalid
}

var pathNames = [...]string{"", "async", "sync"}

// String is the path's word in the API, "" for anything that is no path.
func (p Path) String() string {
	if int(p) < len(pathNames) {
		return pathNames[p]
	}
	return ""
}

var degradedNames = []struct {
	bit  Degraded
	name string
}{
	{FeaturesDegraded, "features_degraded"},
	{RuleFailed, "rule_failed"},
	{WindowsSaturated, "windows_saturated"},
	{LateEvent, "late_event"},
	{PersonalDropped, "unsealed_dropped"},
	{ModelGone, "model_unavailable"},
}

// Names lists what d holds, in words of the API.
func (d Degraded) Names() []string {
	var names []string
	for _, n := range degradedNames {
		if d&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// Policy turns a score into an outcome: the highest threshold that the score reaches.
type Policy struct {
	Name      string
	Challenge int // scores from here on are challenged
	Review    int // … held for an analyst
	Decline   int // … refused
}

// DefaultPolicy are the thresholds that the default rules were written for.
func DefaultPolicy() Policy {
	return Policy{Name: "default", Challenge: 350, Review: 550, Decline: 800}
}

// ErrPolicy is wrapped by the errors of Validate.
var ErrPolicy = errors.New("invalid policy")

// Validate checks that the thresholds ascend within 1 to score.Max+1 (which no score reaches).
func (p Policy) Validate() error {
	if p.Challenge < 1 || p.Challenge > p.Review || p.Review > p.Decline || p.Decline > score.Max+1 {
		return fmt.Errorf("%w: thresholds must ascend from 1 to %d: challenge %d, review %d, decline %d",
			ErrPolicy, score.Max+1, p.Challenge, p.Review, p.Decline)
	}
	return nil
}

// Version names the policy with its thresholds, so that a stored decision says what it was measured against.
func (p Policy) Version() string {
	b := append(make([]byte, 0, 48), p.Name...) // every decision asks; fmt would cost more than the rules
	for i, threshold := range [...]int{p.Challenge, p.Review, p.Decline} {
		b = append(b, "/--"[i])
		b = strconv.AppendInt(b, int64(threshold), 10)
	}
	return string(b)
}

// Outcome is the verdict for a score, at least as hard as floor.
func (p Policy) Outcome(points int, floor Outcome) Outcome {
	o := Approve
	switch {
	case points >= p.Decline:
		o = Decline
	case points >= p.Review:
		o = Review
	case points >= p.Challenge:
		o = Challenge
	}
	return max(o, floor)
}

// Asks is the verdict for a result: that of its score, at least as hard as its rules ask for. A result that was made
// without windows, or without a live rule that failed, is not approved: nobody knows what they would have said, so
// the transaction is challenged.
func (p Policy) Asks(r *score.Result) Outcome {
	floor := ParseOutcome(r.Floor)
	if r.Degraded || r.LiveLost {
		floor = max(floor, Challenge)
	}
	return p.Outcome(r.Score, floor)
}

// Versions name what a decision was made with.
type Versions struct {
	RuleSet string
	Model   string
	Shadow  string // counts if the shadow model judged
	Plan    string
}

// ParsePolicy is the inverse of Version. ok is false for a text that is the version of no valid policy.
func ParsePolicy(version string) (p Policy, ok bool) {
	i := strings.LastIndexByte(version, '/')
	if i < 0 {
		return Policy{}, false
	}
	parts := strings.Split(version[i+1:], "-")
	thresholds := [...]*int{&p.Challenge, &p.Review, &p.Decline}
	if len(parts) != len(thresholds) {
		return Policy{}, false
	}
	p.Name = version[:i]
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil {
			return Policy{}, false
		}
		*thresholds[i] = n
	}
	if p.Version() != version || p.Validate() != nil {
		return Policy{}, false
	}
	return p, true
}

// Decide makes the record of a verdict.
func (p Policy) Decide(t *payment.Transaction, r *score.Result, v Versions, path Path, at time.Time) Decision {
	d := Decision{
		TransactionID: t.ID,
		Outcome:       p.Asks(r),
		Score:         r.Score,
		Reasons:       reasons(r),
		RuleSet:       v.RuleSet,
		Policy:        p.Version(),
		Model:         v.Model,
		Features:      Features{Plan: v.Plan, Values: r.Values},
		Anomalous:     r.Anomalous,
		Path:          path,
		DecidedAt:     at.UTC().Truncate(time.Millisecond),
		Took:          r.Took,
	}
	if r.Shadow != score.NoShadow {
		d.Shadow = v.Shadow
	}
	d.mark(FeaturesDegraded, r.Degraded)
	d.mark(RuleFailed, len(r.Failed) > 0)
	d.mark(WindowsSaturated, r.Saturated)
	d.mark(LateEvent, r.Late)
	d.mark(ModelGone, r.ModelGone)
	d.mark(PersonalDropped, t.SealState == payment.SealDropped)
	return d
}

func (d *Decision) mark(bit Degraded, set bool) {
	if set {
		d.Degraded |= bit
	}
}

// The names that reasons of a learned model have in place of a rule's.
const (
	ByModel  = "model"        // Code is that of a variable; see score.Code
	ByShadow = "shadow-model" // Points are all of the shadow model's
	// ShadowCode is the reason code of a shadow model's verdict.
	ShadowCode = "SHADOW_MODEL"
)

func reasons(r *score.Result) []Reason {
	if len(r.Hits)+len(r.Grounds) == 0 && r.Shadow <= 0 {
		return nil
	}
	all := make([]Reason, 0, len(r.Hits)+len(r.Grounds)+1)
	for _, h := range r.Hits {
		all = append(all, Reason{Code: h.Rule.Code, Rule: h.Rule.ID, Points: h.Points, Shadow: h.Rule.Mode == rule.Shadow})
	}
	for _, g := range r.Grounds {
		all = append(all, Reason{Code: score.Code(g.Variable), Rule: ByModel, Points: g.Points})
	}
	if r.Shadow > 0 {
		all = append(all, Reason{Code: ShadowCode, Rule: ByShadow, Points: r.Shadow, Shadow: true})
	}
	slices.SortStableFunc(all, func(a, b Reason) int {
		if a.Shadow != b.Shadow {
			if a.Shadow {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.Points, a.Points)
	})
	return all
}
