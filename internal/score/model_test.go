package score

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/velocity"
)

// model is a learned score of a test: each variable adds its weight times its value, 0 if it is missing.
type model struct {
	variables []string
	weights   []float64
	points    int
	err       error
}

func (m *model) Version() string     { return "test/1" }
func (m *model) Variables() []string { return m.variables }

func (m *model) Points([]float64) (int, error) { return m.points, m.err }

func (m *model) Explain(inputs, out []float64) float64 {
	for i, v := range inputs {
		if out[i] = m.weights[i] * v; math.IsNaN(v) {
			out[i] = 0
		}
	}
	return -5
}

// withModel makes an engine whose plan has what the model reads.
func withModel(t testing.TB, source string, m, shadow Model, variables ...string) *Engine {
	t.Helper()
	plan, err := PlanFor(mustRules(t, source), variables...)
	if err != nil {
		t.Fatal(err)
	}
	return newEngine(t, source, func(c *Config) {
		windows, err := velocity.NewMemory(plan, velocity.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Plan, c.Windows, c.Model, c.Shadow = plan, windows, m, shadow
	})
}

func TestAModelJoins(t *testing.T) {
	for _, c := range []struct {
		points, score int
		err           error
	}{{250, 250, nil}, {7000, 1000, nil}, {-1, 0, nil}, {900, 0, errors.New("no")}} {
		e := newEngine(t, rulesYAML, func(conf *Config) { conf.Model = &model{points: c.points, err: c.err} })
		if r := score(t, e, payments(0, 1000)); r.Score != c.score || r.Model != c.score || r.ModelGone != (c.err != nil) || r.Shadow != NoShadow {
			t.Errorf("model of %d points (%v) gives %+v", c.points, c.err, r)
		}
	}
}

func TestAShadowModelChangesNothing(t *testing.T) {
	e := newEngine(t, rulesYAML, func(conf *Config) { conf.Model, conf.Shadow = &model{points: 100}, &model{points: 900} })
	if r := score(t, e, payments(0, 1000)); r.Score != 100 || r.Shadow != 900 {
		t.Errorf("score %d, shadow %d", r.Score, r.Shadow)
	}
	e = newEngine(t, rulesYAML, func(conf *Config) { conf.Shadow = &model{points: 900, err: errors.New("no")} })
	if r := score(t, e, payments(0, 1000)); r.Score != 0 || r.Shadow != NoShadow || r.ModelGone {
		t.Errorf("a shadow model that fails gives %+v", r)
	}
}

func TestAModelSaysWhy(t *testing.T) {
	variables := []string{"tx.amount", "tx.night", "customer.count_1h", "card.count_24h", "tx.method=pix", "customer.amount_z"}
	m := &model{variables: variables, weights: []float64{0.002, 1, 3, -1, 2, 1}, points: 600}
	e := withModel(t, rulesYAML, m, nil, variables...)
	score(t, e, payments(0, 1000))
	tx := payments(1, 1000)
	r := score(t, e, tx)
	if len(r.Grounds) != 0 {
		t.Error("grounds come without being asked for")
	}
	e.Ground(tx, &r)
	want := []Ground{{"customer.count_1h", 360}, {"tx.amount", 240}} // 3 and 2 of 5; what speaks against fraud is no ground
	if diff := cmp.Diff(want, r.Grounds); diff != "" {
		t.Errorf("grounds (-want +got):\n%s", diff)
	}
	base, all := e.Contributions(tx, r.Values)
	if base != -5 || len(all) != len(variables) || all[0].Variable != "customer.count_1h" || all[0].Value != 1 || all[5].LogOdds != -1 {
		t.Errorf("base %v, contributions %+v", base, all)
	}
	m.err = errors.New("no")
	r = score(t, e, payments(2, 1000))
	if e.Ground(tx, &r); len(r.Grounds) != 0 {
		t.Errorf("a model that could not judge has grounds: %v", r.Grounds)
	}
}

// TestInputsAreWhatRulesRead fills every variable of the schema by Inputs and compares with what rules see of it.
func TestInputsAreWhatRulesRead(t *testing.T) {
	var names []string
	for _, v := range Schema() {
		if v.Type != rule.Text {
			names = append(names, v.Name)
		}
	}
	texts := []string{"tx.method=card", "tx.method=pix", "tx.channel=web"}
	m := &model{variables: append(slices.Clone(names), texts...)}
	e := withModel(t, string(rule.Default()), m, nil, m.variables...)
	in := e.model.Inputs
	out := make([]float64, len(m.variables))
	for i := range 30 {
		tx := payments(i, int64(1000+i*300))
		tx.Channel, tx.Device, tx.IP, tx.Address = payment.Web, token(3), token(4), token(byte(i%3+5))
		r := score(t, e, tx)
		in.Fill(tx, r.Values, out)
		for k, v := range []float64{1, 0, 1} {
			if out[len(names)+k] != v {
				t.Errorf("%s is %v", texts[k], out[len(names)+k])
			}
		}
		index := map[string]float64{}
		for k, name := range e.planNames {
			index[name] = r.Values[k]
		}
		for k, name := range names {
			if want, ok := index[name]; ok && !same(want, out[k]) {
				t.Errorf("%s is %v, the windows say %v", name, out[k], want)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { in.Fill(payments(0, 1000), make([]float64, len(e.planNames)), out) }); n > 3 {
		t.Errorf("filling allocates %v times beside the payment and the values", n)
	}
}

func TestInputsRefuseWhatIsNoVariable(t *testing.T) {
	plan, err := PlanFor(nil, "customer.count_1h")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "tx.amounts", "tx.method", "tx.night=1", "customer.count_24h", "customer.count_9h"} {
		if _, err := NewInputs([]string{name}, plan, zone); !errors.Is(err, ErrVariable) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := PlanFor(nil, "customer.count_9h"); err == nil {
		t.Error("a plan of what is no feature")
	}
}

func TestEveryVariableHasWords(t *testing.T) {
	codes := map[string]string{}
	for _, v := range Schema() {
		name := v.Name
		if v.Type == rule.Text {
			name += "=x"
		}
		w, ok := WordsFor(name)
		if !ok || len(w.PT) < 12 || len(w.EN) < 12 {
			t.Fatalf("%s: %+v", name, w)
		}
		for _, text := range []string{w.PT, w.EN} {
			if slices.Contains([]byte(text), '%') || text[len(text)-1] != '.' {
				t.Errorf("%s: %q", name, text)
			}
		}
		code := Code(name)
		if other := codes[code]; other != "" {
			t.Errorf("%s and %s share the code %s", name, other, code)
		}
		codes[code] = name
	}
	if _, ok := WordsFor("customer.nothing"); ok {
		t.Error("words for nothing")
	}
}

// TestAnExplanationIsTheSameLater compares contributions of the moment with those of stored values, bit for bit.
func TestAnExplanationIsTheSameLater(t *testing.T) {
	variables := []string{"tx.amount", "customer.count_1h", "customer.amount_z"}
	e := withModel(t, rulesYAML, &model{variables: variables, weights: []float64{1e-3, 0.3, 0.7}, points: 10}, nil, variables...)
	for i := range 20 {
		tx := payments(i, int64(1000+i*77))
		r := score(t, e, tx)
		_, now := e.Contributions(tx, r.Values)
		_, later := e.Contributions(tx, slices.Clone(r.Values))
		if diff := cmp.Diff(now, later, cmpopts.EquateNaNs()); diff != "" {
			t.Fatal(diff)
		}
	}
}
