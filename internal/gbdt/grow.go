package gbdt

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// leastGain is what a split has to gain at all, as in XGBoost.
const leastGain = 1e-6

// lossSum sums first and second derivatives, in fixed point.
type lossSum struct{ g, h int64 }

func (c lossSum) minus(d lossSum) lossSum { return lossSum{c.g - d.g, c.h - d.h} }

// grower grows one tree after the other.
type grower struct {
	settings Settings
	columns  []binned
	monotone []int8  // nil: no constraints
	scale    float64 // of the fixed point
	lambda   float64 // in it
	minChild int64   // in it

	asked []int      // columns that this tree may ask, rising
	found [][2]split // by each of them, for the small child and the large

	// The rows of this tree and their derivatives, so ordered that those of a node are together; and as much space.
	rows, spareRows []uint32
	sums, spareSums []lossSum

	tree       Tree
	leaves     []leafRows
	histograms [][]lossSum // that are free
	workspaces []workspace
}

// leafRows are the rows that came to a leaf.
type leafRows struct {
	node     int32
	from, to int
}

// site is a node under way.
type site struct {
	from, to     int // its rows
	depth        int
	sum          lossSum
	lower, upper float64 // bounds of the weight
	best         split
	// histogram holds a cell for each bin. Those of bins without a row of the node are meaningful only where the column is
	// dense in the node; so nothing has to be cleared when a small node is done.
	histogram []lossSum
}

func (s *site) count() int { return s.to - s.from }

func newGrower(s Settings, columns []binned, monotone []int8, scale float64, rows int) *grower {
	g := &grower{
		settings: s, columns: columns, monotone: monotone, scale: scale,
		lambda: s.Lambda * scale, minChild: wholeUnits(s.MinChild * scale),
		rows: make([]uint32, 0, rows), spareRows: make([]uint32, rows),
		sums: make([]lossSum, rows), spareSums: make([]lossSum, rows),
		workspaces: make([]workspace, s.Workers),
	}
	widest := 0
	for j := range columns {
		widest = max(widest, columns[j].missing()+1)
	}
	for i := range g.workspaces {
		g.workspaces[i] = workspace{used: make([]uint64, widest/64+1), bins: make([]int32, widest)}
	}
	return g
}

// wholeUnits rounds up; what no sum can reach stays so.
func wholeUnits(v float64) int64 {
	if v >= 1<<62 {
		return 1 << 62
	}
	return max(1, int64(math.Ceil(v)))
}

// sample draws the columns that the next tree may ask.
func (g *grower) sample(random *rand.Rand, part float64) {
	g.asked = g.asked[:0]
	for j := range g.columns {
		g.asked = append(g.asked, j)
	}
	if part < 1 {
		random.Shuffle(len(g.asked), func(i, k int) { g.asked[i], g.asked[k] = g.asked[k], g.asked[i] })
		g.asked = g.asked[:max(1, int(part*float64(len(g.asked))))]
		slices.Sort(g.asked)
	}
	g.asked = slices.DeleteFunc(g.asked, func(j int) bool { return g.columns[j].constant })
	g.found = make([][2]split, len(g.asked))
}

// grow grows a tree of the rows and sums that are set.
func (g *grower) grow(ctx context.Context) (Tree, error) {
	g.tree, g.leaves = nil, g.leaves[:0]
	root := site{to: len(g.rows), lower: math.Inf(-1), upper: math.Inf(1)}
	for _, s := range g.sums {
		root.sum.g += s.g
		root.sum.h += s.h
	}
	if g.divisible(&root) {
		root.histogram = g.histogram()
		g.search(&root, &site{})
	}
	if _, err := g.add(ctx, &root); err != nil {
		return nil, err
	}
	return g.byLevel(), nil
}

// byLevel numbers the nodes level by level, so that siblings are neighbors: XGBoost finds the right child behind the left.
func (g *grower) byLevel() Tree {
	ordered, numbers := append(make(Tree, 0, len(g.tree)), g.tree[0]), make([]int32, len(g.tree))
	for i := 0; i < len(ordered); i++ {
		n := &ordered[i]
		if n.Feature == Leaf {
			continue
		}
		left, right := n.Left, n.Right
		n.Left, n.Right = int32(len(ordered)), int32(len(ordered))+1
		numbers[left], numbers[right] = n.Left, n.Right
		ordered = append(ordered, g.tree[left], g.tree[right])
	}
	for i := range g.leaves {
		g.leaves[i].node = numbers[g.leaves[i].node]
	}
	return ordered
}

// divisible tells whether a split is to be looked for.
func (g *grower) divisible(s *site) bool {
	return s.depth < g.settings.Depth && s.count() > 1 && s.sum.h/2 >= g.minChild
}

// add appends a node with all that is below, and returns its number.
func (g *grower) add(ctx context.Context, s *site) (int32, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	at := int32(len(g.tree))
	g.tree = append(g.tree, Node{Feature: Leaf, Cover: float32(float64(s.sum.h) / g.scale)})
	if s.best.gain <= leastGain {
		g.release(s)
		g.settle(at, s)
		return at, nil
	}
	leaves := len(g.leaves)
	left, right := g.divide(s)
	n := Node{
		Feature: int32(s.best.column), Missing: s.best.missing, Split: s.best.value, Cover: g.tree[at].Cover,
		Gain: float32(min(s.best.gain, math.MaxFloat32)),
	}
	var err error
	if n.Left, err = g.add(ctx, &left); err != nil {
		return 0, err
	}
	if n.Right, err = g.add(ctx, &right); err != nil {
		return 0, err
	}
	onlyLeaves := len(g.leaves) == leaves+2
	if onlyLeaves && s.best.gain < g.settings.Gamma {
		g.tree, g.leaves = g.tree[:at+1], g.leaves[:leaves]
		g.settle(at, s)
		return at, nil
	}
	g.tree[at] = n
	return at, nil
}

// settle makes a node a leaf.
func (g *grower) settle(at int32, s *site) {
	value := g.settings.Rate * g.weight(s.sum, s.lower, s.upper)
	g.tree[at].Value = float32(min(max(value, -math.MaxFloat32), math.MaxFloat32))
	g.leaves = append(g.leaves, leafRows{node: at, from: s.from, to: s.to})
}

// weight is the margin that suits some rows best, within bounds; 0 if they are too few, as in XGBoost.
func (g *grower) weight(sum lossSum, lower, upper float64) float64 {
	if sum.h < g.minChild {
		return min(max(0, lower), upper)
	}
	return min(max(-float64(sum.g)/(float64(sum.h)+g.lambda), lower), upper)
}

// divide makes the children of a node, with their own best splits.
func (g *grower) divide(s *site) (left, right site) {
	middle := g.partition(s)
	left = site{from: s.from, to: middle, depth: s.depth + 1, sum: s.best.left, lower: s.lower, upper: s.upper}
	right = site{from: middle, to: s.to, depth: s.depth + 1, sum: s.sum.minus(s.best.left), lower: s.lower, upper: s.upper}
	if direction := g.direction(s.best); direction != 0 {
		half := (g.weight(left.sum, s.lower, s.upper) + g.weight(right.sum, s.lower, s.upper)) / 2
		if direction > 0 {
			left.upper, right.lower = half, half
		} else {
			left.lower, right.upper = half, half
		}
	}
	small, large := &left, &right
	if left.count() > right.count() {
		small, large = &right, &left
	}
	if g.divisible(large) {
		large.histogram, s.histogram = s.histogram, nil
	}
	g.release(s)
	if g.divisible(small) {
		small.histogram = g.histogram()
	}
	g.search(small, large)
	return left, right
}

// direction is the constraint that a split is under. That a value is missing has no direction.
func (g *grower) direction(s split) int8 {
	if g.monotone == nil || s.last < 0 {
		return 0
	}
	return g.monotone[s.column]
}

// partition orders the rows of a node by the side they go to, else as they were, and returns where the right side begins.
func (g *grower) partition(s *site) int {
	b := &g.columns[s.best.column]
	if b.narrow != nil {
		return partition(g, s, b.narrow, b.missing())
	}
	return partition(g, s, b.wide, b.missing())
}

func partition[B uint16 | uint32](g *grower, s *site, bins []B, missing int) int {
	rows, sums := g.rows[s.from:s.to], g.sums[s.from:s.to]
	last, gap := s.best.last, -1 // gap is the bin of the missing if they go left
	if s.best.missing {
		gap = missing
	}
	left, right := 0, 0
	for i, r := range rows {
		if bin := int(bins[r]); bin <= last || bin == gap {
			rows[left], sums[left] = r, sums[i]
			left++
		} else {
			g.spareRows[right], g.spareSums[right] = r, sums[i]
			right++
		}
	}
	copy(rows[left:], g.spareRows[:right])
	copy(sums[left:], g.spareSums[:right])
	return s.from + left
}

// release gives back the histogram of a node.
func (g *grower) release(s *site) {
	if s.histogram != nil {
		g.histograms = append(g.histograms, s.histogram)
		s.histogram = nil
	}
}

// histogram is a free one, with whatever is in it.
func (g *grower) histogram() []lossSum {
	if n := len(g.histograms); n > 0 {
		h := g.histograms[n-1]
		g.histograms = g.histograms[:n-1]
		return h
	}
	last := &g.columns[len(g.columns)-1]
	return make([]lossSum, last.first+last.missing()+1)
}
