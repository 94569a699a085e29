package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/velocity"
)

type verifyCommand struct {
	places
	judges
	Samples int  `help:"How many transactions to recount windows for and to search for personal data of." default:"100"`
	JSON    bool `help:"Print JSON."`
}

func (c *verifyCommand) Help() string {
	return "Reads everything and judges nothing. Every check is made, whatever the others find. Exit code 3 when something is wrong."
}

// Validate refuses what makes no sense; kong calls it.
func (c *verifyCommand) Validate() error {
	err := c.places.validate()
	if c.Samples < 1 {
		err = errors.Join(err, errors.New("--samples must be at least 1"))
	}
	return err
}

// finding is the result of one check.
type finding struct {
	Check   string   `json:"check"`
	OK      bool     `json:"ok"`
	Skipped bool     `json:"skipped,omitempty"`
	Detail  string   `json:"detail"`
	Faults  []string `json:"faults,omitempty"`      // the first maxFaults
	More    int      `json:"more_faults,omitempty"` // those after them
}

const maxFaults = 20

func (f *finding) fault(format string, args ...any) {
	f.OK = false
	if len(f.Faults) == maxFaults {
		f.More++
		return
	}
	f.Faults = append(f.Faults, fmt.Sprintf(format, args...))
}

func (f *finding) skip(why string) { f.Skipped, f.Detail = true, "SKIPPED: "+why }

// verification is what every check looks at.
type verification struct {
	*verifyCommand
	show          func(format string, args ...any)
	plan          velocity.Plan
	windowOptions velocity.Options
	stream        queue
	store         books
	clouds        clouds
	covered       map[string]int64 // transactions by audit chain; nil until the chains were read

	closers []func() error // in the order of opening
}

func (c *verifyCommand) Run(ctx context.Context, out streams) error {
	progress := newProgress(out.err)
	v, err := c.open(ctx, progress)
	if err != nil {
		return err
	}
	findings, err := v.run(ctx)
	progress.done()
	if err = errors.Join(err, v.Close()); err != nil {
		return err
	}
	return c.print(out, findings)
}

// dataFiles refuses a folder that lacks one of the files, before anything is made in it.
func dataFiles(dir string, names ...string) error {
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return withHint(fmt.Errorf("find %s: %w", name, err), "name the folder that fastshop serve used: --data-dir")
		}
	}
	return nil
}

// lockData takes a data folder that is there.
func lockData(dir string) (*sqlitefile.DirLock, error) {
	lock, err := sqlitefile.Lock(dir)
	return lock, withHint(err, "one process at a time may use a data folder; stop the other one or choose another --data-dir")
}

// open opens stream and store as they are, without what a start refuses, mends or adds.
func (c *verifyCommand) open(ctx context.Context, p *progress) (_ *verification, err error) {
	var files []string
	if c.streamEmbedded() {
		files = append(files, streamFile)
	}
	if c.storeEmbedded() {
		files = append(files, storeFile)
	}
	if err := dataFiles(c.DataDir, files...); err != nil {
		return nil, err
	}
	j, err := c.judges.open(c.DataDir)
	if err != nil {
		return nil, err
	}
	zone, err := shopZone()
	if err != nil {
		return nil, err
	}
	v := &verification{verifyCommand: c, show: p.show, windowOptions: velocity.Options{ProfileHorizon: profileHorizon, Location: zone}}
	if v.plan, err = score.PlanFor(j.rules, j.variables()...); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close())
		}
	}()
	if c.storeEmbedded() || c.streamEmbedded() {
		lock, err := lockData(c.DataDir)
		if err != nil {
			return nil, err
		}
		v.closers = append(v.closers, lock.Unlock)
	}
	if err := v.openStream(ctx); err != nil {
		return nil, err
	}
	o := opening{places: &c.places, now: time.Now, crash: func(string) {}, cloud: &v.clouds}
	if v.store, err = openStore(ctx, o, p.w); err != nil {
		return nil, err
	}
	v.closers = append(v.closers, v.store.Close)
	return v, nil
}

func (v *verification) openStream(ctx context.Context) error {
	s := &Settings{places: v.places}
	b := &backends{settings: s, now: time.Now, log: quiet()}
	if err := b.openStream(ctx); err != nil {
		return err
	}
	v.stream = b.stream
	v.closers = append(v.closers, b.closers...)
	return nil
}

// Close closes what was opened, the latest first.
func (v *verification) Close() error {
	var errs []error
	for i := len(v.closers) - 1; i >= 0; i-- {
		errs = append(errs, v.closers[i]())
	}
	v.closers = nil
	return errors.Join(errs...)
}

// run makes every check. One that cannot be finished is a finding like others: what it stumbled over is damage, too.
func (v *verification) run(ctx context.Context) ([]finding, error) {
	var findings []finding
	for _, c := range []struct {
		name  string
		check func(context.Context, *finding) error
	}{
		{"store", v.rows}, {"audit", v.chains}, {"stream", v.streamed}, {"windows", v.recounted}, {"personal data", v.personal},
	} {
		f := finding{Check: c.name, OK: true}
		if err := c.check(ctx, &f); err != nil {
			f.fault("the check could not be finished: %v", err)
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("verify %s: %w", c.name, err)
		}
		if !f.OK {
			f.Detail = fmt.Sprintf("faults found: %s", count(len(f.Faults)+f.More))
		}
		findings = append(findings, f)
	}
	return findings, nil
}

func (c *verifyCommand) print(out streams, findings []finding) error {
	ok := true
	for _, f := range findings {
		ok = ok && f.OK
	}
	if c.JSON {
		if err := printJSON(out.out, map[string]any{"ok": ok, "checks": findings}); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			mark := "ok    "
			switch {
			case !f.OK:
				mark = "FAULT "
			case f.Skipped:
				mark = "skip  "
			}
			fmt.Fprintf(out.out, "%s%-14s %s\n", mark, f.Check, f.Detail)
			for _, fault := range f.Faults {
				fmt.Fprintf(out.out, "        %s\n", fault)
			}
			if f.More > 0 {
				fmt.Fprintf(out.out, "        and %s more\n", count(f.More))
			}
		}
	}
	if !ok {
		return withHint(fmt.Errorf("%w: the stored state is not whole", errFound), "keep the folder as it is, and see docs/runbook.md")
	}
	return nil
}
