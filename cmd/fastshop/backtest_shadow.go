package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/report"
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
	var rows []judgedLive
	err = withStore(ctx, &c.places, func(s books) (err error) {
		rows, err = storedVerdicts(ctx, s, lookBack(c.Days), p)
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

// shadowReport sets what a shadow model said beside what was decided.
func (c *backtestCommand) shadowReport(rows []judgedLive, rules *rule.Set, zone *time.Location) (*report.Report, error) {
	all := shadowsOf(rows)
	one, err := pickShadow(all, c.ShadowModel)
	if err != nil {
		return nil, err
	}
	h := make(history, len(rows))
	for i := range rows {
		h[i] = rows[i].Case
	}
	k := contender{name: "shadow model", Judge: backtest.Judge{Rules: rules, Policy: c.policyFlags.policy()}}
	b := newTrialRun(c, zone, &k)
	subject := k.subject()
	subject.Model = one.version
	b.candidate = backtest.NewGathering(subject, zone, c.Cards, c.cost())
	b.report.Kind, b.report.Source = report.Shadow, "Live traffic: the store"
	b.live = backtest.NewGathering(backtest.Subject{Name: "live decisions", RuleSet: "as decided", Model: "as decided", Policy: k.Policy}, zone, c.Cards, c.cost())
	b.contest = backtest.NewContest(c.cost())
	floors, other, end := floorsOf(rules), 0, backtest.Heard(h)
	for i := one.first; i <= one.last; i++ {
		d := &rows[i].decision
		if d.Shadow != one.version {
			continue
		}
		if d.RuleSet != rules.Version() {
			other++
		}
		live, shadow := backtest.Decided(d), backtest.Shadowed(d, k.Policy, floors)
		b.add(h[i].Transaction, h[i].Settled(end, labelMaturity), h[i].Fraud, &shadow, &live)
	}
	b.report.Notes = append(b.report.Notes, shadowNotes(all, one)...)
	if other > 0 {
		b.report.Notes = append(b.report.Notes, fmt.Sprintf("%s decisions were made with other rules than %s: the outcomes that rules ask for beyond their points are those of the rules of the same name now.", count(other), rules.Version()))
	}
	return b.finish()
}

// heardShadow is a shadow model that spoke beside decisions.
type heardShadow struct {
	version     string // "" for all that spoke before their versions were stored
	first, last int    // rows beside which it spoke
	times       int
	latest      time.Time // of these decisions
}

// named is the version, or words for none.
func (s *heardShadow) named() string {
	if s.version == "" {
		return "one that is not named"
	}
	return s.version
}

// shadowsOf are the shadow models that spoke, in the order of their first words.
func shadowsOf(rows []judgedLive) (all []*heardShadow) {
	for i := range rows {
		d := &rows[i].decision
		if _, spoke := backtest.ShadowPoints(d); !spoke {
			continue
		}
		at := slices.IndexFunc(all, func(s *heardShadow) bool { return s.version == d.Shadow })
		if at < 0 {
			at = len(all)
			all = append(all, &heardShadow{version: d.Shadow, first: i})
		}
		s := all[at]
		s.last = i
		s.times++
		if d.DecidedAt.After(s.latest) {
			s.latest = d.DecidedAt
		}
	}
	return all
}

// pickShadow finds the shadow model of a version, or the one that spoke last.
func pickShadow(all []*heardShadow, version string) (*heardShadow, error) {
	if len(all) == 0 {
		return nil, withHint(errors.New("no shadow model spoke beside the stored decisions"),
			"fastshop model promote --shadow VERSION makes one the shadow, from the next start of the server on; --days looks further back")
	}
	newest := all[0]
	var names []string
	for _, s := range all {
		if version != "" && s.version == version {
			return s, nil
		}
		if !s.latest.Before(newest.latest) {
			newest = s
		}
		names = append(names, s.named())
	}
	if version != "" {
		return nil, withHint(fmt.Errorf("--shadow-model: %q did not speak beside the stored decisions", version), "these did: "+strings.Join(names, ", ")+"; --days looks further back")
	}
	return newest, nil
}

// shadowNotes say which shadow model the figures are of, if that is not plain.
func shadowNotes(all []*heardShadow, one *heardShadow) (notes []string) {
	if len(all) > 1 {
		words := make([]string, len(all))
		for i, s := range all {
			words[i] = fmt.Sprintf("%s (%s decisions)", s.named(), count(s.times))
		}
		notes = append(notes, fmt.Sprintf("Several shadow models spoke: %s. These figures are of %s; --shadow-model VERSION shows another.", strings.Join(words, ", "), one.named()))
	}
	if one.version == "" {
		notes = append(notes, "These decisions are from before shadow models were named: they do not say which one spoke, nor tell 0 points of it from none, so everything between its first and its last word counts as judged by it.")
	}
	return notes
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
	err = eachStored(ctx, s, since, func(of backtest.Case, d *decision.Decision) {
		j := judgedLive{Case: of, decision: *d}
		j.decision.Features.Values = nil // nobody asks for them here, and they are most of a row
		rows = append(rows, j)
		p.show("reading the store: %s decisions", count(len(rows)))
	})
	slices.SortStableFunc(rows, func(a, b judgedLive) int { return a.Transaction.OccurredAt.Compare(b.Transaction.OccurredAt) })
	return rows, err
}
