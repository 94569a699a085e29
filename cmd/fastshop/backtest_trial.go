package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/report"
)

// trial plays the history before the candidate and the live set.
func (c *backtestCommand) trial(ctx context.Context, out streams) error {
	zone, err := shopZone()
	if err != nil {
		return err
	}
	candidate, live, alike, err := c.contenders()
	if err != nil {
		return err
	}
	p := newProgress(out.err)
	defer p.done()
	source := sourceFlags{places: c.places, Input: c.Input, Format: formatNDJSON, Days: c.Days}
	h, err := source.history(ctx, p)
	if err != nil {
		return err
	}
	b := newTrialRun(c, zone, &candidate)
	if !alike {
		b.live, b.contest = backtest.NewGathering(live.subject(), zone, c.Cards, c.cost()), backtest.NewContest(c.cost())
		b.second = &live
	}
	if err := b.play(ctx, h, p); err != nil {
		return err
	}
	p.done()
	b.report.Source = "History: " + source.String()
	b.report.Notes = append(b.seen(&candidate, h), b.report.Notes...)
	r, err := b.finish()
	if err != nil {
		return err
	}
	return c.finish(out, r, c.JSON)
}

// trialRun gathers what contenders say.
type trialRun struct {
	report    report.Report
	zone      *time.Location
	first     *contender
	second    *contender // nil if there is nothing to compare with
	candidate *backtest.Gathering
	live      *backtest.Gathering
	contest   *backtest.Contest
	from      time.Time // of the figures
}

func newTrialRun(c *backtestCommand, zone *time.Location, candidate *contender) *trialRun {
	b := &trialRun{zone: zone, first: candidate, candidate: backtest.NewGathering(candidate.subject(), zone, c.Cards, c.cost())}
	b.report = report.Report{Kind: report.Played, Made: time.Now().UTC().Truncate(time.Second), Zone: zoneName, Costs: c.costWords(), Notes: []string{}}
	if at, err := time.ParseInLocation(time.DateOnly, c.From, zone); err == nil {
		b.from = at
	}
	return b
}

// play judges every payment in the order of time.
func (b *trialRun) play(ctx context.Context, h history, p *progress) error {
	end := backtest.Heard(h)
	court := backtest.Court{Zone: b.zone, Maturity: labelMaturity, Now: time.Now}
	trials := make([]*backtest.Trial, 0, 2)
	for _, k := range []*contender{b.first, b.second} {
		if k == nil {
			continue
		}
		t, err := backtest.NewTrial(k.Judge, court)
		if err != nil {
			return err
		}
		trials = append(trials, t)
	}
	verdicts := make([]backtest.Verdict, len(trials))
	for i, c := range h {
		for j, t := range trials {
			var err error
			if verdicts[j], err = t.Play(ctx, c); err != nil {
				return withHint(fmt.Errorf("payment %s of %s: %w", count(i+1), count(len(h)), err), "fastshop replay names the lines that are not what they should be")
			}
		}
		p.show("playing the history: %s of %s payments, %d %%", count(i+1), count(len(h)), 100*(i+1)/len(h))
		var second *backtest.Verdict
		if len(verdicts) > 1 {
			second = &verdicts[1]
		}
		b.add(c.Transaction, c.Settled(end, labelMaturity), c.Fraud, &verdicts[0], second)
	}
	return nil
}

// add counts one payment.
func (b *trialRun) add(t *payment.Transaction, settled, fraud bool, candidate, live *backtest.Verdict) {
	switch {
	case t.OccurredAt.Before(b.from):
		b.report.Warmup++
		return
	case !settled:
		b.report.Unknown++
		return
	}
	if b.report.From.IsZero() {
		b.report.From = t.OccurredAt.In(b.zone)
	}
	b.report.Until = t.OccurredAt.In(b.zone)
	b.candidate.Add(t, fraud, candidate)
	if live != nil {
		b.live.Add(t, fraud, live)
		b.contest.Add(t, fraud, candidate, live)
	}
}

// finish makes the report of what was gathered.
func (b *trialRun) finish() (*report.Report, error) {
	r := &b.report
	r.Candidate = b.candidate.Findings()
	if r.Candidate.Transactions == 0 {
		return nil, withHint(errors.New("there is no payment whose truth is known"),
			"the truth about a payment counts as known after 7 days: give a longer history, or an earlier --from")
	}
	if r.Candidate.Frauds == 0 {
		r.Notes = append(r.Notes, "No fraud is known in this history: recall, average precision and AUC have no value and are shown as 0.")
	}
	if b.live != nil {
		live, d := b.live.Findings(), b.contest.Difference()
		r.Live, r.Difference = &live, &d
	}
	return r, nil
}

// seen warns of models that learned from payments which they are judged by.
func (b *trialRun) seen(candidate *contender, h history) (notes []string) {
	from := h[0].Transaction.OccurredAt
	if b.from.After(from) {
		from = b.from
	}
	for _, k := range []*contender{candidate, b.second} {
		if k == nil || k.model == nil {
			continue
		}
		if card := k.model.Card(); from.Before(card.Fitting.Until) {
			notes = append(notes, fmt.Sprintf("The model of the %s was made of payments up to %s, and this history begins on %s: if they are the same payments, the figures flatter it. Give --from %s.",
				k.name, card.Fitting.Until.In(b.zone).Format(time.DateOnly), from.In(b.zone).Format(time.DateOnly), card.Fitting.Until.In(b.zone).AddDate(0, 0, 1).Format(time.DateOnly)))
		}
	}
	return notes
}
