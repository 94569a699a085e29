// Package report shows what a backtest found: as one HTML file that needs nothing else
// (no script, font or picture from anywhere; plots are inline SVG, light, dark and on
// paper), and as JSON, which is [Report] itself.
//
// It computes no figure: those are package backtest's. Everything in a report is a
// count, a sum or a version; it holds no payment and nobody's data, so it may be sent on
// like any table of figures.
package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
)

// Kind is where verdicts come from.
type Kind string

// The kinds.
const (
	Played Kind = "played" // history was played before the judges
	Shadow Kind = "shadow" // live traffic was judged by a shadow model when it came
)

// Report is what a backtest found.
type Report struct {
	Kind    Kind      `json:"kind"`
	Made    time.Time `json:"made"`
	Source  string    `json:"source"`  // what was judged, in words
	Zone    string    `json:"zone"`    // whose days these are
	From    time.Time `json:"from"`    // of the first payment that the figures are about
	Until   time.Time `json:"until"`   // of the last one
	Unknown int       `json:"unknown"` // payments whose truth is not known yet, which no figure is about
	Warmup  int       `json:"warmup"`  // payments before From, which filled windows only
	// Costs say what the costs are made of, in words.
	Costs      string               `json:"costs"`
	Notes      []string             `json:"notes"` // what to bear in mind with these figures
	Candidate  backtest.Findings    `json:"candidate"`
	Live       *backtest.Findings   `json:"live,omitempty"` // nil: nothing to compare with
	Difference *backtest.Difference `json:"difference,omitempty"`
}

//go:embed page.html
var page string

// HTML writes the report as one file. Its error is the writer's own.
func (r *Report) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"count": count, "percent": percent, "figure": figure, "money": money, "signed": signed, "signedMoney": signedMoney,
		"minus": func(a, b int) int { return a - b },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := t.Execute(w, r.view()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// view is what the page reads.
type view struct {
	*Report
	Title    string
	Headline string
	Tiles    []tile
	Plots    []figureView
	Overlaps []backtest.Overlap
	Hidden   int // overlaps that are not shown
}

// tile is one figure at the top.
type tile struct {
	Name, Value, Beside, Meaning string
}

// figureView is a plot with its words.
type figureView struct {
	Title, Text string
	Keys        []key
	SVG         template.HTML
}

// key is a line of a legend.
type key struct{ Class, Name string }

// mostOverlaps is how many pairs the page shows; JSON has all.
const mostOverlaps = 20

func (r *Report) view() *view {
	v := &view{Report: r, Title: "Backtest", Headline: r.headline(), Tiles: r.tiles()}
	if r.Kind == Shadow {
		v.Title = "Shadow results"
	}
	v.Overlaps = r.Candidate.Overlaps[:min(mostOverlaps, len(r.Candidate.Overlaps))]
	v.Hidden = len(r.Candidate.Overlaps) - len(v.Overlaps)
	v.Plots = []figureView{r.curve(), r.distribution(), r.saving(), r.dailyCost(), r.dailyCounts(), r.reliability()}
	return v
}

// headline says in a sentence what came out.
func (r *Report) headline() string {
	c := &r.Candidate
	if r.Difference == nil {
		return fmt.Sprintf("Of %s frauds the %s catches %s (%s) and stops %s genuine payments; that costs %s, and approving everything would cost %s.",
			count(c.Frauds), c.Name, count(c.FraudsCaught), percent(c.Recall), count(c.FalseAlarms), money(c.Money.Cost), money(c.Money.ApproveAll))
	}
	d := r.Difference
	if d.Changed == 0 {
		return fmt.Sprintf("The %s and the %s judge every payment alike.", c.Name, r.Live.Name)
	}
	end := fmt.Sprintf("costs %s less", money(-d.Cost))
	if d.Cost > 0 {
		end = fmt.Sprintf("costs %s more", money(d.Cost))
	}
	return fmt.Sprintf("Against the %s, the %s catches %s more frauds and lets %s go that were caught, stops %s more genuine payments and lets %s go that were stopped, and %s.",
		r.Live.Name, c.Name, count(d.FraudsGained), count(d.FraudsLost), count(d.AlarmsGained), count(d.AlarmsLost), end)
}

func (r *Report) tiles() []tile {
	of := func(name, meaning string, value func(f *backtest.Findings) string) tile {
		t := tile{Name: name, Meaning: meaning, Value: value(&r.Candidate)}
		if r.Live != nil {
			t.Beside = r.Live.Name + ": " + value(r.Live)
		}
		return t
	}
	return []tile{
		of("Recall", "of the frauds, not approved", func(f *backtest.Findings) string { return percent(f.Recall) }),
		of("Precision", "of what is not approved, frauds", func(f *backtest.Findings) string { return percent(f.Precision) }),
		of("False alarms", "genuine payments not approved", func(f *backtest.Findings) string { return count(f.FalseAlarms) }),
		of("Cost a day", "with the outcomes of the policy", func(f *backtest.Findings) string { return money(f.Money.PerDay) }),
		of("Average precision", "over all thresholds", func(f *backtest.Findings) string { return figure(f.AveragePrecision) }),
		of("AUC", "a fraud scores above a genuine one", func(f *backtest.Findings) string { return figure(f.AUC) }),
		of(fmt.Sprintf("CP@%d", r.Candidate.Cards), "hits among the cards looked into a day", func(f *backtest.Findings) string { return figure(f.CardPrecision) }),
		of("Fraud value caught", "of the frauds' amounts", func(f *backtest.Findings) string {
			return percent(float64(f.Money.Caught) / float64(max(f.Money.Frauds, 1)))
		}),
	}
}
