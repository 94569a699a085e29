package main

import (
	"io"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/model"
)

// TestEveryCostHasAFlag parses costs as model train and backtest do.
func TestEveryCostHasAFlag(t *testing.T) {
	parse := func(args ...string) model.Costs {
		t.Helper()
		var c costFlags
		parser, err := kong.New(&c, kong.Writers(io.Discard, io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		return c.costs()
	}
	if diff := cmp.Diff(model.DefaultCosts(), parse()); diff != "" {
		t.Errorf("defaults (-package +flags):\n%s", diff)
	}
	want := model.Costs{Fraud: 100, Insult: 200, Review: 300, Challenge: 400, ReviewStops: 0.1, ChallengeStops: 0.2, ReviewInsults: 0.3, ChallengeInsult: 0.4}
	got := parse("--cost-fraud=1", "--cost-insult=2", "--cost-review=3", "--cost-challenge=4", "--review-stops=0.1", "--challenge-stops=0.2", "--review-insults=0.3", "--challenge-insults=0.4")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
