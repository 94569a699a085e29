package explanation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/gbdt"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/velocity"
)

const rulesFile = `
name: test
version: "1"
rules:
  - id: burst
    code: BURST
    when: customer.count_1h >= 3
    points: 500
    outcome: review
    text: {pt: "Muitas compras.", en: "Many purchases."}
  - id: pix-from-afar
    code: PIX_FROM_AFAR
    mode: shadow
    when: tx.region_mismatch && tx.method == "pix"
    points: 60
    text: {pt: "Pix de longe.", en: "Pix from afar."}
  - id: fragile
    code: FRAGILE
    mode: shadow
    when: 1 / (int(tx.amount) % 7) > 5
    points: 1
    text: {pt: "Frágil.", en: "Fragile."}
`

// variables are what the model of the tests reads.
var variables = []string{"tx.amount", "tx.night", "tx.method=pix", "customer.count_1h", "customer.amount_z", "device.count_24h"}

// train makes a small model: large amounts are frauds, and rows of purchases.
func train(t *testing.T, name string, seed int) *model.Model {
	t.Helper()
	set := gbdt.Set{Frame: &gbdt.Frame{Names: variables, Columns: make([][]float32, len(variables))}}
	for i := range 400 {
		amount, count := float32(1000+(i*7919+seed)%100_000), float32(i%5)
		for k, v := range []float32{amount, float32(i % 2), float32(i % 3 % 2), count, float32(i%11) - 5, float32(i % 4)} {
			set.Frame.Columns[k] = append(set.Frame.Columns[k], v)
		}
		set.Labels = append(set.Labels, amount > 60_000 || amount > 20_000 && count > 2)
	}
	settings := gbdt.DefaultSettings()
	settings.Trees = 12
	trees, err := gbdt.Train(t.Context(), set, nil, settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(model.Parts{
		Name: name, Made: noon, Trees: trees, Calibration: model.Calibration{Slope: 0.9, Intercept: -0.1},
		Scale: model.Scale{{}, {Probability: 0.5, Points: 300}, {Probability: 1, Points: 1000}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newEngine makes an engine with windows of its own. Models may be nil.
func newEngine(t testing.TB, rules string, live, shadow score.Model) *score.Engine {
	t.Helper()
	set, err := rule.Compile([]byte(rules), score.Schema())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range []score.Model{live, shadow} {
		if m != nil {
			names = append(names, m.Variables()...)
		}
	}
	plan, err := score.PlanFor(set, names...)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	windows, err := velocity.NewMemory(plan, velocity.Options{Location: zone})
	if err != nil {
		t.Fatal(err)
	}
	e, err := score.New(score.Config{Rules: set, Plan: plan, Windows: windows, Model: live, Shadow: shadow, Zone: zone, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newExplainer(t *testing.T, e *score.Engine) *explanation.Explainer {
	t.Helper()
	x, err := explanation.New(e)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// shop decides payments with an engine, and stores them in a real store.
type shop struct {
	t      *testing.T
	dir    string
	engine *score.Engine
	store  *sqlitestore.Store
	made   []pipeline.Entry // as they were decided, before they were stored
}

func newShop(t *testing.T, e *score.Engine) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), engine: e}
	s.open()
	t.Cleanup(func() { s.must(s.store.Close()) })
	version, names := e.Plan()
	s.must(s.store.PutPlan(t.Context(), version, names))
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) open() {
	s.t.Helper()
	var err error
	s.store, err = sqlitestore.Open(context.Background(), filepath.Join(s.dir, "store.db"), sqlitestore.Options{})
	s.must(err)
}

// decide judges and stores payments.
func (s *shop) decide(payments ...payment.Transaction) {
	s.t.Helper()
	windows := s.engine.Windows.(*velocity.Memory)
	d := pipeline.NewDecider(pipeline.Config{
		Engine: s.engine, Policy: decision.DefaultPolicy(), Windows: windows, Store: s.store, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Decided: func(e pipeline.Entry) { s.made = append(s.made, e) },
	})
	for _, p := range payments {
		_, err := d.Decide(s.t.Context(), p)
		s.must(err)
	}
}

// stored reads a case back.
func (s *shop) stored(id string) explanation.Case {
	s.t.Helper()
	row, err := s.store.Decision(s.t.Context(), id)
	s.must(err)
	names, err := s.store.Plan(s.t.Context(), row.Decision.Features.Plan)
	s.must(err)
	return explanation.Case{Transaction: &row.Transaction, Decision: &row.Decision, Names: names, Label: row.Label}
}

// fresh is a case as it was decided.
func (s *shop) fresh(i int) explanation.Case {
	_, names := s.engine.Plan()
	return explanation.Case{Transaction: &s.made[i].Transaction, Decision: &s.made[i].Decision, Names: names}
}

var noon = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)

// token is one whose bytes are found again if they are anywhere.
func token(n byte) (t payment.Token) {
	for i := range t {
		t[i] = 0xa0 + n
	}
	return t
}

// pay makes a payment; which one depends on i alone.
func pay(i int) payment.Transaction {
	p := payment.Transaction{
		ID: fmt.Sprintf("order-%d", i), OccurredAt: noon.Add(time.Duration(i*5) * time.Minute), ReceivedAt: noon, Method: payment.Card, Channel: payment.Web,
		Amount: payment.Amount{Centavos: int64(1000 + i*7919%90_000), Currency: "BRL"}, Customer: token(byte(i % 3)),
		FiscalRegion: payment.NoRegion, MAC: [32]byte{1, byte(i)}, Sealed: []byte("sealed"), SealState: payment.Sealed,
	}
	if i%2 == 0 {
		p.Device = token(9)
	}
	if i%4 == 0 {
		p.Method, p.FiscalRegion, p.DocumentKind, p.UF = payment.Pix, 1, payment.CPF, "SP"
	}
	return p
}

// payments are enough for every outcome, and for each customer to have a past.
func payments() []payment.Transaction {
	all := make([]payment.Transaction, 60)
	for i := range all {
		all[i] = pay(i)
	}
	return all
}

func asJSON(t *testing.T, e explanation.Explanation) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetIndent("", " ")
	if err := enc.Encode(e); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
