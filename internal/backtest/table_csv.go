package backtest

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteCSV writes the rows of a fold with what a model reads of them, so that any other program can be trained and
// tested on the same: a header, then one row a line, the training rows before the test rows. The columns are test (0 or 1),
// label (1 is a fraud) and the features, in float32, where nan stands for missing. There is no id and no time in it.
func (t *Table) WriteCSV(w io.Writer, f *Fold) error {
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintf(out, "test,label,%s\n", strings.Join(t.Names, ",")) // bufio keeps the error for Flush
	line := make([]byte, 0, 16*len(t.Names))
	row := func(i int, test byte) {
		label := byte('0')
		if t.Fraud[i] {
			label = '1'
		}
		line = append(line[:0], test, ',', label)
		for _, column := range t.Columns {
			line = strconv.AppendFloat(append(line, ','), float64(column[i]), 'g', -1, 32)
		}
		_, _ = out.Write(append(line, '\n'))
	}
	for i := f.TrainFirst; i < f.TrainTo; i++ {
		row(i, '0')
	}
	for _, i := range slices.Concat(f.Days...) {
		row(i, '1')
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write features: %w", err)
	}
	return nil
}
