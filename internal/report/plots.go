package report

import (
	"fmt"

	"github.com/fastshop/pipeline/internal/backtest"
)

// thresholdNames are those of backtest.Findings.Thresholds.
var thresholdNames = [...]string{"challenge", "review", "decline"}

func shareLabel(v float64) string  { return fmt.Sprintf("%.0f %%", 100*v) }
func numberLabel(v float64) string { return fmt.Sprintf("%.0f", v) }

// keys are the legend of what both judges have.
func (r *Report) keys() []key {
	keys := []key{{"candidate", r.Candidate.Name}}
	if r.Live != nil {
		keys = append(keys, key{"live", r.Live.Name})
	}
	return keys
}

// curve plots precision against recall.
func (r *Report) curve() figureView {
	f := figureView{Title: "Precision and recall", Keys: r.keys(),
		Text: "Every threshold of the score as one point: how many of the frauds it catches, and how much of what it flags is fraud. The nearer to the upper right corner, the better. Dots are the thresholds of the policy, by the score alone; what rules ask for beyond their points comes on top."}
	p := newPlot(f.Title, "Precision against recall over all thresholds of the score",
		linear("Recall: share of the frauds that is flagged", 0, 1, shareLabel), linear("Precision: share of frauds in what is flagged", 0, 1, shareLabel))
	if r.Live != nil {
		drawCurve(p, "live", r.Live)
	}
	drawCurve(p, "candidate", &r.Candidate)
	if r.Candidate.Frauds == 0 {
		p.empty("no fraud is known: nothing to plot")
	}
	f.SVG = p.svg()
	return f
}

func drawCurve(p *plot, class string, f *backtest.Findings) {
	if f.Frauds == 0 {
		return
	}
	var steps []point
	before := 0.0
	for _, c := range f.Curve {
		steps = append(steps, point{before, c.Precision}, point{c.Recall, c.Precision})
		before = c.Recall
	}
	p.line(class, steps)
	last := point{-1, -1}
	for i, t := range f.Thresholds {
		at := point{t.Recall, t.Precision}
		if t.Flagged == 0 || at == last {
			continue
		}
		last = at
		name := ""
		if class == "candidate" {
			name = thresholdNames[i]
		}
		p.dot(class, at, fmt.Sprintf("%s, %s from %d: recall %s, precision %s", f.Name, thresholdNames[i], t.Threshold, percent(t.Recall), percent(t.Precision)), name)
	}
}

// distribution plots how scores are spread.
func (r *Report) distribution() figureView {
	c := &r.Candidate
	f := figureView{Title: "Distribution of scores", Keys: []key{{"genuine", "genuine payments"}, {"fraud", "frauds"}},
		Text: "How many payments score how high, of the " + c.Name + ". The axis is logarithmic: each line is ten times the one below. Dashed lines are the thresholds."}
	most := 1
	for _, b := range c.Scores {
		most = max(most, b.Frauds, b.Genuine)
	}
	p := newPlot(f.Title, "Payments by score on a logarithmic axis", linear("Score, points", 0, 1000, numberLabel), logarithmic("Payments, logarithmic", float64(most)))
	for _, b := range c.Scores {
		from, to := float64(b.From), float64(b.To+1)
		middle, air := (from+to)/2, (to-from)/12
		words := fmt.Sprintf("score %d to %d: %s genuine, %s frauds", b.From, b.To, count(b.Genuine), count(b.Frauds))
		if b.Genuine > 0 {
			p.bar("genuine", from+air, middle, lowestOnLog, float64(b.Genuine), words)
		}
		if b.Frauds > 0 {
			p.bar("fraud", middle, to-air, lowestOnLog, float64(b.Frauds), words)
		}
	}
	for i, t := range c.Thresholds {
		if i == 0 || t.Threshold != c.Thresholds[i-1].Threshold {
			p.mark(float64(t.Threshold), thresholdNames[i])
		}
	}
	f.SVG = p.svg()
	return f
}

// days makes the axis of dates.
func days(all []backtest.DayRow) axis {
	a := axis{title: "Day", lo: 0, hi: float64(max(len(all), 1)), label: func(v float64) string {
		if i := int(v); i < len(all) {
			return all[i].Date[len("2006-"):]
		}
		return ""
	}}
	if len(all) > 0 {
		a.title = fmt.Sprintf("Day, month and day of %s to %s", all[0].Date, all[len(all)-1].Date)
	}
	every := (len(all) + 2*mostTicks - 1) / (2 * mostTicks)
	for i := 0; i < len(all); i += max(every, 1) {
		a.ticks = append(a.ticks, float64(i)+0.5)
	}
	return a
}

// saving plots what judging is worth, added up over the days.
func (r *Report) saving() figureView {
	f := figureView{Title: "Saved so far", Keys: r.keys(),
		Text: "What judging has saved since the first day, against approving everything: frauds that did not go through, less customers refused, reviews and proofs."}
	sum := func(all []backtest.DayRow) (points []point) {
		total := 0.0
		for i := range all {
			total += (all[i].ApproveAll - all[i].Cost) / 100
			points = append(points, point{float64(i) + 0.5, total})
		}
		return points
	}
	return r.overDays(f, "Saving added up over the days in reais", "Saved so far, R$", sum, nil)
}

// dailyCost plots what judging costs, day by day.
func (r *Report) dailyCost() figureView {
	f := figureView{Title: "Cost a day", Keys: append(r.keys(), key{"nothing", "if everything were approved"}),
		Text: "What the outcomes cost on each day. Where a line runs above the dotted one, judging cost more than approving everything would have."}
	series := func(of func(d *backtest.DayRow) float64) func(all []backtest.DayRow) []point {
		return func(all []backtest.DayRow) (points []point) {
			for i := range all {
				points = append(points, point{float64(i) + 0.5, of(&all[i]) / 100})
			}
			return points
		}
	}
	cost := series(func(d *backtest.DayRow) float64 { return d.Cost })
	nothing := series(func(d *backtest.DayRow) float64 { return d.ApproveAll })
	return r.overDays(f, "Cost of each day in reais", "Cost, R$ a day", cost, nothing(r.Candidate.Days))
}

// overDays draws a series of both judges, and one more, dotted.
func (r *Report) overDays(f figureView, description, title string, series func([]backtest.DayRow) []point, dotted []point) figureView {
	candidate := series(r.Candidate.Days)
	var live []point
	if r.Live != nil {
		live = series(r.Live.Days)
	}
	lo, hi := 0.0, 1.0
	for _, line := range [][]point{candidate, live, dotted} {
		for _, at := range line {
			lo, hi = min(lo, at.y), max(hi, at.y)
		}
	}
	p := newPlot(f.Title, description, days(r.Candidate.Days), linear(title, lo, hi, func(v float64) string { return count(int(v)) }))
	p.line("nothing", dotted)
	p.line("live", live)
	p.line("candidate", candidate)
	f.SVG = p.svg()
	return f
}

// dailyCounts plots what was caught and what was not.
func (r *Report) dailyCounts() figureView {
	c := &r.Candidate
	f := figureView{Title: "Frauds and false alarms a day", Keys: []key{{"caught", "frauds caught"}, {"missed", "frauds let through"}, {"alarm", "false alarms"}},
		Text: "What the " + c.Name + " caught, let through and stopped for nothing on each day."}
	most := 1
	for _, d := range c.Days {
		most = max(most, d.Frauds, d.Alarms)
	}
	p := newPlot(f.Title, "Frauds caught and missed, and false alarms, of each day", days(c.Days), linear("Payments a day", 0, float64(most), func(v float64) string { return fmt.Sprintf("%.4g", v) }))
	var alarms []point
	for i, d := range c.Days {
		x := float64(i)
		words := fmt.Sprintf("%s: %s payments, %s of %s frauds caught, %s false alarms", d.Date, count(d.Payments), count(d.Caught), count(d.Frauds), count(d.Alarms))
		p.bar("caught", x+0.15, x+0.85, 0, float64(d.Caught), words)
		p.bar("missed", x+0.15, x+0.85, float64(d.Caught), float64(d.Frauds), words)
		alarms = append(alarms, point{x + 0.5, float64(d.Alarms)})
	}
	p.line("alarm", alarms)
	f.SVG = p.svg()
	return f
}

// reliability plots the share of frauds against the score.
func (r *Report) reliability() figureView {
	f := figureView{Title: "Reliability", Keys: append(r.keys(), key{"even", "score ÷ 1000"}),
		Text: "The share of frauds among payments of about the same score, with bounds of 95 % confidence. It ought to rise with the score. It need not follow the dotted line: a score orders payments and places them between the thresholds, it is no probability."}
	p := newPlot(f.Title, "Share of frauds by score", linear("Score, points, mean of the bin", 0, 1000, numberLabel), linear("Share of frauds", 0, 1, shareLabel))
	p.line("even", []point{{0, 0}, {1000, 1}})
	if r.Live != nil {
		drawShares(p, "live", r.Live)
	}
	drawShares(p, "candidate", &r.Candidate)
	f.SVG = p.svg()
	return f
}

func drawShares(p *plot, class string, f *backtest.Findings) {
	var line []point
	for _, b := range f.Reliability {
		line = append(line, point{b.Score, b.Share})
		p.span(class, b.Score, b.Low, b.High)
	}
	p.line(class, line)
	for i, at := range line {
		b := &f.Reliability[i]
		p.dot(class, at, fmt.Sprintf("%s, score %d to %d: %s of %s payments are frauds", f.Name, b.From, b.To, percent(b.Share), count(b.Payments)), "")
	}
}
