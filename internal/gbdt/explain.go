package gbdt

// path is a node as Explain sees it. The nodes of a tree lie in preorder: the left child of a node follows it.
type path struct {
	shares  [2]float64 // of left and right: see layout.shares
	split   float32    // log-odds of a leaf
	feature int32      // that is asked; Leaf
	right   int32      // the right child
	slot    uint16     // where in a point the value lies
	above   uint16     // level of the child on the way here of the nearest node above that asks the same; 0 if none does
}

// negligible is the share below which an edge counts as one that no training row took: so small that the reciprocal of what
// remains cannot overflow, and that what is left out is far below the precision of a sum.
const negligible = 1e-100

// layPaths lays the trees out for Explain, and computes their expectations.
func (f *Forest) layPaths(trees []Tree) {
	l := layout{forest: f, last: make([]uint16, len(f.names))}
	for _, t := range trees {
		l.tree = t
		f.starts = append(f.starts, len(f.paths))
		f.mean += l.lay(0, 0)
	}
	f.rule = gauss(max(1, (l.widest+1)/2))
	f.walkers.New = func() any { return &walker{forest: f, levels: make([]level, l.deepest+1)} }
}

type layout struct {
	forest *Forest
	tree   Tree
	last   []uint16 // of each feature, the level below its last question on the way here; 0 if there is none
	// shares of the training rows: at a node, those that went this way, times the shares at all nodes above that asked the
	// same feature. By level, of the edge on the way here.
	shares          [MaxDepth + 1]float64
	different       int // features on the way here
	widest, deepest int // the largest number of them, and the deepest level
}

// lay appends a node and what is below it, and returns their expectation.
func (l *layout) lay(node int32, depth int) (mean float64) {
	n, f := &l.tree[node], l.forest
	l.widest, l.deepest = max(l.widest, l.different), max(l.deepest, depth)
	here := len(f.paths)
	if n.Feature == Leaf {
		f.paths = append(f.paths, path{feature: Leaf, split: n.Value})
		return float64(n.Value)
	}
	above := l.last[n.Feature]
	before := 1.0
	if above == 0 {
		l.different++
	} else {
		before = l.shares[above]
	}
	left, right := l.tree.fractions(n)
	shares := [2]float64{significant(left * before), significant(right * before)}
	f.paths = append(f.paths, path{shares: shares, split: n.Split, feature: n.Feature, slot: uint16(slotOf(n)), above: above})

	l.last[n.Feature] = uint16(depth + 1)
	l.shares[depth+1] = shares[0]
	mean = float64(left * l.lay(n.Left, depth+1))
	f.paths[here].right = int32(len(f.paths))
	l.shares[depth+1] = shares[1]
	mean += float64(right * l.lay(n.Right, depth+1))
	l.last[n.Feature] = above
	if above == 0 {
		l.different--
	}
	return mean
}

// fractions are the shares of the node's training rows that went left and right, halves if no row came here.
func (t Tree) fractions(n *Node) (left, right float64) {
	left, right = float64(t[n.Left].Cover), float64(t[n.Right].Cover)
	if sum := left + right; sum > 0 {
		return left / sum, right / sum
	}
	return 0.5, 0.5
}

func significant(share float64) float64 {
	if share < negligible {
		return 0
	}
	return share
}

// Explain writes into out how much each feature moved the margin away from what is expected of a row of which nothing is
// known, and returns that expectation: the base and the contributions add up to the margin, but for rounding. The values
// are as for Margin; it panics if there are fewer values than features, or less room in out. A feature that no tree asks
// for gets exactly 0. What is expected when only some features are known follows the covers of the nodes (where both
// children have none, half goes either way): this is path-dependent TreeSHAP, and exact. The same values give the same bits
// on every machine: sums have a fixed order, and no multiplication is fused with an addition.
//
// The Shapley value is the integral, over t from 0 to 1, of how the expectation changes with one feature when each of the
// others is known with probability t (Owen, Multilinear Extensions of Games, Management Science 1972). For one leaf, whose
// value counts as far as its edges are taken, that is a polynomial of a degree below the number of different features on
// its path, which Gauss–Legendre quadrature integrates without an error. So one walk over a tree does for all its leaves:
// it carries the products of the edges down, one for each point of the rule, and the sums of the leaves up, as Yu et al.,
// Linear TreeShap (NeurIPS 2022), do with polynomials.
func (f *Forest) Explain(values []float64, out []float64) (base float64) {
	out = out[:len(f.names)]
	clear(out)
	x, w := f.points.Get().(*point), f.walkers.Get().(*walker)
	f.fill(x, values)
	w.x, w.out = x, out
	for _, start := range f.starts {
		w.tree(start)
	}
	w.x, w.out = nil, nil
	f.points.Put(x)
	f.walkers.Put(w)
	return f.mean
}

// walker is the scratch space of an explanation.
type walker struct {
	forest *Forest
	x      *point
	out    []float64
	levels []level
}

// level is what holds at a level of the path that is being walked. Its edge is the one that leads there.
type level struct {
	taken bool // the values take the edge, and all edges above for the same feature
	at    [maxPoints]cell
}

// cell is what holds at a level for one point of the rule. The factor of a feature is how likely its edges are taken: the
// point for a known value that takes them, and the rest times the share for an unknown one.
type cell struct {
	product float64 // of the factors of all features on the path
	inverse float64 // of the factor of the edge's feature
	credit  float64 // what that feature earns per unit of sum
	open    float64 // product without the factor of the feature that is asked here
	sum     float64 // of the leaves below: value × product
}

func (w *walker) tree(start int) {
	root := &w.levels[0]
	root.taken = true
	for q := range w.forest.rule {
		root.at[q] = cell{product: 1, inverse: 1}
	}
	if w.forest.paths[start].feature != Leaf { // a lone leaf is all expectation
		w.below(start, 0)
	}
}

// below walks what is below the question i at a level, and sums its leaves up.
func (w *walker) below(i, depth int) {
	n, rule := &w.forest.paths[i], w.forest.rule
	above := &w.levels[n.above]
	here, old := w.levels[depth].at[:len(rule)], above.at[:len(rule)]
	for q := range rule {
		here[q].open = here[q].product * old[q].inverse
		here[q].sum = 0
	}
	right := w.x[n.slot%slots] >= n.split
	earned := w.side(i+1, depth, n, 0, above.taken && !right)
	earned += w.side(int(n.right), depth, n, 1, above.taken && right)
	w.out[n.feature] += earned
}

// side walks one edge below a question, and returns what it earns the feature that is asked. The conversions keep products
// from being fused with sums.
func (w *walker) side(child, depth int, question *path, side int, taken bool) (earned float64) {
	known, share := 0.0, question.shares[side]
	switch {
	case taken:
		known = 1
	case share == 0:
		return 0 // never reached, whatever is known
	}
	rule := w.forest.rule
	here, old := w.levels[depth].at[:len(rule)], w.levels[question.above].at[:len(rule)]
	if n := &w.forest.paths[child]; n.feature == Leaf {
		value := float64(n.split)
		for q := range rule {
			p, c := &rule[q], &here[q]
			sum := float64(c.open * p.factor(known, share) * value)
			c.sum += sum
			earned += float64(c.open*value*p.weight*(known-share)) - float64(sum*old[q].credit)
		}
		return earned
	}
	below := &w.levels[depth+1]
	below.taken = taken
	next := below.at[:len(rule)]
	for q := range rule {
		p, c := &rule[q], &next[q]
		factor := p.factor(known, share)
		c.inverse = 1 / factor
		c.credit = p.weight * (known - share) * c.inverse
		c.product = here[q].open * factor
	}
	w.below(child, depth+1)
	for q := range rule {
		here[q].sum += next[q].sum
		earned += float64(next[q].sum * (next[q].credit - old[q].credit))
	}
	return earned
}
