package gbdt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func mustTrain(t interface {
	Helper()
	Fatal(...any)
}, set Set, s Settings) *Model {
	t.Helper()
	m, err := Train(context.Background(), set, nil, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// bitsOf is every bit of the trees.
func bitsOf(t *testing.T, m *Model) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, tree := range m.Trees {
		if err := binary.Write(&out, binary.LittleEndian, []Node(tree)); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('|')
	}
	return out.Bytes()
}

func TestSameSeedSameBytes(t *testing.T) {
	set := shopLike(6_000, 9, 3)
	for _, bins := range []int{0, 64, 4096} {
		for _, share := range []float64{1, 0.5} {
			s := DefaultSettings()
			s.Trees, s.Depth, s.Bins, s.Seed, s.RowShare, s.ColumnShare = 12, 5, bins, 7, share, share
			s.Workers = 1
			want := bitsOf(t, mustTrain(t, set, s))
			for _, workers := range []int{0, 2, 3, 16} {
				s.Workers = workers
				if !bytes.Equal(bitsOf(t, mustTrain(t, set, s)), want) {
					t.Fatalf("%d bins, share %v: %d workers make another model than one", bins, share, workers)
				}
			}
			s.Seed = 8
			if other := bitsOf(t, mustTrain(t, set, s)); bytes.Equal(other, want) != (share == 1) {
				t.Fatalf("share %v: another seed makes the same model: %v", share, share != 1)
			}
		}
	}
}

func TestSiblingsAreNeighbors(t *testing.T) {
	s := DefaultSettings()
	s.Depth, s.Trees = 6, 5
	splits := 0
	for _, tree := range mustTrain(t, shopLike(3_000, 9, 4), s).Trees {
		for _, n := range tree {
			if n.Feature != Leaf {
				splits++
				if n.Right != n.Left+1 {
					t.Fatalf("the children are %d and %d: XGBoost would not find the right one", n.Left, n.Right)
				}
			}
		}
	}
	if splits == 0 {
		t.Fatal("there is no split")
	}
}

func TestSharesChangeTheModel(t *testing.T) {
	set := shopLike(3_000, 9, 4)
	s := DefaultSettings()
	s.Trees = 10
	whole := mustTrain(t, set, s)
	s.RowShare = 0.5
	fewRows := mustTrain(t, set, s)
	s.RowShare, s.ColumnShare = 1, 0.12 // one of nine
	fewColumns := mustTrain(t, set, s)
	if bytes.Equal(bitsOf(t, whole), bitsOf(t, fewRows)) || bytes.Equal(bitsOf(t, whole), bitsOf(t, fewColumns)) {
		t.Fatal("samples change nothing")
	}
	if got, all := fewRows.Trees[0][0].Cover, whole.Trees[0][0].Cover; got < all*0.4 || got > all*0.6 {
		t.Fatalf("half of the rows cover %v of %v", got, all)
	}
	asked := map[int32]bool{}
	for _, tree := range fewColumns.Trees {
		own := map[int32]bool{}
		for _, n := range tree {
			if n.Feature != Leaf {
				own[n.Feature], asked[n.Feature] = true, true
			}
		}
		if len(own) > 1 {
			t.Fatalf("a tree asks %d features, want one", len(own))
		}
	}
	if len(asked) < 2 {
		t.Fatal("every tree asks the same feature")
	}
}

func TestMonotoneConstraintsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := shopLike(300, 4, rapid.Uint64().Draw(t, "seed"))
		set.Labels[0], set.Labels[1] = true, false
		s := DefaultSettings()
		s.Trees, s.Depth, s.Rate, s.MinChild, s.Bins = 15, rapid.IntRange(1, 6).Draw(t, "depth"), 0.5, 0.1, rapid.SampledFrom([]int{0, 8}).Draw(t, "bins")
		s.RowShare = rapid.SampledFrom([]float64{1, 0.7}).Draw(t, "rows")
		s.Monotone = map[string]int{"f0": 1, "f1": -1, "f2": rapid.SampledFrom([]int{-1, 1}).Draw(t, "direction")}
		m := mustTrain(t, set, s)
		for j, name := range set.Frame.Names[:3] {
			grid := slices.DeleteFunc(slices.Clone(set.Frame.Columns[j]), func(v float32) bool { return v != v })
			grid = append(grid, -math.MaxFloat32, math.MaxFloat32)
			slices.Sort(grid)
			for i := range 10 {
				row, last := rowOf(set.Frame, i), math.Inf(-s.Monotone[name])
				for _, v := range grid {
					row[j] = v
					now := naiveMargin(m, row)
					if (now-last)*float64(s.Monotone[name]) < 0 {
						t.Fatalf("%s rises to %v, the margin goes from %v to %v", name, v, last, now)
					}
					last = now
				}
			}
		}
	})
}

// yesNo is one feature per column of values, and labels.
func yesNo(labels []bool, columns ...[]float32) Set {
	f := &Frame{Columns: columns}
	for j := range columns {
		f.Names = append(f.Names, fmt.Sprint("f", j))
	}
	return Set{Frame: f, Labels: labels}
}

func TestMissingValuesGoWhereTheyBelong(t *testing.T) {
	gap := float32(math.NaN())
	s := DefaultSettings()
	s.Trees, s.Depth, s.MinChild, s.Lambda = 1, 1, 0, 0
	for _, c := range []struct {
		name   string
		values []float32
		labels []bool
		left   bool
	}{
		{"with the small", []float32{1, 1, 5, 5, gap, gap}, []bool{true, true, false, false, true, true}, true},
		{"with the large", []float32{1, 1, 5, 5, gap, gap}, []bool{true, true, false, false, false, false}, false},
		{"by themselves", []float32{1, 5, 1, 5, gap, gap}, []bool{false, false, false, false, true, true}, true},
		{"one value or none", []float32{4, 4, 4, 4, gap, gap}, []bool{false, false, false, false, true, true}, true},
		{"never seen, most are small", []float32{1, 1, 1, 5}, []bool{true, true, true, false}, true},
		{"never seen, most are large", []float32{1, 5, 5, 5}, []bool{true, false, false, false}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := mustTrain(t, yesNo(c.labels, c.values), s)
			root := m.Trees[0][0]
			if root.Feature != 0 || root.Missing != c.left {
				t.Fatalf("the root is %+v, the missing should go left: %v", root, c.left)
			}
			for i, v := range c.values {
				if got := naiveMargin(m, []float32{v}) > 0; got != c.labels[i] {
					t.Fatalf("row %d is said to be %v", i, got)
				}
			}
		})
	}
}

func TestConstantFeatureIsNeverAsked(t *testing.T) {
	set := shopLike(2_000, 3, 5)
	gaps := make([]float32, 2_000)
	for i := range gaps {
		gaps[i] = float32(math.NaN())
	}
	set.Frame.Names = append(set.Frame.Names, "constant", "gaps")
	set.Frame.Columns = append(set.Frame.Columns, make([]float32, 2_000), gaps)
	s := DefaultSettings()
	for _, tree := range mustTrain(t, set, s).Trees {
		for _, n := range tree {
			if n.Feature >= 3 {
				t.Fatalf("feature %s is asked", set.Frame.Names[n.Feature])
			}
		}
	}
	set.Frame = &Frame{Names: []string{"constant"}, Columns: [][]float32{make([]float32, 2_000)}}
	s.Trees = 200
	m := mustTrain(t, set, s)
	frauds := 0
	for _, label := range set.Labels {
		if label {
			frauds++
		}
	}
	share := float64(frauds) / 2_000
	if got := 1 / (1 + math.Exp(-naiveMargin(m, []float32{0}))); math.Abs(got-share) > 0.01 || len(m.Trees[0]) != 1 {
		t.Fatalf("without anything to ask the probability is %v, want the share %v", got, share)
	}
}

func TestOfEqualFeaturesTheFirstIsAsked(t *testing.T) {
	set := shopLike(2_000, 8, 5)
	set.Frame.Columns = [][]float32{set.Frame.Columns[0], set.Frame.Columns[0], set.Frame.Columns[0]}
	set.Frame.Names = set.Frame.Names[:3]
	s := DefaultSettings()
	s.ColumnShare = 0.7 // two of three
	asked := map[int32]bool{}
	for _, tree := range mustTrain(t, set, s).Trees {
		for _, n := range tree {
			asked[n.Feature] = true
		}
	}
	if !asked[0] || !asked[1] || asked[2] {
		t.Fatalf("the features asked are %v, want 0 and, where that is not drawn, 1", asked)
	}
}

func TestBinsBoundTheSplits(t *testing.T) {
	set := shopLike(4_000, 8, 6)
	set.Frame.Names, set.Frame.Columns = set.Frame.Names[:1], set.Frame.Columns[:1]
	s := DefaultSettings()
	s.Bins, s.Depth, s.Trees = 4, 6, 30
	splits := map[float32]bool{}
	for _, tree := range mustTrain(t, set, s).Trees {
		for _, n := range tree {
			if n.Feature != Leaf {
				splits[n.Split] = true
			}
		}
	}
	if len(splits) == 0 || len(splits) > 3 {
		t.Fatalf("four bins are split at %d places", len(splits))
	}
}

func TestDataThatCannotBeLearnedFrom(t *testing.T) {
	inf, gap := float32(math.Inf(1)), float32(math.NaN())
	labels := []bool{true, false}
	weighted := func(weights ...float32) Set {
		set := yesNo(labels, []float32{1, 2})
		set.Weights = weights
		return set
	}
	for name, set := range map[string]Set{
		"no frame":        {Labels: labels},
		"no rows":         yesNo(nil, []float32{}),
		"no features":     yesNo(labels),
		"one class":       yesNo([]bool{true, true}, []float32{1, 2}),
		"one class left":  weighted(1, 0),
		"infinity":        yesNo(labels, []float32{1, inf}),
		"minus infinity":  yesNo(labels, []float32{1, -inf}),
		"short feature":   yesNo(labels, []float32{1, 2}, []float32{1}),
		"long feature":    yesNo(labels, []float32{1, 2, 3}),
		"few weights":     weighted(1),
		"NaN weight":      weighted(1, gap),
		"negative weight": weighted(1, -1),
		"infinite weight": weighted(1, inf),
		"too much weight": weighted(math.MaxFloat32, 1),
		"same names":      {Frame: &Frame{Names: []string{"a", "a"}, Columns: [][]float32{{1, 2}, {1, 2}}}, Labels: labels},
		"few names":       {Frame: &Frame{Names: []string{"a"}, Columns: [][]float32{{1, 2}, {1, 2}}}, Labels: labels},
	} {
		s := DefaultSettings()
		if _, err := Train(context.Background(), set, nil, s, nil); !errors.Is(err, ErrData) {
			t.Errorf("%s: the error is %v, want ErrData", name, err)
		}
		if s.Stop = 1; name == "too much weight" {
			continue // of what is learned from alone
		}
		if _, err := Train(context.Background(), yesNo(labels, []float32{1, 2}), &set, s, nil); !errors.Is(err, ErrData) {
			t.Errorf("%s in validation: the error is %v, want ErrData", name, err)
		}
	}
}

func TestSettingsOutOfRange(t *testing.T) {
	set := yesNo([]bool{true, false}, []float32{1, 2})
	nan := math.NaN()
	for name, change := range map[string]func(*Settings){
		"no trees":         func(s *Settings) { s.Trees = 0 },
		"too many trees":   func(s *Settings) { s.Trees = MaxTrees + 1 },
		"no depth":         func(s *Settings) { s.Depth = 0 },
		"too deep":         func(s *Settings) { s.Depth = 16 },
		"no rate":          func(s *Settings) { s.Rate = 0 },
		"NaN rate":         func(s *Settings) { s.Rate = nan },
		"lambda":           func(s *Settings) { s.Lambda = -1 },
		"gamma":            func(s *Settings) { s.Gamma = nan },
		"min child":        func(s *Settings) { s.MinChild = math.Inf(1) },
		"rows":             func(s *Settings) { s.RowShare = 1.1 },
		"columns":          func(s *Settings) { s.ColumnShare = 0 },
		"one bin":          func(s *Settings) { s.Bins = 1 },
		"too many bins":    func(s *Settings) { s.Bins = 1<<16 + 1 },
		"positive weight":  func(s *Settings) { s.PositiveWeight = 0 },
		"base":             func(s *Settings) { s.Base = nan },
		"workers":          func(s *Settings) { s.Workers = -1 },
		"stop":             func(s *Settings) { s.Stop = -1 },
		"stop without set": func(s *Settings) { s.Stop = 1 },
		"measure":          func(s *Settings) { s.StopOn = 2 },
		"direction":        func(s *Settings) { s.Monotone = map[string]int{"f0": 2} },
		"unknown feature":  func(s *Settings) { s.Monotone = map[string]int{"f1": 1} },
	} {
		s := DefaultSettings()
		change(&s)
		if _, err := Train(context.Background(), set, nil, s, nil); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: the error is %v, want ErrSettings", name, err)
		}
	}
	if _, err := Train(context.Background(), set, &set, DefaultSettings(), nil); !errors.Is(err, ErrSettings) {
		t.Errorf("a validation set that nothing uses: the error is %v, want ErrSettings", err)
	}
}

func TestContextEndsTraining(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	m, err := Train(ctx, shopLike(500, 3, 1), nil, DefaultSettings(), func(done, of int) {
		if calls++; done != calls || of != 100 {
			t.Errorf("call %d says %d of %d", calls, done, of)
		}
		if done == 3 {
			cancel()
		}
	})
	if m != nil || !errors.Is(err, context.Canceled) || calls != 3 {
		t.Fatalf("after %d calls: %v, %v", calls, m, err)
	}
}
