package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/report"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/rule"
)

// shadowTrial gathers what was decided live, and what the shadow model said beside it.
func (c *backtestCommand) shadowTrial(ctx context.Context, out streams) error {
	zone, err := shopZone()
	if err != nil {
		return err
	}
	rules, err := loadRules(c.Rules)
	if err != nil {
		return fmt.Errorf("--rules: %w", err)
	}
	p := newProgress(out.err)
	defer p.done()
	since := time.Time{}
	if c.Days > 0 {
		since = time.Now().AddDate(0, 0, -c.Days)
	}
	var rows []judgedLive
	err = withStore(ctx, &c.places, func(s books) (err error) {
		rows, err = storedVerdicts(ctx, s, since, p)
		return err
	})
	if err != nil {
		return err
	}
	p.done()
	r, err := c.shadowReport(rows, rules, zone)
	if err != nil {
		return err
	}
	return c.finish(out, r, c.JSON)
}

// shadowReport sets what the shadow model said beside what was decided.
func (c *backtestCommand) shadowReport(rows []judgedLive, rules *rule.Set, zone *time.Location) (*report.Report, error) {
	first, last, err := shadowSpan(rows)
	if err != nil {
		return nil, err
	}
	h := make(history, len(rows))
	for i := range rows {
		h[i] = rows[i].Case
	}
	k := contender{name: "shadow model", Judge: backtest.Judge{Rules: rules, Policy: c.policyFlags.policy()}}
	b := newTrialRun(c, zone, &k)
	b.report.Kind, b.report.Source = report.Shadow, "Live traffic: the store"
	b.live = backtest.NewGathering(backtest.Subject{Name: "live decisions", RuleSet: "as decided", Model: "as decided", Policy: k.Policy}, zone, c.Cards, c.cost())
	b.contest = backtest.NewContest(c.cost())
	floors, other, end := floorsOf(rules), 0, h.heard()
	for i := first; i <= last; i++ {
		d := &rows[i].decision
		if d.RuleSet != rules.Version() {
			other++
		}
		live, shadow := backtest.Decided(d), backtest.Shadowed(d, k.Policy, floors)
		b.add(h[i].Transaction, end.Sub(h[i].Transaction.OccurredAt) >= labelMaturity, h[i].Fraud, &shadow, &live)
	}
	b.report.Notes = append(b.report.Notes, "A stored decision does not say which shadow model spoke, nor tell 0 points of it from none: everything between its first and its last word counts as judged by it.")
	if other > 0 {
		b.report.Notes = append(b.report.Notes, fmt.Sprintf("%s decisions were made with other rules than %s: the outcomes that rules ask for beyond their points are those of the rules of the same name now.", count(other), rules.Version()))
	}
	return b.finish()
}

// shadowSpan finds the first and the last decision beside which a shadow model spoke.
func shadowSpan(rows []judgedLive) (first, last int, err error) {
	spoke := func(r judgedLive) bool { _, ok := backtest.ShadowPoints(&r.decision); return ok }
	if first = slices.IndexFunc(rows, spoke); first < 0 {
		return 0, 0, withHint(errors.New("no shadow model spoke beside the stored decisions"),
			"fastshop model promote --shadow VERSION makes one the shadow, from the next start of the server on; --days looks further back")
	}
	last = len(rows) - 1
	for !spoke(rows[last]) {
		last--
	}
	return first, last, nil
}

// floorsOf are the outcomes that rules ask for.
func floorsOf(rules *rule.Set) map[string]decision.Outcome {
	floors := map[string]decision.Outcome{}
	for _, r := range rules.Rules() {
		if o := decision.ParseOutcome(r.Outcome); o.Valid() {
			floors[r.ID] = o
		}
	}
	return floors
}

// judgedLive is a stored decision with what became known.
type judgedLive struct {
	backtest.Case
	decision decision.Decision
}

// storedVerdicts reads decisions in the order of their payments' time.
func storedVerdicts(ctx context.Context, s books, since time.Time, p *progress) (rows []judgedLive, err error) {
	err = s.Rows(ctx, func(row ledger.Stored) error {
		if row.Transaction.OccurredAt.Before(since) || row.Transaction.SealState == payment.SealErased {
			return nil
		}
		j := judgedLive{Case: backtest.Case{Transaction: stripped(&row.Transaction)}, decision: row.Decision}
		j.decision.Features.Values = nil // nobody asks for them here, and they are most of a row
		if l := row.Label; l != nil {
			j.Fraud, j.KnownAt = l.Verdict == review.Fraud, l.KnownAt
		}
		rows = append(rows, j)
		p.show("reading the store: %s decisions", count(len(rows)))
		return ctx.Err()
	})
	slices.SortStableFunc(rows, func(a, b judgedLive) int { return a.Transaction.OccurredAt.Compare(b.Transaction.OccurredAt) })
	return rows, err
}
