package rule

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"
)

//go:embed default.yaml
var defaultFile []byte

// Default gives the rule file that is part of the program: what an analyst of a Brazilian shop
// would start from. The copy is the caller's.
func Default() []byte { return slices.Clone(defaultFile) }

// Set is a compiled rule file. It does not change and may be used by any number of goroutines at once.
type Set struct {
	name      string
	edition   string
	version   string
	text      []byte // the file
	rules     []Rule
	programs  []program // beside rules
	variables []Variable
	slots     map[string]slot
	counts    [Flag + 1]int // variables by type
	frames    sync.Pool     // of *frame: closures are called through pointers, so a frame on the stack would escape
}

// program is a rule that can run.
type program struct {
	when   func(*frame) bool
	points func(*frame) float64 // nil when they are fixed
	fixed  int
}

// Compile reads, checks and compiles a rule file over the variables of the schema. What is wrong
// with the file is returned as [Faults], all at once; a malformed schema is an error of its own.
func Compile(data []byte, schema []Variable) (*Set, error) {
	l, err := newLanguage(schema)
	if err != nil {
		return nil, err
	}
	f := readFile(data)
	expressions := make([]compiled, len(f.drafts))
	for i, d := range f.drafts {
		expressions[i] = f.check(l, d)
	}
	if len(f.faults) > 0 {
		return nil, f.faults.inOrder()
	}
	s := &Set{name: f.name, edition: f.version, text: slices.Clone(data)}
	s.frames.New = func() any { return new(frame) }
	for _, d := range f.drafts {
		s.rules = append(s.rules, d.Rule)
	}
	if s.version, err = version(f); err != nil {
		return nil, err
	}
	s.assignSlots(schema, expressions)
	for i, d := range f.drafts {
		p, err := s.link(l, d, expressions[i])
		if err != nil {
			f.fault(d.line, d.place, "rule cannot be compiled: "+err.Error(), "use a simpler expression")
		}
		s.programs = append(s.programs, p)
	}
	if len(f.faults) > 0 {
		return nil, f.faults.inOrder()
	}
	return s, nil
}

// compiled is a rule between type check and closures.
type compiled struct {
	when   *checked
	points *checked // nil when they are fixed
}

func (f *file) check(l *language, d draft) compiled {
	var out compiled
	place := d.place
	if d.when.source != "" {
		var faults Faults
		out.when, faults = l.compile(d.when, place, cel.BoolType)
		f.faults = append(f.faults, faults...)
	}
	if d.points.source != "" {
		var faults Faults
		out.points, faults = l.compile(d.points, place, cel.DoubleType, cel.IntType)
		f.faults = append(f.faults, faults...)
	}
	return out
}

// Version reads a rule file and tells what version a set of it has, without compiling its expressions: what
// [Set.Version] would be, also if they read variables that are there no more. What is wrong with the file is returned as
// [Faults].
func Version(data []byte) (string, error) {
	f := readFile(data)
	if len(f.faults) > 0 {
		return "", f.faults.inOrder()
	}
	return version(f)
}

// version is the name with a checksum of what the file says: a comment, the order of keys or the
// way a text is wrapped does not change it, a threshold, a wording or the order of rules does.
func version(f *file) (string, error) {
	canonical := struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Rules   []Rule `json:"rules"`
	}{Name: f.name, Version: f.version}
	for _, d := range f.drafts {
		canonical.Rules = append(canonical.Rules, d.Rule)
	}
	encoded, err := json.Marshal(canonical)
	if err != nil {
		return "", fmt.Errorf("encode rules for their checksum: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return f.name + "@" + hex.EncodeToString(sum[:6]), nil
}

// assignSlots numbers the variables that are read, in the order of the schema and by type.
func (s *Set) assignSlots(schema []Variable, expressions []compiled) {
	read := map[string]bool{}
	for _, e := range expressions {
		for _, c := range []*checked{e.when, e.points} {
			if c != nil {
				for _, reference := range c.tree.ReferenceMap() {
					read[reference.Name] = true
				}
			}
		}
	}
	s.slots = map[string]slot{}
	for _, v := range schema {
		if read[v.Name] {
			s.variables = append(s.variables, v)
			s.slots[v.Name] = slot{kind: v.Type, index: s.counts[v.Type]}
			s.counts[v.Type]++
		}
	}
}

// link turns checked expressions into closures, or into interpreted ones where closures do not reach.
func (s *Set) link(l *language, d draft, e compiled) (program, error) {
	p := program{fixed: d.fixed}
	var err error
	if when, ok := newCompiler(e.when, s.slots).condition(e.when.tree.Expr()); ok {
		p.when = when.run
	} else if p.when, err = l.interpretCondition(e.when, s.slots); err != nil {
		return p, err
	}
	if e.points == nil {
		return p, nil
	}
	c := newCompiler(e.points, s.slots)
	if points, ok := c.number(e.points.tree.Expr()); ok {
		p.points = points.run
	} else if points, ok := lift(c.integer, e.points.tree.Expr(), func(i int64) float64 { return float64(i) }); ok {
		p.points = points.run
	} else if p.points, err = l.interpretNumber(e.points, s.slots); err != nil {
		return p, err
	}
	return p, nil
}

func newCompiler(e *checked, slots map[string]slot) *compiler {
	return &compiler{tree: e.tree, slots: slots}
}

// Name is the name of the rule file.
func (s *Set) Name() string { return s.name }

// Edition is the version that the author wrote into the file: free text, for people.
func (s *Set) Edition() string { return s.edition }

// Version tells this content from any other: the name, "@" and the first 12 digits of a SHA-256 over what the
// file says. It is stored with every decision.
func (s *Set) Version() string { return s.version }

// Text is the rule file as it was given to [Compile]. The copy is the caller's.
func (s *Set) Text() []byte { return slices.Clone(s.text) }

// Rules are the rules in the order of the file. The slice is the caller's.
func (s *Set) Rules() []Rule {
	rules := slices.Clone(s.rules)
	for i := range rules {
		rules[i].Tags = slices.Clone(rules[i].Tags)
	}
	return rules
}

// Variables are the variables that at least one rule reads, in the order of their slots: the k-th of a
// type has slot k of that type's slice in [Input]. The slice is the caller's.
func (s *Set) Variables() []Variable { return slices.Clone(s.variables) }

// Slot tells the type of a variable and its index in the slice of that type in [Input]; false when no
// rule reads it.
func (s *Set) Slot(name string) (Type, int, bool) {
	at, ok := s.slots[name]
	return at.kind, at.index, ok
}

// NewInput makes an input of the right size in which everything is missing.
func (s *Set) NewInput() *Input {
	in := &Input{Numbers: make([]float64, s.counts[Number]), Texts: make([]string, s.counts[Text]), Flags: make([]bool, s.counts[Flag])}
	for i := range in.Numbers {
		in.Numbers[i] = math.NaN()
	}
	return in
}

// Evaluate runs every rule, live and shadow, and overwrites the result. It may be called at once from
// any number of goroutines with different results; the input is only read. After the first calls with a result it does
// not allocate, as long as no rule has to be interpreted.
//
// A rule that fails is in out.Failed and nothing else becomes of it: not a hit, and not an approval either.
// With an input that is shorter than [Set.NewInput] makes it, the rules that miss their variable fail.
func (s *Set) Evaluate(in *Input, out *Result) {
	out.Hits, out.Failed = out.Hits[:0], out.Failed[:0]
	f := s.frames.Get().(*frame)
	f.numbers, f.texts, f.flags = in.Numbers, in.Texts, in.Flags
	for next := 0; next < len(s.programs); {
		next = s.runFrom(next, f, out)
	}
	*f = frame{} // do not keep the caller's values
	s.frames.Put(f)
}

// runFrom runs rules from the first on and returns the index to go on with: past the end, or past a rule that panicked.
func (s *Set) runFrom(first int, f *frame, out *Result) (next int) {
	i := first
	defer func() {
		if recover() != nil {
			out.Failed = append(out.Failed, i)
			next = i + 1
		}
	}()
	for ; i < len(s.programs); i++ {
		p := &s.programs[i]
		f.failed = false
		held := p.when(f)
		if !held && !f.failed {
			continue
		}
		points := p.fixed
		if p.points != nil && !f.failed {
			points = limit(p.points(f))
		}
		if f.failed {
			out.Failed = append(out.Failed, i)
			continue
		}
		out.Hits = append(out.Hits, Hit{Rule: i, Points: points})
	}
	return i
}

// limit rounds points and keeps them within 0 and 1000. NaN, evidence of unknown weight, is 0: the rule
// holds and is reported, and its outcome applies, but it adds nothing.
func limit(points float64) int {
	if math.IsNaN(points) {
		return 0
	}
	return int(math.Round(clamp(points, 0, maxPoints)))
}
