package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/decision"
)

type windowsCommand struct {
	Heal windowsHeal `cmd:"" help:"Bring into the windows what is stored and missing there."`
}

type windowsHeal struct {
	places
	judges
	All  bool `help:"Take everything for lost and restore it, also when nothing is known to be missing."`
	JSON bool `help:"Print JSON."`
}

func (c *windowsHeal) Help() string {
	return "Restores what a flush, a restart or a failover of Redis lost, and what was decided while it could not be reached. What is there already does not change. fastshop serve does this by itself; functions of Lambda cannot, so admin does it by the clock."
}

// Validate refuses places that make no sense; kong calls it.
func (c *windowsHeal) Validate() error { return c.places.validate() }

func (c *windowsHeal) Run(ctx context.Context, out streams) error {
	if c.velocityEmbedded() {
		return withHint(errors.New("heal windows: --velocity names no Redis"), "windows in memory are rebuilt at every start")
	}
	s := defaultSettings(c.DataDir, c.KeysDir)
	s.places, s.judges = c.places, c.judges
	d := decision.DefaultPolicy()
	s.policyFlags = policyFlags{d.Challenge, d.Review, d.Decline} // nothing is judged
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	b, err := openJudge(ctx, s, log, out.err)
	if err != nil {
		return err
	}
	h := b.healer()
	restored, err := h.Heal(ctx)
	if err == nil && c.All {
		restored, err = h.RestoreAll(ctx)
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(out.out, map[string]int{"restored": restored})
	}
	fmt.Fprintf(out.out, "%s transactions restored\n", count(restored))
	return nil
}
