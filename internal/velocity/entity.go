package velocity

import (
	"sort"

	"github.com/fastshop/pipeline/internal/payment"
)

const (
	treeAbove = 128 // events; a longer list becomes a tree
	treeBelow = 80  // a shorter tree becomes a list
)

// entity is one customer, card, device … 64 bytes, no pointers.
type entity struct {
	token    payment.Token
	kind     payment.Kind // KindInvalid: this number is free
	list     block        // numbers of records in order, if tree is 0
	pairs    block        // see pairs.go
	tree     uint32       // number of the tree
	newest   uint32       // second; of any event that was ever counted
	first    uint32       // second; see Profiles in the package comment. After last: never
	last     uint32       // second; of the newest event that was not retracted
	floor    uint32       // events of seconds before this were dropped for lack of room
	mentions uint32       // live records that name this entity
}

// arena holds everything that is numbered.
type arena struct {
	records  slab[record]
	entities slab[entity]
	trees    slab[tree]
	words    blocks
}

func (a *arena) length(e *entity) int {
	if e.tree != 0 {
		return a.trees.at(e.tree).n
	}
	return int(e.list.n)
}

// oldest returns the first record of e, which has one.
func (a *arena) oldest(e *entity) uint32 {
	if e.tree != 0 {
		return a.trees.at(e.tree).branches[0].leaves[0].refs[0]
	}
	return a.words.words(e.list)[0]
}

// oldestAt returns the second of the first record of e, which has one.
func (a *arena) oldestAt(e *entity) int64 {
	if e.tree != 0 {
		return int64(a.trees.at(e.tree).branches[0].minAt)
	}
	return int64(a.records.at(a.words.words(e.list)[0]).at)
}

// insert lists r under e.
func (a *arena) insert(e *entity, ref uint32, r *record) {
	r.holders++
	if e.tree != 0 {
		a.treeInsert(a.trees.at(e.tree), ref, r)
		return
	}
	refs := a.words.words(e.list)
	pos := len(refs)
	if pos > 0 && r.before(a.records.at(refs[pos-1])) { // late: the rule is that events come in order
		pos = sort.Search(len(refs), func(i int) bool { return r.before(a.records.at(refs[i])) })
	}
	a.words.open(&e.list, pos, 1)[0] = ref
	if e.list.n > treeAbove {
		a.plant(e)
	}
}

// plant turns the list of e into a tree.
func (a *arena) plant(e *entity) {
	var b branch
	refs := a.words.words(e.list)
	for len(refs) > 0 {
		var l leaf
		l.n = uint32(copy(l.refs[:], refs))
		refs = refs[l.n:]
		for i, ref := range l.list() {
			l.seconds[i] = a.records.at(ref).at
		}
		a.recount(&l)
		b.leaves = squeeze(b.leaves, len(b.leaves), l)
	}
	b.recount()
	e.tree = a.trees.take()
	*a.trees.at(e.tree) = tree{branches: []branch{b}, n: int(e.list.n)}
	a.words.drop(&e.list)
}

// fell turns the tree of e into a list.
func (a *arena) fell(e *entity) {
	t := a.trees.at(e.tree)
	refs := a.words.open(&e.list, 0, t.n)[:0]
	for bi := range t.branches {
		for li := range t.branches[bi].leaves {
			refs = append(refs, t.branches[bi].leaves[li].list()...)
		}
	}
	*t = tree{}
	a.trees.give(e.tree)
	e.tree = 0
}

// remove takes ref out of e's list and reports whether it was there. The record's hold is the caller's.
func (a *arena) remove(e *entity, ref uint32, r *record) bool {
	if e.tree != 0 {
		bi, li, pos, ok := a.treeFind(a.trees.at(e.tree), ref, r)
		if ok {
			a.cut(e, bi, li, pos)
		}
		return ok
	}
	refs := a.words.words(e.list)
	pos := sort.Search(len(refs), func(i int) bool { return !a.records.at(refs[i]).before(r) })
	for ; pos < len(refs); pos++ {
		if refs[pos] == ref {
			a.words.cut(&e.list, pos, 1)
			return true
		}
	}
	return false
}

// shift takes the oldest record out of e's list, which has one, and returns it. Its hold is the caller's.
func (a *arena) shift(e *entity) uint32 {
	ref := a.oldest(e)
	if e.tree != 0 {
		a.cut(e, 0, 0, 0)
	} else {
		a.words.cut(&e.list, 0, 1)
	}
	return ref
}

func (a *arena) cut(e *entity, bi, li, pos int) {
	a.treeCut(a.trees.at(e.tree), bi, li, pos)
	if a.trees.at(e.tree).n < treeBelow {
		a.fell(e)
	}
}

// retag tells e that the flags of one of its records, ref, are no longer those of was.
func (a *arena) retag(e *entity, ref uint32, was, r *record) {
	if e.tree == 0 {
		return
	}
	t := a.trees.at(e.tree)
	if bi, li, _, ok := a.treeFind(t, ref, r); ok {
		t.branches[bi].retag(was, r)
		t.branches[bi].leaves[li].retag(was, r)
	}
}

// newerThan returns how many listed events of e are newer than second at.
func (a *arena) newerThan(e *entity, at int64) int {
	if e.tree != 0 {
		return a.trees.at(e.tree).newer(at)
	}
	refs := a.words.words(e.list)
	return len(refs) - sort.Search(len(refs), func(i int) bool { return int64(a.records.at(refs[i]).at) > at })
}

// backward walks a list from the newest event at or before a second to the oldest.
type backward struct {
	a    *arena
	t    *tree
	refs []uint32 // what is left of the list, or of the leaf
	bi   int      // branch and leaf of a tree
	li   int
}

func (a *arena) backward(e *entity, end int64) backward {
	w := backward{a: a}
	if e.tree != 0 {
		w.t = a.trees.at(e.tree)
		w.bi = sort.Search(len(w.t.branches)-1, func(i int) bool { return int64(w.t.branches[i].maxAt) > end })
		leaves := w.t.branches[w.bi].leaves
		w.li = sort.Search(len(leaves)-1, func(i int) bool { return int64(leaves[i].maxAt) > end })
		w.refs = leaves[w.li].refs[:leaves[w.li].upTo(end)]
		return w
	}
	w.refs = a.words.words(e.list)
	if n := len(w.refs); n > 0 && int64(a.records.at(w.refs[n-1]).at) > end {
		w.refs = w.refs[:sort.Search(n, func(i int) bool { return int64(a.records.at(w.refs[i]).at) > end })]
	}
	return w
}

// next returns the next older event, or nil.
func (w *backward) next() (uint32, *record) {
	for len(w.refs) == 0 {
		if w.turn() == nil {
			return 0, nil
		}
	}
	last := len(w.refs) - 1
	ref := w.refs[last]
	w.refs = w.refs[:last]
	return ref, w.a.records.at(ref)
}

// turn moves to the next older leaf and returns it, or nil.
func (w *backward) turn() *leaf {
	w.refs = nil
	if w.t == nil {
		return nil
	}
	if w.li--; w.li < 0 {
		if w.bi--; w.bi < 0 {
			w.t = nil
			return nil
		}
		w.li = len(w.t.branches[w.bi].leaves) - 1
	}
	l := &w.t.branches[w.bi].leaves[w.li]
	w.refs = l.list()
	return l
}

// skipUnlabeled moves on to the next event that is of a second or before it, or in a leaf of a tree with a label, without
// looking at those it passes.
func (w *backward) skipUnlabeled(until int64) {
	for w.t != nil {
		b := &w.t.branches[w.bi]
		if l := &b.leaves[w.li]; l.labeled == 0 {
			w.refs = w.refs[:min(len(w.refs), l.upTo(until))]
		}
		if len(w.refs) > 0 {
			return
		}
		if b.labeled == 0 && int64(b.minAt) > until {
			w.li = 0
		}
		w.turn()
	}
}
