package rule

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"pgregory.net/rapid"
)

// outcome is what an expression gives: a value or a failure.
type outcome struct {
	value  float64 // 0 and 1 for a bool
	failed bool
}

func (o outcome) same(other outcome) bool {
	if o.failed || other.failed {
		return o.failed == other.failed
	}
	return o.value == other.value || math.IsNaN(o.value) && math.IsNaN(other.value)
}

// pairOfEngines evaluates one expression with both; closures is nil when they do not cover it.
type pairOfEngines struct {
	closures    func(*frame) float64
	interpreter cel.Program
	slots       map[string]slot
}

func asNumber(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func engines(t interface{ Fatalf(string, ...any) }, l *language, source string, schema []Variable) (pairOfEngines, bool) {
	e, faults := l.compile(expression{source: source, line: 1}, "a", cel.BoolType, cel.DoubleType, cel.IntType)
	if len(faults) > 0 {
		return pairOfEngines{}, false
	}
	s := &Set{}
	s.assignSlots(schema, []compiled{{when: e}})
	p := pairOfEngines{slots: s.slots}
	c, tree := newCompiler(e, s.slots), e.tree.Expr()
	if b, ok := lift(c.condition, tree, asNumber); ok {
		p.closures = b.run
	} else if n, ok := c.number(tree); ok {
		p.closures = n.run
	} else if i, ok := lift(c.integer, tree, func(i int64) float64 { return float64(i) }); ok {
		p.closures = i.run
	}
	var err error
	if p.interpreter, err = l.env.Program(e.program); err != nil { // as CEL plans it: no optimization, no limits
		t.Fatalf("plan %s: %v", source, err)
	}
	return p, true
}

func (p pairOfEngines) byClosures(f *frame) outcome {
	f.failed = false
	return outcome{value: p.closures(f), failed: f.failed}
}

func (p pairOfEngines) byInterpreter(f *frame) outcome {
	value, _, err := p.interpreter.Eval(scope{slots: p.slots, frame: f})
	if err != nil {
		return outcome{failed: true}
	}
	switch v := value.(type) {
	case types.Bool:
		return outcome{value: asNumber(bool(v))}
	case types.Double:
		return outcome{value: float64(v)}
	case types.Int:
		return outcome{value: float64(v)}
	}
	return outcome{failed: true}
}

// frameOf lays values of the small schema into the slots that the expression reads.
func (p pairOfEngines) frameOf(schema []Variable, numbers []float64, texts []string, flags []bool) *frame {
	f := &frame{}
	for i, v := range schema {
		if _, read := p.slots[v.Name]; !read {
			continue
		}
		switch v.Type {
		case Number:
			f.numbers = append(f.numbers, numbers[i%len(numbers)])
		case Text:
			f.texts = append(f.texts, texts[i%len(texts)])
		case Flag:
			f.flags = append(f.flags, flags[i%len(flags)])
		}
	}
	return f
}

// grammar draws expressions of a wanted type; what it draws need not be covered, and need not pass the checker.
type grammar struct{ *rapid.T }

func (g grammar) of(options ...string) string { return rapid.SampledFrom(options).Draw(g.T, "option") }

func (g grammar) expression() string {
	depth := rapid.IntRange(0, 4).Draw(g.T, "depth")
	switch g.of("condition", "condition", "number", "integer") {
	case "number":
		return g.number(depth)
	case "integer":
		return g.integer(depth)
	}
	return g.condition(depth)
}

func (g grammar) condition(depth int) string {
	if depth <= 0 {
		return g.of("tx.night", "tx.blocked", "true", "false", "known(tx.amount)", "missing(tx.hour)", "missing(tx.uf)", "known(tx.method)")
	}
	d := depth - 1
	compare := g.of("==", "!=", "<", "<=", ">", ">=")
	switch g.of("and", "or", "not", "choice", "numbers", "ints", "mixed", "mixed2", "texts", "bools", "in", "in texts", "in ints", "in many", "text", "matches", "exists") {
	case "and":
		return "(" + g.condition(d) + " && " + g.condition(d) + ")"
	case "or":
		return "(" + g.condition(d) + " || " + g.condition(d) + ")"
	case "not":
		return "!" + g.condition(d)
	case "choice":
		return "(" + g.condition(d) + " ? " + g.condition(d) + " : " + g.condition(d) + ")"
	case "ints":
		return "(" + g.integer(d) + compare + g.integer(d) + ")"
	case "mixed":
		return "(" + g.integer(d) + g.of("<", "<=", ">", ">=") + g.number(d) + ")"
	case "mixed2":
		return "(" + g.number(d) + g.of("<", "<=", ">", ">=") + g.integer(d) + ")"
	case "texts":
		return "(" + g.text(d) + compare + g.text(d) + ")"
	case "bools":
		return "(" + g.condition(d) + g.of("==", "!=") + g.condition(d) + ")"
	case "in":
		return "(" + g.number(d) + " in [1, 2.5, -3" + g.of("", ", tx.hour") + "])"
	case "in texts":
		return "(" + g.text(d) + ` in ["SP", "RJ", ""])`
	case "in ints":
		return "(" + g.integer(d) + " in [0, 1, 2, 3])"
	case "in many":
		return "(" + g.number(d) + " in [0,1,2,3,4,5,6,7,8,9,10,11])"
	case "text":
		return g.text(d) + "." + g.of("startsWith", "endsWith", "contains") + "(" + g.text(d) + ")"
	case "matches":
		return g.of(g.text(d)+`.matches("^S?.$")`, "matches("+g.text(d)+`, "a+|R")`)
	case "exists":
		return "[1.0, 2.0].exists(x, x < " + g.number(d) + ")"
	}
	return "(" + g.number(d) + compare + g.number(d) + ")"
}

func (g grammar) number(depth int) string {
	if depth <= 0 {
		return g.of("tx.amount", "tx.hour", "card.count_1h", "0", "1", "-2", "2.5", "0.0", "1e300", "9223372036854775807")
	}
	d := depth - 1
	switch g.of("two", "two", "minus", "choice", "double", "min", "max", "abs", "clamp") {
	case "minus":
		return "-(" + g.number(d) + ")"
	case "choice":
		return "(" + g.condition(d) + " ? " + g.number(d) + " : " + g.number(d) + ")"
	case "double":
		return "double(" + g.of(g.integer(d), g.number(d)) + ")"
	case "min":
		return "min(" + g.number(d) + ", " + g.number(d) + ")"
	case "max":
		return "max(" + g.number(d) + ", " + g.number(d) + ", " + g.number(d) + ")"
	case "abs":
		return "abs(" + g.number(d) + ")"
	case "clamp":
		return "clamp(" + g.number(d) + ", " + g.number(d) + ", " + g.number(d) + ")"
	}
	return "(" + g.number(d) + g.of(" + ", " - ", " * ", " / ") + g.number(d) + ")"
}

func (g grammar) integer(depth int) string {
	if depth <= 0 {
		return g.of("0", "1", "-1", "7", "9223372036854775807", "(-9223372036854775807 - 1)", "size(tx.uf)", "tx.method.size()", "int(tx.hour)")
	}
	d := depth - 1
	switch g.of("two", "two", "minus", "choice", "int") {
	case "minus":
		return "-(" + g.integer(d) + ")"
	case "choice":
		return "(" + g.condition(d) + " ? " + g.integer(d) + " : " + g.integer(d) + ")"
	case "int":
		return "int(" + g.number(d) + ")"
	}
	return "(" + g.integer(d) + g.of(" + ", " - ", " * ", " / ", " % ") + g.integer(d) + ")"
}

func (g grammar) text(depth int) string {
	if depth > 1 && g.of("plain", "choice") == "choice" {
		return "(" + g.condition(depth-1) + " ? " + g.text(0) + " : " + g.text(0) + ")"
	}
	return g.of("tx.method", "tx.uf", `"SP"`, `""`, `"não"`)
}

var (
	someNumbers = []float64{0, 1, -1, 2.5, -3, 7, 1e300, math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1 << 63, -1 << 63, 1<<53 + 2}
	someTexts   = []string{"", "SP", "S", "RJ", "não", "aaa", "\xff"}
)

func TestClosuresAgreeWithTheInterpreter(t *testing.T) {
	schema := small()
	l, err := newLanguage(schema)
	if err != nil {
		t.Fatal(err)
	}
	checkedOnes, covered, failures := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		for range 5 {
			source := grammar{t}.expression()
			p, ok := engines(t, l, source, schema)
			if !ok {
				continue // of the wrong type after all, such as a constant int in a place for a double
			}
			checkedOnes++
			if p.closures == nil {
				continue
			}
			covered++
			for range 8 {
				f := p.frameOf(schema, rapid.SliceOfN(rapid.SampledFrom(someNumbers), 7, 7).Draw(t, "numbers"),
					rapid.SliceOfN(rapid.SampledFrom(someTexts), 7, 7).Draw(t, "texts"), rapid.SliceOfN(rapid.Bool(), 7, 7).Draw(t, "flags"))
				got, want := p.byClosures(f), p.byInterpreter(f)
				if !got.same(want) {
					t.Fatalf("%s over %+v: closures %+v, interpreter %+v", source, *f, got, want)
				}
				if want.failed {
					failures++
				}
			}
		}
	})
	t.Logf("%d expressions checked, %d covered by closures, %d evaluations failed in both", checkedOnes, covered, failures)
	if covered < checkedOnes/2 || failures == 0 {
		t.Errorf("of %d expressions %d are covered and %d evaluations fail: the test does not test", checkedOnes, covered, failures)
	}
}

// FuzzExpression holds both engines to the same answer, and the compiler to no panic, on any source.
func FuzzExpression(f *testing.F) {
	for _, source := range seeds(f, "testdata/expressions/*.txt") {
		for line := range strings.Lines(source) {
			f.Add(strings.TrimSpace(line), 1.5, -2.0, "SP", true)
		}
	}
	schema := small()
	l, err := newLanguage(schema)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string, a, b float64, text string, flag bool) {
		if len(source) > maxExpressionBytes {
			return
		}
		p, ok := engines(t, l, source, schema)
		if !ok || p.closures == nil {
			return
		}
		in := p.frameOf(schema, []float64{a, b, nan}, []string{text, ""}, []bool{flag, !flag})
		if got, want := p.byClosures(in), p.byInterpreter(in); !got.same(want) {
			t.Fatalf("%s over %+v: closures %+v, interpreter %+v", source, *in, got, want)
		}
	})
}

// FuzzCompile holds the loader to faults instead of panics, and what it accepts to run.
func FuzzCompile(f *testing.F) {
	for _, file := range seeds(f, "testdata/files/*.yaml") {
		f.Add([]byte(file))
	}
	f.Add(Default())
	schema := small()
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Compile(data, schema)
		if err != nil {
			if faults, ok := err.(Faults); !ok || len(faults) == 0 || faults.Error() == "" {
				t.Fatalf("error %T: %v", err, err)
			}
			return
		}
		var out Result
		s.Evaluate(s.NewInput(), &out)
		if len(out.Hits)+len(out.Failed) > len(s.Rules()) {
			t.Fatalf("%d rules, %+v", len(s.Rules()), out)
		}
	})
}

// seeds reads the files of a pattern, of which there must be some.
func seeds(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no seeds in %s (%v)", pattern, err)
	}
	var all []string
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(data))
	}
	return all
}

// TestEveryClosureIsCovered names the sources that must not need the interpreter: they are what rules use.
func TestEveryClosureIsCovered(t *testing.T) {
	schema := small()
	l, err := newLanguage(schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range seeds(t, "testdata/expressions/covered.txt") {
		for line := range strings.Lines(file) {
			source := strings.TrimSpace(line)
			if p, ok := engines(t, l, source, schema); !ok || p.closures == nil {
				_, faults := l.compile(expression{source: source}, "a", cel.BoolType, cel.DoubleType, cel.IntType)
				t.Errorf("%s: not covered by closures (%s)", source, fmt.Sprint(faults))
			}
		}
	}
}
