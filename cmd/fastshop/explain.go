package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
)

type explainCommand struct {
	ID string `arg:"" help:"Id of the transaction."`
	places
	JSON bool `help:"Print JSON."`
}

func (c *explainCommand) Help() string {
	return "What an analyst needs to answer a customer who asks why (LGPD, art. 20). It holds no personal data. While the server runs, GET /v1/decisions/{id} gives outcome and reasons."
}

// explanation is a stored decision with its numbers.
type explanation struct {
	TransactionID string              `json:"transaction_id"`
	OccurredAt    time.Time           `json:"occurred_at"`
	Outcome       string              `json:"outcome"`
	Score         int                 `json:"score"`
	Reasons       []explainedReason   `json:"reasons"`
	RuleSet       string              `json:"rule_set"`
	Policy        string              `json:"policy"`
	Degraded      []string            `json:"degraded,omitempty"`
	Path          string              `json:"path"`
	DecidedAt     time.Time           `json:"decided_at"`
	TookMicros    float64             `json:"took_us"`
	Label         string              `json:"label,omitempty"` // fraud or genuine, when it is known
	Plan          string              `json:"plan"`
	Values        map[string]*float64 `json:"values"` // null: there was nothing to say
}

type explainedReason struct {
	Rule   string `json:"rule"`
	Code   string `json:"code"`
	Points int    `json:"points"`
	Shadow bool   `json:"shadow,omitempty"`
}

func (c *explainCommand) Run(ctx context.Context, out streams) error {
	unknown := withHint(errors.New("no decision is stored under this id"), "ids are the shop's own; a record may wait in the stream, or be a dead letter: fastshop deadletters list")
	if !payment.ValidID(c.ID) { // an e-mail address, say, which a database's log need not learn
		return unknown
	}
	var e explanation
	err := withStore(ctx, &c.places, func(store books) error {
		stored, err := store.Decision(ctx, c.ID)
		if errors.Is(err, ledger.ErrNotFound) {
			return unknown
		}
		if err != nil {
			return err
		}
		names, err := store.Plan(ctx, stored.Decision.Features.Plan)
		e = explain(&stored, names)
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, e)
	}
	e.print(out.out)
	return nil
}

func explain(s *ledger.Stored, names []string) explanation {
	d := &s.Decision
	e := explanation{
		TransactionID: d.TransactionID, OccurredAt: s.Transaction.OccurredAt, Outcome: d.Outcome.String(), Score: d.Score,
		Reasons: []explainedReason{}, RuleSet: d.RuleSet, Policy: d.Policy, Degraded: d.Degraded.Names(), Path: d.Path.String(),
		DecidedAt: d.DecidedAt, TookMicros: float64(d.Took.Nanoseconds()) / 1000, Plan: d.Features.Plan, Values: map[string]*float64{},
	}
	for _, r := range d.Reasons {
		e.Reasons = append(e.Reasons, explainedReason{r.Rule, r.Code, r.Points, r.Shadow})
	}
	if s.Label != nil {
		e.Label = s.Label.Verdict.String()
	}
	for i, v := range d.Features.Values {
		if i >= len(names) {
			break
		}
		e.Values[names[i]] = nil
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			e.Values[names[i]] = &v
		}
	}
	return e
}

func (e *explanation) print(w io.Writer) {
	fmt.Fprintf(w, "%s  %s, score %d (%s, %s)\n", e.TransactionID, e.Outcome, e.Score, e.RuleSet, e.Policy)
	fmt.Fprintf(w, "occurred %s, decided %s on the %s path in %.1f µs\n", e.OccurredAt.Format(time.RFC3339), e.DecidedAt.Format(time.RFC3339), e.Path, e.TookMicros)
	for _, missing := range e.Degraded {
		fmt.Fprintf(w, "degraded: %s\n", missing)
	}
	if e.Label != "" {
		fmt.Fprintf(w, "known to be %s\n", e.Label)
	}
	for _, r := range e.Reasons {
		mode := ""
		if r.Shadow {
			mode = "  (shadow)"
		}
		fmt.Fprintf(w, "  %4d  %-28s %s%s\n", r.Points, r.Rule, r.Code, mode)
	}
	fmt.Fprintf(w, "what the windows held (%s; - is nothing to say):\n", e.Plan)
	for _, name := range sortedKeys(e.Values) {
		if v := e.Values[name]; v != nil {
			fmt.Fprintf(w, "  %-40s %.6g\n", name, *v)
		} else {
			fmt.Fprintf(w, "  %-40s -\n", name)
		}
	}
}
