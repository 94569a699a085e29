package model

import (
	"fmt"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/score"
)

// Describe is the model's card for people, in Markdown.
func (m *Model) Describe() string {
	c := &m.body.Card
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Model %s", m.version)
	line("")
	line("Made %s. Trained on: %s", m.body.Made.Format(time.RFC3339), orNone(c.Source))
	if c.Notes != "" {
		line("")
		line("%s", c.Notes)
	}
	line("")
	line("| Part | From | Until | Payments | Frauds |")
	line("|---|---|---|---:|---:|")
	for _, p := range []struct {
		name string
		span Span
	}{{"trees", c.Training}, {"calibration", c.Fitting}, {"figures below", c.Holdout}} {
		line("| %s | %s | %s | %d | %d |", p.name, p.span.From.Format(time.DateOnly), p.span.Until.Format(time.DateOnly), p.span.Rows, p.span.Frauds)
	}
	line("")
	line("%d trees of depth %d over %d variables; calibration: slope %.4g, intercept %.4g.", len(m.trees.Trees), c.Settings.Depth, len(m.trees.Names), m.body.Calibration.Slope, m.body.Calibration.Intercept)
	f := &c.Figures
	line("")
	line("Average precision %.3f, AUC %.3f, Brier score %.5f, log loss %.5f.", f.AveragePrecision, f.AUC, f.Brier, f.LogLoss)
	line("")
	line("## Thresholds and cost")
	line("")
	line("A fraud that goes through costs R$ %.2f, a genuine customer refused R$ %.2f, a review R$ %.2f, a proof R$ %.2f.", c.Costs.Fraud/100, c.Costs.Insult/100, c.Costs.Review/100, c.Costs.Challenge/100)
	line("An analyst finds %.0f %% of the frauds and loses %.0f %% of the customers; a proof stops %.0f %% and loses %.0f %%.", 100*c.Costs.ReviewStops, 100*c.Costs.ReviewInsults, 100*c.Costs.ChallengeStops, 100*c.Costs.ChallengeInsult)
	line("So challenging pays from a probability of %.4f, reviewing from %.4f, declining from %.4f.", c.Thresholds.Challenge, c.Thresholds.Review, c.Thresholds.Decline)
	line("With that, of what is not approved %.1f %% are frauds, and %.1f %% of the frauds are not approved; a thousand payments cost R$ %.2f, and R$ %.2f if all were approved.",
		100*f.Precision, 100*f.Recall, f.CostPerThousand/100, f.CostApproveAll/100)
	m.describeTables(line)
	return b.String()
}

// shownVariables is how many variables a card names.
const shownVariables = 15

func (m *Model) describeTables(line func(format string, args ...any)) {
	c := &m.body.Card
	line("")
	line("## Reliability")
	line("")
	line("| Payments | Probability, mean | Frauds |")
	line("|---:|---:|---:|")
	for _, bin := range c.Reliability {
		line("| %d | %.5f | %.5f |", bin.Rows, bin.Expected, bin.Observed)
	}
	line("")
	line("## Variables that move it most")
	line("")
	line("| Variable | Log-odds, mean of the absolute | In words |")
	line("|---|---:|---|")
	for _, i := range c.Importance[:min(shownVariables, len(c.Importance))] {
		words, _ := score.WordsFor(i.Variable)
		line("| %s | %.4f | %s |", i.Variable, i.Mean, words.EN)
	}
	if len(c.Segments) == 0 {
		return
	}
	line("")
	line("## Segments")
	line("")
	line("Error rates rest on few frauds where a segment is small.")
	line("")
	line("| By | Value | Payments | Frauds | Genuine not approved | Frauds approved |")
	line("|---|---|---:|---:|---:|---:|")
	for _, s := range c.Segments {
		line("| %s | %s | %d | %d | %.2f %% | %.1f %% |", s.By, orNone(s.Value), s.Rows, s.Frauds, 100*s.FalseAlarms, 100*s.Missed)
	}
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}
