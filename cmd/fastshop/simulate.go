package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fastshop/pipeline/internal/simulate"
)

// worldFlags describe a simulated world; demo, simulate and bench share them.
type worldFlags struct {
	Seed       uint64  `help:"Seed; the same settings give the same world." default:"1"`
	Customers  int     `help:"Customers that the shop knows at the start; 0 makes one for every twenty payments." default:"0"`
	FraudShare float64 `help:"Share of frauds among all transactions." default:"0.01"`
}

// customers is how many the shop has when it makes so many payments: enough past for everybody to have habits.
func (w *worldFlags) customers(payments int) int {
	if w.Customers > 0 {
		return w.Customers
	}
	return max(20, payments/20)
}

type simulateCommand struct {
	worldFlags
	Transactions int    `help:"How many transactions to write." default:"100000" short:"n"`
	From         string `help:"First day (UTC)." default:"2026-01-01"`
	To           string `help:"Day after the last one (UTC)." default:"2026-03-01"`
	Output       string `help:"File to write; - is standard output." default:"-" short:"o" type:"path"`
}

func (c *simulateCommand) Help() string {
	return "Writes one JSON object a line, in time order: transactions as the API takes them, with the truth beside them, and labels on the day they become known. fastshop replay --format ndjson reads it."
}

func (c *simulateCommand) Run(ctx context.Context, out streams) error {
	if c.Transactions < 1 {
		return errors.New("--transactions must be at least 1")
	}
	from, err := time.Parse(time.DateOnly, c.From)
	if err != nil {
		return fmt.Errorf("read --from: want a day like 2026-01-01")
	}
	to, err := time.Parse(time.DateOnly, c.To)
	if err != nil {
		return fmt.Errorf("read --to: want a day like 2026-03-01")
	}
	if !to.After(from) {
		return errors.New("--to must be after --from")
	}
	shop, err := simulate.New(simulate.Config{
		Seed: c.Seed, Customers: c.customers(c.Transactions), FraudShare: c.FraudShare,
		Start: from, End: to, Count: c.Transactions,
	})
	if err != nil {
		return err
	}
	w := out.out
	if c.Output != "-" {
		f, err := os.Create(c.Output)
		if err != nil {
			return fmt.Errorf("create output: %w", err)
		}
		defer f.Close()
		w = f
	}
	buffered := bufio.NewWriterSize(w, 1<<20)
	if err := c.write(ctx, shop, buffered, newProgress(out.err)); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

func (c *simulateCommand) write(ctx context.Context, shop *simulate.Shop, w io.Writer, p *progress) error {
	defer p.done()
	written := 0
	for item, ok := shop.Next(); ok; item, ok = shop.Next() {
		if err := simulate.Encode(w, item); err != nil {
			return err
		}
		if written++; written%10_000 == 0 {
			p.show("%s lines, %s", count(written), item.At.Format(time.DateOnly))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}
