package model_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/score"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// stump is a tree that asks one feature.
func stump(feature int32, split, low, high float32) gbdt.Tree {
	return gbdt.Tree{
		{Feature: feature, Left: 1, Right: 2, Split: split, Missing: true, Cover: 10, Gain: 1},
		{Feature: gbdt.Leaf, Value: low, Cover: 6}, {Feature: gbdt.Leaf, Value: high, Cover: 4},
	}
}

func small(t testing.TB) *model.Model {
	t.Helper()
	m, err := model.New(model.Parts{
		Name: "test", Made: noon,
		Trees:       &gbdt.Model{Names: []string{"tx.amount", "customer.count_1h"}, Base: -1, Trees: []gbdt.Tree{stump(0, 1000, -1, 2), stump(1, 3, -0.5, 1)}},
		Calibration: model.Calibration{Slope: 0.5, Intercept: -1},
		Scale:       model.Scale{{}, {0.1, 350}, {1, 1000}},
		Card:        model.Card{Source: "two stumps"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAModelIsItsFile(t *testing.T) {
	m := small(t)
	var first, again bytes.Buffer
	if err := m.Write(&first); err != nil {
		t.Fatal(err)
	}
	read, err := model.Read(bytes.NewReader(first.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Write(&again); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), again.Bytes()) || read.Version() != m.Version() || !strings.HasPrefix(m.Version(), "test/") {
		t.Errorf("written again it is %s, was %s", read.Version(), m.Version())
	}
	if diff := cmp.Diff(m.Card(), read.Card()); diff != "" {
		t.Error(diff)
	}
	inputs := []float64{2000, math.NaN()}
	p, err := read.Probability(inputs)
	if want := 1 / (1 + math.Exp(-(0.5*(-1+2-0.5) - 1))); err != nil || math.Abs(p-want) > 1e-12 {
		t.Errorf("probability %v, %v, want %v", p, err, want)
	}
	points, err := read.Points(inputs)
	if want := int(math.Round(350 + (p-0.1)/0.9*650)); err != nil || points != want {
		t.Errorf("points %d, %v, want %d", points, err, want)
	}
	out := make([]float64, 2)
	base := read.Explain(inputs, out)
	if sum := base + out[0] + out[1]; math.Abs(1/(1+math.Exp(-sum))-p) > 1e-9 || out[0] <= 0 {
		t.Errorf("contributions %v on %v do not add up to %v", out, base, p)
	}
	for _, wrong := range [][]float64{nil, {1}, {1, 2, 3}, {math.Inf(1), 0}} {
		if _, err := read.Points(wrong); !errors.Is(err, model.ErrInputs) {
			t.Errorf("inputs %v: %v", wrong, err)
		}
	}
}

func TestAChangedFileIsRefused(t *testing.T) {
	var b bytes.Buffer
	if err := small(t).Write(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for name, change := range map[string]func(string) string{
		"a leaf":      func(s string) string { return strings.Replace(s, "two stumps", "two trees", 1) },
		"cut short":   func(s string) string { return s[:len(s)/2] },
		"no checksum": func(s string) string { return strings.Replace(s, "checksum", "sum", 1) },
		"empty":       func(string) string { return "" },
		"another":     func(string) string { return `{"checksum":"sha256:","model":{}}` },
	} {
		if _, err := model.Read(strings.NewReader(change(text))); !errors.Is(err, model.ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPartsThatMakeNoModel(t *testing.T) {
	good := model.Parts{Name: "a", Trees: &gbdt.Model{Names: []string{"tx.amount"}, Trees: []gbdt.Tree{stump(0, 1, 0, 1)}},
		Calibration: model.Calibration{Slope: 1}, Scale: model.Scale{{}, {1, 1000}}}
	for name, change := range map[string]func(*model.Parts){
		"name":        func(p *model.Parts) { p.Name = "A b" },
		"calibration": func(p *model.Parts) { p.Calibration.Slope = 0 },
		"falling":     func(p *model.Parts) { p.Scale = model.Scale{{}, {0.5, 10}, {0.7, 5}, {1, 1000}} },
		"short scale": func(p *model.Parts) { p.Scale = model.Scale{{}, {0.5, 1000}} },
		"trees": func(p *model.Parts) {
			p.Trees = &gbdt.Model{Names: []string{"tx.amount"}, Trees: []gbdt.Tree{stump(3, 1, 0, 1)}}
		},
	} {
		p := good
		if change(&p); true {
			if _, err := model.New(p); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
	if _, err := model.New(good); err != nil {
		t.Error(err)
	}
}

// TestCalibrationFindsTheLine draws truth from a known line.
func TestCalibrationFindsTheLine(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	margins, frauds := make([]float64, 40_000), make([]bool, 40_000)
	for i := range margins {
		margins[i] = random.NormFloat64() * 3
		frauds[i] = random.Float64() < 1/(1+math.Exp(-(0.6*margins[i]-2)))
	}
	c := model.Calibrate(margins, frauds)
	if math.Abs(c.Slope-0.6) > 0.03 || math.Abs(c.Intercept+2) > 0.06 {
		t.Errorf("found %+v", c)
	}
	for name, truth := range map[string][]bool{"none": make([]bool, 3), "the opposite": {true, true, false}} {
		if c := model.Calibrate([]float64{-1, 0, 1}, truth); c != (model.Calibration{Slope: 1}) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if c := model.Calibrate([]float64{-2, -1, 1, 2}, []bool{false, false, true, true}); math.IsInf(c.Slope, 0) || !(c.Slope > 0) {
		t.Errorf("what can be told apart without error has the line %+v", c)
	}
}

func TestTheCheapestOutcomeIsChosen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := rapid.Float64Range(0, 1)
		money := rapid.Float64Range(0, 100_000)
		c := model.Costs{Fraud: money.Draw(t, "fraud") + 1, Insult: money.Draw(t, "insult"), Review: money.Draw(t, "review"), Challenge: money.Draw(t, "challenge"),
			ReviewStops: share.Draw(t, "r"), ChallengeStops: share.Draw(t, "c"), ReviewInsults: share.Draw(t, "ri"), ChallengeInsult: share.Draw(t, "ci")}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		th := c.Thresholds()
		if th.Challenge > th.Review || th.Review > th.Decline || th.Challenge < 0 || th.Decline > 1 {
			t.Fatalf("thresholds %+v", th)
		}
		scale := th.Scale(decision.DefaultPolicy())
		last := 0
		for i := range 101 {
			p := float64(i) / 100
			points := scale.Points(p)
			if points < last || points > score.Max {
				t.Fatalf("points fall from %d to %d", last, points)
			}
			last = points
		}
		if th.Challenge > 0 && th.Challenge < th.Review && scale.Points(th.Challenge) != decision.DefaultPolicy().Challenge {
			t.Fatalf("at its threshold the score is %d", scale.Points(th.Challenge))
		}
	})
	d := model.DefaultCosts()
	th := d.Thresholds()
	if !(0 < th.Challenge && th.Challenge < th.Review && th.Review < th.Decline && th.Decline < 1) {
		t.Errorf("the default costs give %+v", th)
	}
	// Approving costs p·45,000; a proof 30 + p·13,500 + (1−p)·600: they meet at 630/32,100.
	if want := 630.0 / 32_100; math.Abs(th.Challenge-want) > 2e-4 {
		t.Errorf("a proof pays from %v, want %v", th.Challenge, want)
	}
	for _, wrong := range []model.Costs{{}, {Fraud: 1, Insult: -1}, {Fraud: 1, ReviewStops: 2}, {Fraud: math.Inf(1)}} {
		if err := wrong.Validate(); !errors.Is(err, model.ErrCosts) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
}

func TestDrift(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	draw := func(n int, shift float64) []float64 {
		values := make([]float64, n)
		for i := range values {
			if values[i] = random.NormFloat64() + shift; i%10 == 0 {
				values[i] = math.NaN()
			}
		}
		return values
	}
	h := model.HistogramOf("x", draw(10_000, 0))
	if psi := h.PSI(h.Count(draw(10_000, 0))); psi > 0.02 {
		t.Errorf("the same again drifts by %v", psi)
	}
	if psi := h.PSI(h.Count(draw(10_000, 1))); psi < 0.25 {
		t.Errorf("a shift of a standard deviation is %v", psi)
	}
	if psi := h.PSI(make([]int, len(h.Shares))); psi != 0 {
		t.Errorf("nothing counted is %v", psi)
	}
	if psi := h.PSI([]int{1}); !math.IsNaN(psi) {
		t.Errorf("counts of another histogram are %v", psi)
	}
	constant := model.HistogramOf("c", []float64{5, 5, 5})
	if constant.PSI(constant.Count([]float64{5, 5})) > 1e-9 || constant.PSI(constant.Count([]float64{6})) < 0.25 {
		t.Errorf("a constant: %+v", constant)
	}
	none := model.HistogramOf("n", []float64{math.NaN()})
	if none.PSI(none.Count([]float64{math.NaN()})) > 1e-9 || none.PSI(none.Count([]float64{1})) < 0.25 {
		t.Errorf("never there: %+v", none)
	}
}

func TestARegistry(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	r := model.Open(dir)
	m := small(t)
	if v, err := r.InRole(model.Live); v != "" || err != nil {
		t.Errorf("an empty registry has %q, %v", v, err)
	}
	if err := r.Assign(model.Live, m.Version(), noon); !errors.Is(err, model.ErrUnknown) {
		t.Errorf("promote what is not there: %v", err)
	}
	other, err := model.New(model.Parts{Name: "other", Made: noon, Trees: m.Trees(), Calibration: model.Calibration{Slope: 1}, Scale: m.Scale()})
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range []*model.Model{m, other, m} {
		if err := r.Add(add); err != nil {
			t.Fatal(err)
		}
	}
	versions, err := r.Versions()
	if diff := cmp.Diff([]string{other.Version(), m.Version()}, versions); diff != "" || err != nil {
		t.Errorf("versions %s, %v", diff, err)
	}
	in := func(want ...string) {
		t.Helper()
		for i, role := range []model.Role{model.Live, model.Shadow} {
			if v, err := r.InRole(role); v != want[i] || err != nil {
				t.Errorf("%s is %q, %v, want %q", role, v, err, want[i])
			}
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.Assign(model.Live, m.Version(), noon))
	must(r.Assign(model.Shadow, other.Version(), noon))
	in(m.Version(), other.Version())
	must(r.Assign(model.Live, other.Version(), noon))
	in(other.Version(), "")
	for _, want := range []string{m.Version(), ""} {
		if v, err := r.Rollback(noon); v != want || err != nil {
			t.Errorf("rolled back to %q, %v, want %q", v, err, want)
		}
		in(want, "")
	}
	if _, err := r.Rollback(noon); !errors.Is(err, model.ErrUnknown) {
		t.Errorf("roll back nothing: %v", err)
	}
	if read, err := r.Load(m.Version()); err != nil || read.Version() != m.Version() {
		t.Errorf("load: %v", err)
	}
	if _, err := r.Load("../../etc/passwd"); !errors.Is(err, model.ErrUnknown) {
		t.Errorf("a name that leads out of the folder: %v", err)
	}
	must(os.WriteFile(filepath.Join(dir, "roles.json"), []byte("{"), 0o600))
	if _, err := r.InRole(model.Live); !errors.Is(err, model.ErrRegistry) {
		t.Errorf("damaged roles: %v", err)
	}
}

func TestTheCardIsReadable(t *testing.T) {
	text := small(t).Describe()
	for _, part := range []string{"# Model test/", "two stumps", "2 trees", "## Reliability"} {
		if !strings.Contains(text, part) {
			t.Errorf("the card lacks %q:\n%s", part, text)
		}
	}
}
