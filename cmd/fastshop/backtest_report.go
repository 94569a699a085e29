package main

import (
	"fmt"
	"io"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
)

// foldReport is the result of a backtest by folds, as JSON.
type foldReport struct {
	Folds []foldLine  `json:"folds"`
	Mean  foldFigures `json:"mean"`
}

type foldFigures struct {
	AUC   float64 `json:"auc"`
	AP    float64 `json:"ap"`    // average precision
	CP100 float64 `json:"cp100"` // card precision at 100 a day
}

type foldLine struct {
	TestStart string `json:"test_start"`
	TrainRows int    `json:"train_rows"`
	TestRows  int    `json:"test_rows"`
	foldFigures
	Seconds float64 `json:"seconds"` // training and prediction
}

func figuresOf(r backtest.Ranking) foldFigures {
	return foldFigures{AUC: r.AUC, AP: r.AveragePrecision, CP100: r.CardPrecision}
}

func newFoldReport(outcomes []backtest.Outcome) foldReport {
	report := foldReport{Mean: figuresOf(backtest.Mean(outcomes))}
	for _, o := range outcomes {
		report.Folds = append(report.Folds, foldLine{
			TestStart: o.TestStart.Format(time.DateOnly), TrainRows: o.TrainRows, TestRows: o.TestRows,
			foldFigures: figuresOf(o.Ranking), Seconds: o.Took.Seconds(),
		})
	}
	return report
}

// printFolds prints a line for each fold and their mean, and beside the mean what others reached if compare is true.
func printFolds(w io.Writer, outcomes []backtest.Outcome, compare bool) {
	line := func(name, trained, tested string, r backtest.Ranking, rest string) {
		fmt.Fprintf(w, "%-31s %9s %9s  %6.3f %6.3f %7.3f%s\n", name, trained, tested, r.AUC, r.AveragePrecision, r.CardPrecision, rest)
	}
	fmt.Fprintf(w, "%-31s %9s %9s  %6s %6s %7s %8s\n", "test days from", "trained", "tested", "AUC", "AP", "CP@100", "seconds")
	for _, o := range outcomes {
		line(o.TestStart.Format(time.DateOnly), count(o.TrainRows), count(o.TestRows), o.Ranking, fmt.Sprintf(" %8.1f", o.Took.Seconds()))
	}
	line("mean", "", "", backtest.Mean(outcomes), "")
	if !compare {
		return
	}
	fmt.Fprintln(w)
	for _, r := range backtest.References() {
		line(r.Name, "", "", r.Ranking, "")
	}
}
