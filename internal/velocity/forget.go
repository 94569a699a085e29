package velocity

import "github.com/fastshop/pipeline/internal/payment"

const (
	trimStep  = 64 // old events that one new event clears away at most
	sweepStep = 4  // entities that one new event looks at
)

// trim lets go of what e no longer keeps. A reading does not depend on how soon that is, but for the rooc.
func (c *core) trim(e *entity, release func(uint32)) {
	a := &c.arena
	for a.length(e) > c.events {
		second := a.oldestAt(e)
		e.floor = uint32(second) + 1
		for a.length(e) > 0 && a.oldestAt(e) == second {
			release(a.shift(e))
		}
	}
	kept := (int64(e.newest)/hourSeconds - keptHours) * hourSeconds
	if int64(e.first) >= kept || a.length(e) == 0 || a.oldestAt(e) >= kept {
		return // the first test is nearly always enough, and saves looking for the oldest event in cold memory
	}
	spare := a.length(e) - a.newerThan(e, int64(e.newest)-lateSeconds) - sampleKept
	gone := int64(e.newest) - lateSeconds - c.horizon
	for i := 0; i < trimStep && a.length(e) > 0; i++ {
		at := a.oldestAt(e)
		if at > gone && (spare <= 0 || at >= kept) {
			return
		}
		release(a.shift(e))
		spare--
	}
}

// release takes one hold off a record; without one it is forgotten.
func (m *Memory) release(ref uint32) {
	r := m.arena.records.at(ref)
	if r.holders--; r.holders > 0 {
		return
	}
	m.ids.remove(r.hash, ref)
	for _, place := range r.entities {
		if place != 0 {
			m.arena.entities.at(place).mentions--
		}
	}
	m.arena.records.give(ref)
}

// retract takes a record out of all lists and profiles.
func (m *Memory) retract(ref uint32) {
	a := &m.arena
	r := a.records.at(ref)
	r.holders++ // ours
	for _, place := range r.entities {
		if place != 0 && a.remove(a.entities.at(place), ref, r) {
			r.holders--
		}
	}
	for i, place := range r.entities {
		if place == 0 {
			continue
		}
		e := a.entities.at(place)
		for _, kind := range m.kinds[i+1].pairs {
			if other := r.entities[kind-1]; other != 0 {
				a.unmeet(e, pairKey(kind, a.entities.at(other).token), other, kind, r.at)
			}
		}
		e.unsee(a, r.at)
	}
	m.release(ref)
}

// unsee finds e's first and last event again when one of that second has been retracted.
func (e *entity) unsee(a *arena, at uint32) {
	if a.length(e) == 0 {
		if e.first == at && e.last == at {
			e.first, e.last = 1, 0 // never seen; the sweep takes it when its time comes
		}
		return
	}
	if e.last == at {
		w := a.backward(e, maxSecond)
		_, r := w.next()
		e.last = r.at
	}
	if e.first == at {
		e.first = uint32(a.oldestAt(e))
	}
}

// sweep looks at the next few entities and forgets what no reading can reach: all of an entity that was silent for
// longer than the horizon, and all but the sample of one that no window reaches.
func (m *Memory) sweep() {
	a := &m.arena
	for range min(sweepStep, a.entities.last) {
		if m.hand++; m.hand > a.entities.last {
			m.hand = 1
		}
		e := a.entities.at(m.hand)
		if e.kind == payment.KindInvalid {
			continue
		}
		keep := m.events
		if idle := m.newest - int64(e.newest); idle > m.horizon+staleSeconds {
			keep = 0
		} else if idle > keptHours*hourSeconds+staleSeconds {
			keep = sampleKept
		}
		for i := 0; i < trimStep && a.length(e) > keep; i++ {
			m.release(a.shift(e))
		}
		if keep == 0 && a.length(e) == 0 && e.mentions == 0 {
			m.names.remove(m.nameHash(e.kind, &e.token), m.hand)
			a.words.drop(&e.pairs)
			*e = entity{}
			a.entities.give(m.hand)
		}
	}
}
