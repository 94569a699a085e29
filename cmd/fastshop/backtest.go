package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type backtestCommand struct {
	Input  []string `help:"File of labeled history; .gz is unpacked. May be given more than once, in time order." type:"existingfile" sep:"none" placeholder:"FILE"`
	Format string   `help:"handbook: CSV of the Fraud Detection Handbook, judged by its published protocol. ndjson: as fastshop simulate writes it; store: what a server has stored; both to try rules and models on. ndjson if --input is given, or else store." enum:",handbook,ndjson,store" default:"" placeholder:"FORMAT"`

	FirstTest string `help:"First test day of the first fold; with handbook 2018-08-08." placeholder:"DATE"`
	Folds     *int   `help:"How many folds, one test period after the other; with handbook 4." placeholder:"N"`
	TrainDays *int   `help:"Days to train on; with handbook 7." placeholder:"N"`
	DelayDays *int   `help:"Days until a label is known, which are passed over between training and test; with handbook 7." placeholder:"N"`
	TestDays  *int   `help:"Days to test on; with handbook 7." placeholder:"N"`
	Features  string `help:"File for what the model read of the first fold's rows, as CSV for other programs." type:"path" placeholder:"FILE"`

	trialFlags

	JSON string `help:"File for the figures as JSON." type:"path" placeholder:"FILE"`
}

func (c *backtestCommand) Help() string {
	return "Plays history strictly in time order, with labels that arrive late, through the code that judges live. It tries rules, a model or both, and shows beside them what the live set would have done; with --format handbook it trains a model on some days and tests it on later ones. Windows and labels run from the first row on, so give the whole history."
}

// Validate refuses what makes no sense; kong calls it.
func (c *backtestCommand) Validate() error {
	if c.Format == "" {
		c.Format = formatStore
		if len(c.Input) > 0 {
			c.Format = formatNDJSON
		}
	}
	folds := c.FirstTest != "" || c.Folds != nil || c.TrainDays != nil || c.DelayDays != nil || c.TestDays != nil || c.Features != ""
	switch {
	case c.Format == formatStore && len(c.Input) > 0:
		return errors.New("--input is of --format handbook or ndjson: leave out one of them")
	case c.Format != formatStore && len(c.Input) == 0:
		return fmt.Errorf("--input is missing: give the file of the history, such as --input %s, more than once if it is in parts", map[string]string{formatHandbook: "handbook.csv.gz", formatNDJSON: "shop.ndjson"}[c.Format])
	case c.Format != formatHandbook && folds:
		return errors.New("--first-test, --folds, --train-days, --delay-days, --test-days and --features are of --format handbook")
	case c.Format == formatHandbook && (c.HTML != "" || c.Shadow || c.From != ""):
		return errors.New("--html, --shadow and --from are of --format ndjson or store: handbook trains models of its own and tests them in folds")
	case c.Shadow && c.Format != formatStore:
		return errors.New("--shadow is of --format store: a file holds no decisions")
	case c.Format != formatHandbook:
		return c.check()
	}
	if c.FirstTest != "" {
		if _, err := time.Parse(time.DateOnly, c.FirstTest); err != nil {
			return errors.New("--first-test must be a date like 2018-08-08")
		}
	}
	return c.protocol().Validate()
}

func (c *backtestCommand) Run(ctx context.Context, out streams) error {
	switch {
	case c.Format == formatHandbook:
		return c.handbook(ctx, out)
	case c.Shadow:
		return c.shadowTrial(ctx, out)
	default:
		return c.trial(ctx, out)
	}
}
