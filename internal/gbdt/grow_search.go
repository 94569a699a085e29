package gbdt

import (
	"math"
	"math/bits"
)

// fewCells is the work, in rows times columns, up to which waking other workers does not pay.
const fewCells = 1 << 14

// fewBins, with the missing one, are so few that the same ones come again and again.
const fewBins = 64

// split divides the rows of a node. The zero split gains nothing.
type split struct {
	gain    float64
	column  int
	last    int // bin that goes left, with those below it; −1: all that have a value go right
	missing bool
	left    lossSum
	value   float32
}

// workspace is what one worker needs.
type workspace struct {
	used []uint64 // one bit per bin; all 0 between uses
	bins []int32
	// other is a second histogram, for columns of few bins.
	other [fewBins]lossSum
}

// search finds the best splits of two siblings, or of the root and nothing. What has a histogram is searched: that of the
// small one is empty, that of the large one still their parent's.
func (g *grower) search(small, large *site) {
	if small.histogram == nil && large.histogram == nil {
		return
	}
	workers := g.settings.Workers
	if (small.count()+large.count()/2)*len(g.asked) <= fewCells {
		workers = 1
	}
	share(len(g.asked), workers, func(worker, i int) {
		j := g.asked[i]
		if b := &g.columns[j]; b.narrow != nil {
			g.found[i] = searchColumn(g, &g.workspaces[worker], j, b.narrow, small, large)
		} else {
			g.found[i] = searchColumn(g, &g.workspaces[worker], j, b.wide, small, large)
		}
	})
	for _, found := range g.found { // of equals the first feature, as in XGBoost
		if found[0].gain > small.best.gain {
			small.best = found[0]
		}
		if found[1].gain > large.best.gain {
			large.best = found[1]
		}
	}
}

// sparse tells whether a node has so few rows that going through all bins is not worth it.
func sparse(rows, bins int) bool { return rows < bins/4 }

func searchColumn[B uint16 | uint32](g *grower, w *workspace, j int, bins []B, small, large *site) (found [2]split) {
	b := &g.columns[j]
	from, to := b.first, b.first+b.missing()+1
	rows, sums := g.rows[small.from:small.to], g.sums[small.from:small.to]
	var cells []lossSum
	if small.histogram != nil {
		cells = small.histogram[from:to]
		var list []int32
		if sparse(len(rows), b.missing()) {
			for _, r := range rows {
				bin := bins[r]
				cells[bin] = lossSum{}
				w.used[bin/64] |= 1 << (bin % 64)
			}
			cells[b.missing()] = lossSum{}
			add(w, cells, bins, rows, sums)
			list = w.marked(b.missing())
		} else {
			clear(cells)
			add(w, cells, bins, rows, sums)
			list = w.filled(cells[:b.missing()])
		}
		found[0] = g.best(small, j, cells, list)
	}
	if large.histogram == nil {
		return found
	}
	rest := large.histogram[from:to]
	if cells == nil || sparse(len(rows), b.missing()) {
		for i, r := range rows {
			c := &rest[bins[r]]
			c.g -= sums[i].g
			c.h -= sums[i].h
		}
	} else {
		for i := range rest {
			rest[i] = rest[i].minus(cells[i])
		}
	}
	if sparse(large.count(), b.missing()) {
		for _, r := range g.rows[large.from:large.to] {
			w.used[bins[r]/64] |= 1 << (bins[r] % 64)
		}
		found[1] = g.best(large, j, rest, w.marked(b.missing()))
	} else {
		found[1] = g.best(large, j, rest, w.filled(rest[:b.missing()]))
	}
	return found
}

// add adds the derivatives of some rows to the cells of their bins. Rows rise.
func add[B uint16 | uint32](w *workspace, cells []lossSum, bins []B, rows []uint32, sums []lossSum) {
	n := len(rows)
	sums = sums[:n]
	if n == 0 || int(rows[n-1]-rows[0]) != n-1 {
		for i, r := range rows {
			c := &cells[bins[r]]
			c.g += sums[i].g
			c.h += sums[i].h
		}
		return
	}
	bins = bins[rows[0]:][:n] // without a gap, as all rows are
	if len(cells) > len(w.other) {
		for i, bin := range bins {
			c := &cells[bin]
			c.g += sums[i].g
			c.h += sums[i].h
		}
		return
	}
	// Few bins: one row would wait for the one before it to reach memory, so that every other one goes elsewhere.
	other := w.other[:len(cells)]
	clear(other)
	for ; len(bins) > 1 && len(sums) > 1; bins, sums = bins[2:], sums[2:] {
		c, d := &cells[bins[0]], &other[bins[1]]
		c.g += sums[0].g
		c.h += sums[0].h
		d.g += sums[1].g
		d.h += sums[1].h
	}
	for i, bin := range bins {
		cells[bin].g += sums[i].g
		cells[bin].h += sums[i].h
	}
	for i := range cells {
		cells[i].g += other[i].g
		cells[i].h += other[i].h
	}
}

// marked lists the bins below n that are marked as used, and takes the marks away.
func (w *workspace) marked(n int) []int32 {
	list := w.bins[:0]
	w.used[n/64] &^= 1 << (n % 64)
	for i, word := range w.used[:n/64+1] {
		for ; word != 0; word &= word - 1 {
			list = append(list, int32(i*64+bits.TrailingZeros64(word)))
		}
		w.used[i] = 0
	}
	return list
}

// filled lists the cells that rows came to.
func (w *workspace) filled(cells []lossSum) []int32 {
	list, n := w.bins[:len(cells)], 0
	for i := range cells {
		list[n] = int32(i)
		if cells[i].h != 0 {
			n++
		}
	}
	return list[:n]
}

// best finds the best split of a node by a column. The list has the bins that are not empty, rising.
func (g *grower) best(s *site, j int, cells []lossSum, list []int32) split {
	b := &g.columns[j]
	missing := cells[b.missing()]
	found := g.scan(s, j, cells, list, lossSum{}, 0)
	if missing.h != 0 {
		if other := g.scan(s, j, cells, list, missing, -1); other.gain > found.gain {
			found = other
			found.missing = true
		}
	} else {
		found.missing = found.left.h >= s.sum.h-found.left.h // no row says where; most rows went there
	}
	if found.gain <= leastGain {
		return split{}
	}
	found.column = j
	if i := found.last; i >= 0 {
		found.last = int(list[i])
		found.value = between(b.high[list[i]], b.low[list[i+1]])
	} else {
		found.value = -math.MaxFloat32 // no number is less
	}
	return found
}

// scan tries the splits behind each bin of the list from number first on; −1 is the one before all bins. left is what
// goes left anyway. Of the result, last is a number in the list.
func (g *grower) scan(s *site, j int, cells []lossSum, list []int32, left lossSum, first int) split {
	if g.monotone != nil {
		return g.scanBounded(s, j, cells, list, left, first)
	}
	found := split{last: -1}
	sum, lambda, minChild := s.sum, g.lambda, g.minChild
	// Fractions are compared without dividing: above and below hold the best one so far.
	above, below := float64(sum.g)*float64(sum.g), float64(sum.h)+lambda
	gain := above / below
	for i := first; i < len(list)-1; i++ {
		if i >= 0 {
			c := &cells[list[i]]
			left.g += c.g
			left.h += c.h
		}
		if left.h < minChild {
			continue
		}
		right := sum.h - left.h
		if right < minChild {
			break
		}
		gl, gr := float64(left.g), float64(sum.g-left.g)
		hl, hr := float64(left.h)+lambda, float64(right)+lambda
		a, b := gl*gl*hr+gr*gr*hl, hl*hr
		if a*below > above*b {
			above, below, found.last, found.left = a, b, i, left
		}
	}
	if found.left.h != 0 {
		found.gain = (above/below - gain) / g.scale
	}
	return found
}

// scanBounded is scan under monotone constraints: weights stay within the bounds of the node, and a split by column j is
// refused if its sides are in the wrong order.
func (g *grower) scanBounded(s *site, j int, cells []lossSum, list []int32, left lossSum, first int) split {
	found := split{last: -1}
	before := g.score(s.sum, g.weight(s.sum, s.lower, s.upper))
	for i := first; i < len(list)-1; i++ {
		direction := int8(0) // that a value is missing has none
		if i >= 0 {
			c := &cells[list[i]]
			left.g += c.g
			left.h += c.h
			direction = g.monotone[j]
		}
		right := s.sum.minus(left)
		if left.h < g.minChild || right.h < g.minChild {
			continue
		}
		wl, wr := g.weight(left, s.lower, s.upper), g.weight(right, s.lower, s.upper)
		if direction > 0 && wl > wr || direction < 0 && wl < wr {
			continue
		}
		if gain := (g.score(left, wl) + g.score(right, wr) - before) / g.scale; gain > found.gain {
			found.gain, found.last, found.left = gain, i, left
		}
	}
	return found
}

// score is how much a weight lowers the loss of some rows, twice and in fixed point.
func (g *grower) score(sum lossSum, weight float64) float64 {
	return -(2*float64(sum.g)*weight + (float64(sum.h)+g.lambda)*weight*weight)
}
