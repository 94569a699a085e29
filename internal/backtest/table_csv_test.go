package backtest

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// TestWriteCSVHasEveryRowOfTheFold reads the file back as any other program would.
func TestWriteCSVHasEveryRowOfTheFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawProtocol(t)
		table := drawTable(t, p)
		table.Columns[0][rapid.IntRange(0, len(table.At)-1).Draw(t, "missing")] = float32(math.NaN())
		fold, err := p.Fold(table, 0)
		if err != nil {
			t.Skip("no fold of both kinds")
		}
		var out bytes.Buffer
		if err := table.WriteCSV(&out, fold); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || !slices.Equal(rows[0], []string{"test", "label", "x"}) {
			t.Fatalf("the header is %v, %v", rows[0], err)
		}
		var want []string
		add := func(i, test int) {
			label := 0
			if table.Fraud[i] {
				label = 1
			}
			want = append(want, fmt.Sprintf("%d %d %x", test, label, math.Float32bits(table.Columns[0][i])))
		}
		for i := fold.TrainFirst; i < fold.TrainTo; i++ {
			add(i, 0)
		}
		for _, rows := range fold.Days {
			for _, i := range rows {
				add(i, 1)
			}
		}
		var got []string
		for _, r := range rows[1:] {
			x, err := strconv.ParseFloat(r[2], 32)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s %s %x", r[0], r[1], math.Float32bits(float32(x))))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the file has %v, want %v", got, want)
		}
	})
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no room")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteCSVTellsOfAFullDisk(t *testing.T) {
	table := NewTable([]string{"x"})
	if err := table.WriteCSV(full{}, &Fold{}); !errors.Is(err, errFull) {
		t.Errorf("the error is %v", err)
	}
}
