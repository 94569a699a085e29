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

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

const trialRules = `
name: tried
version: "1"
rules:
  - id: large
    code: LARGE
    when: tx.amount > 50000.0
    points: 400
    text: {pt: "valor alto", en: "large amount"}
  - id: bad-terminal
    code: TERMINAL
    when: terminal.frauds_30d >= 1.0
    points: 500
    outcome: review
    text: {pt: "terminal com fraude", en: "terminal with fraud"}
  - id: silent
    code: SILENT
    mode: shadow
    when: customer.declines_30d >= 1.0
    points: 900
    text: {pt: "recusado antes", en: "declined before"}
`

func tried(t testing.TB) *rule.Set {
	rules, err := rule.Compile([]byte(trialRules), score.Schema())
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// amountModel gives one point for every ten reais.
type amountModel struct{}

func (amountModel) Version() string                      { return "amount/1" }
func (amountModel) Variables() []string                  { return []string{"tx.amount"} }
func (amountModel) Points(inputs []float64) (int, error) { return int(inputs[0] / 1000), nil }
func (amountModel) Explain(inputs, out []float64) float64 {
	out[0] = inputs[0]
	return 0
}

func court() Court { return Court{Zone: time.UTC, Maturity: 7 * day, Now: time.Now} }

// hear plays a history before a judge.
func hear(t rapid.TB, j Judge, history []Case) []Verdict {
	trial, err := NewTrial(j, court())
	if err != nil {
		t.Fatal(err)
	}
	var all []Verdict
	for i, c := range history {
		c.Transaction.ID = fmt.Sprint(i)
		v, err := trial.Play(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func ids(v *Verdict) (names []string) {
	for _, h := range v.Hits {
		names = append(names, h.ID)
	}
	return names
}

// TestVerdictsFollowFromThePast says again, payment by payment, what rules, model and policy have to say.
func TestVerdictsFollowFromThePast(t *testing.T) {
	rules := tried(t)
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t)
		policy := decision.Policy{Name: "drawn", Challenge: 300, Review: 450, Decline: rapid.IntRange(450, 800).Draw(t, "decline")}
		var model score.Model
		if rapid.Bool().Draw(t, "with model") {
			model = amountModel{}
		}
		got := hear(t, Judge{Rules: rules, Model: model, Policy: policy}, history)
		declined := map[int]bool{}
		for i, c := range history {
			var points []int
			var hits []string
			large := c.Transaction.Amount.Centavos > 50_000
			if large {
				points, hits = append(points, 400), append(hits, "large")
			}
			bad, refused := false, false
			for j, before := range history[:i] {
				recent := c.Transaction.OccurredAt.Unix()/3600-before.Transaction.OccurredAt.Unix()/3600 < 720
				known := !before.KnownAt.IsZero() && !before.KnownAt.After(c.Transaction.OccurredAt)
				bad = bad || recent && known && before.Fraud && before.Transaction.Terminal == c.Transaction.Terminal
				refused = refused || recent && declined[j] && before.Transaction.Customer == c.Transaction.Customer
			}
			floor := decision.Approve
			if bad {
				points, hits, floor = append(points, 500), append(hits, "bad-terminal"), decision.Review
			}
			if refused {
				hits = append(hits, "silent")
			}
			if model != nil {
				points = append(points, int(c.Transaction.Amount.Centavos/1000))
			}
			want := score.Combine(points)
			declined[i] = policy.Outcome(want, floor) == decision.Decline
			if v := got[i]; v.Score != want || v.Outcome != policy.Outcome(want, floor) || !slices.Equal(ids(&v), hits) {
				t.Fatalf("payment %d: %+v, want score %d, outcome %v, hits %v", i, v, want, policy.Outcome(want, floor), hits)
			}
		}
	})
}

// TestLabelsOfTheFutureChangeNoVerdict turns every label over that is known after some moment.
func TestLabelsOfTheFutureChangeNoVerdict(t *testing.T) {
	j := Judge{Rules: tried(t), Policy: decision.DefaultPolicy()}
	rapid.Check(t, func(t *rapid.T) {
		history := drawHistory(t)
		before := hear(t, j, history)
		cut := history[rapid.IntRange(0, len(history)-1).Draw(t, "cut")].Transaction.OccurredAt
		changed := slices.Clone(history)
		for i := range changed {
			if c := &changed[i]; c.KnownAt.IsZero() || c.KnownAt.After(cut) {
				c.Fraud = !c.Fraud
				c.KnownAt = cut.Add(time.Duration(1+rapid.IntRange(0, 1000).Draw(t, "hours")) * time.Hour)
			}
		}
		after := hear(t, j, changed)
		for i, c := range history {
			if c.Transaction.OccurredAt.After(cut) {
				break
			}
			if before[i].Score != after[i].Score || before[i].Outcome != after[i].Outcome || !slices.Equal(before[i].Hits, after[i].Hits) {
				t.Fatalf("payment %d was judged %+v, is judged %+v", i, before[i], after[i])
			}
		}
	})
}

func TestTrialsRefuseWhatCannotBe(t *testing.T) {
	if _, err := NewTrial(Judge{Policy: decision.Policy{Challenge: 9, Review: 1, Decline: 2}}, court()); !errors.Is(err, decision.ErrPolicy) {
		t.Errorf("thresholds that descend give %v", err)
	}
	trial, err := NewTrial(Judge{Model: amountModel{}, Policy: decision.DefaultPolicy()}, court()) // no rules
	if err != nil {
		t.Fatal(err)
	}
	play := func(at time.Duration) (Verdict, error) {
		return trial.Play(context.Background(), Case{Transaction: &payment.Transaction{
			ID: at.String(), OccurredAt: began.Add(at), Amount: payment.Amount{Centavos: 900_000}, Customer: payment.PublicToken("a")}})
	}
	if v, err := play(time.Hour); err != nil || v.Score != 900 || v.Outcome != decision.Decline || len(v.Hits) != 0 {
		t.Errorf("a model alone says %+v, %v", v, err)
	}
	if _, err := play(0); !errors.Is(err, ErrHistory) {
		t.Errorf("going back in time gives %v", err)
	}
}

func TestShadowResultsComeFromStoredDecisions(t *testing.T) {
	floors := map[string]decision.Outcome{"listed": decision.Decline, "watched": decision.Review}
	for name, c := range map[string]struct {
		reasons  []decision.Reason
		degraded decision.Degraded
		live     decision.Outcome
		want     Verdict
		points   int
		spoke    bool
	}{
		"nothing":     {nil, 0, decision.Approve, Verdict{decision.Approve, 0, nil}, 0, false},
		"shadow only": {[]decision.Reason{{Rule: decision.ByShadow, Points: 600, Shadow: true}}, 0, decision.Approve, Verdict{decision.Review, 600, nil}, 600, true},
		"live model gives way": {[]decision.Reason{{Code: "X", Rule: decision.ByModel, Points: 900}, {Rule: decision.ByShadow, Points: 100, Shadow: true}}, 0,
			decision.Decline, Verdict{decision.Approve, 100, nil}, 100, true},
		"rules combine, shadow rules do not": {[]decision.Reason{{Code: "A", Rule: "a", Points: 500}, {Code: "B", Rule: "b", Points: 900, Shadow: true}, {Rule: decision.ByShadow, Points: 500, Shadow: true}}, 0,
			decision.Challenge, Verdict{decision.Review, 750, []RuleHit{{"a", "A", false}, {"b", "B", true}}}, 500, true},
		"floors": {[]decision.Reason{{Code: "W", Rule: "watched", Points: 10}, {Code: "L", Rule: "listed", Points: 10, Shadow: true}}, 0,
			decision.Review, Verdict{decision.Review, 10, []RuleHit{{"watched", "W", false}, {"listed", "L", true}}}, 0, false},
		"without windows":    {nil, decision.FeaturesDegraded, decision.Challenge, Verdict{decision.Challenge, 0, nil}, 0, false},
		"live rule failed":   {nil, decision.RuleFailed, decision.Challenge, Verdict{decision.Challenge, 0, nil}, 0, false},
		"shadow rule failed": {nil, decision.RuleFailed, decision.Approve, Verdict{decision.Approve, 0, nil}, 0, false},
	} {
		d := &decision.Decision{Outcome: c.live, Score: 1, Reasons: c.reasons, Degraded: c.degraded}
		got := Shadowed(d, decision.DefaultPolicy(), floors)
		if got.Score != c.want.Score || got.Outcome != c.want.Outcome || !slices.Equal(got.Hits, c.want.Hits) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if live := Decided(d); live.Outcome != c.live || live.Score != 1 || !slices.Equal(live.Hits, c.want.Hits) {
			t.Errorf("%s: live verdict is %+v", name, live)
		}
		if points, spoke := ShadowPoints(d); points != c.points || spoke != c.spoke {
			t.Errorf("%s: shadow points are %d, %v", name, points, spoke)
		}
		d.Shadow = "trial/1"
		if points, spoke := ShadowPoints(d); points != c.points || !spoke || Shadowed(d, decision.DefaultPolicy(), floors).Score != c.want.Score {
			t.Errorf("%s: shadow points of a shadow model that is named are %d, %v", name, points, spoke)
		}
	}
}

func TestWilsonBoundsTheShare(t *testing.T) {
	// Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
	for _, c := range []struct {
		part, whole int
		low, high   float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}} {
		low, high := wilson(c.part, c.whole)
		if math.Abs(low-c.low) > 5e-5 || math.Abs(high-c.high) > 5e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.part, c.whole, low, high, c.low, c.high)
		}
	}
}
