package explanation_test

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// TestTheSameBytesLater compares explanations at the time of the decision with those that another process makes of what
// was stored: with windows that know nothing, with another shadow model and its larger plan, and after an erasure.
func TestTheSameBytesLater(t *testing.T) {
	live := train(t, "live", 0)
	s := newShop(t, newEngine(t, rulesFile, live, train(t, "shadow", 500)))
	s.decide(payments()...)
	x := newExplainer(t, s.engine)
	var first []string
	for i := range s.made {
		first = append(first, asJSON(t, x.Of(s.fresh(i))))
	}
	same := func(when string, x *explanation.Explainer) {
		t.Helper()
		for i := range s.made {
			if diff := cmp.Diff(first[i], asJSON(t, x.Of(s.stored(s.made[i].Transaction.ID)))); diff != "" {
				t.Fatalf("%s (-then +now):\n%s", when, diff)
			}
		}
	}
	same("at once", x)
	s.must(s.store.Close())
	s.open()
	same("in another process", newExplainer(t, newEngine(t, rulesFile, live, nil)))
	more := &linear{names: append(slices.Clone(variables), "ip.count_1h", "card.amount_ratio")}
	same("with another shadow model", newExplainer(t, newEngine(t, rulesFile, live, more)))
	if n, err := s.store.Erase(t.Context(), token(0), token(1), token(2)); err != nil || n != int64(len(s.made)) {
		t.Fatalf("erased %d: %v", n, err)
	}
	same("after an erasure", x)
}

// TestEveryDecisionIsWhole looks into the explanations of all kinds of decisions.
func TestEveryDecisionIsWhole(t *testing.T) {
	live := train(t, "live", 0)
	s := newShop(t, newEngine(t, rulesFile, live, train(t, "shadow", 500)))
	s.decide(payments()...)
	x := newExplainer(t, s.engine)
	outcomes, seen := map[string]int{}, map[string]int{}
	note := func(what string, does bool) {
		if does {
			seen[what]++
		}
	}
	for i, made := range s.made {
		e := x.Of(s.stored(made.Transaction.ID))
		outcomes[e.Outcome]++
		if !e.Recomputed || !*e.Agrees || len(e.Differs) != 0 || *e.RecomputedScore != made.Decision.Score || e.Note != nil {
			t.Fatalf("%s: recomputed %v, differs %v, note %v", e.TransactionID, e.Recomputed, e.Differs, e.Note)
		}
		inputs := byName(t, e.Inputs)
		checkModel(t, &e, inputs)
		checkReasons(t, &e, &made.Decision)
		note("device missing", inputs["device.count_24h"].Value.IsNothing())
		note("device there", !inputs["device.count_24h"].Value.IsNothing())
		note("shadow rule", slices.ContainsFunc(e.Rules, func(r explanation.Rule) bool { return r.Shadow }))
		note("live rule", slices.ContainsFunc(e.Rules, func(r explanation.Rule) bool { return !r.Shadow && r.Outcome == "review" }))
		note("rule failed", len(e.FailedRules) == 1 && e.FailedRules[0] == "fragile" && len(e.Degraded) == 1 && e.Degraded[0].Code == "rule_failed")
		note("shadow model", e.ShadowModel != nil && e.ShadowModel.Points > 0)
		if e.ShadowModel == nil || e.ShadowModel.Version != s.engine.Shadow.Version() {
			t.Errorf("%s: shadow model %+v", e.TransactionID, e.ShadowModel)
		}
		if (inputs["device.count_24h"].Value.IsNothing()) != (i%2 == 1) {
			t.Errorf("%s: a device is there, or is not", e.TransactionID)
		}
	}
	if outcomes["approve"] == 0 || outcomes["challenge"]+outcomes["review"] == 0 || outcomes["decline"] == 0 {
		t.Errorf("outcomes %v", outcomes)
	}
	for _, what := range []string{"device missing", "device there", "shadow rule", "live rule", "rule failed", "shadow model"} {
		if seen[what] == 0 {
			t.Errorf("no decision shows: %s", what)
		}
	}
}

func byName(t *testing.T, all []explanation.Input) map[string]explanation.Input {
	t.Helper()
	found := map[string]explanation.Input{}
	for _, in := range all {
		if _, twice := found[in.Name]; twice || in.Doc == "" || in.Text == nil && !in.Value.IsNothing() {
			t.Errorf("input %+v", in)
		}
		found[in.Name] = in
	}
	return found
}

// checkModel checks that contributions add up, and that they are about the inputs that are shown.
func checkModel(t *testing.T, e *explanation.Explanation, inputs map[string]explanation.Input) {
	t.Helper()
	m := e.Model
	sum := float64(*m.Base)
	for i, c := range m.Contributions {
		sum += float64(c.LogOdds)
		if i > 0 && c.LogOdds > m.Contributions[i-1].LogOdds || c.Text == nil {
			t.Errorf("contribution %d: %+v", i, c)
		}
		name, _, compared := strings.Cut(c.Variable, "=")
		in, ok := inputs[name]
		if !ok || !slices.Contains(in.ReadBy, "model") {
			t.Errorf("%s is no input of the model: %+v", name, in)
		}
		if flag := in.Value.String() == "true" || in.Value.String() == "false"; !compared && !flag && in.Value.String() != c.Value.String() {
			t.Errorf("%s is %s, and %s as an input", c.Variable, c.Value, in.Value)
		}
	}
	p := 1 / (1 + math.Exp(-sum))
	points := int(math.Round(600 * p)) // of the scale in train
	if p > 0.5 {
		points = int(math.Round(300 + 1400*(p-0.5)))
	}
	if len(m.Contributions) != len(variables) || math.Abs(sum-float64(*m.LogOdds)) > 1e-9 || *m.Points-points > 1 || points-*m.Points > 1 {
		t.Errorf("contributions add up to %v, which is %d points: %+v", sum, points, m)
	}
}

// checkReasons checks that every stored reason is there, with words, and nothing beside.
func checkReasons(t *testing.T, e *explanation.Explanation, d *decision.Decision) {
	t.Helper()
	var want, got []string
	for _, r := range d.Reasons {
		want = append(want, r.Code)
	}
	for _, r := range e.Rules {
		if got = append(got, r.Code); r.Text == nil || r.Text.PT == "" || r.Text.EN == "" {
			t.Errorf("rule %+v", r)
		}
	}
	for _, g := range e.Model.Grounds {
		if g.Text == nil || g.Points <= 0 {
			t.Errorf("ground %+v", g)
		}
		if e.Outcome != "approve" {
			got = append(got, g.Code)
		}
	}
	if e.ShadowModel != nil && e.ShadowModel.Points > 0 {
		got = append(got, decision.ShadowCode)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("reasons %v, stored are %v", got, want)
	}
}

// TestAShadowModelIsNamed looks at decisions as they are stored since shadow models are named, and as they were before.
func TestAShadowModelIsNamed(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, nil, nil))
	s.decide(pay(1))
	x := newExplainer(t, s.engine)
	spoke := []decision.Reason{{Code: decision.ShadowCode, Rule: decision.ByShadow, Points: 40, Shadow: true}}
	for name, of := range map[string]struct {
		version string
		reasons []decision.Reason
		want    string
	}{
		"with points":       {"trial/1", spoke, `{"version":"trial/1","points":40}`},
		"with no points":    {"trial/1", nil, `{"version":"trial/1","points":0}`},
		"before, named not": {"", spoke, `{"points":40}`},
		"before, no points": {"", nil, "null"},
	} {
		c := s.stored("order-1")
		c.Decision.Shadow, c.Decision.Reasons = of.version, append(c.Decision.Reasons, of.reasons...)
		e := x.Of(c)
		if text, err := json.Marshal(e.ShadowModel); err != nil || string(text) != of.want || !*e.Agrees {
			t.Errorf("%s: %s, agrees %v, %v", name, text, *e.Agrees, err)
		}
	}
}

// TestAnApprovalIsExplained has a model that finds little, which is no reason of an approval, and is explained all the same.
func TestAnApprovalIsExplained(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, &linear{names: []string{"tx.amount", "device.count_24h"}, points: 100}, nil))
	s.decide(pay(2))
	c := s.stored("order-2")
	e := newExplainer(t, s.engine).Of(c)
	if len(c.Decision.Reasons) != 0 || e.Outcome != "approve" || !*e.Agrees || len(e.Model.Grounds) != 1 || e.Model.Grounds[0].Code != "TX_AMOUNT" || e.Model.Grounds[0].Points != 100 {
		t.Errorf("reasons %+v, %s, model %+v", c.Decision.Reasons, e.Outcome, e.Model)
	}
}

// TestAnInputIsWhatItWas looks at one decision closely.
func TestAnInputIsWhatItWas(t *testing.T) {
	s := newShop(t, newEngine(t, rulesFile, train(t, "live", 0), nil))
	s.decide(pay(4))
	c := s.stored("order-4")
	c.Label = &review.Label{TransactionID: "order-4", Verdict: review.Fraud, Source: review.PixMED, KnownAt: noon}
	e := newExplainer(t, s.engine).Of(c)
	inputs := byName(t, e.Inputs)
	for name, want := range map[string]struct {
		value string
		by    []string
	}{
		"tx.amount": {"32676", []string{"rules", "model"}}, "tx.method": {"pix", []string{"rules", "model"}}, "tx.night": {"false", []string{"model"}},
		"tx.region_mismatch": {"true", []string{"rules"}}, "customer.count_1h": {"0", []string{"rules", "model"}},
		"customer.amount_z": {"-", []string{"model"}}, "customer.amount_median": {"-", []string{}}, "device.count_24h": {"0", []string{"model"}},
	} {
		if in, ok := inputs[name]; !ok || in.Value.String() != want.value || !slices.Equal(in.ReadBy, want.by) {
			t.Errorf("%s: got %+v, want %+v", name, in, want)
		}
	}
	if e.Inputs[0].Name != "tx.amount" || len(e.Inputs) != 10 {
		t.Errorf("inputs %+v", e.Inputs)
	}
	text := asJSON(t, e)
	for _, want := range []string{`"value": null`, `"value": true`, `"value": "pix"`, `"challenge": 350`, `"source": "pix_med"`, `"took_us": `, "O tipo da compra: method é pix."} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s in\n%s", want, text)
		}
	}
	for _, n := range []byte{1, 9} { // the customer's, the device's
		secret := token(n)
		if strings.Contains(text, hex.EncodeToString(secret[:4])) || strings.Contains(text, "sealed\"") {
			t.Error("an explanation holds a token, or the seal")
		}
	}
}

// TestEveryTextOfTheSchemaIsShown compares the texts of a transaction with those that rules and models read.
func TestEveryTextOfTheSchemaIsShown(t *testing.T) {
	p := payment.Transaction{
		ID: "t", OccurredAt: noon, Method: payment.Boleto, Channel: payment.App, Card: payment.CardDetails{BIN: "411111", Brand: "visa"}, MCC: "5732",
		Merchant: "loja-1", Terminal: "pdv-2", UF: "RJ", DocumentKind: payment.CNPJ, FiscalRegion: payment.NoRegion,
	}
	rules, names := "name: texts\nversion: \"1\"\nrules:\n", 0
	for _, v := range score.Schema() {
		if v.Type == rule.Text {
			names++
			rules += "  - {id: r" + strings.ReplaceAll(v.Name[3:], "_", "-") + ", code: A, when: '" + v.Name + " == \"x\"', points: 1, text: {pt: a, en: b}}\n"
		}
	}
	e := newEngine(t, rules, nil, nil)
	_, plan := e.Plan()
	values := make([]float64, len(plan))
	r := score.Result{Values: values}
	e.Evaluate(&p, &r)
	d := decision.DefaultPolicy().Decide(&p, &r, decision.Versions{RuleSet: e.Rules.Version()}, decision.Sync, noon)
	got := newExplainer(t, e).Of(explanation.Case{Transaction: &p, Decision: &d, Names: plan})
	shown := 0
	for _, in := range got.Inputs {
		if !strings.HasPrefix(in.Name, "tx.") {
			continue
		}
		variable := in.Name + "=" + in.Value.String()
		inputs, err := score.NewInputs([]string{variable}, e.Config.Plan, e.Zone)
		if err != nil {
			t.Fatal(err)
		}
		out := []float64{0}
		if inputs.Fill(&p, values, out); out[0] != 1 {
			t.Errorf("%s does not hold", variable)
		}
		shown++
	}
	if shown != names || names < 9 {
		t.Errorf("%d texts are shown of %d", shown, names)
	}
}
