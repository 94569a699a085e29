package backtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/gbdt"
)

// drawTable makes a table of one feature over the span of a protocol and a day on either side.
func drawTable(t *rapid.T, p Protocol) *Table {
	from, until := p.Span()
	table := NewTable([]string{"x"})
	seconds := int(until.Sub(from)/time.Second) + 2*86400
	for at := 0; at < seconds; at += rapid.IntRange(0, 20_000).Draw(t, "gap") {
		table.At = append(table.At, from.Add(-day).Unix()+int64(at))
		table.Card = append(table.Card, int32(rapid.IntRange(0, 12).Draw(t, "card")))
		table.Fraud = append(table.Fraud, rapid.IntRange(0, 3).Draw(t, "fraud") == 0)
		table.Columns[0] = append(table.Columns[0], float32(rapid.IntRange(0, 9).Draw(t, "x")))
	}
	return table
}

func drawProtocol(t *rapid.T) Protocol {
	return Protocol{
		First: began.Add(40 * day), Folds: rapid.IntRange(1, 3).Draw(t, "folds"), Train: rapid.IntRange(1, 4).Draw(t, "train"),
		Delay: rapid.IntRange(0, 4).Draw(t, "delay"), Test: rapid.IntRange(1, 4).Draw(t, "test"), Cards: rapid.IntRange(1, 4).Draw(t, "cards"),
	}
}

// TestFoldsEqualTheirDefinition goes by days counted from the first training day, as the handbook's code does.
func TestFoldsEqualTheirDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProtocol(t)
		table := drawTable(t, p)
		for n := range p.Folds {
			fold, err := p.Fold(table, n)
			trainStart := p.First.Unix() + int64(86400*(n*p.Test-p.Delay-p.Train))
			dayOf := func(i int) int { return int(math.Floor(float64(table.At[i]-trainStart) / 86400)) }
			var train []int
			days := make([][]int, p.Test)
			for i := range table.At {
				d := dayOf(i)
				if d >= 0 && d < p.Train {
					train = append(train, i)
				}
				d -= p.Train + p.Delay
				if d < 0 || d >= p.Test {
					continue
				}
				known := false
				for j := range table.At {
					known = known || table.Fraud[j] && table.Card[j] == table.Card[i] && dayOf(j) >= 0 && dayOf(j) <= dayOf(i)-p.Delay-1
				}
				if !known {
					days[d] = append(days[d], i)
				}
			}
			if err != nil { // chance left a side or a day empty
				if !errors.Is(err, ErrProtocol) {
					t.Fatal(err)
				}
				continue
			}
			if fold.TrainFirst != train[0] || fold.TrainTo != train[len(train)-1]+1 || fold.TrainTo-fold.TrainFirst != len(train) {
				t.Fatalf("training rows %d to %d, want %v", fold.TrainFirst, fold.TrainTo, train)
			}
			for d := range days {
				if !slices.Equal(fold.Days[d], days[d]) {
					t.Fatalf("fold %d, test day %d: rows %v, want %v", n, d, fold.Days[d], days[d])
				}
			}
		}
	})
}

func TestRunTrainsOnTheWeekAndRanksTheTest(t *testing.T) {
	p := Protocol{First: began.Add(10 * day), Folds: 2, Train: 2, Delay: 1, Test: 2, Cards: 2}
	table := NewTable([]string{"x"})
	from, until := p.Span()
	for at, i := from, 0; at.Before(until); at, i = at.Add(time.Hour), i+1 {
		table.At, table.Card = append(table.At, at.Unix()), append(table.Card, int32(i))
		table.Fraud = append(table.Fraud, i%7 == 0)
		table.Columns[0] = append(table.Columns[0], float32(i))
	}
	trained := 0
	learn := func(_ context.Context, train gbdt.Set, progress func(done, of int)) (Predict, error) {
		if first := train.Frame.Columns[0][0]; len(train.Labels) != 48 || train.Frame.Rows() != 48 || first != float32(48*trained) {
			t.Errorf("training %d has %d labels, %d rows, and begins with %v", trained, len(train.Labels), train.Frame.Rows(), first)
		}
		trained++
		progress(1, 1)
		return func(row []float64) float64 { return -math.Mod(row[0], 7) }, nil // knows it all
	}
	clock := began
	now := func() time.Time { clock = clock.Add(time.Second); return clock }
	var told []string
	outcomes, err := p.Run(context.Background(), table, learn, now, func(fold, done, of int) { told = append(told, fmt.Sprint(fold, done, of)) })
	if err != nil {
		t.Fatal(err)
	}
	if len(outcomes) != 2 || trained != 2 || !slices.Equal(told, []string{"0 1 1", "1 1 1"}) {
		t.Fatalf("%d outcomes of %d trainings, told %v", len(outcomes), trained, told)
	}
	for i, o := range outcomes {
		want := Outcome{TestStart: p.First.Add(time.Duration(i) * 2 * day), TrainRows: 48, TestRows: 48, Took: time.Second,
			Ranking: Ranking{AUC: 1, AveragePrecision: 1, CardPrecision: 1}}
		if o != want {
			t.Errorf("outcome %d is %+v, want %+v", i, o, want)
		}
	}
	if m := Mean(outcomes); m != (Ranking{1, 1, 1}) {
		t.Errorf("mean is %+v", m)
	}
	failing := func(context.Context, gbdt.Set, func(done, of int)) (Predict, error) { return nil, context.Canceled }
	if _, err := p.Run(context.Background(), table, failing, now, nil); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "fold 1") {
		t.Errorf("error of a training is %v", err)
	}
}

func TestAFoldWithoutDataSaysSo(t *testing.T) {
	p := Protocol{First: began.Add(10 * day), Folds: 1, Train: 2, Delay: 1, Test: 2, Cards: 2}
	from, until := p.Span()
	full := func(fraud func(at time.Time, i int) bool) *Table {
		table := NewTable([]string{"x"})
		for at, i := from, 0; at.Before(until); at, i = at.Add(time.Hour), i+1 {
			table.At, table.Card, table.Fraud = append(table.At, at.Unix()), append(table.Card, int32(i)), append(table.Fraud, fraud(at, i))
			table.Columns[0] = append(table.Columns[0], 0)
		}
		return table
	}
	late, short := full(func(_ time.Time, i int) bool { return i%2 == 0 }), full(func(_ time.Time, i int) bool { return i%2 == 0 })
	late.At, short.At = late.At[24:], short.At[:len(short.At)-24]
	for text, table := range map[string]*Table{
		"first training day, " + date(from):                                    late,
		"last test day, " + date(until.Add(-day)):                              short,
		"training days from " + date(from) + ": there is no fraud":             full(func(at time.Time, _ int) bool { return !at.Before(p.First) }),
		"training days from " + date(from) + ": there is no genuine payment":   full(func(at time.Time, _ int) bool { return at.Before(p.First) }),
		"test days from " + date(p.First) + ": there is no fraud":              full(func(at time.Time, i int) bool { return i%2 == 0 && at.Before(p.First) }),
		"test days from " + date(p.First) + ": there is no genuine payment":    full(func(at time.Time, i int) bool { return i%2 == 0 || !at.Before(p.First) }),
		"fold 1: there is no payment of its first training day, " + date(from): NewTable([]string{"x"}),
	} {
		if _, err := p.Fold(table, 0); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v must wrap ErrProtocol and say %q", err, text)
		}
	}
	if _, err := p.Run(context.Background(), short, nil, time.Now, nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("Run on a short history: %v", err)
	}
}

func TestProtocolsThatMakeNoSenseAreRefused(t *testing.T) {
	if err := HandbookProtocol().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Protocol){
		"folds": func(p *Protocol) { p.Folds = 0 }, "training days": func(p *Protocol) { p.Train = 0 },
		"delay": func(p *Protocol) { p.Delay = -1 }, "test days": func(p *Protocol) { p.Test = 1 << 40 },
		"cards": func(p *Protocol) { p.Cards = 0 }, "first test day": func(p *Protocol) { p.First = time.Time{} },
	} {
		p := HandbookProtocol()
		spoil(&p)
		_, err := p.Run(context.Background(), NewTable(nil), nil, time.Now, nil)
		if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
