package rule

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// frame is what one evaluation works on: the caller's values, and whether the part of the
// expression that was just evaluated failed. CEL's errors are a flag here, not a value: a failing
// part sets it and gives any value; && and || and the end of a rule look at it, nobody else needs to.
type frame struct {
	numbers []float64
	texts   []string
	flags   []bool
	failed  bool
}

// part is a compiled expression of a Go type.
type part[T any] struct {
	run      func(*frame) T
	fallible bool // may set frame.failed
	constant bool // run always gives value
	value    T
}

func constant[T any](v T) part[T] {
	return part[T]{run: func(*frame) T { return v }, constant: true, value: v}
}

// slot is where a variable is in an [Input].
type slot struct {
	kind  Type
	index int
}

// compiler turns a checked tree into closures. Every method answers false for what it does not cover.
type compiler struct {
	tree  *ast.AST
	slots map[string]slot
}

func (c *compiler) is(e ast.Expr, t *types.Type) bool {
	found := c.tree.GetType(e.ID())
	return found != nil && found.IsExactType(t)
}

// variable gives the slot of an identifier or dotted name.
func (c *compiler) variable(e ast.Expr) (slot, bool) {
	if e.Kind() != ast.IdentKind && e.Kind() != ast.SelectKind {
		return slot{}, false
	}
	reference, ok := c.tree.ReferenceMap()[e.ID()]
	if !ok || reference.Value != nil {
		return slot{}, false
	}
	s, ok := c.slots[reference.Name]
	return s, ok
}

// callOf gives the function, its overload and its operands, the target of a member call first. A call with
// several possible overloads works on dynamic values, which closures do not.
func (c *compiler) callOf(e ast.Expr) (function, overload string, operands []ast.Expr, ok bool) {
	if e.Kind() != ast.CallKind {
		return "", "", nil, false
	}
	call := e.AsCall()
	if ids := c.tree.GetOverloadIDs(e.ID()); len(ids) == 1 {
		overload = ids[0]
	}
	operands = call.Args()
	if call.IsMemberFunction() {
		operands = append([]ast.Expr{call.Target()}, operands...)
	}
	return call.FunctionName(), overload, operands, true
}

// condition compiles a bool.
func (c *compiler) condition(e ast.Expr) (part[bool], bool) {
	if !c.is(e, types.BoolType) {
		return part[bool]{}, false
	}
	if e.Kind() == ast.LiteralKind {
		return constant(e.AsLiteral() == ref.Val(types.True)), true
	}
	if s, ok := c.variable(e); ok {
		k := s.index
		return part[bool]{run: func(f *frame) bool { return f.flags[k] }}, true
	}
	function, overload, operands, ok := c.callOf(e)
	if !ok {
		return part[bool]{}, false
	}
	switch function {
	case operators.LogicalAnd:
		return c.logical(operands, and)
	case operators.LogicalOr:
		return c.logical(operands, or)
	case operators.LogicalNot:
		return lift(c.condition, operands[0], func(x bool) bool { return !x })
	case operators.Conditional:
		return choice(c, operands, c.condition)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		return c.comparison(function, operands[0], operands[1])
	case operators.In:
		return c.membership(operands[0], operands[1])
	}
	switch overload {
	case overloadKnown:
		return lift(c.number, operands[0], func(x float64) bool { return x == x })
	case overloadMissing:
		return lift(c.number, operands[0], func(x float64) bool { return x != x })
	}
	return c.textQuestion(overload, operands)
}

// lift compiles a function of one operand that cannot fail by itself; of a constant it is worked out once.
func lift[T, R any](compile func(ast.Expr) (part[T], bool), operand ast.Expr, f func(T) R) (part[R], bool) {
	x, ok := compile(operand)
	if !ok {
		return part[R]{}, false
	}
	if x.constant {
		return constant(f(x.value)), true
	}
	run := x.run
	return part[R]{run: func(fr *frame) R { return f(run(fr)) }, fallible: x.fallible}, true
}

// logical compiles && or || over two or more operands.
func (c *compiler) logical(operands []ast.Expr, join func(a, b part[bool]) part[bool]) (part[bool], bool) {
	out, ok := c.condition(operands[0])
	for _, operand := range operands[1:] {
		next, covered := c.condition(operand)
		if !ok || !covered {
			return part[bool]{}, false
		}
		out = join(out, next)
	}
	return out, ok
}

func and(a, b part[bool]) part[bool] {
	left, right := a.run, b.run
	if !a.fallible && !b.fallible {
		return part[bool]{run: func(f *frame) bool { return left(f) && right(f) }}
	}
	return absorb(left, right, false)
}

func or(a, b part[bool]) part[bool] {
	left, right := a.run, b.run
	if !a.fallible && !b.fallible {
		return part[bool]{run: func(f *frame) bool { return left(f) || right(f) }}
	}
	return absorb(left, right, true)
}

// absorb is && (decisive false) and || (decisive true) over operands that may fail. As CEL defines, either
// operand decides alone, even when the other fails; the right one is not evaluated when the left decided.
func absorb(left, right func(*frame) bool, decisive bool) part[bool] {
	return part[bool]{fallible: true, run: func(f *frame) bool {
		before := f.failed
		f.failed = false
		l := left(f)
		leftFailed := f.failed
		f.failed = false
		if l == decisive && !leftFailed {
			f.failed = before
			return decisive
		}
		r := right(f)
		if r == decisive && !f.failed {
			f.failed = before
			return decisive
		}
		f.failed = before || leftFailed || f.failed
		return !decisive
	}}
}

// choice compiles condition ? a : b for any type.
func choice[T any](c *compiler, operands []ast.Expr, compile func(ast.Expr) (part[T], bool)) (part[T], bool) {
	condition, ok := c.condition(operands[0])
	yes, okYes := compile(operands[1])
	no, okNo := compile(operands[2])
	if !ok || !okYes || !okNo {
		return part[T]{}, false
	}
	test, then, otherwise := condition.run, yes.run, no.run
	// When the condition failed, the flag is set and which branch gives the value does not matter.
	return part[T]{fallible: condition.fallible || yes.fallible || no.fallible, run: func(f *frame) T {
		if test(f) {
			return then(f)
		}
		return otherwise(f)
	}}, true
}

// text compiles a string: a variable, a literal or a choice between such.
func (c *compiler) text(e ast.Expr) (part[string], bool) {
	if !c.is(e, types.StringType) {
		return part[string]{}, false
	}
	if e.Kind() == ast.LiteralKind {
		return constant(string(e.AsLiteral().(types.String))), true
	}
	if s, ok := c.variable(e); ok {
		k := s.index
		return part[string]{run: func(f *frame) string { return f.texts[k] }}, true
	}
	if function, _, operands, ok := c.callOf(e); ok && function == operators.Conditional {
		return choice(c, operands, c.text)
	}
	return part[string]{}, false
}

// textQuestion compiles the functions that ask something of a text.
func (c *compiler) textQuestion(overload string, operands []ast.Expr) (part[bool], bool) {
	switch overload {
	case overloadKnownText:
		return lift(c.text, operands[0], func(s string) bool { return s != "" })
	case overloadMissingTx:
		return lift(c.text, operands[0], func(s string) bool { return s == "" })
	case overloads.StartsWithString, overloads.EndsWithString, overloads.ContainsString:
		return c.textPair(overload, operands)
	case overloads.Matches, overloads.MatchesString:
		return c.matches(operands)
	}
	return part[bool]{}, false
}
