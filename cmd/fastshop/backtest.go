package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type backtestCommand struct {
	Input  []string `help:"File of labeled history; .gz is unpacked. May be given more than once, in time order." type:"existingfile" sep:"none" placeholder:"FILE"`
	Format string   `help:"handbook: CSV of the Fraud Detection Handbook, judged by its published protocol." enum:"handbook" required:""`

	FirstTest string `help:"First test day of the first fold; with handbook 2018-08-08." placeholder:"DATE"`
	Folds     *int   `help:"How many folds, one test period after the other; with handbook 4." placeholder:"N"`
	TrainDays *int   `help:"Days to train on; with handbook 7." placeholder:"N"`
	DelayDays *int   `help:"Days until a label is known, which are passed over between training and test; with handbook 7." placeholder:"N"`
	TestDays  *int   `help:"Days to test on; with handbook 7." placeholder:"N"`

	JSON string `help:"File for the figures as JSON." type:"path" placeholder:"FILE"`
}

func (c *backtestCommand) Help() string {
	return "Plays history strictly in time order, with labels that arrive late, trains a model on some days and tests it on later ones. The features are computed by the code that judges live. Windows and labels run from the first row on, so give the whole history."
}

// Validate refuses what makes no sense; kong calls it.
func (c *backtestCommand) Validate() error {
	if len(c.Input) == 0 {
		return errors.New("--input is missing: give the file of the history, such as --input handbook.csv.gz, more than once if it is in parts")
	}
	if c.FirstTest != "" {
		if _, err := time.Parse(time.DateOnly, c.FirstTest); err != nil {
			return errors.New("--first-test must be a date like 2018-08-08")
		}
	}
	return c.protocol().Validate()
}

func (c *backtestCommand) Run(ctx context.Context, out streams) error {
	switch c.Format {
	case "handbook":
		return c.handbook(ctx, out)
	default:
		return fmt.Errorf("run backtest: unknown format %q", c.Format)
	}
}
