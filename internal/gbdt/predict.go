package gbdt

import (
	"fmt"
	"math"
	"sync"
)

// Forest is a model laid out for speed, and safe for concurrent use. Its nodes take 8 bytes each and lie in one slice, the
// two children of a node side by side. Several trees are walked at once, so that the processor waits for several nodes at
// the same time, and no step of a walk branches on the values.
type Forest struct {
	names   []string
	base    float64 // margin before the first tree
	nodes   []packed
	groups  []group
	paths   []path // the same trees, laid out for Explain
	starts  []int  // where in paths each tree begins
	mean    float64
	rule    []place
	points  sync.Pool // of *point
	walkers sync.Pool // of *walker
}

// packed is a node. A value goes to the node that is the offset further on, or to the one after it if it is not less than
// the split. A leaf has its log-odds for a split, the offset 0 and the slot never, whose NaN is not less and not more than
// anything: who came to a leaf stays there.
type packed struct {
	split float32
	link  uint32 // slot of the value, and from bit slotBits on the offset
}

const (
	slotBits = 14
	slots    = 1 << slotBits // more than two for each of MaxFeatures, and never
	never    = slots - 1
)

// point is the values of a row, each twice: at 2j as feature j is read where a missing value goes left, at 2j+1 as it is
// read where it goes right. A missing value is −Inf in the one and +Inf in the other, and so needs no question of its own.
type point [slots]float32

// lanes is how many trees are walked at once.
const lanes = 8

// group is the trees that are walked together.
type group struct {
	roots [lanes]uint32
	depth int // of the deepest
}

// Forest lays the model out for predictions and explanations. The error wraps ErrModel.
func (m *Model) Forest() (*Forest, error) {
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("lay out model: %w", err)
	}
	f := &Forest{names: m.Names, base: m.Base, mean: m.Base}
	f.points.New = func() any {
		x := new(point)
		x[never] = float32(math.NaN())
		return x
	}
	// What fills up the last group: −0 changes no sum, not even one of −0.
	f.nodes = append(f.nodes, packed{split: float32(math.Copysign(0, -1)), link: never})
	for i, t := range m.Trees {
		if i%lanes == 0 {
			f.groups = append(f.groups, group{})
		}
		g := &f.groups[len(f.groups)-1]
		g.roots[i%lanes] = uint32(len(f.nodes))
		g.depth = max(g.depth, f.pack(t))
	}
	f.layPaths(m.Trees)
	return f, nil
}

// pack appends a tree level by level, and returns its depth.
func (f *Forest) pack(t Tree) int {
	type place struct {
		node  int32
		depth int
	}
	queue := make([]place, 1, len(t)) // becomes the order of the nodes
	for i := 0; i < len(queue); i++ {
		n := &t[queue[i].node]
		if n.Feature == Leaf {
			f.nodes = append(f.nodes, packed{split: n.Value, link: never})
			continue
		}
		f.nodes = append(f.nodes, packed{split: n.Split, link: slotOf(n) | uint32(len(queue)-i)<<slotBits})
		queue = append(queue, place{n.Left, queue[i].depth + 1}, place{n.Right, queue[i].depth + 1})
	}
	return queue[len(queue)-1].depth
}

// slotOf is where in a point the value lies that the node asks for.
func slotOf(n *Node) uint32 {
	if n.Missing {
		return uint32(n.Feature) * 2
	}
	return uint32(n.Feature)*2 + 1
}

// Names are the features, in the order of the values that Margin and Explain take. They must not be changed.
func (f *Forest) Names() []string { return f.names }

// Margin is the log-odds for the values: the base plus the leaf of each tree, added in float64 in the order of the trees,
// so that the same values give the same bits on every machine. Values are in the order of Names, NaN is missing; as in
// training they count as float32, and what is beyond its range counts as infinite, which is more (or less) than any split.
// Margin panics if there are fewer values than features. It allocates nothing.
func (f *Forest) Margin(values []float64) float64 {
	x := f.points.Get().(*point)
	f.fill(x, values)
	m := f.margin(x)
	f.points.Put(x)
	return m
}

// Probability is 1/(1+exp(−margin)), in [0, 1]; see Margin.
func (f *Forest) Probability(values []float64) float64 {
	return 1 / (1 + math.Exp(-f.Margin(values)))
}

func (f *Forest) fill(x *point, values []float64) {
	for j, v := range values[:len(f.names)] {
		x.set(j, float32(v))
	}
}

func (x *point) set(j int, v float32) {
	left, right := v, v
	if v != v {
		left, right = float32(math.Inf(-1)), float32(math.Inf(1))
	}
	x[(2*j)%slots], x[(2*j+1)%slots] = left, right
}

func (f *Forest) margin(x *point) float64 {
	sum := f.base
	for i := range f.groups {
		for _, at := range f.groups[i].walk(f.nodes, x) {
			sum += float64(f.nodes[at].split)
		}
	}
	return sum
}

// walk finds the leaf of each tree. Shallow trees wait in their leaves for the deepest.
func (g *group) walk(nodes []packed, x *point) [lanes]uint32 {
	r := &g.roots
	a, b, c, d, e, h, k, l := r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7]
	for range g.depth {
		a, b, c, d = step(nodes, x, a), step(nodes, x, b), step(nodes, x, c), step(nodes, x, d)
		e, h, k, l = step(nodes, x, e), step(nodes, x, h), step(nodes, x, k), step(nodes, x, l)
	}
	return [lanes]uint32{a, b, c, d, e, h, k, l}
}

func step(nodes []packed, x *point, at uint32) uint32 {
	n := nodes[at]
	var right uint32
	if x[n.link%slots] >= n.split {
		right = 1
	}
	return at + n.link>>slotBits + right
}
