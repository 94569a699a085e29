package backtest

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/score"
)

// sample is one judged transaction of a test.
type sample struct {
	points         int
	fraud, flagged bool
}

// naive computes the figures from their definitions, threshold by threshold and pair by pair.
func naive(samples []sample) Figures {
	f := Figures{Transactions: len(samples)}
	var thresholds []int
	genuine := 0
	for _, s := range samples {
		thresholds = append(thresholds, s.points)
		switch {
		case s.fraud && s.flagged:
			f.FraudsCaught++
		case !s.fraud && s.flagged:
			f.FalseAlarms++
		}
		if s.fraud {
			f.Frauds++
		} else {
			genuine++
		}
	}
	if flagged := f.FraudsCaught + f.FalseAlarms; flagged > 0 {
		f.Precision = float64(f.FraudsCaught) / float64(flagged)
	}
	if f.Frauds == 0 {
		return f
	}
	f.Recall = float64(f.FraudsCaught) / float64(f.Frauds)
	sort.Sort(sort.Reverse(sort.IntSlice(thresholds)))
	before := 0.0
	for i, threshold := range thresholds {
		if i > 0 && threshold == thresholds[i-1] {
			continue
		}
		tp, fp := 0, 0
		for _, s := range samples {
			if s.points >= threshold {
				if s.fraud {
					tp++
				} else {
					fp++
				}
			}
		}
		recall := float64(tp) / float64(f.Frauds)
		f.AveragePrecision += (recall - before) * float64(tp) / float64(tp+fp)
		before = recall
	}
	if genuine > 0 {
		f.AUC = pairwise(samples) / (float64(f.Frauds) * float64(genuine))
	}
	return f
}

// pairwise counts the pairs of a fraud and a genuine one in which the fraud scores higher, a tie as half of one.
func pairwise(samples []sample) (won float64) {
	for _, a := range samples {
		for _, b := range samples {
			switch {
			case !a.fraud || b.fraud || a.points < b.points:
			case a.points > b.points:
				won++
			default:
				won += 0.5
			}
		}
	}
	return won
}

func TestFiguresEqualTheirDefinitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sample {
			return sample{
				points:  rapid.OneOf(rapid.IntRange(0, score.Max), rapid.IntRange(0, 5)).Draw(t, "points"),
				fraud:   rapid.Bool().Draw(t, "fraud"),
				flagged: rapid.Bool().Draw(t, "flagged"),
			}
		}), 0, 60).Draw(t, "samples")
		var tally Tally
		for _, s := range samples {
			tally.Add(s.points, s.fraud, s.flagged)
		}
		got, want := tally.Figures(), naive(samples)
		for name, pair := range map[string][2]float64{
			"average precision": {got.AveragePrecision, want.AveragePrecision}, "auc": {got.AUC, want.AUC},
			"precision": {got.Precision, want.Precision}, "recall": {got.Recall, want.Recall},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-9 {
				t.Fatalf("%s is %v, want %v", name, pair[0], pair[1])
			}
		}
		if got.Transactions != want.Transactions || got.Frauds != want.Frauds || got.FraudsCaught != want.FraudsCaught || got.FalseAlarms != want.FalseAlarms {
			t.Fatalf("counts are %+v, want %+v", got, want)
		}
	})
}

func TestFiguresOfKnownCases(t *testing.T) {
	var perfect, reversed Tally
	for i := range 10 {
		perfect.Add(900-i, true, true)
		perfect.Add(i, false, false)
		reversed.Add(i, true, false)
		reversed.Add(2000-i, false, true) // beyond the scale counts as its end
	}
	if f := perfect.Figures(); f.AveragePrecision != 1 || f.AUC != 1 || f.Precision != 1 || f.Recall != 1 {
		t.Errorf("perfect order gives %+v", f)
	}
	if f := reversed.Figures(); f.AUC != 0 || f.Recall != 0 || f.Precision != 0 || f.FalseAlarms != 10 {
		t.Errorf("reversed order gives %+v", f)
	}
}

const header = "transaction_id,tx_datetime,customer_id,terminal_id,tx_amount,tx_fraud,tx_fraud_scenario\n"

func TestHandbookReadsRows(t *testing.T) {
	h, err := NewHandbook(strings.NewReader(header + "17,2018-04-01 00:02:10,4961,3412,81.5,1,3\n18,2018-04-01 00:02:11,1,2,146,0,0\n"))
	if err != nil {
		t.Fatal(err)
	}
	row, err := h.Next()
	want := Row{Line: 2, ID: "17", At: time.Date(2018, 4, 1, 0, 2, 10, 0, time.UTC), Customer: "4961", Terminal: "3412", Centavos: 8150, Fraud: true}
	if err != nil || row != want {
		t.Fatalf("Next() = %+v, %v; want %+v", row, err, want)
	}
	if row, err = h.Next(); err != nil || row.Centavos != 14600 || row.Fraud {
		t.Fatalf("Next() = %+v, %v", row, err)
	}
	if _, err = h.Next(); !errors.Is(err, io.EOF) {
		t.Fatalf("Next() after the last row = %v", err)
	}
}

func TestHandbookNamesTheLineAndNotTheValue(t *testing.T) {
	for name, line := range map[string]string{
		"time":     "1,2018-04-31 00:00:00,1,2,1.00,0,0",
		"sign":     "1,2018-04-01 00:00:00,1,2,-1.00,0,0",
		"decimals": "1,2018-04-01 00:00:00,1,2,31337.005,0,0",
		"amount":   "1,2018-04-01 00:00:00,1,2,9999999999999,0,0",
		"label":    "1,2018-04-01 00:00:00,1,2,1.00,31337,0",
		"fields":   "1,2018-04-01 00:00:00,31337",
		"quote":    `1,2018-04-01 00:00:00,3"1337,2,1.00,0,0`,
	} {
		h, err := NewHandbook(strings.NewReader(header + line + "\n9,2018-04-01 00:00:00,1,2,1.00,0,0\n"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.Next()
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "31337") {
			t.Errorf("%s: error %v must wrap ErrFormat, name line 2 and quote nothing", name, err)
		}
		if row, err := h.Next(); err != nil || row.ID != "9" {
			t.Errorf("%s: the line after gives %+v, %v", name, row, err)
		}
	}
	for _, input := range []string{"", "a,b\n", strings.ToUpper(header)} {
		if _, err := NewHandbook(strings.NewReader(input)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "transaction_id") {
			t.Errorf("header %q: error %v must say what it should be", input, err)
		}
	}
}

// broken fails in the middle, as a disk does.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("disk on fire")
	}
	return n, err
}

func TestHandbookReportsAReadErrorAsSuch(t *testing.T) {
	h, err := NewHandbook(broken{strings.NewReader(header)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Next(); err == nil || errors.Is(err, ErrFormat) || errors.Is(err, io.EOF) {
		t.Errorf("Next() = %v, want the reader's own error", err)
	}
}

func FuzzHandbook(f *testing.F) {
	seeds, err := filepath.Glob("testdata/handbook/*.csv")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("seeds are missing: %v", err)
	}
	for _, s := range seeds {
		data, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := NewHandbook(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for range len(data) + 1 { // every call consumes input, so the end comes
			row, err := h.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && (row.Centavos < 0 || row.At.IsZero()) {
				t.Fatalf("accepted %+v", row)
			}
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Fatalf("error of another kind: %v", err)
			}
		}
		t.Fatal("the end never came")
	})
}
