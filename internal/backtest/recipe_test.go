package backtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
)

func TestTheRecipeLearnsWhatIsThere(t *testing.T) {
	r := HandbookRecipe()
	if _, err := NewRehearsal(stage(r.Features...)); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(r.Features, func(f string) bool { return strings.Contains(f, "scenario") }) {
		t.Fatal("the simulator's answer is an input")
	}
	table := NewTable(r.Features)
	for i := range 400 {
		row := make([]float64, len(r.Features))
		row[0] = float64(i)
		table.Add(mustCase(t, i, i >= 300), row)
	}
	train := gbdt.Set{Frame: &table.Frame, Labels: table.Fraud}
	rounds := 0
	predict, err := r.Learn(context.Background(), train, func(done, of int) { rounds = done })
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float64, len(r.Features))
	low := predict(row)
	row[0] = 399
	if high := predict(row); !(high > 0 && low < 0) || rounds != r.Settings.Trees {
		t.Errorf("margins are %v for a genuine payment and %v for a fraud, after %d rounds", low, high, rounds)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := r.Learn(ctx, train, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error after the end of the context: %v", err)
	}
}

func mustCase(t *testing.T, i int, fraud bool) Case {
	t.Helper()
	row := Row{ID: "x", At: began.Add(time.Duration(i) * time.Hour), Customer: "a", Terminal: "p", Centavos: 100, Fraud: fraud}
	c, err := row.Case(day)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
