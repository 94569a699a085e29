package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// judges are what judges payments. Every command that reads windows has them: what the rules and models ask about decides
// which windows there are.
type judges struct {
	Rules       string `help:"Rule file; the built-in rules if empty. See: fastshop rules show." type:"path" placeholder:"FILE" group:"Judges"`
	Model       string `help:"Learned model whose points count: live (the one that fastshop model promote made so, or none), none, built-in (trained on the simulated shop), a version of --models-dir, or a file." default:"live" placeholder:"MODEL" group:"Judges"`
	ShadowModel string `help:"Learned model whose points are recorded beside each decision and change nothing: shadow (the one that fastshop model promote --shadow made so, or none), or as for --model." default:"shadow" placeholder:"MODEL" group:"Judges"`
	ModelsDir   string `help:"Folder of models; models in the data folder if empty." type:"path" placeholder:"DIR" group:"Judges"`
}

// judging is what judges are when they are open.
type judging struct {
	rules       *rule.Set
	live        *model.Model // nil for none
	shadow      *model.Model // nil for none
	liveModel   score.Model  // the same for an engine, whose nil is another
	shadowModel score.Model
}

// variables are what the models read.
func (j *judging) variables() []string {
	var names []string
	for _, m := range []*model.Model{j.live, j.shadow} {
		if m != nil {
			names = append(names, m.Variables()...)
		}
	}
	return names
}

// open reads rules and models.
func (c *judges) open(dataDir string) (j judging, err error) {
	if j.rules, err = loadRules(c.Rules); err != nil {
		return j, err
	}
	registry := c.registry(dataDir)
	if j.live, err = loadModel(registry, c.Model, model.Live); err != nil {
		return j, fmt.Errorf("--model: %w", err)
	}
	if j.shadow, err = loadModel(registry, c.ShadowModel, model.Shadow); err != nil {
		return j, fmt.Errorf("--shadow-model: %w", err)
	}
	if j.live != nil {
		j.liveModel = j.live
	}
	if j.shadow != nil {
		j.shadowModel = j.shadow
	}
	return j, nil
}

func (c *judges) registry(dataDir string) *model.Registry { return registryIn(c.ModelsDir, dataDir) }

// registryIn is the registry of a folder, or that in a data folder if it is empty.
func registryIn(modelsDir, dataDir string) *model.Registry {
	if modelsDir != "" {
		return model.Open(modelsDir)
	}
	return model.Open(filepath.Join(dataDir, "models"))
}

const (
	noModel      = "none"
	builtInModel = "built-in"
)

// loadModel finds the model that a flag means. Empty is what has the role.
func loadModel(r *model.Registry, name string, role model.Role) (*model.Model, error) {
	switch name {
	case noModel:
		return nil, nil
	case builtInModel:
		return model.Read(bytes.NewReader(model.BuiltIn()))
	case "", string(role):
		version, err := r.InRole(role)
		if err != nil || version == "" {
			return nil, err
		}
		return r.Load(version)
	}
	if m, err := r.Load(name); !errors.Is(err, model.ErrUnknown) {
		return m, err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, withHint(fmt.Errorf("%q is no model: not %s, none or built-in, no version of the registry, and no file that can be read", name, role), "fastshop model list shows the versions")
	}
	defer f.Close()
	return model.Read(f)
}
