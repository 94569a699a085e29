package rule

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

const (
	maxPoints = 1000
	// maxStaticCost bounds CEL's own worst-case estimate of an expression. A comparison costs
	// a few units, a typical rule about twenty.
	maxStaticCost = 5000
	// maxRunCost stops an interpreted expression that the estimate let through.
	maxRunCost = 10000
	// maxTextSize is what the estimate assumes of a Text variable: BINs, brands, tokens are shorter.
	maxTextSize = 128
	// maxDepth bounds the nesting of an expression for CEL's parser and for the walks over its tree.
	maxDepth = 60
)

var variableForm = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

// language is CEL with the caller's variables and the functions of the package comment.
type language struct {
	env   *cel.Env
	types map[string]Type
	names []string // of the variables, for advice
}

// checked is an expression that has the right type and a bounded cost.
type checked struct {
	program *cel.Ast
	tree    *ast.AST
}

func newLanguage(schema []Variable) (*language, error) {
	l := &language{types: make(map[string]Type, len(schema))}
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserExpressionSizeLimit(maxExpressionBytes),
		cel.ExpressionNestingDepthLimit(maxDepth),
		cel.RegexProgramSizeLimit(500),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	}
	for _, v := range schema {
		if !variableForm.MatchString(v.Name) {
			return nil, fmt.Errorf("declare variable %q: malformed name", v.Name)
		}
		if _, twice := l.types[v.Name]; twice {
			return nil, fmt.Errorf("declare variable %q: declared twice", v.Name)
		}
		kind, ok := celType(v.Type)
		if !ok {
			return nil, fmt.Errorf("declare variable %q: unknown type %d", v.Name, v.Type)
		}
		l.types[v.Name] = v.Type
		l.names = append(l.names, v.Name)
		options = append(options, cel.VariableWithDoc(v.Name, kind, v.Doc))
	}
	env, err := cel.NewEnv(append(options, functions()...)...)
	if err != nil {
		return nil, fmt.Errorf("build the rule language: %w", err)
	}
	l.env = env
	return l, nil
}

func celType(t Type) (*cel.Type, bool) {
	switch t {
	case Number:
		return cel.DoubleType, true
	case Text:
		return cel.StringType, true
	case Flag:
		return cel.BoolType, true
	}
	return nil, false
}

// The names of our own functions in CEL's overload table.
const (
	overloadMin2, overloadMin3         = "min_double_double", "min_double_double_double"
	overloadMax2, overloadMax3         = "max_double_double", "max_double_double_double"
	overloadAbs, overloadClamp         = "abs_double", "clamp_double_double_double"
	overloadKnown, overloadKnownText   = "known_double", "known_string"
	overloadMissing, overloadMissingTx = "missing_double", "missing_string"
)

// functions declares min, max, abs, clamp, known and missing.
func functions() []cel.EnvOption {
	number := func(v ref.Val) float64 { return float64(v.(types.Double)) }
	one := func(id string, f func(float64) float64) cel.FunctionOpt {
		return cel.Overload(id, []*cel.Type{cel.DoubleType}, cel.DoubleType,
			cel.UnaryBinding(func(x ref.Val) ref.Val { return types.Double(f(number(x))) }))
	}
	two := func(id string, f func(a, b float64) float64) cel.FunctionOpt {
		return cel.Overload(id, []*cel.Type{cel.DoubleType, cel.DoubleType}, cel.DoubleType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val { return types.Double(f(number(a), number(b))) }))
	}
	three := func(id string, f func(a, b, c float64) float64) cel.FunctionOpt {
		return cel.Overload(id, []*cel.Type{cel.DoubleType, cel.DoubleType, cel.DoubleType}, cel.DoubleType,
			cel.FunctionBinding(func(v ...ref.Val) ref.Val { return types.Double(f(number(v[0]), number(v[1]), number(v[2]))) }))
	}
	ask := func(id string, of *cel.Type, f func(ref.Val) bool) cel.FunctionOpt {
		return cel.Overload(id, []*cel.Type{of}, cel.BoolType, cel.UnaryBinding(func(x ref.Val) ref.Val { return types.Bool(f(x)) }))
	}
	isKnown := func(x ref.Val) bool { return !math.IsNaN(number(x)) }
	hasText := func(x ref.Val) bool { return x.(types.String) != "" }
	return []cel.EnvOption{
		cel.Function("min", two(overloadMin2, least), three(overloadMin3, leastOf3)),
		cel.Function("max", two(overloadMax2, greatest), three(overloadMax3, greatestOf3)),
		cel.Function("abs", one(overloadAbs, math.Abs)),
		cel.Function("clamp", three(overloadClamp, clamp)),
		cel.Function("known", ask(overloadKnown, cel.DoubleType, isKnown), ask(overloadKnownText, cel.StringType, hasText)),
		cel.Function("missing",
			ask(overloadMissing, cel.DoubleType, func(x ref.Val) bool { return !isKnown(x) }),
			ask(overloadMissingTx, cel.StringType, func(x ref.Val) bool { return !hasText(x) })),
	}
}

// least and greatest pass over what is missing, so that one of several windows can be asked even when
// the transaction has no card or no device; the result is missing only when all are.
func least(a, b float64) float64 {
	if a != a || b < a {
		return b
	}
	return a
}

func greatest(a, b float64) float64 {
	if a != a || b > a {
		return b
	}
	return a
}

func leastOf3(a, b, c float64) float64    { return least(least(a, b), c) }
func greatestOf3(a, b, c float64) float64 { return greatest(greatest(a, b), c) }

// clamp brings x between low and high; NaN stays NaN.
func clamp(x, low, high float64) float64 { return max(low, min(x, high)) }

// compile parses, promotes integer literals, checks the type and bounds the cost.
func (l *language) compile(e expression, place string, want ...*cel.Type) (*checked, Faults) {
	parsed, issues := l.env.Parse(e.source)
	if issues.Err() != nil {
		return nil, l.translate(issues, e, place)
	}
	tree := parsed.NativeRep()
	if faults := l.undeclared(tree, e, place); len(faults) > 0 {
		return nil, faults
	}
	promotion{types: l.types}.walk(tree.Expr())
	program, issues := l.env.Check(parsed)
	if issues.Err() != nil {
		return nil, l.translate(issues, e, place)
	}
	fault := func(problem, advice string) Faults {
		return Faults{{Line: e.line, Rule: place, Problem: problem, Advice: advice}}
	}
	if !slices.ContainsFunc(want, program.OutputType().IsExactType) {
		return nil, fault(fmt.Sprintf("expression is a %s, not a %s", program.OutputType(), want[0]), adviceForType(want[0]))
	}
	estimate, err := l.env.EstimateCost(program, sizes{})
	if err != nil {
		return nil, fault("cost cannot be estimated", "use a simpler expression")
	}
	if estimate.Max > maxStaticCost {
		return nil, fault(fmt.Sprintf("expression may cost more than %d units", maxStaticCost), "use shorter lists and no loops within loops")
	}
	return &checked{program: program, tree: program.NativeRep()}, nil
}

func adviceForType(want *cel.Type) string {
	if want.IsExactType(cel.BoolType) {
		return "compare the value with something"
	}
	return `use numbers; "condition ? 300 : 0" makes points of a condition`
}

// sizes tells CEL's cost estimator how long the texts are.
type sizes struct{}

func (sizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	if element.Type().IsExactType(cel.StringType) && element.Expr().Kind() != ast.LiteralKind {
		return &cost.SizeEstimate{Min: 0, Max: maxTextSize}
	}
	return nil
}

func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

// translate gives CEL's messages a line of the file and, where one is known, an advice.
func (l *language) translate(issues *cel.Issues, e expression, place string) Faults {
	var faults Faults
	for _, issue := range issues.Errors() {
		line := e.line
		if n := issue.Location.Line(); n > 1 {
			line += n - 1
		}
		problem, _, _ := strings.Cut(issue.Message, "\n")
		faults = append(faults, Fault{Line: line, Rule: place, Problem: plainNames.Replace(problem), Advice: adviceFor(problem)})
	}
	if len(faults) == 0 { // an error without a position, such as a limit
		faults = Faults{{Line: e.line, Rule: place, Problem: issues.Err().Error(), Advice: "use a simpler expression"}}
	}
	return faults
}

// plainNames turns CEL's internal operator names into what was written.
var plainNames = strings.NewReplacer("'_&&_'", "&&", "'_||_'", "||", "'!_'", "!", "'_==_'", "==", "'_!=_'", "!=",
	"'_<_'", "<", "'_<=_'", "<=", "'_>_'", ">", "'_>=_'", ">=", "'_+_'", "+", "'_-_'", "-", "'_*_'", "*", "'_/_'", "/",
	"'_%_'", "%", "'-_'", "unary -", "'_?_:_'", "?:", "'@in'", "in", " (in container '')", "")

func adviceFor(message string) string {
	switch {
	case strings.Contains(message, "applied to '(double, int)'"), strings.Contains(message, "applied to '(int, double)'"):
		return "a double and an int do not mix; wrap the int in double(…)"
	case strings.Contains(message, "'_%_'"):
		return "% is for integers; use int(x) % n"
	case strings.Contains(message, "no matching overload"):
		return "check the types: numbers are compared with numbers, texts with texts, flags stand alone or after !"
	case strings.Contains(message, "undeclared reference"):
		return "known functions are min, max, abs, clamp, known, missing and CEL's own"
	case strings.Contains(message, "invalid matches argument"):
		return "write a regular expression of RE2"
	case strings.Contains(message, "Syntax error"):
		return "CEL writes and as &&, or as ||, not as !, equal as =="
	}
	return ""
}

// undeclared names every variable that does not exist, whole and with the nearest that does:
// CEL itself would only say that "card" is unknown.
func (l *language) undeclared(tree *ast.AST, e expression, place string) Faults {
	local := map[string]bool{}
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		if n.Kind() == ast.ComprehensionKind {
			c := n.AsComprehension()
			local[c.IterVar()], local[c.IterVar2()], local[c.AccuVar()] = true, true, true
		}
	}))
	var faults Faults
	inner := map[int64]bool{} // operands of a longer chain, judged with it
	ast.PreOrderVisit(tree.Expr(), ast.NewExprVisitor(func(n ast.Expr) {
		name, ok := dottedName(n)
		if n.Kind() == ast.SelectKind {
			inner[n.AsSelect().Operand().ID()] = true
		}
		if !ok || inner[n.ID()] || l.declared(name) || local[strings.SplitN(name, ".", 2)[0]] {
			return
		}
		line := e.line
		if at := tree.SourceInfo().GetStartLocation(n.ID()).Line(); at > 1 {
			line += at - 1
		}
		faults = append(faults, Fault{Line: line, Rule: place, Problem: fmt.Sprintf("unknown variable %s", quote(name)), Advice: didYouMean(name, l.names)})
	}))
	return faults
}

// declared tells whether the name, or one it continues, is a variable or a type name of CEL.
func (l *language) declared(name string) bool {
	for part := name; part != ""; part = part[:max(0, strings.LastIndexByte(part, '.'))] {
		if _, ok := l.types[part]; ok {
			return true
		}
	}
	switch name {
	case "int", "uint", "double", "bool", "string", "bytes", "list", "map", "type", "null_type":
		return true
	}
	return false
}

// dottedName gives a.b.c for an identifier or a chain of selections from one.
func dottedName(n ast.Expr) (string, bool) {
	switch n.Kind() {
	case ast.IdentKind:
		return n.AsIdent(), true
	case ast.SelectKind:
		if s := n.AsSelect(); !s.IsTestOnly() {
			name, ok := dottedName(s.Operand())
			return name + "." + s.FieldName(), ok
		}
	}
	return "", false
}
