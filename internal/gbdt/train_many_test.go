package gbdt

import (
	"bytes"
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// naiveLeaf is what a tree adds to the margin of a row.
func naiveLeaf(t Tree, row []float32) float64 {
	at := int32(0)
	for t[at].Feature >= 0 {
		n := t[at]
		at = n.Right
		if v := float64(row[n.Feature]); math.IsNaN(v) && n.Missing || v < float64(n.Split) {
			at = n.Left
		}
	}
	return float64(t[at].Value)
}

// naiveMargin is what a model says of a row.
func naiveMargin(m *Model, row []float32) float64 {
	sum := m.Base
	for _, t := range m.Trees {
		sum += naiveLeaf(t, row)
	}
	return sum
}

func rowOf(f *Frame, i int) []float32 {
	row := make([]float32, len(f.Columns))
	for j, c := range f.Columns {
		row[j] = c[i]
	}
	return row
}

// TestManyValues grows on more distinct values than fit two bytes, one feature that has all of them, and looks for the
// best splits in the sorted rows.
func TestManyValues(t *testing.T) {
	const rows = 70_000
	random := rand.New(rand.NewPCG(1, 1))
	set := yesNo(make([]bool, rows), make([]float32, rows))
	sorted := make([]int, rows) // row by value
	for value, row := range random.Perm(rows) {
		sorted[value] = row
		set.Frame.Columns[0][row] = float32(value)
		set.Labels[row] = random.Float64() < 0.1+0.5*math.Abs(math.Sin(float64(value)/9_000))
	}
	s := DefaultSettings()
	s.Bins, s.Trees, s.Depth, s.Rate = 0, 1, 4, 1
	tree := mustTrain(t, set, s).Trees[0]
	o := newOracle(set, s)
	o.derive(make([]float64, rows))
	var check func(at int32, from, to, depth int)
	check = func(at int32, from, to, depth int) {
		n := tree[at]
		g, h := o.sum(sorted[from:to])
		score := func(g, h float64) float64 { return g * g / (h + s.Lambda) }
		best, cut, gl, hl := 0.0, 0, 0.0, 0.0
		for i := from; i < to-1; i++ {
			gl, hl = gl+o.g[sorted[i]], hl+o.h[sorted[i]]
			if gain := score(gl, hl) + score(g-gl, h-hl) - score(g, h); gain > best && min(hl, h-hl) >= s.MinChild {
				best, cut = gain, i+1
			}
		}
		if n.Feature == Leaf {
			if !near(float64(n.Value), -g/(h+s.Lambda)) || depth < s.Depth && best > leastGain {
				t.Fatalf("leaf %d is %v, want %v; a split gains %v", at, n.Value, -g/(h+s.Lambda), best)
			}
			return
		}
		if !near(float64(n.Gain), best) || n.Split != float32(cut)-0.5 {
			t.Fatalf("node %d splits at %v and gains %v, want %v and %v", at, n.Split, n.Gain, float64(cut)-0.5, best)
		}
		check(n.Left, from, cut, depth+1)
		check(n.Right, cut, to, depth+1)
	}
	check(0, 0, rows, 0)
	if len(tree) < 16 {
		t.Fatalf("the tree has %d nodes only", len(tree))
	}
}

func TestRowsWithoutWeightAreNotThere(t *testing.T) {
	set := shopLike(1_000, 5, 9)
	set.Weights = make([]float32, 1_000)
	left := Set{Frame: &Frame{Names: set.Frame.Names, Columns: make([][]float32, 5)}}
	for i := range set.Weights {
		set.Weights[i] = float32(i % 3)
		if i%3 == 0 {
			continue
		}
		left.Weights, left.Labels = append(left.Weights, set.Weights[i]), append(left.Labels, set.Labels[i])
		for j, c := range set.Frame.Columns {
			left.Frame.Columns[j] = append(left.Frame.Columns[j], c[i])
		}
	}
	s := DefaultSettings()
	s.MinChild, s.Bins = 0, 0
	if !bytes.Equal(bitsOf(t, mustTrain(t, set, s)), bitsOf(t, mustTrain(t, left, s))) {
		t.Fatal("rows of weight 0 change the model")
	}
}

func TestEveryRowHasItsMargin(t *testing.T) {
	set := shopLike(1_000, 5, 9)
	for _, share := range []float64{1, 0.3} {
		s := DefaultSettings()
		s.RowShare, s.Base, s.Workers = share, -1, 2
		tr, err := newTrainer(set, nil, s)
		if err != nil {
			t.Fatal(err)
		}
		for k := range uint64(4) {
			if err := tr.round(context.Background(), k); err != nil {
				t.Fatal(err)
			}
		}
		for i, got := range tr.margins {
			if want := naiveMargin(tr.model, rowOf(set.Frame, i)); got != want {
				t.Fatalf("share %v: row %d has margin %v, the trees say %v", share, i, got, want)
			}
		}
	}
}

func TestExtremeWeightsStayFinite(t *testing.T) {
	trained := 0
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		set := shopLike(60, 3, random.Uint64())
		set.Labels[0], set.Labels[1] = true, false
		for range set.Labels {
			set.Weights = append(set.Weights, rapid.SampledFrom([]float32{1, 1e-45, 1e26, 1e-20}).Draw(t, "weight"))
		}
		s := DefaultSettings()
		s.Trees, s.Rate, s.MinChild = 20, 1, 0
		s.Lambda = rapid.SampledFrom([]float64{0, 1, math.MaxFloat32}).Draw(t, "lambda")
		s.PositiveWeight = rapid.SampledFrom([]float64{1e-40, 1, 1e30}).Draw(t, "positive weight")
		m, err := Train(context.Background(), set, nil, s, nil)
		if errors.Is(err, ErrData) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		trained++
	})
	if trained == 0 {
		t.Fatal("all weights were refused")
	}
}
