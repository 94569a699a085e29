package rule

import (
	"math"
	"unicode/utf8"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// number compiles a double. Arithmetic of doubles cannot fail: a division by zero is an infinity or NaN.
func (c *compiler) number(e ast.Expr) (part[float64], bool) {
	if !c.is(e, types.DoubleType) {
		return part[float64]{}, false
	}
	if e.Kind() == ast.LiteralKind {
		return constant(float64(e.AsLiteral().(types.Double))), true
	}
	if s, ok := c.variable(e); ok {
		k := s.index
		return part[float64]{run: func(f *frame) float64 { return f.numbers[k] }}, true
	}
	function, overload, operands, ok := c.callOf(e)
	if !ok {
		return part[float64]{}, false
	}
	if function == operators.Conditional {
		return choice(c, operands, c.number)
	}
	return c.numberCall(overload, operands)
}

func (c *compiler) numberCall(overload string, operands []ast.Expr) (part[float64], bool) {
	two := func(f func(a, b float64) float64) (part[float64], bool) {
		return both(c.number, c.number, operands[0], operands[1], f)
	}
	switch overload {
	case overloads.AddDouble:
		return two(func(a, b float64) float64 { return a + b })
	case overloads.SubtractDouble:
		return two(func(a, b float64) float64 { return a - b })
	case overloads.MultiplyDouble:
		return two(func(a, b float64) float64 { return a * b })
	case overloads.DivideDouble:
		return two(func(a, b float64) float64 { return a / b })
	case overloads.NegateDouble:
		return lift(c.number, operands[0], func(x float64) float64 { return -x })
	case overloads.DoubleToDouble:
		return c.number(operands[0])
	case overloads.IntToDouble:
		return lift(c.integer, operands[0], func(i int64) float64 { return float64(i) })
	case overloadAbs:
		return lift(c.number, operands[0], math.Abs)
	case overloadMin2:
		return two(least)
	case overloadMax2:
		return two(greatest)
	case overloadMin3:
		return c.three(operands, leastOf3)
	case overloadMax3:
		return c.three(operands, greatestOf3)
	case overloadClamp:
		return c.three(operands, clamp)
	}
	return part[float64]{}, false
}

func (c *compiler) three(operands []ast.Expr, f func(x, y, z float64) float64) (part[float64], bool) {
	x, okX := c.number(operands[0])
	y, okY := c.number(operands[1])
	z, okZ := c.number(operands[2])
	if !okX || !okY || !okZ {
		return part[float64]{}, false
	}
	if x.constant && y.constant && z.constant {
		return constant(f(x.value, y.value, z.value)), true
	}
	runX, runY, runZ := x.run, y.run, z.run
	return part[float64]{fallible: x.fallible || y.fallible || z.fallible, run: func(fr *frame) float64 {
		a, b := runX(fr), runY(fr)
		return f(a, b, runZ(fr))
	}}, true
}

// integer compiles an int64, whose arithmetic fails on overflow and on division by zero.
func (c *compiler) integer(e ast.Expr) (part[int64], bool) {
	if !c.is(e, types.IntType) {
		return part[int64]{}, false
	}
	if e.Kind() == ast.LiteralKind {
		return constant(int64(e.AsLiteral().(types.Int))), true
	}
	function, overload, operands, ok := c.callOf(e)
	if !ok {
		return part[int64]{}, false
	}
	if function == operators.Conditional {
		return choice(c, operands, c.integer)
	}
	switch overload {
	case overloads.AddInt64:
		return c.checkedPair(operands, add)
	case overloads.SubtractInt64:
		return c.checkedPair(operands, subtract)
	case overloads.MultiplyInt64:
		return c.checkedPair(operands, multiply)
	case overloads.DivideInt64:
		return c.checkedPair(operands, divide)
	case overloads.ModuloInt64:
		return c.checkedPair(operands, modulo)
	case overloads.NegateInt64:
		return checkedOne(c.integer, operands[0], func(x int64) (int64, bool) { return -x, x != math.MinInt64 })
	case overloads.IntToInt:
		return c.integer(operands[0])
	case overloads.DoubleToInt:
		return checkedOne(c.number, operands[0], truncate)
	case overloads.SizeString, overloads.SizeStringInst:
		return lift(c.text, operands[0], func(s string) int64 { return int64(utf8.RuneCountInString(s)) })
	}
	return part[int64]{}, false
}

// checkedPair compiles a function of two ints that may fail.
func (c *compiler) checkedPair(operands []ast.Expr, f func(a, b int64) (int64, bool)) (part[int64], bool) {
	a, okA := c.integer(operands[0])
	b, okB := c.integer(operands[1])
	if !okA || !okB {
		return part[int64]{}, false
	}
	left, right := a.run, b.run
	return part[int64]{fallible: true, run: func(fr *frame) int64 {
		x := left(fr)
		out, fine := f(x, right(fr))
		if !fine {
			fr.failed = true
		}
		return out
	}}, true
}

func checkedOne[T any](compile func(ast.Expr) (part[T], bool), operand ast.Expr, f func(T) (int64, bool)) (part[int64], bool) {
	x, ok := compile(operand)
	if !ok {
		return part[int64]{}, false
	}
	run := x.run
	return part[int64]{fallible: true, run: func(fr *frame) int64 {
		out, fine := f(run(fr))
		if !fine {
			fr.failed = true
		}
		return out
	}}, true
}

func add(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

func subtract(a, b int64) (int64, bool) {
	difference := a - b
	return difference, (difference < a) == (b > 0)
}

func multiply(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	product := a * b
	if a == -1 && b == math.MinInt64 || b == -1 && a == math.MinInt64 {
		return 0, false
	}
	return product, product/b == a
}

func divide(a, b int64) (int64, bool) {
	if b == 0 || a == math.MinInt64 && b == -1 {
		return 0, false
	}
	return a / b, true
}

func modulo(a, b int64) (int64, bool) {
	if b == 0 || a == math.MinInt64 && b == -1 {
		return 0, false
	}
	return a % b, true
}

// truncate is CEL's int(double): toward zero; NaN, infinities and what lies at or beyond the ends of int64 fail.
func truncate(x float64) (int64, bool) {
	if math.IsNaN(x) || x <= math.MinInt64 || x >= math.MaxInt64 {
		return 0, false
	}
	return int64(x), true
}
