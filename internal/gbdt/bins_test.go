package gbdt

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestBinsFollowTheValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32), rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), 1, 2, float32(math.NaN())}))
		values := rapid.SliceOfN(value, 1, 50).Draw(t, "values")
		var rows []uint32
		for i := range values {
			if rapid.Bool().Draw(t, "counts") {
				rows = append(rows, uint32(i))
			}
		}
		most := rapid.IntRange(2, 60).Draw(t, "bins")
		b := newColumns(&Frame{Columns: [][]float32{values}}, rows, most, 1)[0]
		var distinct []float32
		for _, r := range rows {
			if v := values[r]; v == v && !slices.Contains(distinct, v) {
				distinct = append(distinct, v)
			}
		}
		slices.Sort(distinct)
		if want := min(most, len(distinct)); len(b.low) != want || len(b.high) != want {
			t.Fatalf("%d bins for %d distinct values, at most %d", len(b.low), len(distinct), most)
		}
		sizes := make([]int, len(b.low))
		for _, v := range distinct {
			for bin := range b.low {
				if v >= b.low[bin] && v <= b.high[bin] {
					sizes[bin]++
				}
			}
		}
		if len(sizes) > 0 && slices.Max(sizes)-slices.Min(sizes) > 1 {
			t.Fatalf("the bins have %v distinct values", sizes)
		}
		for _, r := range rows {
			v, bin := values[r], b.binOf(r)
			if v != v && bin != b.missing() || v == v && (v < b.low[bin] || v > b.high[bin]) {
				t.Fatalf("%v is in bin %d of %v to %v", v, bin, b.low, b.high)
			}
		}
	})
}

func TestWideBins(t *testing.T) {
	const rows = 70_000
	values, all := make([]float32, rows), make([]uint32, rows)
	for i := range values {
		values[i], all[i] = float32(rows-i), uint32(i)
	}
	values[7] = float32(math.NaN())
	b := newColumns(&Frame{Columns: [][]float32{values}}, all, 0, 2)[0]
	if b.wide == nil || len(b.low) != rows-1 || b.binOf(7) != b.missing() || b.binOf(rows-1) != 0 || b.binOf(0) != rows-2 {
		t.Fatalf("%d bins, the first row in %d, the last in %d, the missing in %d", len(b.low), b.binOf(0), b.binOf(rows-1), b.binOf(7))
	}
}

func TestSplitsLieBetween(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32).Draw(t, "a")
		b := rapid.OneOf(rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32), rapid.Just(math.Nextafter32(a, math.MaxFloat32))).Draw(t, "b")
		if a == b {
			return
		}
		a, b = min(a, b), max(a, b)
		split := between(a, b)
		if !(a < split && split <= b) {
			t.Fatalf("%v splits %v and %v", split, a, b)
		}
		if half := (float64(a) + float64(b)) / 2; split != b && split != float32(half) {
			t.Fatalf("%v is not halfway between %v and %v", split, a, b)
		}
	})
}
