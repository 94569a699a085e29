package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

type rulesCommand struct {
	Check     rulesCheck     `cmd:"" help:"Compile and type-check a rule file, and say what is wrong and where."`
	Show      rulesShow      `cmd:"" help:"Print the built-in rules, a good start for your own."`
	Variables rulesVariables `cmd:"" help:"List what a rule can read."`
}

// loadRules reads and compiles a rule file, or the built-in rules when path is empty.
func loadRules(path string) (*rule.Set, error) {
	data := rule.Default()
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read rules: %w", err)
		}
	}
	set, err := rule.Compile(data, score.Schema())
	if err != nil {
		return nil, withHint(err, "fastshop rules variables lists what a rule can read; fastshop rules show prints rules that work")
	}
	return set, nil
}

type rulesCheck struct {
	File string `arg:"" optional:"" help:"Rule file; the built-in rules if left out." type:"path"`
	JSON bool   `help:"Print JSON."`
}

func (c *rulesCheck) Run(io streams) error {
	set, err := loadRules(c.File)
	if err != nil {
		var faults rule.Faults
		if !errors.As(err, &faults) {
			return err // there was nothing to check
		}
		if c.JSON {
			if err := printJSON(io.out, map[string]any{"ok": false, "faults": faults}); err != nil {
				return err
			}
		}
		return fmt.Errorf("%w: %w", errFound, err)
	}
	if c.JSON {
		return printJSON(io.out, map[string]any{"ok": true, "version": set.Version(), "rules": set.Rules()})
	}
	live := 0
	for _, r := range set.Rules() {
		if r.Mode == rule.Live {
			live++
		}
	}
	fmt.Fprintf(io.out, "%s: %d rules (%d live, %d shadow), %d variables read\n",
		set.Version(), len(set.Rules()), live, len(set.Rules())-live, len(set.Variables()))
	return nil
}

type rulesShow struct{}

func (c *rulesShow) Run(io streams) error {
	_, err := io.out.Write(rule.Default())
	return err
}

type rulesVariables struct {
	Filter string `arg:"" optional:"" help:"Only names that contain this."`
	JSON   bool   `help:"Print JSON."`
}

func (c *rulesVariables) Run(io streams) error {
	names := map[rule.Type]string{rule.Number: "number", rule.Text: "text", rule.Flag: "flag"}
	type variable struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Doc  string `json:"doc"`
	}
	var found []variable
	for _, v := range score.Schema() {
		if strings.Contains(v.Name, c.Filter) {
			found = append(found, variable{v.Name, names[v.Type], v.Doc})
		}
	}
	if c.JSON {
		return printJSON(io.out, found)
	}
	for _, v := range found {
		fmt.Fprintf(io.out, "%-42s %-6s %s\n", v.Name, v.Type, v.Doc)
	}
	return nil
}
