package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/report"
	"github.com/fastshop/pipeline/internal/rule"
)

// The formats of a history.
const (
	formatHandbook = "handbook"
	formatNDJSON   = "ndjson"
	formatStore    = "store"
)

// trialFlags are those of a backtest of rules and models.
type trialFlags struct {
	places
	costFlags
	Days  int    `help:"How many days of the store to look back; 0 is all." default:"120" group:"Trial"`
	From  string `help:"First day of the figures; what is before only fills windows. Give the day after a model's training." placeholder:"DATE" group:"Trial"`
	Rules string `help:"Rule file to try; the built-in rules if empty, none for no rules." placeholder:"FILE" group:"Trial"`
	Model string `help:"Model to try: live, none, built-in, a version of --models-dir, or a file." default:"live" placeholder:"MODEL" group:"Trial"`
	policyFlags
	AgainstRules string      `help:"Rule file to compare with, for --rules; the built-in rules if empty." placeholder:"FILE" group:"Against"`
	AgainstModel string      `help:"Model to compare with, for --model." default:"live" placeholder:"MODEL" group:"Against"`
	Against      policyFlags `embed:"" prefix:"against-"`
	ModelsDir    string      `help:"Folder of models; models in the data folder if empty." type:"path" placeholder:"DIR" group:"Trial"`
	Shadow       bool        `help:"Judge nothing anew: show what the shadow model said of live traffic when it came, beside what was decided. Of the store only." group:"Trial"`
	ShadowModel  string      `help:"Version of the shadow model that --shadow shows, if several spoke; the newest if empty." placeholder:"VERSION" group:"Trial" env:"-"`
	Cards        int         `help:"Cards that are looked into on a day, the k of CP@k." default:"100" group:"Trial"`
	HTML         string      `name:"html" help:"File for a report to read in a browser." type:"path" placeholder:"FILE"`
}

// check refuses what makes no sense.
func (c *trialFlags) check() error {
	if c.From != "" {
		if _, err := time.Parse(time.DateOnly, c.From); err != nil {
			return errors.New("--from must be a date like 2026-02-01")
		}
	}
	if c.Cards < 1 {
		return errors.New("--cards must be at least 1")
	}
	if c.Days < 0 {
		return errors.New("--days must be 0 or more")
	}
	costs := c.costs()
	if err := costs.Validate(); err != nil {
		return fmt.Errorf("--cost-fraud and the others: %w", err)
	}
	if err := c.Against.policy().Validate(); err != nil {
		return fmt.Errorf("--against-challenge and the others: %w", err)
	}
	return c.policyFlags.policy().Validate()
}

// contender is a judge with its name and what it is made of.
type contender struct {
	backtest.Judge
	name  string
	model *model.Model // nil for none
}

// noRules is what --rules takes for none.
const noRules = "none"

// contender reads rules and model.
func (c *trialFlags) contender(name, rules, modelName string, policy decision.Policy) (k contender, err error) {
	k.name, k.Policy = name, policy
	if rules != noRules {
		if k.Rules, err = loadRules(rules); err != nil {
			return k, err
		}
	}
	if k.model, err = loadModel(registryIn(c.ModelsDir, c.DataDir), modelName, model.Live); err != nil {
		return k, err
	}
	if k.model != nil {
		k.Model = k.model
	}
	if k.Rules == nil && k.model == nil {
		return k, errors.New("there is nothing to try: neither rules nor a model")
	}
	return k, nil
}

// contenders are the candidate and what it is compared with; alike tells that they are the same.
func (c *trialFlags) contenders() (candidate, live contender, alike bool, err error) {
	if candidate, err = c.contender("candidate", c.Rules, c.Model, c.policyFlags.policy()); err != nil {
		return candidate, live, false, withHint(fmt.Errorf("--rules, --model: %w", err), hintOf(err, "fastshop model list shows the models, fastshop rules check FILE what is wrong with rules"))
	}
	if live, err = c.contender("live set", c.AgainstRules, c.AgainstModel, c.Against.policy()); err != nil {
		return candidate, live, false, withHint(fmt.Errorf("--against-rules, --against-model: %w", err), hintOf(err, "fastshop model list shows the models"))
	}
	a, b := candidate.subject(), live.subject()
	alike = a.RuleSet == b.RuleSet && a.Model == b.Model && a.Policy.Version() == b.Policy.Version()
	if alike {
		candidate.name = live.name
	}
	return candidate, live, alike, nil
}

// hintOf is the hint that an error has already, or another.
func hintOf(err error, instead string) string {
	var h hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return instead
}

// subject is what findings say of a contender.
func (k *contender) subject() backtest.Subject {
	s := backtest.Subject{Name: k.name, Policy: k.Policy}
	if k.Rules != nil {
		s.RuleSet = k.Rules.Version()
		for _, r := range k.Rules.Rules() {
			s.Rules = append(s.Rules, backtest.RuleHit{ID: r.ID, Code: r.Code, Shadow: r.Mode == rule.Shadow})
		}
	}
	if k.model != nil {
		s.Model = k.model.Version()
	}
	return s
}

// cost is what an outcome costs when the truth is known.
func (c *trialFlags) cost() backtest.Cost {
	costs := c.costs()
	return func(o decision.Outcome, fraud bool, _ int64) float64 {
		if fraud {
			return costs.Of(o, 1)
		}
		return costs.Of(o, 0)
	}
}

// costWords say what a cost is made of.
func (c *trialFlags) costWords() string {
	k := c.costs()
	return fmt.Sprintf("Costs: a fraud that goes through R$ %.2f, a genuine customer refused R$ %.2f, a review R$ %.2f (finds %.0f %% of the frauds, loses %.0f %% of the customers), a proof R$ %.2f (stops %.0f %%, loses %.0f %%).",
		k.Fraud/100, k.Insult/100, k.Review/100, 100*k.ReviewStops, 100*k.ReviewInsults, k.Challenge/100, 100*k.ChallengeStops, 100*k.ChallengeInsult)
}

// finish writes what was asked for.
func (c *trialFlags) finish(out streams, r *report.Report, jsonPath string) error {
	if jsonPath != "" {
		if err := writeReport(jsonPath, r); err != nil {
			return err
		}
	}
	if c.HTML != "" {
		var page bytes.Buffer
		if err := r.HTML(&page); err != nil {
			return err
		}
		if err := writePage(c.HTML, page.Bytes()); err != nil {
			return err
		}
	}
	printTrial(out.out, r)
	return nil
}

// writePage writes a page to a file.
func writePage(path string, page []byte) error {
	if err := os.WriteFile(path, page, 0o644); err != nil { //nolint:gosec // figures that are to be read and sent on
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
