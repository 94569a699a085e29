package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pipeline"
)

type deadlettersCommand struct {
	List    deadlettersList    `cmd:"" help:"List open dead letters."`
	Replay  deadlettersReplay  `cmd:"" help:"Decide and store dead letters again; what succeeds is settled."`
	Redrive deadlettersRedrive `cmd:"" help:"Carry the batches that Lambda gave up, whose places in the stream wait in a queue."`
}

type deadlettersList struct {
	places
	JSON bool `help:"Print JSON, one object a line."`
}

// listedLetter is a dead letter as list prints it: without its data.
type listedLetter struct {
	Partition string    `json:"partition"`
	Position  string    `json:"position"`
	Reason    string    `json:"reason"`
	Detail    string    `json:"detail"`
	At        time.Time `json:"at"`
}

func (c *deadlettersList) Run(ctx context.Context, out streams) error {
	letters, err := c.letters(ctx)
	if err != nil {
		return err
	}
	for _, l := range letters {
		if !c.JSON {
			fmt.Fprintf(out.out, "%s/%s  %s  %-12s %s\n", l.Partition, l.Position, l.At.Format(time.RFC3339), l.Reason, l.Detail)
			continue
		}
		err := printJSONLine(out.out, listedLetter{string(l.Partition), string(l.Position), string(l.Reason), l.Detail, l.At})
		if err != nil {
			return err
		}
	}
	if !c.JSON {
		fmt.Fprintf(out.err, "%s open dead letters\n", count(len(letters)))
	}
	return nil
}

// letters reads the store alone: neither keys nor windows are needed.
func (c *deadlettersList) letters(ctx context.Context) (letters []ledger.DeadLetter, err error) {
	err = withStore(ctx, &c.places, func(store books) error {
		letters, err = store.DeadLetters(ctx, 0, -1)
		return err
	})
	return letters, err
}

// withStore opens the store for as long as do takes: an embedded one of a stopped program, alone, or one in the cloud.
func withStore(ctx context.Context, p *places, do func(books) error) (err error) {
	if err := p.validate(); err != nil {
		return err
	}
	if p.storeEmbedded() {
		if err := dataFiles(p.DataDir, storeFile); err != nil {
			return err
		}
		lock, err := lockData(p.DataDir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, lock.Unlock()) }()
	}
	store, err := openStore(ctx, opening{places: p, now: time.Now, crash: func(string) {}, cloud: new(clouds)}, io.Discard)
	if err != nil {
		return err
	}
	return errors.Join(do(store), store.Close())
}

type deadlettersReplay struct {
	places
	judges
	policyFlags
	JSON bool `help:"Print JSON, one object a line."`
}

func (c *deadlettersReplay) Help() string {
	return "Judges with the rules and thresholds that are given here: give those of fastshop serve, or use the same --config."
}

// Validate refuses thresholds that make no policy; kong calls it.
func (c *deadlettersReplay) Validate() error {
	return errors.Join(c.places.validate(), c.policy().Validate())
}

// replayedLetter is what became of a dead letter, as replay prints it.
type replayedLetter struct {
	Partition     string `json:"partition"`
	Position      string `json:"position"`
	TransactionID string `json:"transaction_id,omitempty"`
	Settled       bool   `json:"settled"`
	Reason        string `json:"reason,omitempty"` // why it stays
	Detail        string `json:"detail,omitempty"`
}

func (c *deadlettersReplay) Run(ctx context.Context, out streams) error {
	if c.storeEmbedded() {
		if err := dataFiles(c.DataDir, storeFile); err != nil {
			return err
		}
	}
	s := defaultSettings(c.DataDir, c.KeysDir)
	s.places, s.judges, s.policyFlags = c.places, c.judges, c.policyFlags
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	b, err := openJudge(ctx, s, log, out.err)
	if err != nil {
		return err
	}
	results, err := replayAll(ctx, b)
	// What was settled before an error stays settled, and is told.
	return errors.Join(err, c.print(out, results), b.Close())
}

func (c *deadlettersReplay) print(out streams, results []pipeline.Replayed) error {
	settled := 0
	for _, r := range results {
		if r.Settled {
			settled++
		}
		if c.JSON {
			l := replayedLetter{string(r.Partition), string(r.Position), r.ID, r.Settled, string(r.Reason), r.Detail}
			if err := printJSONLine(out.out, l); err != nil {
				return err
			}
		} else if !r.Settled {
			fmt.Fprintf(out.out, "%s/%s  stays: %s  %s\n", r.Partition, r.Position, r.Reason, r.Detail)
		}
	}
	fmt.Fprintf(out.err, "%s of %s dead letters settled\n", count(settled), count(len(results)))
	return nil
}

func replayAll(ctx context.Context, b *backends) ([]pipeline.Replayed, error) {
	stored, err := b.store.DeadLetters(ctx, 0, -1)
	if err != nil {
		return nil, err
	}
	letters := make([]pipeline.DeadLetter, len(stored))
	for i := range stored {
		letters[i] = stored[i].DeadLetter
	}
	return b.common.ReplayDeadLetters(ctx, letters)
}
