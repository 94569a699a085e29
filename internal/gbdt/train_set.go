package gbdt

import (
	"fmt"
	"math"
)

// Set is rows with what became of them.
type Set struct {
	Frame   *Frame
	Labels  []bool
	Weights []float32 // nil: 1 each; a row of weight 0 is as if it were not there
}

// validate reports what makes s no set to learn from; the error wraps ErrData.
func (s *Set) validate() error {
	switch rows := len(s.Labels); {
	case s.Frame == nil || rows == 0:
		return fmt.Errorf("%w: there are no rows", ErrData)
	case uint64(rows) > math.MaxInt32:
		return fmt.Errorf("%w: there are more than %d rows", ErrData, math.MaxInt32)
	case len(s.Frame.Names) != len(s.Frame.Columns):
		return fmt.Errorf("%w: %d names for %d features", ErrData, len(s.Frame.Names), len(s.Frame.Columns))
	case s.Weights != nil && len(s.Weights) != rows:
		return fmt.Errorf("%w: %d weights for %d rows", ErrData, len(s.Weights), rows)
	}
	if err := (&Model{Names: s.Frame.Names}).Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	for j, column := range s.Frame.Columns {
		if len(column) != len(s.Labels) {
			return fmt.Errorf("%w: feature %d has %d values for %d labels", ErrData, j, len(column), len(s.Labels))
		}
		for _, v := range column {
			if math.IsInf(float64(v), 0) {
				return fmt.Errorf("%w: feature %d has an infinite value", ErrData, j)
			}
		}
	}
	return s.validateClasses()
}

func (s *Set) validateClasses() error {
	var classes [2]bool
	for i, label := range s.Labels {
		w := float32(1)
		if s.Weights != nil {
			w = s.Weights[i]
		}
		if !(w >= 0 && w <= math.MaxFloat32) {
			return fmt.Errorf("%w: the weight of row %d is negative or no number", ErrData, i)
		}
		if w > 0 {
			if label {
				classes[1] = true
			} else {
				classes[0] = true
			}
		}
	}
	if !classes[0] || !classes[1] {
		return fmt.Errorf("%w: all rows are of one class", ErrData)
	}
	return nil
}
