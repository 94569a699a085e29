package explanation

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
)

// Explainer explains decisions with the rules and the model of an engine. It is safe for concurrent use, and never asks
// the engine's windows.
type Explainer struct {
	engine   *score.Engine
	planned  []string             // names of the engine's values, in order
	needs    []string             // of them, those that rules and model read, or that others are made of
	read     map[string]readers   // what rules and model read, by name
	fill     *score.Inputs        // of that, what is neither a text nor a value of the plan
	rules    map[string]rule.Rule // by id
	ruled    map[string]Text      // texts of rules, by code
	learned  map[string]Text      // texts of the model's variables, by code
	schemaOf func() *schema
}

// readers are who reads a variable.
type readers struct{ rules, model bool }

// schema is every variable there is. It has some two thousand and is made when it is first asked for.
type schema struct {
	place  map[string]int // of each name, in order
	all    []rule.Variable
	byCode map[string]string // names of numbers and flags
	texts  map[string]*Text  // of what the engine plans and reads
}

func (x *Explainer) newSchema() *schema {
	s := &schema{place: map[string]int{}, all: score.Schema(), byCode: map[string]string{}, texts: map[string]*Text{}}
	for _, name := range x.planned {
		s.texts[name] = wordsFor(name)
	}
	for name := range x.read {
		s.texts[name] = wordsFor(name)
	}
	for i, v := range s.all {
		s.place[v.Name] = i
		if v.Type != rule.Text {
			s.byCode[score.Code(v.Name)] = v.Name
		}
	}
	return s
}

// variable is nil for a name that this program does not know.
func (s *schema) variable(name string) *rule.Variable {
	if i, ok := s.place[name]; ok {
		return &s.all[i]
	}
	return nil
}

// New makes an explainer. Its error wraps score.ErrVariable, and does not happen with an engine that score.New made.
func New(e *score.Engine) (*Explainer, error) {
	x := &Explainer{
		engine: e, read: map[string]readers{}, rules: map[string]rule.Rule{}, ruled: map[string]Text{}, learned: map[string]Text{},
	}
	x.schemaOf = sync.OnceValue(x.newSchema)
	_, x.planned = e.Plan()
	var variables []string
	if e.Model != nil {
		variables = e.Model.Variables()
	}
	needs, err := score.PlanFor(e.Rules, variables...)
	if err != nil {
		return nil, fmt.Errorf("make explainer: %w", err)
	}
	for _, f := range needs {
		x.needs = append(x.needs, f.Name())
	}
	var filled []string
	read := func(name string, text bool, by readers) {
		have, seen := x.read[name]
		x.read[name] = readers{have.rules || by.rules, have.model || by.model}
		if !seen && !text && !slices.Contains(x.planned, name) {
			filled = append(filled, name)
		}
	}
	for _, v := range e.Rules.Variables() {
		read(v.Name, v.Type == rule.Text, readers{rules: true})
	}
	for _, name := range variables {
		base, _, compared := strings.Cut(name, "=")
		read(base, compared, readers{model: true})
	}
	if x.fill, err = score.NewInputs(filled, e.Config.Plan, e.Zone); err != nil {
		return nil, fmt.Errorf("make explainer: %w", err)
	}
	x.word(variables)
	return x, nil
}

// word collects the texts that decisions of the engine need.
func (x *Explainer) word(variables []string) {
	for _, name := range variables {
		if w, ok := score.WordsFor(name); ok {
			x.learned[score.Code(name)] = Text(w)
		}
	}
	rules := x.engine.Rules.Rules()
	for _, r := range slices.Backward(rules) { // of rules that share a code, the first one speaks
		x.rules[r.ID] = r
		x.ruled[r.Code] = Text(r.Text)
	}
}

// Words are the text of a reason code: of a rule at hand, or of a variable of any model. ok is false for a code that is
// neither, such as that of a rule that is gone.
func (x *Explainer) Words(code string) (t Text, ok bool) {
	if t, ok = x.ruled[code]; ok {
		return t, true
	}
	return x.variableWords(code)
}

// variableWords are the text of the code of a variable, which a rule may have as well.
func (x *Explainer) variableWords(code string) (t Text, ok bool) {
	if t, ok = x.learned[code]; ok {
		return t, true
	}
	w, ok := score.WordsFor(x.schemaOf().named(code))
	return Text(w), ok
}

// named is the variable of a code, or "".
func (s *schema) named(code string) string {
	if name, ok := s.byCode[code]; ok {
		return name
	}
	for i := range s.all {
		v := &s.all[i]
		if value, ok := strings.CutPrefix(code, score.Code(v.Name)+"_"); ok && v.Type == rule.Text && value != "" {
			return v.Name + "=" + value // its letters' case is not known any more
		}
	}
	return ""
}

// about is wordsFor, as far as possible from memory. What it returns must not be changed.
func (s *schema) about(name string) *Text {
	if t, ok := s.texts[name]; ok {
		return t
	}
	return wordsFor(name)
}

// wordsFor are the words on a variable, nil for a name that is none.
func wordsFor(name string) *Text {
	w, ok := score.WordsFor(name)
	if !ok {
		return nil
	}
	t := Text(w)
	return &t
}
