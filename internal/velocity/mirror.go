package velocity

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// Mirror keeps copies of entities whose truth is an append-only log that many processes share, and reads them with the very
// code of [Memory].
//
// A log is a list of blocks, each of some entries, under a generation: a number that changes whenever the list is
// replaced by another. What an entity is follows from its log alone, and to take an entry twice changes nothing. Each entity is by
// itself: it knows the ids of its own events, and counts an event if it does not know its id.
//
// Mirror asks nobody. A [Batch] tells which blocks to append where, is fed with what others appended before, and then
// reads. A Mirror holds about as many bytes as it may and forgets the entities that were not used for longest, but for
// those of batches that are open. All methods may be called at once.
type Mirror struct {
	core  // guarded by mu
	seed  maphash.Seed
	sign  string
	needs [payment.KindCount][]payment.Kind

	mu      sync.Mutex // guards what follows
	ids     table      // of events, to records
	places  table      // of tokens, to seats
	seats   slab[seat]
	waiting []*Share // of open batches, by seat
	names   slab[counterpart]
	keys    table    // of counterparts
	used    uint32   // seat that was used last; the ring goes on to the one that was not used for longest
	moving  place    // whose log is being replaced
	dying   []uint32 // entities that nobody knows any more, whose records are yet to be let go
	buried  int      // records of those
	budget  int64
	lost    MirrorStats
	spare   []*Batch
	digests []digest // of records, by number; only a compactor keeps them
}

// seat is where a mirror keeps one entity, and how much of its log. It has no pointers.
type seat struct {
	token      payment.Token
	kind       payment.Kind
	foreign    bool // the last batch found that others had appended
	generation uint64
	next       uint32 // first block that was not taken; 0: nothing is known, and 1 is the first
	entity     uint32 // 0: no event yet
	size, base uint32 // bytes of the log that were taken, and of the snapshot that it began with
	refreshed  uint32 // second when the log was last told to live on
	pins       uint32 // shares of open batches
	prior      uint64 // generation that the mirror has seen replaced by this one, or 0
	cut, shift uint32 // block cut of it, and those behind, have numbers here that are so much smaller (modulo 2^32)
	prev, succ uint32 // in the ring of those without pins, if there are others
}

// place is the name of an entity; the zero place is nobody's.
type place struct {
	kind  payment.Kind
	token payment.Token
}

// counterpart is a name that records use instead of a key: 32 bits in place of 64.
type counterpart struct {
	key      uint64
	mentions uint32
}

// Bytes that things take in a mirror, with their share of tables; see Memory in the package comment.
const (
	recordBytes      = 64 + 11 + 11
	entityBytes      = 64
	seatBytes        = 88 + 11 + 8
	counterpartBytes = 16 + 11
)

// NewMirror returns an empty mirror that answers plan and holds about budget bytes. Its error wraps ErrFeature.
func NewMirror(plan Plan, o Options, budget int64) (*Mirror, error) {
	c, err := newCore(plan, o)
	if err != nil {
		return nil, err
	}
	m := &Mirror{core: c, seed: maphash.MakeSeed(), budget: budget, sign: c.signature()}
	for kind := range m.needs {
		m.needs[kind] = c.kinds[kind].needs()
	}
	return m, nil
}

// Signature is eight characters of base64url that are the same for all mirrors that may share logs: their plans keep
// the same of every event, and their bounds are equal.
func (m *Mirror) Signature() string { return m.sign }

// Width is the number of values in a reading.
func (m *Mirror) Width() int { return m.width }

// Reach is the longest that an entity of any kind can be asked for after its last event.
func (m *Mirror) Reach() time.Duration {
	var reach time.Duration
	for kind := range m.kinds {
		reach = max(reach, m.ReachOf(payment.Kind(kind)))
	}
	return reach
}

// windowSeconds are the lengths of the windows.
var windowSeconds = [windowCount]int64{0, 60, 300, hourSeconds, daySeconds, 7 * daySeconds, 30 * daySeconds}

// ReachOf is how long after its last event an entity of a kind can still be asked for: the horizon if the plan looks at
// its profile; 38 days if it looks at the run of its frauds, and for the customer, who remembers ids; else the longest of
// its windows, an hour for those that are exact to the hour, and the day that events may be late.
func (m *Mirror) ReachOf(kind payment.Kind) time.Duration {
	k := &m.kinds[kind]
	reach := int64(0)
	switch {
	case k.since || k.first || k.amounts || k.hours || len(k.pairs) > 0:
		reach = m.horizon
	case k.run || kind == payment.KindCustomer:
		reach = keptHours * hourSeconds
	default:
		for g := range k.groups {
			if longest := k.groups[g].longest; longest != NoWindow {
				reach = max(reach, windowSeconds[longest]+int64(g)*delaySeconds+hourSeconds+lateSeconds)
			}
		}
	}
	return time.Duration(reach) * time.Second
}

// MirrorStats is how much a mirror holds, and what became of what it held.
type MirrorStats struct {
	Events   int
	Entities int
	Bytes    int64 // estimated; memory does not shrink below its peak but is used again

	Evicted int64 // entities that had to go for others
	Damaged int64 // logs that could not be read
}

// Stats counts what m holds.
func (m *Mirror) Stats() MirrorStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.lost
	s.Events, s.Entities, s.Bytes = m.arena.records.used()-m.buried, m.seats.used(), m.bytes()
	return s
}

func (m *Mirror) bytes() int64 {
	a := &m.arena
	return int64(a.records.used()-m.buried)*recordBytes + int64(a.entities.used()-len(m.dying))*entityBytes +
		int64(m.seats.used())*seatBytes + int64(m.names.used())*counterpartBytes + 4*a.words.used
}

func (m *Mirror) placeHash(kind payment.Kind, t *payment.Token) uint64 {
	return maphash.Bytes(m.seed, t[:]) ^ uint64(kind)*0x9e3779b97f4a7c15
}

// hashOf is what an id is known by: 64 bits with a key that is never seen, so that nobody can look for two that are equal.
func (m *Mirror) hashOf(d *digest) uint64 { return maphash.Bytes(m.seed, d[:]) }

// under is the hash of an id among those of one entity.
func under(idHash uint64, entity uint32) uint64 { return idHash ^ uint64(entity)*0x9e3779b97f4a7c15 }

func (m *Mirror) find(hash uint64) uint32 {
	return m.ids.find(hash, func(ref uint32) bool { return m.arena.records.at(ref).hash == hash })
}

// findSeat returns the number of an entity's seat, or 0.
func (m *Mirror) findSeat(kind payment.Kind, t *payment.Token) (no uint32, hash uint64) {
	hash = m.placeHash(kind, t)
	return m.places.find(hash, func(no uint32) bool {
		s := m.seats.at(no)
		return s.kind == kind && s.token == *t
	}), hash
}

// pin takes a seat, which is made if its number is 0, out of the ring until it is let go.
func (m *Mirror) pin(no uint32, hash uint64, kind payment.Kind, t *payment.Token) uint32 {
	if no == 0 {
		no = m.seats.take()
		*m.seats.at(no) = seat{token: *t, kind: kind, pins: 1}
		m.places.add(hash, no)
		if int(no) >= len(m.waiting) {
			m.waiting = append(m.waiting, make([]*Share, int(no)+slabSize-len(m.waiting))...)
		}
		return no
	}
	s := m.seats.at(no)
	if s.pins++; s.pins == 1 {
		m.unring(no)
	}
	return no
}

// unpin lets a seat go. One without anything in it is not worth keeping.
func (m *Mirror) unpin(no uint32) {
	s := m.seats.at(no)
	if s.pins--; s.pins > 0 {
		return
	}
	if s.next == 0 {
		m.vacate(no)
		return
	}
	if m.used == 0 {
		s.prev, s.succ = no, no
	} else {
		last := m.seats.at(m.used)
		s.prev, s.succ = m.used, last.succ
		m.seats.at(last.succ).prev = no
		last.succ = no
	}
	m.used = no
	for m.bytes() > m.budget && m.used != 0 {
		oldest := m.seats.at(m.used).succ
		m.unring(oldest)
		m.vacate(oldest)
		m.lost.Evicted++
	}
}

// number is what block at of a generation is called now; ok is false if the mirror follows another one.
func (s *seat) number(generation uint64, at uint32) (now uint32, ok bool) {
	switch {
	case s.next == 0 || generation == 0:
		return 0, false
	case s.generation == generation:
		return at, true
	case s.prior == generation && at >= s.cut:
		return at - s.shift, true
	}
	return 0, false
}

func (m *Mirror) unring(no uint32) {
	s := m.seats.at(no)
	if s.succ == no {
		m.used = 0
		return
	}
	m.seats.at(s.prev).succ, m.seats.at(s.succ).prev = s.succ, s.prev
	if m.used == no {
		m.used = s.prev
	}
}

// vacate gives up a seat that is in no ring.
func (m *Mirror) vacate(no uint32) {
	s := m.seats.at(no)
	m.empty(s)
	m.places.remove(m.placeHash(s.kind, &s.token), no)
	m.seats.give(no)
}

// empty makes a seat as if nothing of its log had been seen.
func (m *Mirror) empty(s *seat) {
	if s.entity != 0 {
		m.buried += m.arena.length(m.arena.entities.at(s.entity))
		m.dying = append(m.dying, s.entity)
	}
	s.entity, s.next, s.generation, s.prior, s.size, s.base = 0, 0, 0, 0, 0, 0
}

// bury lets up to n records of entities go that nobody knows any more: few at a time, since an entity can be large.
func (m *Mirror) bury(n int) {
	for range n {
		if len(m.dying) == 0 {
			return
		}
		no := m.dying[len(m.dying)-1]
		e := m.arena.entities.at(no)
		if m.arena.length(e) > 0 {
			m.buried--
			m.release(m.arena.shift(e))
			continue
		}
		m.arena.words.drop(&e.pairs)
		*e = entity{}
		m.arena.entities.give(no)
		m.dying = m.dying[:len(m.dying)-1]
	}
}

// release takes one hold off a record; without one it is forgotten.
func (m *Mirror) release(ref uint32) {
	r := m.arena.records.at(ref)
	if r.holders--; r.holders > 0 {
		return
	}
	m.ids.remove(r.hash, ref)
	for _, name := range r.entities {
		if name != 0 {
			m.unname(name)
		}
	}
	m.arena.records.give(ref)
}

func nameHash(key uint64) uint64 { return key ^ key>>32 }

// name returns the number of a counterpart, which is mentioned once more.
func (m *Mirror) name(key uint64) uint32 {
	no := m.keys.find(nameHash(key), func(no uint32) bool { return m.names.at(no).key == key })
	if no == 0 {
		no = m.names.take()
		*m.names.at(no) = counterpart{key: key}
		m.keys.add(nameHash(key), no)
	}
	m.names.at(no).mentions++
	return no
}

func (m *Mirror) unname(no uint32) {
	n := m.names.at(no)
	if n.mentions--; n.mentions == 0 {
		m.keys.remove(nameHash(n.key), no)
		m.names.give(no)
	}
}
