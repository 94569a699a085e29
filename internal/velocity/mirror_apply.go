package velocity

import (
	"encoding/binary"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// take applies a block of a seat's log. After an error the seat is empty.
func (m *Mirror) take(s *seat, block string) error {
	r := logReader{rest: block, kind: s.kind, needs: m.needs[s.kind]}
	var o op
	for r.next(&o) {
		if o.code == opHead && (s.next != 1 || s.entity != 0) {
			r.fail("snapshot in the middle")
			break
		}
		if o.code <= opKept {
			o.hour = m.hourOf(o.at)
		}
		idHash := m.hashOf(&o.digest)
		m.apply(s, &o, idHash, m.find(under(idHash, s.entity)))
	}
	if r.err != nil {
		m.empty(s)
		m.lost.Damaged++
		return r.err
	}
	s.size += uint32(len(block))
	s.next++
	return nil
}

func (c *core) hourOf(second uint32) uint8 {
	return uint8(time.Unix(int64(second), 0).In(c.location).Hour())
}

// apply does what an entry says. idHash is that of its digest, and ref the record that the seat's entity has of it, or 0.
func (m *Mirror) apply(s *seat, o *op, idHash uint64, ref uint32) {
	if s.entity == 0 {
		s.entity = m.arena.entities.take()
		*m.arena.entities.at(s.entity) = entity{token: s.token, kind: s.kind, first: 1} // first after last: never
	}
	e := m.arena.entities.at(s.entity)
	if o.code == opHead {
		m.applyHead(e, &o.head)
		return
	}
	switch {
	case o.code <= opKept && ref == 0:
		m.insert(e, under(idHash, s.entity), o)
	case ref == 0, o.code == opEvent:
	case o.code <= opKept:
		m.retag(e, ref, o.flags, o.knownAt)
	case o.code == opSettled:
		r := m.arena.records.at(ref)
		m.retag(e, ref, r.flags&^(flagDeclined|flagAnomalous)|o.flags, r.knownAt)
	case o.code == opLabeled:
		m.retag(e, ref, m.arena.records.at(ref).flags&(flagDeclined|flagAnomalous)|o.flags, o.knownAt)
	case o.code == opRetracted:
		m.retract(e, ref)
	}
}

func (m *Mirror) applyHead(e *entity, h *head) {
	e.newest, e.first, e.last, e.floor = h.newest, h.first, h.last, h.floor
	m.newest = max(m.newest, int64(e.newest))
	le := binary.LittleEndian
	words := m.arena.words.open(&e.pairs, 0, len(h.pairs)/pairSize*pairWords)
	for i := 0; i < len(words); i += pairWords {
		pair := h.pairs[i/pairWords*pairSize:]
		key := le.Uint64(pair)
		words[i], words[i+1], words[i+2], words[i+3] = uint32(key>>32), uint32(key), le.Uint32(pair[8:]), le.Uint32(pair[12:])
	}
}

// insert makes a record of an event that e does not know.
func (m *Mirror) insert(e *entity, hash uint64, o *op) {
	m.bury(2) // or who comes and goes would leave ever more behind
	a := &m.arena
	ref := a.records.take()
	r := a.records.at(ref)
	*r = record{at: o.at, knownAt: o.knownAt, amount: o.amount, hash: hash, flags: o.flags, hour: o.hour, holders: 1}
	for _, kind := range m.needs[e.kind] {
		if key := o.keys[kind]; key != 0 {
			r.entities[kind-1] = m.name(key)
		}
	}
	m.ids.add(hash, ref)
	if m.digests != nil {
		m.note(ref, &o.digest)
	}
	if o.code == opKept {
		a.insert(e, ref, r) // its snapshot's head has said the rest
	} else {
		m.enter(e.kind, e, ref, &o.keys, m.release)
	}
	m.newest = max(m.newest, int64(o.at))
	m.release(ref)
}

func (m *Mirror) retag(e *entity, ref uint32, flags uint8, knownAt uint32) {
	r := m.arena.records.at(ref)
	if r.flags == flags && r.knownAt == knownAt {
		return
	}
	was := *r
	r.flags, r.knownAt = flags, knownAt
	m.arena.retag(e, ref, &was, r)
}

// retract takes a record out of e's list and profile.
func (m *Mirror) retract(e *entity, ref uint32) {
	a := &m.arena
	r := a.records.at(ref)
	r.holders++ // ours
	if a.remove(e, ref, r) {
		r.holders--
	}
	for _, kind := range m.kinds[e.kind].pairs {
		if name := r.entities[kind-1]; name != 0 {
			a.unmeet(e, m.names.at(name).key, name, kind, r.at)
		}
	}
	e.unsee(a, r.at)
	m.release(ref)
}

// keysOf are the keys of all counterparts of an event.
func keysOf(e *payment.Entities) [payment.KindCount]uint64 {
	var keys [payment.KindCount]uint64
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		if !e[kind].IsZero() {
			keys[kind] = pairKey(kind, e[kind])
		}
	}
	return keys
}
