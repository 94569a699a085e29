package velocity

import (
	"unsafe"

	"github.com/fastshop/pipeline/internal/payment"
)

// Stats is how much a Memory holds. Bytes are what was taken from the system, in use or not.
type Stats struct {
	Events   int // remembered
	Entities int // remembered

	EventBytes  int64 // the events themselves
	IDBytes     int64 // from an id to its event
	EntityBytes int64 // the entities, and from a token to its entity
	ListBytes   int64 // short lists of events, and counterparts
	TreeBytes   int64 // lists of more than 128 events

	Largest Largest
}

// Largest is the entity with the most events.
type Largest struct {
	Kind   payment.Kind // KindInvalid in an empty memory
	Events int
	Bytes  int64 // of its own; its events are not counted
}

// Bytes is the sum of all parts.
func (s Stats) Bytes() int64 {
	return s.EventBytes + s.IDBytes + s.EntityBytes + s.ListBytes + s.TreeBytes
}

// Stats counts what m holds. It looks at every entity, but lets others in between every few thousand, so that its
// figures are of about one moment.
func (m *Memory) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	var s Stats
	for from := uint32(1); from <= m.arena.entities.last; from += slabSize {
		m.arena.statsOf(from, &s)
		m.mu.Unlock() // a breath for those who wait
		m.mu.Lock()
	}
	a := &m.arena
	s.Events, s.Entities = a.records.used(), a.entities.used()
	s.EventBytes = slabBytes(&a.records)
	s.IDBytes = m.ids.bytes()
	s.EntityBytes = slabBytes(&a.entities) + m.names.bytes()
	s.ListBytes = a.words.bytes()
	s.TreeBytes += slabBytes(&a.trees)
	return s
}

func (a *arena) statsOf(from uint32, s *Stats) {
	for ref := from; ref < from+slabSize && ref <= a.entities.last; ref++ {
		e := a.entities.at(ref)
		if e.kind == payment.KindInvalid {
			continue
		}
		own := 4 * int64(blockSizes[e.list.class])
		if e.tree != 0 {
			own = a.trees.at(e.tree).bytes()
			s.TreeBytes += own
		}
		if n := a.length(e); n > s.Largest.Events {
			own += int64(unsafe.Sizeof(*e)) + 4*int64(blockSizes[e.pairs.class])
			s.Largest = Largest{Kind: e.kind, Events: n, Bytes: own}
		}
	}
}

func (t *tree) bytes() int64 {
	n := int64(cap(t.branches)) * int64(unsafe.Sizeof(branch{}))
	for i := range t.branches {
		n += int64(cap(t.branches[i].leaves)) * int64(unsafe.Sizeof(leaf{}))
	}
	return n
}

func slabBytes[T any](s *slab[T]) int64 {
	var value T
	return int64(len(s.pieces))*slabSize*int64(unsafe.Sizeof(value)) + int64(cap(s.freed))*4
}
