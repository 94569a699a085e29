package backtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/gbdt"
)

// ErrProtocol is wrapped by errors about a protocol that makes no sense, or a history that it cannot be run on.
var ErrProtocol = errors.New("protocol cannot be run")

const day = 24 * time.Hour

// Protocol is the prequential validation of the Fraud Detection Handbook (Le Borgne et al. 2022, chapter 5): train on
// some days, pass over those whose labels are not known yet, test on the days after them, then move on by a test
// period. Days begin at First's time of day.
//
// On a test day a card is left out if it had a fraud from the first training day on that is known when the day begins,
// that is up to Delay and a day before: that it is compromised is no news.
type Protocol struct {
	First time.Time // the first test day of the first fold
	Folds int       // at least 1
	Train int       // days, at least 1
	Delay int       // days until a label is known, at least 0
	Test  int       // days, at least 1
	Cards int       // how many are looked into on a day, the k of CP@k; at least 1
}

// HandbookProtocol is the published one: four weeks of August 2018, each with the week of training two weeks before.
func HandbookProtocol() Protocol {
	return Protocol{First: time.Date(2018, 8, 8, 0, 0, 0, 0, time.UTC), Folds: 4, Train: 7, Delay: 7, Test: 7, Cards: 100}
}

// Validate reports what makes no sense; the error wraps ErrProtocol.
func (p Protocol) Validate() error {
	const most = 10_000
	for _, c := range []struct {
		name      string
		value, lo int
	}{
		{"number of folds", p.Folds, 1}, {"training days", p.Train, 1}, {"days of delay", p.Delay, 0},
		{"test days", p.Test, 1}, {"cards a day", p.Cards, 1},
	} {
		if c.value < c.lo || c.value > most {
			return fmt.Errorf("%w: %s is %d, want %d to %d", ErrProtocol, c.name, c.value, c.lo, most)
		}
	}
	if p.First.IsZero() {
		return fmt.Errorf("%w: the first test day is missing", ErrProtocol)
	}
	return nil
}

// Span is the time that the rows of all folds are of: from the first training day up to, not including, until.
func (p Protocol) Span() (from, until time.Time) {
	return p.trainStart(0), p.testStart(p.Folds)
}

// LabelDelay is how long after its payment a label is known.
func (p Protocol) LabelDelay() time.Duration { return time.Duration(p.Delay) * day }

func (p Protocol) testStart(fold int) time.Time {
	return p.First.Add(time.Duration(fold*p.Test) * day)
}

func (p Protocol) trainStart(fold int) time.Time {
	return p.testStart(fold).Add(-time.Duration(p.Delay+p.Train) * day)
}

// Fold is the rows of a table that one model is trained and tested on.
type Fold struct {
	TestStart           time.Time
	TrainFirst, TrainTo int     // rows TrainFirst to TrainTo-1
	Days                [][]int // the rows of each test day, without those of cards known to be compromised
}

// TestRows is how many payments are tested.
func (f *Fold) TestRows() (n int) {
	for _, rows := range f.Days {
		n += len(rows)
	}
	return n
}

// Fold finds the rows of a fold, counted from 0. The error wraps ErrProtocol: the table does not cover the fold, or one
// side of it holds nothing, or only frauds, or none.
func (p Protocol) Fold(t *Table, fold int) (*Fold, error) {
	start, trainStart := p.testStart(fold), p.trainStart(fold)
	f := &Fold{TestStart: start}
	f.TrainFirst, f.TrainTo = t.between(trainStart, start.Add(-p.LabelDelay()))
	if err := p.covered(t, fold); err != nil {
		return nil, err
	}
	compromised := map[int32]bool{}
	known := f.TrainFirst
	for d := range p.Test {
		from := start.Add(time.Duration(d) * day)
		_, to := t.between(trainStart, from.Add(-p.LabelDelay()))
		for ; known < to; known++ {
			if t.Fraud[known] {
				compromised[t.Card[known]] = true
			}
		}
		var rows []int
		first, end := t.between(from, from.Add(day))
		for i := first; i < end; i++ {
			if !compromised[t.Card[i]] {
				rows = append(rows, i)
			}
		}
		f.Days = append(f.Days, rows)
	}
	if err := twoSided(t.Fraud[f.TrainFirst:f.TrainTo]); err != nil {
		return nil, fmt.Errorf("%w: fold %d: training days from %s: %w", ErrProtocol, fold+1, date(trainStart), err)
	}
	if err := twoSided(pick(t.Fraud, slices.Concat(f.Days...))); err != nil {
		return nil, fmt.Errorf("%w: fold %d: test days from %s: %w", ErrProtocol, fold+1, date(start), err)
	}
	return f, nil
}

// covered makes sure that no day is missing at either end: a week that is half there gives a figure that means nothing.
func (p Protocol) covered(t *Table, fold int) error {
	from, until := p.trainStart(fold), p.testStart(fold+1)
	first, afterFirst := t.between(from, from.Add(day))
	last, afterLast := t.between(until.Add(-day), until)
	switch {
	case first == afterFirst:
		return fmt.Errorf("%w: fold %d: there is no payment of its first training day, %s", ErrProtocol, fold+1, date(from))
	case last == afterLast:
		return fmt.Errorf("%w: fold %d: there is no payment of its last test day, %s", ErrProtocol, fold+1, date(until.Add(-day)))
	}
	return nil
}

func twoSided(fraud []bool) error {
	switch {
	case !slices.Contains(fraud, true):
		return errors.New("there is no fraud")
	case !slices.Contains(fraud, false):
		return errors.New("there is no genuine payment")
	}
	return nil
}

func date(t time.Time) string { return t.Format(time.DateOnly) }

// Predict returns how likely a payment with these features is a fraud, on any scale. It does not keep row.
type Predict func(row []float64) float64

// Learn makes a prediction of a training set. Progress may be told how much is done.
type Learn func(ctx context.Context, train gbdt.Set, progress func(done, of int)) (Predict, error)

// Outcome is how one fold went.
type Outcome struct {
	TestStart time.Time
	TrainRows int
	TestRows  int
	Ranking
	Took time.Duration // training and prediction
}

// Run trains and tests every fold; progress, which may be nil, is told of trainings. The errors are those of Validate,
// Fold and learn.
func (p Protocol) Run(ctx context.Context, t *Table, learn Learn, now func() time.Time, progress func(fold, done, of int)) ([]Outcome, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	folds := make([]*Fold, p.Folds)
	for i := range folds { // before anything that takes time
		var err error
		if folds[i], err = p.Fold(t, i); err != nil {
			return nil, err
		}
	}
	var outcomes []Outcome
	for i, f := range folds {
		start := now()
		train := gbdt.Set{Frame: t.part(f.TrainFirst, f.TrainTo), Labels: t.Fraud[f.TrainFirst:f.TrainTo]}
		predict, err := learn(ctx, train, func(done, of int) {
			if progress != nil {
				progress(i, done, of)
			}
		})
		if err != nil {
			return nil, fmt.Errorf("train fold %d: %w", i+1, err)
		}
		scores := t.scores(f, predict)
		took := now().Sub(start)
		outcomes = append(outcomes, Outcome{
			TestStart: f.TestStart, TrainRows: f.TrainTo - f.TrainFirst, TestRows: f.TestRows(), Took: took,
			Ranking: t.rank(f, scores, p.Cards),
		})
	}
	return outcomes, nil
}
