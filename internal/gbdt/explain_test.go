package gbdt

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// expectation is what a tree is expected to say when the features of a set are known: the definition of the
// path-dependent kind.
func expectation(t Tree, at int32, row []float64, known uint) float64 {
	n := &t[at]
	if n.Feature == Leaf {
		return float64(n.Value)
	}
	if known>>n.Feature&1 == 1 {
		if goesLeft(n, row[n.Feature]) {
			return expectation(t, n.Left, row, known)
		}
		return expectation(t, n.Right, row, known)
	}
	left, right := float64(t[n.Left].Cover), float64(t[n.Right].Cover)
	if left+right == 0 {
		left, right = 1, 1
	}
	return (left*expectation(t, n.Left, row, known) + right*expectation(t, n.Right, row, known)) / (left + right)
}

// shapley computes the contributions from the definition: of each feature, the mean over all sets of the others of what it
// adds to the expectation, weighted by how many orders put exactly that set before it.
func shapley(m *Model, row []float64) (base float64, out []float64) {
	features := len(m.Names)
	worth := make([]float64, 1<<features)
	for set := range worth {
		worth[set] = m.Base
		for _, t := range m.Trees {
			worth[set] += expectation(t, 0, row, uint(set))
		}
	}
	out = make([]float64, features)
	for j := range features {
		for set := range worth {
			if set>>j&1 == 1 {
				continue
			}
			size := bits.OnesCount(uint(set))
			out[j] += (worth[set|1<<j] - worth[set]) / (float64(features) * choose(features-1, size))
		}
	}
	return worth[0], out
}

func choose(n, k int) float64 {
	c := 1.0
	for i := range k {
		c = c * float64(n-i) / float64(i+1)
	}
	return c
}

func TestExplainIsTheShapleyValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		features := rapid.IntRange(1, 6).Draw(t, "features")
		m := drawModel(t, 3, 6, features)
		row := drawRow(t, features)
		base, want := shapley(m, row)
		got := make([]float64, features)
		if b := mustForest(t, m).Explain(row, got); math.Abs(b-base) > 1e-12*(1+math.Abs(base)) {
			t.Fatalf("base is %v, want %v", b, base)
		}
		for j := range want {
			if math.Abs(got[j]-want[j]) > 1e-11 {
				t.Fatalf("contributions are %v, want %v", got, want)
			}
		}
	})
}

// TestContributionsAddUp covers what brute force cannot: many trees, deep ones and many features on a path.
func TestContributionsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	deep := func(features int) *Model {
		m := full(r, 0, 0, features)
		for range 5 {
			m.Trees = append(m.Trees, chain(MaxDepth, features))
		}
		return m
	}
	for name, m := range map[string]*Model{
		"usual": full(r, 200, 6, 60), "wide": full(r, 3, 11, 500), "repeated": full(r, 5, 9, 2), "deep": deep(MaxDepth), "deep, repeated": deep(5),
	} {
		f := mustForest(t, m)
		out := make([]float64, len(m.Names))
		for _, row := range append(randomRows(r, 30, len(m.Names)), make([]float64, len(m.Names))) {
			sum := f.Explain(row, out)
			for _, v := range out {
				sum += v
			}
			if want := f.Margin(row); math.Abs(sum-want) > 1e-9*max(1, math.Abs(want)) {
				t.Fatalf("%s: contributions add up to %v, margin is %v", name, sum, want)
			}
		}
	}
}

func TestAFeatureThatNobodyAsksGetsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t, 4, 5, 4)
		silent := rapid.Int32Range(0, 3).Draw(t, "silent")
		for _, tree := range m.Trees {
			for i := range tree {
				if tree[i].Feature == silent {
					tree[i].Feature = (silent + 1) % 4
				}
			}
		}
		out := []float64{9, 9, 9, 9}
		mustForest(t, m).Explain(drawRow(t, 4), out)
		if !sameBits(out[silent], 0) {
			t.Fatalf("feature %d got %v", silent, out[silent])
		}
	})
}

func TestEqualFeaturesGetEqualShares(t *testing.T) {
	and := func(first, second int32) Tree { // 1 if both are at least 0
		return Tree{
			{Feature: first, Left: 1, Right: 2, Cover: 4}, {Feature: Leaf, Cover: 2}, {Feature: second, Left: 3, Right: 4, Cover: 2},
			{Feature: Leaf, Cover: 1}, {Feature: Leaf, Value: 1, Cover: 1},
		}
	}
	f := mustForest(t, &Model{Names: []string{"a", "b"}, Trees: []Tree{and(0, 1), and(1, 0)}})
	for _, tc := range []struct{ a, b, wantA, wantB float64 }{{1, 1, 0.75, 0.75}, {-1, -1, -0.25, -0.25}, {1, -1, 0.25, -0.75}} {
		out := make([]float64, 2)
		base := f.Explain([]float64{tc.a, tc.b}, out)
		if math.Abs(base-0.5) > 1e-15 || math.Abs(out[0]-tc.wantA) > 1e-14 || math.Abs(out[1]-tc.wantB) > 1e-14 {
			t.Errorf("%v, %v: base %v and %v, want 0.5, %v and %v", tc.a, tc.b, base, out, tc.wantA, tc.wantB)
		}
	}
}

func TestSharesThatVanishDoNoHarm(t *testing.T) {
	const tiny, huge = 1e-45, math.MaxFloat32
	tree := Tree{}
	for i := range MaxDepth { // a chain whose way on no training row took, all about one feature, or about many
		next := int32(2*i + 1)
		tree = append(tree, Node{Left: next, Right: next + 1, Cover: tiny}, Node{Feature: Leaf, Value: 1, Cover: huge})
	}
	tree = append(tree, Node{Feature: Leaf, Value: huge, Cover: tiny})
	spread := append(Tree(nil), tree...)
	for i := range spread {
		if spread[i].Feature != Leaf {
			spread[i].Feature = int32(i / 2)
		}
	}
	f := mustForest(t, &Model{Names: full(rand.New(rand.NewPCG(1, 1)), 0, 0, MaxDepth).Names, Trees: []Tree{tree, spread}})
	for _, sign := range []float64{1, -1} {
		row, out := make([]float64, MaxDepth), make([]float64, MaxDepth)
		for j := range row {
			row[j] = sign
		}
		sum := f.Explain(row, out)
		for _, v := range out {
			sum += v
		}
		if want := f.Margin(row); !(math.Abs(sum-want) <= 1e-9*math.Abs(want)) {
			t.Errorf("sum is %v, margin %v", sum, want)
		}
	}
}

func TestGaussIntegratesPolynomialsExactly(t *testing.T) {
	for n := 1; n <= maxPoints; n++ {
		for degree := range 2 * n {
			sum := 0.0
			for _, p := range gauss(n) {
				sum += p.weight * math.Pow(p.at, float64(degree))
			}
			if want := 1 / float64(degree+1); math.Abs(sum-want) > 1e-14 {
				t.Errorf("%d points, degree %d: %v, want %v", n, degree, sum, want)
			}
		}
	}
}

func TestExplainAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	f := mustForest(t, full(r, 20, 5, 30))
	row, out := randomRows(r, 1, 30)[0], make([]float64, 30)
	if n := testing.AllocsPerRun(100, func() { f.Explain(row, out) }); n >= 1 {
		t.Errorf("Explain allocates %v times", n)
	}
}
