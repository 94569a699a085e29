package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/report"
)

// shownRules is how many rules a summary names; JSON and HTML have all.
const shownRules = 10

// printTrial prints what a backtest found, for people.
func printTrial(w io.Writer, r *report.Report) {
	c := &r.Candidate
	fmt.Fprintf(w, "%s payments from %s to %s, %s frauds", count(c.Transactions), r.From.Format(time.DateOnly), r.Until.Format(time.DateOnly), count(c.Frauds))
	if r.Unknown > 0 {
		fmt.Fprintf(w, "; %s whose truth is not known yet are left out", count(r.Unknown))
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, value func(f *backtest.Findings) string) {
		fmt.Fprintf(t, "%s\t%s\t", name, value(c))
		if r.Live != nil {
			fmt.Fprintf(t, "%s\t", value(r.Live))
		}
		fmt.Fprintln(t)
	}
	share := func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) }
	line("", func(f *backtest.Findings) string { return f.Name })
	line("rules", func(f *backtest.Findings) string { return cmp.Or(f.RuleSet, "none") })
	line("model", func(f *backtest.Findings) string { return cmp.Or(f.Model, "none") })
	line("policy", func(f *backtest.Findings) string { return f.Policy })
	line("recall", func(f *backtest.Findings) string { return share(f.Recall) })
	line("precision", func(f *backtest.Findings) string { return share(f.Precision) })
	line("frauds caught", func(f *backtest.Findings) string { return count(f.FraudsCaught) })
	line("false alarms", func(f *backtest.Findings) string { return count(f.FalseAlarms) })
	line("average precision", func(f *backtest.Findings) string { return fmt.Sprintf("%.3f", f.AveragePrecision) })
	line("AUC", func(f *backtest.Findings) string { return fmt.Sprintf("%.3f", f.AUC) })
	line(fmt.Sprintf("CP@%d", c.Cards), func(f *backtest.Findings) string { return fmt.Sprintf("%.3f", f.CardPrecision) })
	line("cost a day, R$", func(f *backtest.Findings) string { return reais(f.Money.PerDay) })
	line("cost in all, R$", func(f *backtest.Findings) string { return reais(f.Money.Cost) })
	line("approving all, R$", func(f *backtest.Findings) string { return reais(f.Money.ApproveAll) })
	_ = t.Flush() // as with every other print to stdout, nobody is left to tell
	printDifference(w, r)
	printRules(w, c)
	for _, note := range r.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", note)
	}
}

func printDifference(w io.Writer, r *report.Report) {
	if d := r.Difference; d != nil {
		fmt.Fprintf(w, "\nagainst the %s: %s outcomes differ; frauds caught +%s −%s; false alarms +%s −%s; cost R$ %s\n", r.Live.Name,
			count(d.Changed), count(d.FraudsGained), count(d.FraudsLost), count(d.AlarmsGained), count(d.AlarmsLost), reais(d.Cost))
	}
}

func printRules(w io.Writer, f *backtest.Findings) {
	if len(f.Rules) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%-34s %8s %8s %10s\n", "rule", "hits", "frauds", "precision")
	for _, r := range f.Rules[:min(shownRules, len(f.Rules))] {
		name := r.ID
		if r.Shadow {
			name += " (shadow)"
		}
		fmt.Fprintf(w, "%-34s %8s %8s %8.2f %%\n", name, count(r.Hits), count(r.Frauds), 100*r.Precision)
	}
	if more := len(f.Rules) - shownRules; more > 0 {
		fmt.Fprintf(w, "and %d more in --json and --html\n", more)
	}
}

// reais writes centavos in whole reais.
func reais(centavos float64) string {
	if centavos < 0 {
		return "−" + count(int64(-centavos/100+0.5))
	}
	return count(int64(centavos/100 + 0.5))
}
