package gbdt

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// oracle grows trees from the definition: every feature, every threshold, either direction of the missing, all sums anew.
type oracle struct {
	set      Set
	s        Settings
	monotone []int8
	g, h     []float64
}

// cut is a way to divide rows. Without a threshold those that have a value go right.
type cut struct {
	feature   int
	threshold float32
	missing   bool // goes left
	gain      float64
}

type bounds struct{ lower, upper float64 }

func newOracle(set Set, s Settings) *oracle {
	o := &oracle{set: set, s: s, monotone: make([]int8, len(set.Frame.Names))}
	for j, name := range set.Frame.Names {
		o.monotone[j] = int8(s.Monotone[name])
	}
	return o
}

func (o *oracle) derive(margins []float64) {
	o.g, o.h = make([]float64, len(margins)), make([]float64, len(margins))
	for i, m := range margins {
		w, y, p := 1.0, 0.0, 1/(1+math.Exp(-m))
		if o.set.Weights != nil {
			w = float64(o.set.Weights[i])
		}
		if o.set.Labels[i] {
			w, y = w*o.s.PositiveWeight, 1
		}
		o.g[i], o.h[i] = w*(p-y), w*p*(1-p)
	}
}

func (o *oracle) sum(rows []int) (g, h float64) {
	for _, r := range rows {
		g, h = g+o.g[r], h+o.h[r]
	}
	return g, h
}

// weigh returns the weight of rows within bounds, and what it gains.
func (o *oracle) weigh(rows []int, b bounds) (weight, score float64) {
	g, h := o.sum(rows)
	if h == 0 || h < o.s.MinChild {
		return min(max(0, b.lower), b.upper), 0
	}
	weight = min(max(-g/(h+o.s.Lambda), b.lower), b.upper)
	return weight, -2*g*weight - (h+o.s.Lambda)*weight*weight
}

func (o *oracle) divide(rows []int, c cut) (left, right []int) {
	for _, r := range rows {
		v := o.set.Frame.Columns[c.feature][r]
		if v < c.threshold || v != v && c.missing {
			left = append(left, r)
		} else {
			right = append(right, r)
		}
	}
	return left, right
}

// gain is what a cut gains, or −∞ if it is not allowed.
func (o *oracle) gain(rows []int, c cut, b bounds) float64 {
	left, right := o.divide(rows, c)
	_, hl := o.sum(left)
	_, hr := o.sum(right)
	if len(left) == 0 || len(right) == 0 || hl < o.s.MinChild || hr < o.s.MinChild || hl == 0 || hr == 0 {
		return math.Inf(-1)
	}
	_, before := o.weigh(rows, b)
	wl, sl := o.weigh(left, b)
	wr, sr := o.weigh(right, b)
	if d := o.monotone[c.feature]; c.threshold != -math.MaxFloat32 && (d > 0 && wl > wr || d < 0 && wl < wr) {
		return math.Inf(-1)
	}
	return sl + sr - before
}

// best tries every value as a threshold.
func (o *oracle) best(rows []int, b bounds) (best cut) {
	for j := range o.set.Frame.Columns {
		thresholds := []float32{-math.MaxFloat32}
		for _, r := range rows {
			thresholds = append(thresholds, o.set.Frame.Columns[j][r])
		}
		for _, threshold := range thresholds {
			for _, missing := range []bool{false, true} {
				c := cut{feature: j, threshold: threshold, missing: missing}
				if c.gain = o.gain(rows, c, b); c.gain > best.gain {
					best = c
				}
			}
		}
	}
	return best
}

// near tells whether two numbers are equal but for rounding.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-5*max(1, math.Abs(a), math.Abs(b)) }

// check compares a node and all below with the definition: no cut gains more than the one that was taken, and a leaf has
// none that gains, or no depth left.
func (o *oracle) check(t Tree, at int32, rows []int, b bounds, depth int) error {
	n, best := t[at], cut{}
	if depth < o.s.Depth {
		best = o.best(rows, b)
	}
	if _, h := o.sum(rows); !near(float64(n.Cover), h) {
		return fmt.Errorf("node %d has cover %v, want %v", at, n.Cover, h)
	}
	if n.Feature == Leaf {
		want, _ := o.weigh(rows, b)
		switch {
		case best.gain > leastGain+1e-9:
			return fmt.Errorf("node %d is a leaf, but %+v gains", at, best)
		case !near(float64(n.Value), o.s.Rate*want):
			return fmt.Errorf("leaf %d is %v, want %v", at, n.Value, o.s.Rate*want)
		}
		return nil
	}
	taken := cut{feature: int(n.Feature), threshold: n.Split, missing: n.Missing}
	if taken.gain = o.gain(rows, taken, b); !near(taken.gain, best.gain) || !near(float64(n.Gain), best.gain) {
		return fmt.Errorf("node %d says it gains %v with %+v, but %+v is best", at, n.Gain, taken, best)
	}
	left, right := o.divide(rows, taken)
	lb, rb := o.bound(taken, left, right, b)
	if err := o.check(t, n.Left, left, lb, depth+1); err != nil {
		return err
	}
	return o.check(t, n.Right, right, rb, depth+1)
}

// bound hands the bounds down, and sets one halfway between the sides of a constrained split.
func (o *oracle) bound(c cut, left, right []int, b bounds) (lb, rb bounds) {
	wl, _ := o.weigh(left, b)
	wr, _ := o.weigh(right, b)
	lb, rb = b, b
	switch d := o.monotone[c.feature]; {
	case d == 0 || c.threshold == -math.MaxFloat32:
	case d > 0:
		lb.upper, rb.lower = (wl+wr)/2, (wl+wr)/2
	default:
		lb.lower, rb.upper = (wl+wr)/2, (wl+wr)/2
	}
	return lb, rb
}

// grow is the leaf value of each row, and how many leaves there are below, cut from below by gamma.
func (o *oracle) grow(rows []int, b bounds, depth int, values []float64) (leaves int) {
	best := cut{}
	if depth < o.s.Depth {
		best = o.best(rows, b)
	}
	if best.gain > leastGain {
		left, right := o.divide(rows, best)
		lb, rb := o.bound(best, left, right, b)
		leaves = o.grow(left, lb, depth+1, values) + o.grow(right, rb, depth+1, values)
		if leaves > 2 || best.gain >= o.s.Gamma {
			return leaves
		}
	}
	weight, _ := o.weigh(rows, b)
	for _, r := range rows {
		values[r] = o.s.Rate * weight
	}
	return 1
}

// smallSet draws few rows, often of few values, so that everything that can coincide does.
func smallSet(t *rapid.T) Set {
	rows, columns := rapid.IntRange(2, 40).Draw(t, "rows"), rapid.IntRange(1, 3).Draw(t, "columns")
	set := Set{Frame: &Frame{}, Labels: make([]bool, rows)}
	value := rapid.SampledFrom([]float32{0, 1, 2, 3, -1, 0.5, float32(math.NaN()), float32(math.Copysign(0, -1)), 1e-40, math.MaxFloat32, -math.MaxFloat32 / 2})
	// Many values make bins that are rarer in a node than rows, few values the opposite.
	many := rapid.OneOf(rapid.Float32Range(-1000, 1000), value)
	for j := range columns {
		set.Frame.Names = append(set.Frame.Names, fmt.Sprint("f", j))
		set.Frame.Columns = append(set.Frame.Columns, rapid.SliceOfN(rapid.SampledFrom([]*rapid.Generator[float32]{value, many}).Draw(t, "values"), rows, rows).Draw(t, "column"))
	}
	for i := range set.Labels {
		set.Labels[i] = rapid.Bool().Draw(t, "label")
	}
	set.Labels[0], set.Labels[1] = true, false
	if rapid.Bool().Draw(t, "weighted") {
		set.Weights = rapid.SliceOfN(rapid.SampledFrom([]float32{0, 1, 0.25, 3}), rows, rows).Draw(t, "weights")
		set.Weights[0], set.Weights[1] = 1, 2
	}
	return set
}

func smallSettings(t *rapid.T, set Set) Settings {
	s := DefaultSettings()
	s.Trees, s.Depth, s.Bins, s.Workers = 3, rapid.IntRange(1, 3).Draw(t, "depth"), 0, 1
	s.Rate = rapid.SampledFrom([]float64{0.3, 1}).Draw(t, "rate")
	s.Lambda = rapid.SampledFrom([]float64{0.5, 1, 10}).Draw(t, "lambda")
	s.MinChild = rapid.SampledFrom([]float64{0, 0.3, 1}).Draw(t, "min child")
	s.PositiveWeight = rapid.SampledFrom([]float64{1, 4}).Draw(t, "positive weight")
	s.Base = rapid.SampledFrom([]float64{0, -2}).Draw(t, "base")
	s.Monotone = map[string]int{}
	for _, name := range set.Frame.Names {
		s.Monotone[name] = rapid.IntRange(-1, 1).Draw(t, "monotone")
	}
	return s
}

// present are the rows with a weight.
func present(set Set) (rows []int) {
	for i := range set.Labels {
		if set.Weights == nil || set.Weights[i] > 0 {
			rows = append(rows, i)
		}
	}
	return rows
}

func TestEverySplitIsTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := smallSet(t)
		s := smallSettings(t, set)
		m, err := Train(context.Background(), set, nil, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		o, margins := newOracle(set, s), make([]float64, len(set.Labels))
		for i := range margins {
			margins[i] = s.Base
		}
		for k, tree := range m.Trees {
			o.derive(margins)
			if err := o.check(tree, 0, present(set), bounds{math.Inf(-1), math.Inf(1)}, 0); err != nil {
				t.Fatalf("tree %d: %v\n%+v", k, err, tree)
			}
			for i := range margins {
				margins[i] += naiveLeaf(tree, rowOf(set.Frame, i))
			}
		}
	})
}

func TestTreesAreCutFromBelow(t *testing.T) {
	cuts := 0
	rapid.Check(t, func(t *rapid.T) {
		// Weights of all kinds, so that no two cuts gain the same and the tree is the only one.
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		set := shopLike(24, 3, random.Uint64())
		set.Labels[0], set.Labels[1] = true, false
		for range set.Labels {
			set.Weights = append(set.Weights, 0.5+random.Float32())
		}
		for i := range set.Labels {
			set.Labels[i] = set.Labels[i] || random.IntN(3) == 0 && i != 1
		}
		s := smallSettings(t, set)
		s.Trees, s.Gamma = 1, rapid.Float64Range(0, 4).Draw(t, "gamma")
		m, err := Train(context.Background(), set, nil, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		o, want := newOracle(set, s), make([]float64, len(set.Labels))
		margins := make([]float64, len(want))
		for i := range margins {
			margins[i] = s.Base
		}
		o.derive(margins)
		leaves := o.grow(present(set), bounds{math.Inf(-1), math.Inf(1)}, 0, want)
		if len(m.Trees[0]) != 2*leaves-1 {
			t.Fatalf("the tree has %d nodes, want %d leaves", len(m.Trees[0]), leaves)
		}
		for i, w := range want {
			if got := naiveLeaf(m.Trees[0], rowOf(set.Frame, i)); !near(got, w) {
				t.Fatalf("row %d gets %v, want %v", i, got, w)
			}
		}
		s.Gamma = 0
		if full, err := Train(context.Background(), set, nil, s, nil); err != nil || len(full.Trees[0]) > len(m.Trees[0]) {
			cuts++
		}
	})
	if cuts == 0 {
		t.Fatal("gamma never cut anything")
	}
}
