package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/model"
)

// sourceFlags say which history a model learns from, or is judged by.
type sourceFlags struct {
	places
	Input  []string `help:"Files to read in place of the store, in the order of time; .gz is unpacked. May be repeated." type:"existingfile" placeholder:"FILE" group:"History"`
	Format string   `help:"Of --input: handbook (CSV of the Fraud Detection Handbook) or ndjson (as fastshop simulate writes)." enum:"handbook,ndjson" default:"ndjson" group:"History"`
	Days   int      `help:"How many days of the store to look back; 0 is all." default:"120" group:"History"`
}

// history reads it.
func (s *sourceFlags) history(ctx context.Context, p *progress) (h history, err error) {
	if len(s.Input) > 0 {
		h, err = fileHistory(ctx, s.Input, s.Format, p)
	} else {
		err = withStore(ctx, &s.places, func(store books) error {
			h, err = storedHistory(ctx, store, lookBack(s.Days), p)
			return err
		})
	}
	if err == nil && len(h) == 0 {
		err = withHint(errors.New("there is no payment to look at"), "give --input FILE, or the --data-dir or --store of a server that has judged some")
	}
	return h, err
}

// String says what the history is, for a model's card.
func (s *sourceFlags) String() string {
	if len(s.Input) > 0 {
		return fmt.Sprintf("%d file(s) in the format %s", len(s.Input), s.Format)
	}
	return fmt.Sprintf("the store, %d days back", s.Days)
}

// costFlags are what outcomes cost, in reais, and what they are good for. The defaults are those of model.DefaultCosts.
type costFlags struct {
	CostFraud     float64 `help:"Reais that a fraud costs which goes through." default:"450" group:"Costs"`
	CostInsult    float64 `help:"Reais that a genuine customer costs who is refused." default:"60" group:"Costs"`
	CostReview    float64 `help:"Reais of an analyst's review." default:"8" group:"Costs"`
	CostChallenge float64 `help:"Reais of a proof." default:"0.3" group:"Costs"`

	ReviewStops      float64 `help:"Share of frauds that an analyst finds, 0 to 1." default:"0.9" placeholder:"SHARE" group:"Costs"`
	ChallengeStops   float64 `help:"Share of frauds that fail at a proof, 0 to 1." default:"0.7" placeholder:"SHARE" group:"Costs"`
	ReviewInsults    float64 `help:"Share of genuine customers who are lost over a review, 0 to 1." default:"0.05" placeholder:"SHARE" group:"Costs"`
	ChallengeInsults float64 `help:"Share of genuine customers who are lost at a proof, 0 to 1." default:"0.1" placeholder:"SHARE" group:"Costs"`
}

func (c *costFlags) costs() model.Costs {
	return model.Costs{
		Fraud: 100 * c.CostFraud, Insult: 100 * c.CostInsult, Review: 100 * c.CostReview, Challenge: 100 * c.CostChallenge,
		ReviewStops: c.ReviewStops, ChallengeStops: c.ChallengeStops, ReviewInsults: c.ReviewInsults, ChallengeInsult: c.ChallengeInsults,
	}
}

type modelTrain struct {
	sourceFlags
	costFlags
	ModelsDir string   `help:"Folder of models; models in the data folder if empty." type:"path" placeholder:"DIR"`
	Out       string   `help:"File to write in place of the registry; its card goes beside it." type:"path" placeholder:"FILE"`
	Name      string   `help:"Name of the model: lower-case letters, digits and hyphens." default:"shop"`
	Notes     string   `help:"Words for the card."`
	Variables []string `help:"What it reads; all that any shop has if empty. See: fastshop rules variables." placeholder:"NAME"`
	Trees     int      `help:"Number of trees." default:"200" group:"Learning"`
	Depth     int      `help:"Depth of a tree." default:"4" group:"Learning"`
	Rate      float64  `help:"How much each tree counts." default:"0.08" group:"Learning"`
	Bins      int      `help:"Values that a split is chosen from; 0 is all." default:"4096" group:"Learning"`
	Seed      uint64   `help:"Of the samples." default:"1" group:"Learning"`
	JSON      bool     `help:"Print JSON."`
}

func (c *modelTrain) Help() string {
	return "Plays the history in the order of time through the same windows and variables as live, with labels that arrive when they became known, and grows trees on what each payment looked like when it was judged. The newest payments are kept for the calibration and for the figures. The model goes into the registry and judges nothing until it is promoted."
}

func (c *modelTrain) Run(ctx context.Context, out streams) error {
	p := newProgress(out.err)
	defer p.done()
	h, err := c.history(ctx, p)
	if err != nil {
		return err
	}
	zone, err := shopZone()
	if err != nil {
		return err
	}
	variables := c.Variables
	if len(variables) == 0 {
		variables = model.ShopVariables()
	}
	e, err := h.examples(ctx, variables, zone, p)
	if err != nil {
		return err
	}
	m, err := model.Fit(ctx, e, c.recipe(), func(done, of int) { p.show("growing trees: %d of %d", done, of) })
	if errors.Is(err, model.ErrExamples) {
		err = withHint(err, "labels are needed: POST /v1/labels, fastshop simulate, or a longer history")
	}
	if err != nil {
		return err
	}
	p.done()
	return c.keep(out, m)
}

func (c *modelTrain) recipe() model.Recipe {
	r := model.DefaultRecipe(c.Name)
	r.Source, r.Notes, r.Made, r.Costs, r.Policy = c.String(), c.Notes, time.Now(), c.costs(), decision.DefaultPolicy()
	r.Settings.Trees, r.Settings.Depth, r.Settings.Rate, r.Settings.Bins, r.Settings.Seed = c.Trees, c.Depth, c.Rate, c.Bins, c.Seed
	return r
}

func (c *modelTrain) keep(out streams, m *model.Model) error {
	where := c.Out
	if c.Out == "" {
		if err := registryIn(c.ModelsDir, c.DataDir).Add(m); err != nil {
			return err
		}
		where = "the registry; it judges nothing yet: fastshop model promote " + m.Version()
	} else if err := writeModel(c.Out, m); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, summarize(m, ""))
	}
	f := m.Card().Figures
	fmt.Fprintf(out.out, "%s: average precision %.3f, AUC %.3f on %s payments that it has not seen (%s frauds)\nwritten to %s\n",
		m.Version(), f.AveragePrecision, f.AUC, count(m.Card().Holdout.Rows), count(m.Card().Holdout.Frauds), where)
	return nil
}

// writeModel writes a model and its card.
func writeModel(path string, m *model.Model) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	if err = errors.Join(m.Write(f), f.Close()); err != nil {
		return err
	}
	if err := os.WriteFile(path+".md", []byte(m.Describe()), 0o600); err != nil {
		return fmt.Errorf("write card: %w", err)
	}
	return nil
}
