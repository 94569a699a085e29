package rule

import (
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// numeric is what is known of the value of an expression before CEL checks it.
type numeric uint8

const (
	notNumeric numeric = iota // or unknown
	isInt                     // an int that was computed: size(x), int(x)
	isLiteral                 // made of integer literals only: may become a double
	isDouble
)

// promotion turns integer literals into doubles where a double is expected, as CEL does not
// convert between them and analysts do not write 3.0. It changes the parsed tree in place, so
// the checker, the closures and the interpreter all see the same expression. A quotient of
// literals beside a double is a double too: 1/2 * tx.amount is half of it.
type promotion struct {
	types map[string]Type
}

func (p promotion) walk(e ast.Expr) numeric {
	switch e.Kind() {
	case ast.LiteralKind:
		switch e.AsLiteral().(type) {
		case types.Int:
			return isLiteral
		case types.Double:
			return isDouble
		}
	case ast.IdentKind, ast.SelectKind:
		if name, ok := dottedName(e); ok && p.types[name] == Number {
			return isDouble
		}
		if e.Kind() == ast.SelectKind {
			p.walk(e.AsSelect().Operand())
		}
	case ast.CallKind:
		return p.call(e.AsCall())
	case ast.ListKind:
		p.alike(e.AsList().Elements()...)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			p.walk(entry.AsMapEntry().Key())
			p.walk(entry.AsMapEntry().Value())
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		for _, part := range []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()} {
			p.walk(part)
		}
	}
	return notNumeric
}

func (p promotion) call(c ast.CallExpr) numeric {
	if c.IsMemberFunction() {
		p.walk(c.Target())
	}
	args := c.Args()
	switch c.FunctionName() {
	case operators.Add, operators.Subtract, operators.Multiply, operators.Divide:
		return p.alike(args...)
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals:
		p.alike(args...)
		return notNumeric
	case operators.Conditional:
		p.walk(args[0])
		return p.alike(args[1:]...)
	case operators.Negate:
		return p.walk(args[0])
	case operators.In:
		if args[1].Kind() == ast.ListKind {
			p.alike(append([]ast.Expr{args[0]}, args[1].AsList().Elements()...)...)
			return notNumeric
		}
	case "min", "max", "abs", "clamp", "known", "missing":
		for _, arg := range args {
			if p.walk(arg) == isLiteral {
				promote(arg)
			}
		}
		if name := c.FunctionName(); name == "known" || name == "missing" {
			return notNumeric
		}
		return isDouble
	}
	for _, arg := range args {
		p.walk(arg)
	}
	switch c.FunctionName() {
	case "double":
		return isDouble
	case "int", "size", operators.Modulo:
		return isInt
	}
	return notNumeric
}

// alike promotes the literals among the expressions when one of them is a double, and
// gives their common kind.
func (p promotion) alike(all ...ast.Expr) numeric {
	kinds := make([]numeric, len(all))
	common := isLiteral
	for i, e := range all {
		kinds[i] = p.walk(e)
		switch {
		case kinds[i] == isDouble || common == isDouble:
			common = isDouble
		case kinds[i] == notNumeric || common == notNumeric:
			common = notNumeric
		case kinds[i] == isInt:
			common = isInt
		}
	}
	if common == isDouble {
		for i, e := range all {
			if kinds[i] == isLiteral {
				promote(e)
			}
		}
	}
	return common
}

// promote turns the literals of an all-literal expression into doubles.
func promote(e ast.Expr) {
	switch e.Kind() {
	case ast.LiteralKind:
		if v, ok := e.AsLiteral().(types.Int); ok {
			e.SetKindCase(ast.NewExprFactory().NewLiteral(e.ID(), types.Double(v)))
		}
	case ast.CallKind:
		args := e.AsCall().Args()
		if e.AsCall().FunctionName() == operators.Conditional {
			args = args[1:]
		}
		for _, arg := range args {
			promote(arg)
		}
	}
}
