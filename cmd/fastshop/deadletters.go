package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitestore"
)

type deadlettersCommand struct {
	List   deadlettersList   `cmd:"" help:"List open dead letters."`
	Replay deadlettersReplay `cmd:"" help:"Decide and store dead letters again; what succeeds is settled."`
}

// stopped opens the parts of a stopped program.
type stopped struct {
	DataDir string `help:"Folder of stream and store; no other process may use it meanwhile." default:"fastshop-data" type:"path"`
	KeysDir string `help:"Folder of keys." default:"fastshop-keys" type:"path"`
	Rules   string `help:"Rule file; the built-in rules if empty." type:"path" placeholder:"FILE"`
}

func (c *stopped) open(ctx context.Context, out streams) (*backends, error) {
	s := defaultSettings(c.DataDir, c.KeysDir)
	s.Rules = c.Rules
	log, err := s.logger(out.err)
	if err != nil {
		return nil, err
	}
	return openBackends(ctx, s, log, out.err, hooks{})
}

type deadlettersList struct {
	stopped
	JSON bool `help:"Print JSON, one object a line."`
}

func (c *deadlettersList) Run(ctx context.Context, out streams) error {
	b, err := c.open(ctx, out)
	if err != nil {
		return err
	}
	letters, err := b.store.DeadLetters(ctx, 0, -1)
	for _, l := range letters {
		if c.JSON {
			if err = printJSONLine(out.out, map[string]any{"partition": l.Partition, "position": l.Position, "reason": l.Reason, "detail": l.Detail, "at": l.At}); err != nil {
				break
			}
			continue
		}
		fmt.Fprintf(out.out, "%s/%s  %s  %-12s %s\n", l.Partition, l.Position, l.At.Format(time.RFC3339), l.Reason, l.Detail)
	}
	if !c.JSON && err == nil {
		fmt.Fprintf(out.err, "%s open dead letters\n", count(len(letters)))
	}
	if closeErr := b.Close(); err == nil {
		err = closeErr
	}
	return err
}

type deadlettersReplay struct {
	stopped
	JSON bool `help:"Print JSON, one object a line."`
}

func (c *deadlettersReplay) Run(ctx context.Context, out streams) error {
	b, err := c.open(ctx, out)
	if err != nil {
		return err
	}
	results, err := replayAll(ctx, b)
	settled := 0
	for _, r := range results {
		if r.Settled {
			settled++
		}
		if c.JSON {
			if printErr := printJSONLine(out.out, r); err == nil {
				err = printErr
			}
		} else if !r.Settled {
			fmt.Fprintf(out.out, "%s/%s  stays: %s  %s\n", r.Partition, r.Position, r.Reason, r.Detail)
		}
	}
	fmt.Fprintf(out.err, "%d of %d dead letters settled\n", settled, len(results))
	if closeErr := b.Close(); err == nil {
		err = closeErr
	}
	return err
}

func replayAll(ctx context.Context, b *backends) ([]pipeline.Replayed, error) {
	stored, err := b.store.DeadLetters(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	return b.common.ReplayDeadLetters(ctx, letters(stored))
}

func letters(stored []sqlitestore.DeadLetter) []pipeline.DeadLetter {
	all := make([]pipeline.DeadLetter, len(stored))
	for i := range stored {
		all[i] = stored[i].DeadLetter
	}
	return all
}
