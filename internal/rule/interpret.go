package rule

import (
	"fmt"
	"math"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// interpret makes the CEL program that evaluates what the closures do not cover. Its run-time
// cost is limited; an error of any kind sets frame.failed.
func (l *language) interpret(e *checked, slots map[string]slot) (func(*frame) ref.Val, error) {
	program, err := l.env.Program(e.program, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxRunCost))
	if err != nil {
		return nil, fmt.Errorf("plan expression: %w", err)
	}
	return func(f *frame) ref.Val {
		value, _, err := program.Eval(scope{slots: slots, frame: f})
		if err != nil || types.IsUnknownOrError(value) {
			f.failed = true
			return types.NullValue
		}
		return value
	}, nil
}

// interpretCondition is interpret for a bool.
func (l *language) interpretCondition(e *checked, slots map[string]slot) (func(*frame) bool, error) {
	value, err := l.interpret(e, slots)
	if err != nil {
		return nil, err
	}
	return func(f *frame) bool { return value(f) == ref.Val(types.True) }, nil
}

// interpretNumber is interpret for points: a double or an int.
func (l *language) interpretNumber(e *checked, slots map[string]slot) (func(*frame) float64, error) {
	value, err := l.interpret(e, slots)
	if err != nil {
		return nil, err
	}
	return func(f *frame) float64 {
		switch v := value(f).(type) {
		case types.Double:
			return float64(v)
		case types.Int:
			return float64(v)
		}
		return math.NaN()
	}, nil
}

// scope resolves variables for the interpreter.
type scope struct {
	slots map[string]slot
	frame *frame
}

// ResolveName gives the value of a variable.
func (s scope) ResolveName(name string) (any, bool) {
	at, ok := s.slots[name]
	if !ok {
		return nil, false
	}
	switch at.kind {
	case Number:
		return types.Double(s.frame.numbers[at.index]), true
	case Text:
		return types.String(s.frame.texts[at.index]), true
	case Flag:
		return types.Bool(s.frame.flags[at.index]), true
	}
	return nil, false
}

// Parent is nil: a rule sees its variables and nothing else.
func (s scope) Parent() cel.Activation { return nil }
