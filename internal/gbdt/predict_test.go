package gbdt

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// drawModel draws a model of few features, so that questions repeat, and of small trees in any legal order of nodes.
func drawModel(t *rapid.T, trees, depth, features int) *Model {
	m := &Model{Base: rapid.Float64Range(-5, 5).Draw(t, "base")}
	for j := range features {
		m.Names = append(m.Names, fmt.Sprintf("x%d", j))
	}
	for range rapid.IntRange(0, trees).Draw(t, "trees") {
		m.Trees = append(m.Trees, drawTree(t, depth, features))
	}
	return m
}

func drawTree(t *rapid.T, depth, features int) Tree {
	depths := []int{0}
	tree := Tree{{}}
	for i := 0; i < len(tree); i++ {
		n := &tree[i]
		n.Cover = rapid.OneOf(rapid.Just[float32](0), rapid.Float32Range(0, 100)).Draw(t, "cover")
		if depths[i] == depth || rapid.IntRange(0, 3).Draw(t, "ends") == 0 {
			n.Feature, n.Value = Leaf, rapid.Float32Range(-3, 3).Draw(t, "value")
			continue
		}
		n.Feature = rapid.Int32Range(0, int32(features)-1).Draw(t, "feature")
		n.Split = float32(rapid.IntRange(-2, 2).Draw(t, "split"))
		n.Missing = rapid.Bool().Draw(t, "missing")
		n.Gain = rapid.Float32Range(0, 9).Draw(t, "gain")
		n.Left, n.Right = int32(len(tree)), int32(len(tree)+1)
		if rapid.Bool().Draw(t, "turned") {
			n.Left, n.Right = n.Right, n.Left
		}
		tree = append(tree, Node{}, Node{})
		depths = append(depths, depths[i]+1, depths[i]+1)
	}
	return tree
}

func drawRow(t *rapid.T, features int) []float64 {
	return rapid.SliceOfN(rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 3), func(v int) float64 { return float64(v) }),
		rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, 1 + 1e-12, 1 - 1e-12}),
	), features, features).Draw(t, "row")
}

// goesLeft is what the package comment says of a value at a node.
func goesLeft(n *Node, value float64) bool {
	if math.IsNaN(value) {
		return n.Missing
	}
	return float32(value) < n.Split
}

// plainMargin adds the leaves up in the order of the trees.
func plainMargin(m *Model, row []float64) float64 {
	sum := m.Base
	for _, t := range m.Trees {
		at := int32(0)
		for t[at].Feature != Leaf {
			if n := &t[at]; goesLeft(n, row[n.Feature]) {
				at = n.Left
			} else {
				at = n.Right
			}
		}
		sum += float64(t[at].Value)
	}
	return sum
}

func mustForest(tb interface {
	Helper()
	Fatal(args ...any)
}, m *Model) *Forest {
	tb.Helper()
	f, err := m.Forest()
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func TestMarginIsThePlainSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features := rapid.IntRange(1, 5).Draw(t, "features")
		m := drawModel(t, 20, 6, features)
		f := mustForest(t, m)
		for range 8 {
			row := drawRow(t, features)
			got, want := f.Margin(row), plainMargin(m, row)
			if !sameBits(got, want) {
				t.Fatalf("Margin(%v) = %v, want %v", row, got, want)
			}
			if p := f.Probability(row); !sameBits(p, 1/(1+math.Exp(-want))) {
				t.Fatalf("Probability(%v) = %v of margin %v", row, p, want)
			}
		}
	})
}

func TestMarginOfManyTreesAndFeatures(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, shape := range [][3]int{{200, 6, 60}, {17, 10, MaxFeatures}, {1, 0, 1}, {9, 3, 2}} {
		m := full(r, shape[0], shape[1], shape[2])
		f := mustForest(t, m)
		for _, row := range randomRows(r, 50, shape[2]) {
			if got, want := f.Margin(row), plainMargin(m, row); !sameBits(got, want) {
				t.Fatalf("%v: margin %v, want %v", shape, got, want)
			}
		}
	}
}

// chain is a tree of one question a level, each about the next feature: right goes on, left ends. The children of node 0 are
// 1 and 2, those of 2 are 3 and 4, and so on.
func chain(depth, features int) Tree {
	var t Tree
	for i := range depth {
		next := int32(2*i + 1)
		t = append(t, Node{Feature: int32(i % features), Left: next, Right: next + 1, Split: float32(i % 5), Cover: float32(1 + depth - i)},
			Node{Feature: Leaf, Value: float32(i) / 4, Cover: 1})
	}
	return append(t, Node{Feature: Leaf, Value: -2, Cover: 1})
}

func TestMarginOfTheDeepestTree(t *testing.T) {
	m := &Model{Names: []string{"a", "b", "c"}, Trees: []Tree{chain(MaxDepth, 3)}}
	f := mustForest(t, m)
	for _, row := range [][]float64{{9, 9, 9}, {9, 9, 3}, {0, 0, 0}, {math.NaN(), 9, 9}} {
		if got, want := f.Margin(row), plainMargin(m, row); !sameBits(got, want) {
			t.Errorf("Margin(%v) = %v, want %v", row, got, want)
		}
	}
}

func TestTheBaseOfNoTreesIsTheMargin(t *testing.T) {
	negativeZero := math.Copysign(0, -1)
	for _, base := range []float64{0, negativeZero, -4.6, 1e300} {
		f := mustForest(t, &Model{Names: []string{"a"}, Base: base, Trees: []Tree{{{Feature: Leaf, Value: float32(negativeZero)}}}})
		out := []float64{7}
		if got := f.Margin([]float64{1}); !sameBits(got, base) {
			t.Errorf("margin %v, want %v", got, base)
		}
		if got := f.Explain([]float64{1}, out); got != base || out[0] != 0 {
			t.Errorf("Explain() = %v, %v, want %v, 0", got, out[0], base)
		}
	}
}

func TestForestRefusesAnInvalidModel(t *testing.T) {
	if _, err := (&Model{Names: []string{"a"}, Trees: []Tree{{}}}).Forest(); !errors.Is(err, ErrModel) {
		t.Errorf("Forest() of a tree without nodes = %v, want ErrModel", err)
	}
}

func TestTooFewValuesPanic(t *testing.T) {
	f := mustForest(t, &Model{Names: []string{"a", "b"}})
	for name, call := range map[string]func(){
		"Margin":         func() { f.Margin([]float64{1}) },
		"Explain":        func() { f.Explain([]float64{1}, make([]float64, 2)) },
		"Explain's room": func() { f.Explain([]float64{1, 2}, make([]float64, 1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			call()
		}()
	}
}

func TestPredictionsAllocateNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	f := mustForest(t, full(r, 20, 5, 30))
	row := randomRows(r, 1, 30)[0]
	if n := testing.AllocsPerRun(100, func() { f.Probability(row) }); n >= 1 {
		t.Errorf("Probability allocates %v times", n)
	}
}

func TestAForestServesManyAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	m := full(r, 20, 5, 30)
	f := mustForest(t, m)
	rows := randomRows(r, 50, 30)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			out, again := make([]float64, 30), make([]float64, 30)
			for _, row := range rows {
				if got, want := f.Margin(row), plainMargin(m, row); !sameBits(got, want) {
					t.Errorf("margin %v, want %v", got, want)
				}
				f.Explain(row, out)
				f.Explain(row, again)
				for j := range out {
					if !sameBits(out[j], again[j]) {
						t.Errorf("contribution %d is %v, then %v", j, out[j], again[j])
					}
				}
			}
		})
	}
	wait.Wait()
}

func frameOf(names []string, rows [][]float64) *Frame {
	frame := &Frame{Names: names, Columns: make([][]float32, len(names))}
	for j := range names {
		for _, row := range rows {
			frame.Columns[j] = append(frame.Columns[j], float32(row[j]))
		}
	}
	return frame
}

func TestBatchIsMarginRowByRow(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	m := full(r, 30, 5, 12)
	f := mustForest(t, m)
	rows := randomRows(r, 300, 12)
	out := make([]float64, len(rows))
	if err := f.Batch(frameOf(f.Names(), rows), out); err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if want := f.Margin(row); !sameBits(out[i], want) {
			t.Fatalf("row %d is %v, want %v", i, out[i], want)
		}
	}
	if err := f.Batch(frameOf(m.Names, nil), nil); err != nil {
		t.Errorf("no rows: %v", err)
	}
}

func TestBatchRefusesWhatIsNotOfTheModel(t *testing.T) {
	names := []string{"a", "b"}
	f := mustForest(t, &Model{Names: names})
	rows := [][]float64{{1, 2}, {3, 4}}
	for name, tc := range map[string]struct {
		frame *Frame
		room  int
	}{
		"names":      {frameOf([]string{"b", "a"}, rows), 2},
		"fewer":      {frameOf([]string{"a"}, rows), 2},
		"columns":    {&Frame{Names: names}, 0},
		"room":       {frameOf(names, rows), 3},
		"short":      {frameOf(names, rows), 1},
		"ragged":     {&Frame{Names: names, Columns: [][]float32{{1, 2}, {1}}}, 2},
		"infinity":   {frameOf(names, [][]float64{{1, 2}, {3, math.Inf(-1)}}), 2},
		"beyond f32": {frameOf(names, [][]float64{{1, 2}, {1e39, 0}}), 2},
	} {
		if err := f.Batch(tc.frame, make([]float64, tc.room)); !errors.Is(err, ErrData) {
			t.Errorf("%s: %v, want ErrData", name, err)
		}
	}
}
