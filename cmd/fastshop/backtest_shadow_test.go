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
