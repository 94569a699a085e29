package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
)

type verifyCommand struct {
	DataDir string `help:"Folder of stream and store; no other process may use it meanwhile." default:"fastshop-data" type:"path"`
	KeysDir string `help:"Folder of keys, for the search for personal data." default:"fastshop-keys" type:"path"`
	Rules   string `help:"Rule file of the program that wrote the data; it decides which windows there are." type:"path" placeholder:"FILE"`
	Samples int    `help:"How many transactions to recount windows for and to search for personal data of." default:"100"`
	JSON    bool   `help:"Print JSON."`
}

func (c *verifyCommand) Help() string {
	return "Reads everything and changes nothing but what a start always does. Exit code 3 when something is wrong."
}

// finding is the result of one check.
type finding struct {
	Check   string   `json:"check"`
	OK      bool     `json:"ok"`
	Skipped bool     `json:"skipped,omitempty"`
	Detail  string   `json:"detail"`
	Faults  []string `json:"faults,omitempty"` // at most maxFaults
}

const maxFaults = 20

func (f *finding) fault(format string, args ...any) {
	f.OK = false
	if len(f.Faults) < maxFaults {
		f.Faults = append(f.Faults, fmt.Sprintf(format, args...))
	}
}

// verification is what every check looks at.
type verification struct {
	*backends
	samples int
	show    func(format string, args ...any)
}

func (c *verifyCommand) Run(ctx context.Context, out streams) error {
	for _, name := range []string{streamFile, storeFile} {
		if _, err := os.Stat(filepath.Join(c.DataDir, name)); err != nil {
			return withHint(fmt.Errorf("find %s: %w", name, err), "name the folder that fastshop serve used: --data-dir")
		}
	}
	keysDir, cleanup, keysGone, err := c.keys()
	if err != nil {
		return err
	}
	defer cleanup()
	s := &Settings{
		DataDir: c.DataDir, KeysDir: keysDir, Rules: c.Rules, BatchSize: 1, LogLevel: "warn", LogFormat: "text",
		Retention: 168 * time.Hour, StreamRoom: 1 << 50,
	}
	p := decision.DefaultPolicy()
	s.Challenge, s.Review, s.Decline = p.Challenge, p.Review, p.Decline
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	b, err := openBackends(ctx, s, log, out.err, hooks{everything: true})
	if err != nil {
		return err
	}
	progress := newProgress(out.err)
	v := &verification{backends: b, samples: c.Samples, show: progress.show}
	findings, err := v.run(ctx, keysGone)
	progress.done()
	if closeErr := b.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return c.print(out, findings)
}

// keys returns the key folder, or an empty temporary one when there is none: all checks but one do without.
func (c *verifyCommand) keys() (dir string, cleanup func(), gone bool, err error) {
	if _, err := os.Stat(filepath.Join(c.KeysDir, keysFile)); err == nil {
		return c.KeysDir, func() {}, false, nil
	}
	dir, err = os.MkdirTemp("", "fastshop-verify-")
	if err != nil {
		return "", nil, true, fmt.Errorf("make folder: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, true, nil // a temporary folder that stays is the system's to remove
}

func (v *verification) run(ctx context.Context, keysGone bool) ([]finding, error) {
	var findings []finding
	checks := []func(context.Context, *finding) error{v.rows, v.streamed, v.chains, v.recounted, v.personal}
	for i, check := range checks {
		f := finding{OK: true}
		if i == len(checks)-1 && keysGone {
			findings = append(findings, finding{Check: "personal data", OK: true, Skipped: true, Detail: "SKIPPED: no keys in --keys-dir, so there is nothing to search for"})
			continue
		}
		if err := check(ctx, &f); err != nil {
			return nil, fmt.Errorf("verify %s: %w", f.Check, err)
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
		}
	}
	if !ok {
		return withHint(fmt.Errorf("%w: the stored state is not whole", errFound), "keep the folder as it is, and see docs/runbook.md")
	}
	return nil
}
