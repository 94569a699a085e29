package velocity

import (
	"slices"
	"sort"
)

const (
	leafSize   = 32 // events
	branchSize = 64 // leaves
	growth     = 4  // leaves or branches that there is room for when one is added: doubling would waste a third
)

// tree is the list of an entity with many events, in the order of record.before, with summaries, so that a window is
// a few events at each edge and whole leaves and branches between. Branches and leaves lie one behind the other in memory,
// since a sum over them is as fast as they are read. Three levels are enough: 2^20 events are 512 full branches.
type tree struct {
	branches []branch
	n        int
}

// node is the summary of some events, and what one must know to use it as a whole.
type node struct {
	summary
	labeled      uint32 // events with a label, whenever it becomes known
	knownAt      uint32 // no fraud below became known later than this
	minAt, maxAt uint32
}

type branch struct {
	node
	leaves []leaf // no pointers inside: the garbage collector does not look
}

// leaf is five cache lines. Its length is its n. It has the seconds of its events, which lie scattered in memory, so
// that the edge of a window is found without looking at them.
type leaf struct {
	node
	refs, seconds [leafSize]uint32
}

// put makes room before an event and puts another one there. The summary is the caller's.
func (l *leaf) put(pos int, ref, second uint32) {
	copy(l.refs[pos+1:], l.refs[pos:l.n])
	copy(l.seconds[pos+1:], l.seconds[pos:l.n])
	l.refs[pos], l.seconds[pos] = ref, second
}

// upTo returns how many events of l are of second at or before.
func (l *leaf) upTo(at int64) int {
	if int64(l.maxAt) <= at {
		return int(l.n)
	}
	return sort.Search(int(l.n), func(i int) bool { return int64(l.seconds[i]) > at })
}

func (l *leaf) list() []uint32 { return l.refs[:l.n] }

func (n *node) add(r *record) {
	if n.n == 0 {
		n.minAt, n.maxAt, n.max = r.at, r.at, r.amount
	}
	n.summary.add(r)
	n.minAt, n.maxAt = min(n.minAt, r.at), max(n.maxAt, r.at)
	n.mark(r)
}

func (n *node) mark(r *record) {
	n.labeled += uint32(r.flags & flagLabeled / flagLabeled)
	if r.flags&flagFraud != 0 {
		n.knownAt = max(n.knownAt, r.knownAt)
	}
}

// retag replaces the flags of was, which is counted, by those of r, the same event.
func (n *node) retag(was, r *record) {
	n.declines += uint32(r.flags&flagDeclined) - uint32(was.flags&flagDeclined)
	n.anomalies += uint32(r.flags&flagAnomalous/flagAnomalous) - uint32(was.flags&flagAnomalous/flagAnomalous)
	n.frauds += uint32(r.flags&flagFraud/flagFraud) - uint32(was.flags&flagFraud/flagFraud)
	n.labeled -= uint32(was.flags & flagLabeled / flagLabeled)
	n.mark(r)
}

// recount makes the summary of a leaf from its records.
func (a *arena) recount(l *leaf) {
	refs := l.list()
	l.node = node{}
	for _, ref := range refs {
		l.add(a.records.at(ref))
	}
}

// recount makes the summary of a branch, which has a leaf, from its leaves.
func (b *branch) recount() {
	b.node = b.leaves[0].node
	for i := range b.leaves[1:] {
		l := &b.leaves[i+1]
		b.merge(&l.summary)
		b.labeled += l.labeled
		b.knownAt = max(b.knownAt, l.knownAt)
	}
	b.maxAt = b.leaves[len(b.leaves)-1].maxAt
}

// endsBefore reports whether the last event of l comes before r.
func (a *arena) endsBefore(l *leaf, r *record) bool {
	return l.maxAt < r.at || l.maxAt == r.at && a.records.at(l.refs[l.n-1]).before(r)
}

// endsAfter reports whether the last event of l comes after r.
func (a *arena) endsAfter(l *leaf, r *record) bool {
	return l.maxAt > r.at || l.maxAt == r.at && r.before(a.records.at(l.refs[l.n-1]))
}

func (b *branch) last() *leaf { return &b.leaves[len(b.leaves)-1] }

// squeeze is slices.Insert that leaves little room.
func squeeze[T any](s []T, i int, v T) []T {
	if len(s) == cap(s) {
		s = append(make([]T, 0, len(s)+growth), s...)
	}
	return slices.Insert(s, i, v)
}

// treeInsert puts an event behind its equals.
func (a *arena) treeInsert(t *tree, ref uint32, r *record) {
	t.n++
	bi := len(t.branches) - 1
	li := len(t.branches[bi].leaves) - 1
	if a.endsAfter(&t.branches[bi].leaves[li], r) {
		bi = sort.Search(bi, func(i int) bool { return a.endsAfter(t.branches[i].last(), r) })
		leaves := t.branches[bi].leaves
		li = sort.Search(len(leaves)-1, func(i int) bool { return a.endsAfter(&leaves[i], r) })
	}
	b := &t.branches[bi]
	l := &b.leaves[li]
	pos := int(l.n)
	if a.endsAfter(l, r) {
		pos = sort.Search(pos, func(i int) bool {
			return l.seconds[i] > r.at || l.seconds[i] == r.at && r.before(a.records.at(l.refs[i]))
		})
	}
	if l.n < leafSize {
		l.put(pos, ref, r.at)
		l.add(r)
		b.add(r)
		return
	}
	var next leaf
	if pos == leafSize { // in order: leave full leaves behind
		next.put(0, ref, r.at)
		next.add(r)
	} else {
		next.n = uint32(copy(next.refs[:], l.refs[leafSize/2:]))
		copy(next.seconds[:], l.seconds[leafSize/2:])
		l.n = leafSize / 2
		into := l
		if pos > leafSize/2 {
			into, pos = &next, pos-leafSize/2
		}
		into.put(pos, ref, r.at)
		into.n++
		a.recount(l)
		a.recount(&next)
	}
	t.addLeaf(bi, li+1, next)
}

func (t *tree) addLeaf(bi, li int, l leaf) {
	b := &t.branches[bi]
	if len(b.leaves) < branchSize {
		b.leaves = squeeze(b.leaves, li, l)
		b.recount()
		return
	}
	var next branch
	switch half := branchSize / 2; {
	case li == branchSize:
		next.leaves = []leaf{l}
	case li > half:
		next.leaves = squeeze(slices.Clone(b.leaves[half:]), li-half, l)
		b.leaves = slices.Clone(b.leaves[:half])
	default:
		next.leaves = slices.Clone(b.leaves[half:])
		b.leaves = squeeze(slices.Clone(b.leaves[:half]), li, l)
	}
	b.recount()
	next.recount()
	t.branches = squeeze(t.branches, bi+1, next)
}

// treeFind returns the place of an event, and whether it is there.
func (a *arena) treeFind(t *tree, ref uint32, r *record) (bi, li, pos int, ok bool) {
	bi = sort.Search(len(t.branches), func(i int) bool { return !a.endsBefore(t.branches[i].last(), r) })
	if bi == len(t.branches) {
		return 0, 0, 0, false
	}
	b := &t.branches[bi]
	li = sort.Search(len(b.leaves), func(i int) bool { return !a.endsBefore(&b.leaves[i], r) })
	l := &b.leaves[li]
	pos = sort.Search(int(l.n), func(i int) bool {
		return l.seconds[i] > r.at || l.seconds[i] == r.at && !a.records.at(l.refs[i]).before(r)
	})
	for ; bi < len(t.branches); bi, li = bi+1, 0 {
		for ; li < len(t.branches[bi].leaves); li, pos = li+1, 0 {
			for l = &t.branches[bi].leaves[li]; pos < int(l.n); pos++ {
				if l.refs[pos] == ref {
					return bi, li, pos, true
				}
				if l.seconds[pos] > r.at || r.before(a.records.at(l.refs[pos])) {
					return 0, 0, 0, false
				}
			}
		}
	}
	return 0, 0, 0, false
}

// treeCut takes the event at a place out. All but the largest amount can be subtracted.
func (a *arena) treeCut(t *tree, bi, li, pos int) {
	b := &t.branches[bi]
	l := &b.leaves[li]
	r := a.records.at(l.refs[pos])
	t.n--
	if l.n == 1 {
		b.leaves = slices.Delete(b.leaves, li, li+1)
		if len(b.leaves) == 0 {
			t.branches = slices.Delete(t.branches, bi, bi+1)
			return
		}
		b.recount()
		return
	}
	copy(l.refs[pos:], l.refs[pos+1:l.n])
	copy(l.seconds[pos:], l.seconds[pos+1:l.n])
	if r.amount == l.max {
		l.n--
		a.recount(l)
		b.recount()
		return
	}
	l.sub(r)
	b.sub(r)
	l.minAt, l.maxAt = l.seconds[0], l.seconds[l.n-1]
	b.minAt, b.maxAt = b.leaves[0].minAt, b.last().maxAt
}

// sub takes out r, which is not the largest. What is known of frauds only grows older than need be.
func (n *node) sub(r *record) {
	n.summary.sub(r)
	n.labeled -= uint32(r.flags & flagLabeled / flagLabeled)
}

// part is what a sum is made of: start < t ≤ end, without one record (or 0). Frauds are those known at asOf.
type part struct {
	start, end, asOf int64
	skip             uint32
	amounts, flags   bool // what is wanted besides the number of events
}

// treeSum adds a part of the list to sum. Only a reading as of the past has to look for frauds in leaves that are
// inside as a whole.
func (a *arena) treeSum(t *tree, sum *summary, p part) {
	skipAt := int64(-1)
	if p.skip != 0 {
		skipAt = int64(a.records.at(p.skip).at)
	}
	whole := func(n *node) bool {
		return int64(n.minAt) > p.start && int64(n.maxAt) <= p.end && (n.frauds == 0 || int64(n.knownAt) <= p.asOf) &&
			(skipAt < int64(n.minAt) || skipAt > int64(n.maxAt))
	}
	for bi := sort.Search(len(t.branches), func(i int) bool { return int64(t.branches[i].maxAt) > p.start }); bi < len(t.branches); bi++ {
		b := &t.branches[bi]
		if int64(b.minAt) > p.end {
			return
		}
		if whole(&b.node) {
			sum.merge(&b.summary)
			continue
		}
		for li := sort.Search(len(b.leaves), func(i int) bool { return int64(b.leaves[i].maxAt) > p.start }); li < len(b.leaves); li++ {
			l := &b.leaves[li]
			if int64(l.minAt) > p.end {
				return
			}
			if whole(&l.node) {
				sum.merge(&l.summary)
			} else {
				a.leafSum(l, sum, p)
			}
		}
	}
}

func (a *arena) leafSum(l *leaf, sum *summary, p part) {
	inside := l.refs[l.upTo(p.start):l.upTo(p.end)]
	if !p.amounts && (!p.flags || l.declines|l.anomalies|l.frauds == 0) {
		sum.n += uint32(len(inside))
		if p.skip != 0 && slices.Contains(inside, p.skip) {
			sum.n--
		}
		return
	}
	for _, ref := range inside {
		if ref != p.skip {
			sum.addAsOf(a.records.at(ref), p.asOf)
		}
	}
}

// newer returns how many events of a tree are newer than second at.
func (t *tree) newer(at int64) int {
	n := 0
	for bi := len(t.branches) - 1; bi >= 0 && int64(t.branches[bi].maxAt) > at; bi-- {
		b := &t.branches[bi]
		if int64(b.minAt) > at {
			n += int(b.n)
			continue
		}
		for li := len(b.leaves) - 1; li >= 0 && int64(b.leaves[li].maxAt) > at; li-- {
			n += int(b.leaves[li].n) - b.leaves[li].upTo(at)
		}
	}
	return n
}
