package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/vault"
)

type doctorCommand struct {
	places
	judges
	JSON bool `help:"Print JSON."`
}

func (c *doctorCommand) Help() string {
	return "Enters every place that is named, as the program would, and tries what it needs there. It changes nothing but a few bytes of its own that it takes away again. Exit code 3 when something is wrong."
}

// Validate refuses places that make no sense; kong calls it.
func (c *doctorCommand) Validate() error { return c.places.validate() }

// examTime is how long one place may take to answer.
const examTime = 10 * time.Second

// diagnosis is what one examination found.
type diagnosis struct {
	Part   string `json:"part"`
	Place  string `json:"place"` // its scheme: URLs may hold names of people
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`           // what was found, or what is wrong
	Advice string `json:"advice,omitempty"` // what to do next
	Millis int64  `json:"ms"`
}

// examination looks at one part. Its result says what was found; its error says what is wrong, with a hint.
type examination struct {
	part, place string
	look        func(ctx context.Context) (string, error)
}

func (c *doctorCommand) Run(ctx context.Context, out streams) error {
	e := &examiner{doctorCommand: c}
	var all []diagnosis
	ok := true
	for _, x := range e.examinations() {
		d := x.run(ctx)
		ok = ok && d.OK
		all = append(all, d)
		if !c.JSON {
			d.print(out)
		}
	}
	if c.JSON {
		if err := printJSON(out.out, map[string]any{"ok": ok, "parts": all}); err != nil {
			return err
		}
	}
	if !ok {
		return fmt.Errorf("%w: not everything is as it should be", errFound)
	}
	return nil
}

func (x *examination) run(ctx context.Context) diagnosis {
	ctx, cancel := context.WithTimeout(ctx, examTime)
	defer cancel()
	began := time.Now()
	detail, err := x.look(ctx)
	d := diagnosis{Part: x.part, Place: scheme(x.place), OK: err == nil, Detail: detail, Millis: time.Since(began).Milliseconds()}
	if err != nil {
		d.Detail = err.Error()
		var h hinted
		if errors.As(err, &h) {
			d.Advice = h.hint
		}
	}
	return d
}

func (d *diagnosis) print(out streams) {
	mark := "ok    "
	if !d.OK {
		mark = "FAULT "
	}
	fmt.Fprintf(out.out, "%s%-10s %-9s %5d ms  %s\n", mark, d.Part, d.Place, d.Millis, d.Detail)
	if d.Advice != "" {
		fmt.Fprintf(out.out, "        hint: %s\n", d.Advice)
	}
}

// examiner knows what to look at.
type examiner struct {
	*doctorCommand
	clouds clouds
}

func (e *examiner) examinations() []examination {
	p := &e.places
	return []examination{
		{"rules", "", e.rules},
		{"store", p.Store, e.lookAtStore},
		{"windows", p.Velocity, e.lookAtWindows},
		{"stream", p.Stream, e.lookAtStream},
		{"keys", p.Keys, e.lookAtKeys},
		{"kek", p.KEK, func(ctx context.Context) (string, error) {
			return e.lookAtKEK(ctx, p.KEK, personal, vault.PurposeEpoch)
		}},
		{"token-kek", p.TokenKEK, func(ctx context.Context) (string, error) {
			return e.lookAtKEK(ctx, p.TokenKEK, tokens, vault.PurposeToken)
		}},
	}
}

func (e *examiner) rules(context.Context) (string, error) {
	j, err := e.judges.open(e.DataDir)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%d rules, version %s", len(j.rules.Rules()), j.rules.Version())
	for _, m := range []struct {
		what string
		*model.Model
	}{{"model", j.live}, {"shadow model", j.shadow}} {
		if m.Model != nil {
			said += fmt.Sprintf("; %s %s", m.what, m.Version())
		}
	}
	return said, nil
}

// backends are closed again after each look.
func (e *examiner) backends() *backends {
	s := defaultSettings(e.DataDir, e.KeysDir)
	s.places, s.judges = e.places, e.judges
	return newBackends(s, quiet())
}
