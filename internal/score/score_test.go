package score

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/velocity"
)

var zone = time.FixedZone("BRT", -3*3600)

const rulesYAML = `
name: test
version: "1"
rules:
  - id: burst
    code: BURST
    when: card.count_1h >= 3
    points: 400
    text: {pt: "muitos pagamentos", en: "many payments"}
  - id: large
    code: LARGE
    when: customer.amount_z > 4 || customer.amount_ratio > 10
    points: 500
    text: {pt: "valor alto", en: "large amount"}
  - id: listed
    code: LISTED
    when: tx.blocked
    points: 0
    outcome: decline
    text: {pt: "na lista", en: "on the list"}
  - id: trial
    code: TRIAL
    mode: shadow
    when: tx.night && tx.method == "pix"
    points: 900
    outcome: decline
    text: {pt: "teste", en: "trial"}
`

func mustRules(t testing.TB, source string) *rule.Set {
	t.Helper()
	set, err := rule.Compile([]byte(source), Schema())
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// newEngine makes an engine over real windows.
func newEngine(t testing.TB, source string, change func(*Config)) *Engine {
	t.Helper()
	rules := mustRules(t, source)
	plan, err := PlanFor(rules)
	if err != nil {
		t.Fatal(err)
	}
	windows, err := velocity.NewMemory(plan, velocity.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Rules: rules, Plan: plan, Windows: windows, Zone: zone, Now: time.Now}
	if change != nil {
		change(&c)
	}
	e, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func token(n byte) payment.Token { return payment.Token{1, n} }

// payments makes a card payment of customer 1 at a minute of the afternoon.
func payments(minute int, centavos int64) *payment.Transaction {
	return &payment.Transaction{
		ID: fmt.Sprintf("t%d", minute), OccurredAt: time.Date(2026, 11, 20, 15, minute, 0, 0, time.UTC),
		Amount: payment.Amount{Centavos: centavos, Currency: "BRL"}, Method: payment.Card,
		Customer: token(1), Card: payment.CardDetails{Token: token(2)}, FiscalRegion: payment.NoRegion,
	}
}

func never(*Result) bool { return false }

func score(t testing.TB, e *Engine, tx *payment.Transaction) Result {
	t.Helper()
	r, err := e.Score(context.Background(), tx, never)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func codes(r *Result) []string {
	var all []string
	for _, h := range r.Hits {
		all = append(all, h.Rule.Code)
	}
	return all
}

func TestEvidenceAddsUp(t *testing.T) {
	e := newEngine(t, rulesYAML, nil)
	for i := range 6 {
		r := score(t, e, payments(i, 1000))
		want := 0
		if i >= 3 {
			want = 400
		}
		if r.Score != want {
			t.Errorf("payment %d scores %d, want %d (%v)", i, r.Score, want, codes(&r))
		}
		if r.Anomalous {
			t.Errorf("payment %d is anomalous", i)
		}
	}
	r := score(t, e, payments(10, 50_000))
	if r.Score != 700 || !r.Anomalous { // 1000·(1 − 0.6·0.5)
		t.Errorf("burst and large amount score %d (%v), anomalous %v; want 700, true", r.Score, codes(&r), r.Anomalous)
	}
	if got := Combine([]int{400, 500}); got != 700 {
		t.Errorf("Combine = %d", got)
	}
}

func TestShadowRulesAreRecordedOnly(t *testing.T) {
	e := newEngine(t, rulesYAML, nil)
	tx := payments(0, 1000)
	tx.Method, tx.OccurredAt = payment.Pix, time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC) // 20:30 in Brasília
	r := score(t, e, tx)
	if r.Score != 0 || r.Floor != "" || !slices.Equal(codes(&r), []string{"TRIAL"}) || r.Hits[0].Points != 900 {
		t.Errorf("shadow hit gives score %d, floor %q, hits %v", r.Score, r.Floor, codes(&r))
	}
}

func TestARuleMayAskForAnOutcome(t *testing.T) {
	e := newEngine(t, rulesYAML, nil)
	tx := payments(0, 1000)
	tx.Lists = payment.Blocked | payment.Allowed
	if r := score(t, e, tx); r.Floor != "decline" {
		t.Errorf("floor is %q", r.Floor)
	}
}

func TestCombineNeverLeavesTheScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOf(rapid.IntRange(-5000, 5000)).Draw(t, "points")
		got := Combine(points)
		if got < 0 || got > Max {
			t.Fatalf("Combine(%v) = %d", points, got)
		}
		more := Combine(append(slices.Clone(points), rapid.IntRange(0, Max).Draw(t, "more")))
		if more < got {
			t.Fatalf("more evidence lowers the score from %d to %d", got, more)
		}
		slices.Reverse(points)
		if back := Combine(points); back != got {
			t.Fatalf("the order matters: %d and %d", got, back)
		}
	})
}

// gone are windows that cannot be reached.
type gone struct{ err error }

func (g gone) Observe(context.Context, []velocity.Event) ([]velocity.Reading, error) {
	return nil, g.err
}
func (g gone) Settle(context.Context, []velocity.Settlement) error { return g.err }

func TestMissingWindowsAreSaidAndNotGuessed(t *testing.T) {
	e := newEngine(t, rulesYAML, func(c *Config) { c.Windows = gone{errors.New("out of reach")} })
	r := score(t, e, payments(0, 1_000_000))
	if !r.Degraded || r.Score != 0 || len(r.Hits) != 0 {
		t.Errorf("result is %+v", r)
	}
	for _, v := range r.Values {
		if !math.IsNaN(v) {
			t.Errorf("a value was made up: %v", v)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := e.Score(ctx, payments(0, 1), never); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled caller gets %v", err)
	}
}

// settling remembers what it was told.
type settling struct {
	Windows
	told []velocity.Settlement
	err  error
}

func (s *settling) Settle(ctx context.Context, settled []velocity.Settlement) error {
	s.told = append(s.told, settled...)
	if s.err != nil {
		return s.err
	}
	return s.Windows.Settle(ctx, settled)
}

func TestOwnDeclinesAreSeenByTheNextTransaction(t *testing.T) {
	source := strings.Replace(rulesYAML, "card.count_1h >= 3", "card.declines_1h >= 1", 1)
	var told *settling
	e := newEngine(t, source, func(c *Config) { told = &settling{Windows: c.Windows}; c.Windows = told })
	always := func(*Result) bool { return true }
	if _, err := e.Score(context.Background(), payments(0, 1000), always); err != nil {
		t.Fatal(err)
	}
	if r := score(t, e, payments(1, 1000)); !slices.Equal(codes(&r), []string{"BURST"}) {
		t.Errorf("the decline was not seen: %v", codes(&r))
	}
	if len(told.told) != 1 || !told.told[0].Declined || told.told[0].ID != "t0" {
		t.Errorf("settled %+v", told.told)
	}
	told.err = errors.New("gone in between")
	if r, err := e.Score(context.Background(), payments(2, 1000), always); err != nil || !r.Degraded {
		t.Errorf("a settlement that failed gives %+v, %v", r, err)
	}
}

// TestARepeatSettlesAnew has a process that declined, settled and died before it stored anything: the repeat judges
// otherwise, and the windows have to know.
func TestARepeatSettlesAnew(t *testing.T) {
	source := strings.Replace(rulesYAML, "card.count_1h >= 3", "card.declines_1h >= 1", 1)
	e := newEngine(t, source, nil)
	for _, declines := range []bool{true, false} {
		if _, err := e.Score(context.Background(), payments(0, 1000), func(*Result) bool { return declines }); err != nil {
			t.Fatal(err)
		}
	}
	if r := score(t, e, payments(1, 1000)); len(codes(&r)) != 0 {
		t.Errorf("the decline that was never stored is still counted: %v", codes(&r))
	}
}

func TestStoredValuesGiveTheSameScoreAgain(t *testing.T) {
	e := newEngine(t, string(rule.Default()), nil)
	for i := range 50 {
		tx := payments(i, int64(1000+i*i*200))
		first := score(t, e, tx)
		again := Result{Values: first.Values}
		e.Evaluate(tx, &again)
		again.Took = first.Took
		if diff := cmp.Diff(first, again, cmpopts.EquateNaNs()); diff != "" {
			t.Fatalf("payment %d (-first +again):\n%s", i, diff)
		}
	}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	e := newEngine(t, rulesYAML, nil)
	for name, change := range map[string]func(*Config){
		"no rules":   func(c *Config) { c.Rules = nil },
		"no windows": func(c *Config) { c.Windows = nil },
		"no clock":   func(c *Config) { c.Now = nil },
		"no zone":    func(c *Config) { c.Zone = nil },
		"short plan": func(c *Config) { c.Plan = c.Plan[1:] },
		"no z":       func(c *Config) { c.Plan = nil; c.Rules = mustRules(t, onlyOwn) },
	} {
		c := e.Config
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	version, names := e.Plan()
	if !strings.HasPrefix(version, "plan-") || len(names) != len(e.Config.Plan) || !slices.IsSorted(names) {
		t.Errorf("plan is %s, %v", version, names)
	}
}

const onlyOwn = `
name: own
version: "1"
rules:
  - id: large
    code: LARGE
    when: tx.amount > 100
    points: 1
    text: {pt: "a", en: "b"}
`

func BenchmarkScore(b *testing.B) {
	e := newEngine(b, string(rule.Default()), nil)
	tx := payments(0, 1000)
	tx.Device, tx.IP, tx.Merchant, tx.Terminal = token(3), token(4), "m", "t"
	start := tx.OccurredAt
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tx.ID = fmt.Sprint(i)
		tx.OccurredAt = start.Add(time.Duration(i) * time.Second)
		tx.Customer = payment.Token{1, byte(i), byte(i >> 8)}
		if _, err := e.Score(context.Background(), tx, never); err != nil {
			b.Fatal(err)
		}
	}
}
