package velocity

import (
	"github.com/fastshop/pipeline/internal/payment"
)

// Compactor makes a snapshot of a log: what is left of it when all that it says has been done. It is used by one goroutine.
type Compactor struct{ m *Mirror }

// blockSize is about how large the blocks of a snapshot are.
const blockSize = 8000

// NewCompactor returns one for logs with m's signature.
func (m *Mirror) NewCompactor() *Compactor {
	c := core{bounds: m.bounds, kinds: m.kinds, newest: -1}
	return &Compactor{&Mirror{core: c, seed: m.seed, needs: m.needs, digests: []digest{{}}}}
}

// note keeps the digest of a record, which is needed to write it again.
func (m *Mirror) note(ref uint32, d *digest) {
	if int(ref) >= len(m.digests) {
		m.digests = append(m.digests, make([]digest, int(ref)+slabSize-len(m.digests))...)
	}
	m.digests[ref] = *d
}

// Snapshot returns the blocks of a log that says the same as one of a kind of entity. Its error wraps ErrLog.
func (c *Compactor) Snapshot(kind payment.Kind, log []string) ([][]byte, error) {
	m := c.m
	s := &seat{kind: kind, next: 1}
	defer func() {
		m.empty(s)
		for len(m.dying) > 0 {
			m.bury(trimStep)
		}
	}()
	for _, block := range log {
		if err := m.take(s, block); err != nil {
			return nil, err
		}
	}
	if s.entity == 0 {
		return nil, nil
	}
	e := m.arena.entities.at(s.entity)
	block := m.appendHead(nil, e)
	var blocks [][]byte
	for _, ref := range m.arena.listed(e) {
		r := m.arena.records.at(ref)
		o := op{code: opKept, flags: r.flags, digest: m.digests[ref], at: r.at, knownAt: r.knownAt, amount: r.amount}
		for _, other := range m.needs[kind] {
			if name := r.entities[other-1]; name != 0 {
				o.keys[other] = m.names.at(name).key
			}
		}
		if len(block)+opSize(&o, m.needs[kind]) > blockSize {
			blocks, block = append(blocks, block), nil
		}
		block = appendOp(block, &o, m.needs[kind])
	}
	return append(blocks, block), nil
}

// listed are the records of e in order.
func (a *arena) listed(e *entity) []uint32 {
	if e.tree == 0 {
		return a.words.words(e.list)
	}
	var refs []uint32
	t := a.trees.at(e.tree)
	for bi := range t.branches {
		for li := range t.branches[bi].leaves {
			refs = append(refs, t.branches[bi].leaves[li].list()...)
		}
	}
	return refs
}

// Replace tells the mirror that the log of an entity is about to be replaced, and must be called before that: from now on
// until Follow or Stay nobody can say of which generation a number is that comes back from the log. One log at a time.
func (m *Mirror) Replace(kind payment.Kind, t payment.Token) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moving = place{kind, t}
}

// Stay tells that the log was not replaced after all, or that nobody knows.
func (m *Mirror) Stay() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moving = place{}
}

// Follow tells the mirror that the blocks of a log before number oldNext were replaced by a snapshot of another generation:
// next-1 blocks of base bytes. If it knew them all, it goes on with the snapshot.
func (m *Mirror) Follow(kind payment.Kind, t payment.Token, old uint64, oldNext uint32, generation uint64, next, base uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moving = place{}
	no, _ := m.findSeat(kind, &t)
	if no == 0 {
		return
	}
	if s := m.seats.at(no); s.next >= oldNext && s.generation == old {
		s.generation, s.prior, s.cut, s.shift = generation, old, oldNext, oldNext-next
		s.next, s.size, s.base = s.next-s.shift, base, base
	}
}
