package backtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
)

var began = time.Date(2018, 4, 1, 0, 0, 0, 0, time.UTC)

// watched are features of the windows by their own name, so that a row of them is a reading.
var watched = []string{
	"customer.count_24h", "customer.count_30d", "customer.mean_7d", "customer.amount_median", "customer.amount_spread",
	"customer.anomalies_7d", "customer.frauds_30d", "terminal.count_7d_delayed", "terminal.frauds_30d",
	"terminal.fraud_share_7d_delayed", "terminal.fraud_run", "terminal.anomalies_30d_delayed",
}

func stage(features ...string) Stage {
	return Stage{Features: features, Zone: time.UTC, Maturity: 7 * day, Now: time.Now}
}

// drawHistory makes payments of few customers at few terminals, hours apart, with labels that take any time.
func drawHistory(t *rapid.T) []Case {
	at := began
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Case {
		at = at.Add(time.Duration(rapid.IntRange(0, 40*3600).Draw(t, "gap")) * time.Second)
		row := Row{
			ID: "x", At: at, Centavos: int64(rapid.SampledFrom([]int{900, 1000, 1100, 90000}).Draw(t, "amount")),
			Customer: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "customer"), Terminal: rapid.SampledFrom([]string{"p", "q"}).Draw(t, "terminal"),
			Fraud: rapid.Bool().Draw(t, "fraud"),
		}
		c, err := row.Case(time.Duration(rapid.IntRange(0, 20*86400).Draw(t, "delay")) * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}), 1, 60).Draw(t, "history")
}

// play numbers the payments and returns the row of each.
func play(t rapid.TB, s Stage, history []Case) ([][]float64, []score.Result) {
	r, err := NewRehearsal(s)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float64
	var results []score.Result
	for i, c := range history {
		c.Transaction.ID = fmt.Sprint(i)
		row := make([]float64, len(s.Features))
		result, err := r.Play(context.Background(), c, row)
		if err != nil {
			t.Fatal(err)
		}
		rows, results = append(rows, row), append(results, result)
	}
	return rows, results
}

func TestRowsEqualARecountOfThePast(t *testing.T) {
	var plan velocity.Plan
	for _, name := range watched {
		f, err := velocity.ParseFeature(name)
		if err != nil {
			t.Fatal(err)
		}
		plan = append(plan, f)
	}
	at := func(name string) int { return slices.Index(watched, name) }
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t)
		rows, _ := play(t, stage(watched...), history)
		var past []velocity.Remembered
		for i, c := range history {
			e := velocity.EventOf(c.Transaction)
			want := velocity.Recount(plan, past, e, velocity.Options{Location: time.UTC}).Values
			for j, v := range want {
				if v != rows[i][j] && !(math.IsNaN(v) && math.IsNaN(rows[i][j])) {
					t.Fatalf("payment %d: %s is %v, want %v", i, watched[j], rows[i][j], v)
				}
			}
			median := want[at("customer.amount_median")]
			spread := max(want[at("customer.amount_spread")], 0.05*median)
			settled := velocity.Remembered{Event: e, Anomalous: want[at("customer.count_30d")] >= 5 && (float64(e.Amount)-median)/spread >= 3.5}
			if !c.KnownAt.IsZero() {
				settled.Label = &velocity.Label{Fraud: c.Fraud, KnownAt: c.KnownAt}
			}
			past = append(past, settled)
		}
	})
}

// TestLabelsOfTheFutureChangeNothing moves and turns over every label that is known after some moment: what was read up
// to that moment must stay as it was.
func TestLabelsOfTheFutureChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t)
		features := append([]string{"tx.amount", "tx.night", "customer.amount_z"}, watched...)
		rows, _ := play(t, stage(features...), history)
		cut := history[rapid.IntRange(0, len(history)-1).Draw(t, "cut")].Transaction.OccurredAt
		changed := slices.Clone(history)
		for i := range changed {
			if c := &changed[i]; c.KnownAt.IsZero() || c.KnownAt.After(cut) {
				c.Fraud = rapid.Bool().Draw(t, "other truth")
				c.KnownAt = cut.Add(time.Duration(1+rapid.IntRange(0, 1000).Draw(t, "hours")) * time.Hour)
			}
		}
		again, _ := play(t, stage(features...), changed)
		for i, c := range history {
			if c.Transaction.OccurredAt.After(cut) {
				break
			}
			if !slices.EqualFunc(rows[i], again[i], func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }) {
				t.Fatalf("payment %d was %v, is %v", i, rows[i], again[i])
			}
		}
	})
}

func TestALabelIsSeenOnceItIsKnown(t *testing.T) {
	var history []Case
	for _, at := range []time.Duration{0, time.Hour, 2*time.Hour - time.Second, 2 * time.Hour} {
		row := Row{ID: "x", At: began.Add(at), Customer: "a", Terminal: "p", Centavos: 100, Fraud: at == 0}
		c, err := row.Case(2 * time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		history = append(history, c)
	}
	rows, _ := play(t, stage("terminal.frauds_24h"), history)
	if got := slices.Concat(rows...); !slices.Equal(got, []float64{0, 0, 0, 1}) {
		t.Fatalf("frauds known are %v", got)
	}
}

func TestRulesAndDeclinesAreRehearsedToo(t *testing.T) {
	rules, err := rule.Compile([]byte(`
name: test
version: "1"
rules:
  - id: large
    code: LARGE
    when: tx.amount > 50000.0
    points: 900
    text: {pt: "valor alto", en: "large amount"}
`), score.Schema())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t)
		s := stage("customer.declines_30d")
		s.Rules, s.Declines = rules, func(r *score.Result) bool { return r.Score >= 800 }
		rows, results := play(t, s, history)
		for i, c := range history {
			declined := 0.0
			for _, before := range history[:i] {
				hours := c.Transaction.OccurredAt.Unix()/3600 - before.Transaction.OccurredAt.Unix()/3600
				if before.Transaction.Customer == c.Transaction.Customer && before.Transaction.Amount.Centavos > 50000 && hours < 720 {
					declined++
				}
			}
			if rows[i][0] != declined {
				t.Fatalf("payment %d: %v declines, want %v", i, rows[i][0], declined)
			}
			if large := c.Transaction.Amount.Centavos > 50000; large != (results[i].Score == 900) {
				t.Fatalf("payment %d has score %d", i, results[i].Score)
			}
		}
	})
}

func TestImpossibleHistoriesAreRefused(t *testing.T) {
	r, err := NewRehearsal(stage("tx.amount"))
	if err != nil {
		t.Fatal(err)
	}
	next := func(id string, at time.Duration, centavos int64) error {
		c := Case{Transaction: &payment.Transaction{ID: id, OccurredAt: began.Add(at), Amount: payment.Amount{Centavos: centavos}, Customer: payment.PublicToken("a")}}
		_, err := r.Play(context.Background(), c, make([]float64, 1))
		return err
	}
	for _, step := range []struct {
		id       string
		at       time.Duration
		centavos int64
		want     error
	}{
		{"1", time.Hour, 5, nil}, {"2", time.Hour - 1, 5, ErrHistory}, {"1", time.Hour, 5, ErrHistory},
		{"3", time.Hour, payment.MaxCentavos + 1, velocity.ErrEvent}, {"4", 2 * time.Hour, 5, nil},
	} {
		if err := next(step.id, step.at, step.centavos); !errors.Is(err, step.want) {
			t.Errorf("payment %s: error %v, want %v", step.id, err, step.want)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	c := Case{Transaction: &payment.Transaction{ID: "5", OccurredAt: began.Add(3 * time.Hour), Customer: payment.PublicToken("a")}}
	if _, err := r.Play(ctx, c, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error after the end of the context: %v", err)
	}
	if _, err := NewRehearsal(stage("tx.nonsense")); err == nil {
		t.Error("an unknown feature is taken")
	}
}

func BenchmarkPlay(b *testing.B) {
	features := HandbookRecipe().Features
	r, err := NewRehearsal(stage(features...))
	if err != nil {
		b.Fatal(err)
	}
	row := make([]float64, len(features))
	b.ReportAllocs()
	for i := range b.N {
		x := Row{ID: fmt.Sprint(i), At: began.Add(time.Duration(i) * 9 * time.Second), Centavos: int64(1000 + i%977),
			Customer: fmt.Sprint(i * 7919 % 4990), Terminal: fmt.Sprint(i * 104729 % 10000), Fraud: i%120 == 0}
		c, err := x.Case(7 * day)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Play(context.Background(), c, row); err != nil {
			b.Fatal(err)
		}
	}
}
