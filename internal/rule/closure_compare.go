package rule

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// comparison compiles == != < <= > >= over two numbers, ints, texts or flags, and over an int and a number.
func (c *compiler) comparison(operator string, left, right ast.Expr) (part[bool], bool) {
	double := c.is(left, types.DoubleType) || c.is(right, types.DoubleType)
	switch {
	case c.is(left, types.DoubleType) && c.is(right, types.DoubleType):
		return c.compareNumbers(operator, left, right)
	case c.is(left, types.IntType) && c.is(right, types.IntType):
		return both(c.integer, c.integer, left, right, ordered[int64](operator))
	case double && c.is(left, types.IntType):
		return both(c.integer, c.number, left, right, mixed(operator))
	case double && c.is(right, types.IntType):
		flipped := mixed(mirror(operator))
		return both(c.number, c.integer, left, right, func(d float64, i int64) bool { return flipped(i, d) })
	case c.is(left, types.StringType) && c.is(right, types.StringType):
		return both(c.text, c.text, left, right, ordered[string](operator))
	case operator == operators.Equals:
		return both(c.condition, c.condition, left, right, func(a, b bool) bool { return a == b })
	case operator == operators.NotEquals:
		return both(c.condition, c.condition, left, right, func(a, b bool) bool { return a != b })
	}
	return part[bool]{}, false
}

// both compiles a function of two operands that cannot fail by itself. A missing function is not covered.
func both[A, B, R any](compileA func(ast.Expr) (part[A], bool), compileB func(ast.Expr) (part[B], bool), left, right ast.Expr, f func(A, B) R) (part[R], bool) {
	a, okA := compileA(left)
	b, okB := compileB(right)
	if !okA || !okB || f == nil {
		return part[R]{}, false
	}
	return apply(a, b, f), true
}

func apply[A, B, R any](a part[A], b part[B], f func(A, B) R) part[R] {
	if a.constant && b.constant {
		return constant(f(a.value, b.value))
	}
	runA, runB := a.run, b.run
	return part[R]{fallible: a.fallible || b.fallible, run: func(fr *frame) R {
		x := runA(fr) // left to right
		return f(x, runB(fr))
	}}
}

// ordered is Go's comparison, which is CEL's for doubles (false with NaN, but for !=), ints and strings.
func ordered[T int64 | float64 | string](operator string) func(a, b T) bool {
	switch operator {
	case operators.Equals:
		return func(a, b T) bool { return a == b }
	case operators.NotEquals:
		return func(a, b T) bool { return a != b }
	case operators.Less:
		return func(a, b T) bool { return a < b }
	case operators.LessEquals:
		return func(a, b T) bool { return a <= b }
	case operators.Greater:
		return func(a, b T) bool { return a > b }
	case operators.GreaterEquals:
		return func(a, b T) bool { return a >= b }
	}
	return nil
}

// mixed compares an int with a double as CEL does: outside of the range of int64 the double
// decides, inside the int is rounded to a double; NaN is not comparable.
func mixed(operator string) func(i int64, d float64) bool {
	compare := ordered[float64](operator)
	if compare == nil {
		return nil
	}
	return func(i int64, d float64) bool {
		switch {
		case d < math.MinInt64:
			return compare(1, 0)
		case d > math.MaxInt64:
			return compare(0, 1)
		}
		return compare(float64(i), d)
	}
}

// mirror is the operator with its operands exchanged.
func mirror(operator string) string {
	switch operator {
	case operators.Less:
		return operators.Greater
	case operators.LessEquals:
		return operators.GreaterEquals
	case operators.Greater:
		return operators.Less
	case operators.GreaterEquals:
		return operators.LessEquals
	}
	return operator
}

// compareNumbers is the comparison that nearly every rule consists of, so a variable against a constant
// has closures of its own: one indirect call instead of four.
func (c *compiler) compareNumbers(operator string, left, right ast.Expr) (part[bool], bool) {
	x, okX := c.number(left)
	bound, ok := c.number(right)
	if !okX || !ok {
		return part[bool]{}, false
	}
	if s, isVariable := c.variable(left); isVariable && bound.constant {
		return part[bool]{run: againstConstant(operator, s.index, bound.value)}, true
	}
	return apply(x, bound, ordered[float64](operator)), true
}

func againstConstant(operator string, k int, bound float64) func(*frame) bool {
	switch operator {
	case operators.Equals:
		return func(f *frame) bool { return f.numbers[k] == bound }
	case operators.NotEquals:
		return func(f *frame) bool { return f.numbers[k] != bound }
	case operators.Less:
		return func(f *frame) bool { return f.numbers[k] < bound }
	case operators.LessEquals:
		return func(f *frame) bool { return f.numbers[k] <= bound }
	case operators.Greater:
		return func(f *frame) bool { return f.numbers[k] > bound }
	}
	return func(f *frame) bool { return f.numbers[k] >= bound }
}

// membership compiles x in [constants] for numbers, ints and texts.
func (c *compiler) membership(x, list ast.Expr) (part[bool], bool) {
	if list.Kind() != ast.ListKind || len(list.AsList().OptionalIndices()) > 0 {
		return part[bool]{}, false
	}
	elements := list.AsList().Elements()
	switch {
	case c.is(x, types.DoubleType):
		return within(x, elements, c.number)
	case c.is(x, types.IntType):
		return within(x, elements, c.integer)
	case c.is(x, types.StringType):
		return within(x, elements, c.text)
	}
	return part[bool]{}, false
}

// within looks a value up among constants; a NaN is equal to none of them, as in CEL.
func within[T int64 | float64 | string](x ast.Expr, elements []ast.Expr, compile func(ast.Expr) (part[T], bool)) (part[bool], bool) {
	values := make([]T, len(elements))
	for i, element := range elements {
		p, ok := compile(element)
		if !ok || !p.constant {
			return part[bool]{}, false
		}
		values[i] = p.value
	}
	const few = 8 // up to here a scan is faster than a hash
	if len(values) <= few {
		return lift(compile, x, func(v T) bool { return slices.Contains(values, v) })
	}
	set := make(map[T]struct{}, len(values))
	for _, v := range values {
		set[v] = struct{}{}
	}
	return lift(compile, x, func(v T) bool { _, ok := set[v]; return ok })
}

// textPair compiles startsWith, endsWith and contains.
func (c *compiler) textPair(overload string, operands []ast.Expr) (part[bool], bool) {
	ask := strings.Contains
	switch overload {
	case overloads.StartsWithString:
		ask = strings.HasPrefix
	case overloads.EndsWithString:
		ask = strings.HasSuffix
	}
	return both(c.text, c.text, operands[0], operands[1], ask)
}

// matches compiles an RE2 search with a constant pattern.
func (c *compiler) matches(operands []ast.Expr) (part[bool], bool) {
	pattern, ok := c.text(operands[1])
	if !ok || !pattern.constant {
		return part[bool]{}, false
	}
	expression, err := regexp.Compile(pattern.value)
	if err != nil {
		return part[bool]{}, false // the interpreter fails on it, and so does the rule
	}
	return lift(c.text, operands[0], expression.MatchString)
}
