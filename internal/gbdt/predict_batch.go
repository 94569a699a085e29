package gbdt

import (
	"fmt"
	"math"
	"slices"
)

// Batch writes the margin of each row of the frame into out; see Margin. The frame must have the features of the model in
// their order, columns of the same length, no infinite value, and out room for exactly its rows; otherwise the error wraps
// ErrData, and what is in out means nothing. Batch uses one processor: several may work on parts of a frame at once.
func (f *Forest) Batch(frame *Frame, out []float64) error {
	if !slices.Equal(frame.Names, f.names) || len(frame.Columns) != len(f.names) {
		return fmt.Errorf("predict rows: %w: the features are not those of the model", ErrData)
	}
	for j, column := range frame.Columns {
		if len(column) != len(out) {
			return fmt.Errorf("predict rows: %w: column %d has %d rows, and there is room for %d", ErrData, j, len(column), len(out))
		}
	}
	x := f.points.Get().(*point)
	defer f.points.Put(x)
	for i := range out {
		for j, column := range frame.Columns {
			v := column[i]
			if math.IsInf(float64(v), 0) {
				return fmt.Errorf("predict rows: %w: row %d has an infinite value in column %d", ErrData, i, j)
			}
			x.set(j, v)
		}
		out[i] = f.margin(x)
	}
	return nil
}
