package explanation_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// linear is a model that adds up its inputs.
type linear struct {
	names  []string
	points int
	err    error
}

func (l *linear) Version() string               { return "linear/1" }
func (l *linear) Variables() []string           { return l.names }
func (l *linear) Points([]float64) (int, error) { return l.points, l.err }
func (l *linear) Explain(inputs, out []float64) float64 {
	copy(out, inputs)
	return -1
}

// TestOtherVersions explains with rules or a model that did not decide: what was stored is there, and why no more.
func TestOtherVersions(t *testing.T) {
	live := train(t, "live", 0)
	s := newShop(t, newEngine(t, rulesFile, live, nil))
	s.decide(payments()...)
	i := slices.IndexFunc(s.made, func(e pipeline.Entry) bool {
		return slices.ContainsFunc(e.Decision.Reasons, func(r decision.Reason) bool { return r.Rule == decision.ByModel }) &&
			slices.ContainsFunc(e.Decision.Reasons, func(r decision.Reason) bool { return r.Rule == "burst" })
	})
	if i < 0 {
		t.Fatal("no decision has a rule's and a model's reasons")
	}
	c := s.stored(s.made[i].Transaction.ID)
	renamed := strings.ReplaceAll(strings.ReplaceAll(rulesFile, "burst", "gone"), "BURST", "GONE")
	for name, then := range map[string]struct {
		engine *score.Engine
		said   string
		text   bool // of the rule
	}{
		"other rules":   {newEngine(t, strings.Replace(rulesFile, ">= 3", ">= 2", 1), live, nil), "rules at hand", true},
		"rule is gone":  {newEngine(t, renamed, live, nil), "rules at hand", false},
		"another model": {newEngine(t, rulesFile, train(t, "newer", 7), nil), "model at hand (newer/", true},
		"no model":      {newEngine(t, rulesFile, nil, nil), "model at hand (none)", true},
	} {
		e := newExplainer(t, then.engine).Of(c)
		if e.Recomputed || e.Agrees != nil || e.RecomputedScore != nil || e.Note == nil || !strings.Contains(e.Note.EN, then.said) || e.Note.PT == "" {
			t.Errorf("%s: recomputed %v, agrees %v, note %v", name, e.Recomputed, e.Agrees, e.Note)
		}
		if e.Score != c.Decision.Score || e.Outcome != c.Decision.Outcome.String() || e.Model.Points != nil || len(e.Model.Contributions) != 0 {
			t.Errorf("%s: %+v", name, e)
		}
		at := slices.IndexFunc(e.Rules, func(r explanation.Rule) bool { return r.Code == "BURST" })
		if at < 0 || e.Rules[at].Points != 500 || (e.Rules[at].Text != nil) != then.text {
			t.Errorf("%s: rules %+v", name, e.Rules)
		}
		if len(e.Model.Grounds) == 0 || e.Model.Grounds[0].Text == nil || e.Model.Grounds[0].Points == 0 {
			t.Errorf("%s: grounds %+v", name, e.Model.Grounds)
		}
		if len(e.Inputs) != len(c.Names) || len(e.Inputs[0].ReadBy) != 0 {
			t.Errorf("%s: inputs %+v", name, e.Inputs)
		}
		asJSON(t, e)
	}
}

// TestWhatDoesNotAgreeIsSaid changes what was stored, each part by itself.
func TestWhatDoesNotAgreeIsSaid(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, train(t, "live", 0), nil))
	s.decide(payments()...)
	x := newExplainer(t, s.engine)
	at := slices.IndexFunc(s.made, func(e pipeline.Entry) bool { return len(e.Decision.Reasons) > 1 && e.Decision.Score < 1000 })
	for want, change := range map[string]func(*explanation.Case){
		"score":     func(c *explanation.Case) { c.Decision.Score++ },
		"outcome":   func(c *explanation.Case) { c.Decision.Policy = "default/1-2-3" },
		"reasons":   func(c *explanation.Case) { c.Decision.Reasons[0].Points-- },
		"degraded":  func(c *explanation.Case) { c.Decision.Degraded ^= decision.ModelGone },
		"anomalous": func(c *explanation.Case) { c.Decision.Anomalous = !c.Decision.Anomalous },
	} {
		c := s.stored(s.made[at].Transaction.ID)
		if c.Decision.Outcome == decision.Decline && want == "outcome" {
			c.Decision.Outcome = decision.Review
		}
		change(&c)
		e := x.Of(c)
		if !e.Recomputed || *e.Agrees || !slices.Contains(e.Differs, want) || e.Note == nil || !strings.Contains(e.Note.PT, "ATENÇÃO") {
			t.Errorf("%s: agrees %v, differs %v, note %v", want, *e.Agrees, e.Differs, e.Note)
		}
		if e.Score != c.Decision.Score || *e.RecomputedScore != s.made[at].Decision.Score {
			t.Errorf("%s: score %d, computed anew %d", want, e.Score, *e.RecomputedScore)
		}
	}
	c := s.stored(s.made[at].Transaction.ID)
	for i, name := range c.Names {
		if name == "customer.count_1h" {
			c.Decision.Features.Values[i] = 90 - c.Decision.Features.Values[i]
		}
	}
	if e := x.Of(c); *e.Agrees {
		t.Error("another value agrees")
	}
}

// TestValuesThatDoNotFit has fewer names than values, or other ones.
func TestValuesThatDoNotFit(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, train(t, "live", 0), nil))
	s.decide(pay(1))
	x := newExplainer(t, s.engine)
	for name, change := range map[string]func(*explanation.Case){
		"no names":      func(c *explanation.Case) { c.Names = nil },
		"a name less":   func(c *explanation.Case) { c.Names = c.Names[1:] },
		"a value less":  func(c *explanation.Case) { c.Decision.Features.Values = c.Decision.Features.Values[1:] },
		"another name":  func(c *explanation.Case) { c.Names[0] = "customer.count_30d_delayed" },
		"unknown names": func(c *explanation.Case) { c.Names[0], c.Names[1] = "what.was_1h", "what.is_1h" },
	} {
		c := s.stored("order-1")
		change(&c)
		e := x.Of(c)
		if e.Recomputed || e.Note == nil || !strings.Contains(e.Note.EN, "lack") || len(e.Inputs) > len(c.Names) {
			t.Errorf("%s: recomputed %v, note %v, %d inputs", name, e.Recomputed, e.Note, len(e.Inputs))
		}
		asJSON(t, e)
	}
}

// TestAModelThatCannotJudge is explained by the rules alone.
func TestAModelThatCannotJudge(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, &linear{names: variables, err: errors.New("no")}, nil))
	s.decide(pay(1))
	e := newExplainer(t, s.engine).Of(s.stored("order-1"))
	if !e.Recomputed || !*e.Agrees || e.Model == nil || e.Model.Points != nil || len(e.Model.Contributions) != 0 {
		t.Errorf("got %+v", e)
	}
	if !slices.ContainsFunc(e.Degraded, func(m explanation.Missing) bool { return m.Code == "model_unavailable" }) {
		t.Errorf("degraded %+v", e.Degraded)
	}
	asJSON(t, e)
}

// TestWhatIsNoNumberIsNull has a model that answers with NaN.
func TestWhatIsNoNumberIsNull(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, &linear{names: []string{"device.count_24h"}, points: 10}, nil))
	s.decide(pay(1))
	e := newExplainer(t, s.engine).Of(s.stored("order-1"))
	if c := e.Model.Contributions[0]; !math.IsNaN(float64(c.Value)) || !math.IsNaN(float64(*e.Model.LogOdds)) {
		t.Errorf("contribution %+v", c)
	}
	if text := asJSON(t, e); !strings.Contains(text, `"log_odds": null`) {
		t.Errorf("got %s", text)
	}
}

// TestThresholdsAreThoseOfThePolicy parses the version of any policy, and of none.
func TestThresholdsAreThoseOfThePolicy(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, nil, nil))
	s.decide(pay(1))
	x, c := newExplainer(t, s.engine), s.stored("order-1")
	rapid.Check(t, func(t *rapid.T) {
		p := decision.Policy{Name: rapid.StringN(0, 20, 40).Draw(t, "name")}
		p.Challenge = rapid.IntRange(1, score.Max+1).Draw(t, "challenge")
		p.Review = rapid.IntRange(p.Challenge, score.Max+1).Draw(t, "review")
		p.Decline = rapid.IntRange(p.Review, score.Max+1).Draw(t, "decline")
		c.Decision.Policy = p.Version()
		got := x.Of(c).Policy
		if got.Challenge == nil || *got.Challenge != p.Challenge || *got.Review != p.Review || *got.Decline != p.Decline {
			t.Errorf("%q: %+v", p.Version(), got)
		}
	})
	for _, version := range []string{"", "default", "default/", "default/1", "default/1-2", "default/1-2-3-4", "default/3-2-1", "default/0-1-2", "default/1-2-1002", "default/+1-2-3", "default/01-2-3", "default/1-2-x"} {
		c.Decision.Policy = version
		if got := x.Of(c); got.Policy.Challenge != nil || got.Policy.Version != version || !*got.Agrees {
			t.Errorf("%q: %+v", version, got.Policy)
		}
	}
}

// TestWords asks for the words of every code that a decision can have.
func TestWords(t *testing.T) {
	x := newExplainer(t, newEngine(t, string(rule.Default()), nil, nil))
	for _, r := range defaultRules(t) {
		if w, ok := x.Words(r.Code); !ok || w.PT == "" || w.EN == "" {
			t.Errorf("%s: %+v", r.Code, w)
		}
	}
	ruled := map[string]bool{}
	for _, r := range defaultRules(t) {
		ruled[r.Code] = true
	}
	for _, v := range score.Schema() {
		if ruled[score.Code(v.Name)] { // a rule speaks first
			continue
		}
		name := v.Name
		if v.Type == rule.Text {
			name += "=x1"
		}
		want, _ := score.WordsFor(name)
		got, ok := x.Words(score.Code(name))
		if v.Type == rule.Text { // a code does not tell upper from lower case
			want.PT, want.EN, got.PT, got.EN = strings.ToLower(want.PT), strings.ToLower(want.EN), strings.ToLower(got.PT), strings.ToLower(got.EN)
		}
		if !ok || got.PT != want.PT || got.EN != want.EN {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
	for _, code := range []string{"", "GONE", "TX_METHOD", "TX_METHOD_", "customer.count_1h"} {
		if w, ok := x.Words(code); ok {
			t.Errorf("%q: %+v", code, w)
		}
	}
}

func defaultRules(t *testing.T) []rule.Rule {
	t.Helper()
	set, err := rule.Compile(rule.Default(), score.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return set.Rules()
}

// TestEveryTextIsThere looks at the texts that are written once.
func TestEveryTextIsThere(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, nil, nil))
	s.decide(pay(1))
	x, c := newExplainer(t, s.engine), s.stored("order-1")
	c.Decision.Degraded = math.MaxUint32
	e := x.Of(c)
	if len(e.Degraded) < 6 {
		t.Errorf("degraded %+v", e.Degraded)
	}
	for _, m := range e.Degraded {
		if m.Text.PT == "" || m.Text.EN == "" {
			t.Errorf("%s has no text", m.Code)
		}
	}
	for _, want := range []string{"art. 20", "13.709/2018", "pessoa", "encarregado", "ANPD", "não é aconselhamento jurídico"} {
		if !strings.Contains(e.Contest.PT, want) {
			t.Errorf("%q is not in the text in Portuguese", want)
		}
	}
	for _, want := range []string{"art. 20", "13,709/2018", "person", "encarregado", "ANPD", "no legal advice"} {
		if !strings.Contains(e.Contest.EN, want) {
			t.Errorf("%q is not in the text in English", want)
		}
	}
	for _, text := range []string{e.Criteria.PT, e.Criteria.EN} {
		if !strings.Contains(text, "1000 · (1 − Π(1 − ") {
			t.Errorf("criteria: %s", text)
		}
	}
	for _, v := range []explanation.Value{{}, explanation.NumberValue(math.NaN()), explanation.TextValue("")} {
		if b, err := v.MarshalJSON(); err != nil || string(b) != "null" || v.String() != "-" || !v.IsNothing() {
			t.Errorf("%v: %s %v", v, b, err)
		}
	}
}
