package main

import (
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/report"
)

// storedDay is a decision of some day with the shadow's points, or -1 without its word.
func storedDay(day, shadow int, outcome decision.Outcome, fraud bool) judgedLive {
	at := time.Date(2026, 1, 1+day, 15, 0, 0, 0, time.UTC)
	j := judgedLive{Case: backtest.Case{Transaction: &payment.Transaction{OccurredAt: at, Amount: payment.Amount{Centavos: 100}}, Fraud: fraud}}
	j.decision = decision.Decision{Outcome: outcome, RuleSet: "older@1"}
	if shadow >= 0 {
		j.decision.Reasons = []decision.Reason{{Code: decision.ShadowCode, Rule: decision.ByShadow, Points: shadow, Shadow: true}}
	}
	if fraud {
		j.KnownAt = at.Add(time.Hour)
	}
	return j
}

func TestShadowReportIsAboutWhatTheShadowSaw(t *testing.T) {
	rules, err := loadRules("")
	if err != nil {
		t.Fatal(err)
	}
	c := &backtestCommand{trialFlags: trialFlags{policyFlags: policyFlags{350, 550, 800}, Cards: 1, costFlags: costFlags{CostFraud: 450, CostInsult: 60}}}
	rows := []judgedLive{
		storedDay(0, -1, decision.Decline, true),   // before its first word
		storedDay(1, 900, decision.Approve, true),  // gained
		storedDay(2, -1, decision.Approve, false),  // 0 points
		storedDay(3, 10, decision.Review, false),   // an alarm less
		storedDay(4, 400, decision.Decline, true),  // both
		storedDay(5, -1, decision.Decline, true),   // after its last word
		storedDay(30, -1, decision.Approve, false), // lets all mature
	}
	r, err := c.shadowReport(rows, rules, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != report.Shadow || r.Candidate.Transactions != 4 || r.Candidate.FraudsCaught != 2 || r.Candidate.FalseAlarms != 0 || r.Live.FraudsCaught != 1 || r.Live.FalseAlarms != 1 {
		t.Errorf("shadow %+v, live %+v", r.Candidate.Figures, r.Live.Figures)
	}
	if d := r.Difference; d.FraudsGained != 1 || d.FraudsLost != 0 || d.AlarmsGained != 0 || d.AlarmsLost != 1 || d.Changed != 3 {
		t.Errorf("difference %+v", d)
	}
	if notes := strings.Join(r.Notes, " "); !strings.Contains(notes, "4 decisions were made with other rules") {
		t.Errorf("notes %q", notes)
	}
	if _, err := c.shadowReport(rows[:1], rules, time.UTC); err == nil || !strings.Contains(err.Error(), "no shadow model spoke") {
		t.Errorf("without a shadow: %v", err)
	}
}

// named gives stored decisions a shadow model, decided an hour after one another.
func named(version string, rows ...judgedLive) []judgedLive {
	for i := range rows {
		rows[i].decision.Shadow = version
		rows[i].decision.DecidedAt = rows[i].Transaction.OccurredAt.Add(time.Hour)
	}
	return rows
}

func TestShadowReportIsAboutOneShadow(t *testing.T) {
	rules, err := loadRules("")
	if err != nil {
		t.Fatal(err)
	}
	old := []judgedLive{storedDay(0, 700, decision.Approve, true), storedDay(1, -1, decision.Approve, false), storedDay(2, 600, decision.Approve, false)}
	first := named("trial/1", storedDay(3, 700, decision.Approve, true), storedDay(4, -1, decision.Approve, false), storedDay(7, -1, decision.Decline, true))
	second := named("trial/2", storedDay(5, 900, decision.Approve, true), storedDay(6, 900, decision.Approve, false), storedDay(8, 700, decision.Decline, true))
	rows := append(append(append([]judgedLive{}, old...), first[0], first[1], second[0], second[1], first[2], second[2]), named("", storedDay(30, -1, decision.Approve, false))...)
	for name, c := range map[string]struct {
		rows               []judgedLive
		version, subject   string
		payments, caught   int
		alarms, baseCaught int
		notes              []string
	}{
		"the newest":         {rows, "", "trial/2", 3, 2, 1, 1, []string{"Several shadow models spoke: one that is not named (2 decisions), trial/1 (3 decisions), trial/2 (3 decisions). These figures are of trial/2;"}},
		"the one asked for":  {rows, "trial/1", "trial/1", 3, 1, 0, 1, []string{"These figures are of trial/1;"}},
		"the only one":       {append(append([]judgedLive{}, second...), rows[len(rows)-1]), "", "trial/2", 3, 2, 1, 1, nil},
		"none of them named": {append(append([]judgedLive{}, old...), rows[len(rows)-1]), "", "", 3, 1, 1, 0, []string{"from before shadow models were named"}},
	} {
		command := &backtestCommand{trialFlags: trialFlags{ShadowModel: c.version, policyFlags: policyFlags{350, 550, 800}, Cards: 1, costFlags: costFlags{CostFraud: 450, CostInsult: 60}}}
		r, err := command.shadowReport(c.rows, rules, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if f := r.Candidate; f.Transactions != c.payments || f.FraudsCaught != c.caught || f.FalseAlarms != c.alarms || r.Live.FraudsCaught != c.baseCaught || f.Model != c.subject {
			t.Errorf("%s: %+v of %q, live caught %d", name, f.Figures, f.Model, r.Live.FraudsCaught)
		}
		notes := strings.Join(r.Notes, " ")
		for _, want := range c.notes {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: notes %q lack %q", name, notes, want)
			}
		}
		if len(c.notes) == 0 && strings.Contains(notes, "shadow models") {
			t.Errorf("%s: notes %q", name, notes)
		}
	}
	_, err = (&backtestCommand{trialFlags: trialFlags{ShadowModel: "trial/3"}}).shadowReport(rows, rules, time.UTC)
	if err == nil || !strings.Contains(err.Error(), "trial/3") || !strings.Contains(hintOf(err, ""), "one that is not named, trial/1, trial/2") {
		t.Errorf("a version that did not speak: %v, hint %q", err, hintOf(err, ""))
	}
}
