package explanation_test

import (
	"testing"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/explanation"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// BenchmarkOf explains a decision of the default rules.
func BenchmarkOf(b *testing.B) {
	e := newEngine(b, string(rule.Default()), nil, nil)
	p := pay(4)
	r, err := e.Score(b.Context(), &p, func(*score.Result) bool { return false })
	if err != nil {
		b.Fatal(err)
	}
	version, names := e.Plan()
	d := decision.DefaultPolicy().Decide(&p, &r, decision.Versions{RuleSet: e.Rules.Version(), Plan: version}, decision.Sync, noon)
	x, err := explanation.New(e)
	if err != nil {
		b.Fatal(err)
	}
	c := explanation.Case{Transaction: &p, Decision: &d, Names: names}
	if got := x.Of(c); !*got.Agrees {
		b.Fatal("does not agree")
	}
	b.ReportAllocs()
	for b.Loop() {
		x.Of(c)
	}
}

// BenchmarkWords asks for the text of a reason.
func BenchmarkWords(b *testing.B) {
	x, err := explanation.New(newEngine(b, rulesFile, &linear{names: variables}, nil))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := x.Words("CUSTOMER_AMOUNT_Z"); !ok {
			b.Fatal("no words")
		}
	}
}
