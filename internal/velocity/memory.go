package velocity

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/fastshop/pipeline/internal/payment"
)

// Memory keeps the windows and profiles of everything in this process. It is a cache of the store's history: it is lost
// with the process and filled again by Restore.
//
// All methods may be called at once. The lock is held for one event at a time, so that a large batch holds up nobody;
// the events of a batch are still taken in order. A context only stops a call before it starts. The only other error is
// one that wraps ErrEvent, and then nothing of the call took effect.
type Memory struct {
	core // its arena, newest and work are guarded by mu
	seed maphash.Seed

	mu    sync.Mutex // guards what follows
	ids   table      // of events, to records
	names table      // of tokens, to entities
	hand  uint32
}

// NewMemory returns an empty memory that answers plan. Its error wraps ErrFeature.
func NewMemory(plan Plan, o Options) (*Memory, error) {
	c, err := newCore(plan, o)
	if err != nil {
		return nil, err
	}
	return &Memory{core: c, seed: maphash.MakeSeed()}, nil
}

// Observe reads each event as of its own time, not counting itself, and then counts it for those that follow, also in
// the same batch. An id that was counted before is read and not counted again.
func (m *Memory) Observe(ctx context.Context, events []Event) ([]Reading, error) {
	return m.ObserveInto(ctx, events, nil)
}

// ObserveInto is Observe that reuses the readings in into and their values, so that a caller who keeps them
// allocates nothing.
func (m *Memory) ObserveInto(ctx context.Context, events []Event, into []Reading) ([]Reading, error) {
	return m.readAll(ctx, events, into, true)
}

// Read reads each event as of its own time and counts nothing.
func (m *Memory) Read(ctx context.Context, events []Event) ([]Reading, error) {
	return m.readAll(ctx, events, nil, false)
}

func (m *Memory) readAll(ctx context.Context, events []Event, into []Reading, count bool) ([]Reading, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range events {
		if err := check(&events[i], i); err != nil {
			return nil, err
		}
	}
	readings := m.readings(into, len(events))
	for i := range events {
		m.readOne(&events[i], &readings[i], count)
	}
	return readings, nil
}

// readOne holds the lock for one event, so that a large batch holds up nobody; a panic lets it go.
func (m *Memory) readOne(e *Event, out *Reading, count bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.locate(e)
	m.read(&s, out)
	if count && s.known == 0 {
		m.count(&s, 0, 0)
	}
}

// change hands do the record of an id, if it is remembered, under the lock.
func (m *Memory) change(id string, do func(ref uint32)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ref := m.find(maphash.String(m.seed, id)); ref != 0 {
		do(ref)
	}
}

func (m *Memory) locate(e *Event) sighting {
	s := sighting{event: e, at: e.At.Unix(), hour: uint8(e.At.In(m.location).Hour()), hash: maphash.String(m.seed, e.ID)}
	s.known = m.find(s.hash)
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		token := &e.Entities[kind]
		if !token.IsZero() {
			s.hashes[kind] = m.nameHash(kind, token)
			s.places[kind] = m.names.find(s.hashes[kind], func(ref uint32) bool {
				n := m.arena.entities.at(ref)
				return n.kind == kind && n.token == *token
			})
		}
	}
	return s
}

func (m *Memory) nameHash(kind payment.Kind, t *payment.Token) uint64 {
	return maphash.Bytes(m.seed, t[:]) ^ uint64(kind)*0x9e3779b97f4a7c15
}

func (m *Memory) find(hash uint64) uint32 {
	return m.ids.find(hash, func(ref uint32) bool { return m.arena.records.at(ref).hash == hash })
}

// count remembers a new event.
func (m *Memory) count(s *sighting, flags uint8, knownAt uint32) {
	a := &m.arena
	ref := a.records.take()
	r := a.records.at(ref)
	at := uint32(s.at)
	*r = record{at: at, knownAt: knownAt, amount: s.event.Amount, hash: s.hash, flags: flags, hour: s.hour, holders: 1}
	m.ids.add(s.hash, ref)
	var keys [payment.KindCount]uint64
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		token := s.event.Entities[kind]
		if token.IsZero() {
			continue
		}
		keys[kind] = pairKey(kind, token)
		place := s.places[kind]
		if place == 0 {
			place = a.entities.take()
			*a.entities.at(place) = entity{token: token, kind: kind, newest: at, first: at, last: at}
			m.names.add(s.hashes[kind], place)
		}
		a.entities.at(place).mentions++
		r.entities[kind-1] = place
	}
	for i, place := range r.entities {
		if place != 0 {
			m.enter(payment.Kind(i+1), a.entities.at(place), ref, &keys, m.release)
		}
	}
	m.release(ref)
	m.newest = max(m.newest, s.at)
	m.sweep()
}

// Settle states what became of observed events, anew each time. Unknown ids are passed over.
func (m *Memory) Settle(ctx context.Context, settlements []Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range settlements {
		s := &settlements[i]
		m.change(s.ID, func(ref uint32) {
			r := m.arena.records.at(ref)
			m.retag(ref, r.flags&^(flagDeclined|flagAnomalous)|settled(s.Declined, s.Anomalous), r.knownAt)
		})
	}
	return nil
}

// Label states what became known of observed events, in place of what was said before. Unknown ids are passed over.
func (m *Memory) Label(ctx context.Context, labels []Label) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range labels {
		l := &labels[i]
		m.change(l.ID, func(ref uint32) {
			r := m.arena.records.at(ref)
			m.retag(ref, r.flags&(flagDeclined|flagAnomalous)|labeled(l), clampSecond(l.KnownAt))
		})
	}
	return nil
}

func settled(declined, anomalous bool) uint8 {
	var flags uint8
	if declined {
		flags |= flagDeclined
	}
	if anomalous {
		flags |= flagAnomalous
	}
	return flags
}

func labeled(l *Label) uint8 {
	if l.Fraud {
		return flagLabeled | flagFraud
	}
	return flagLabeled
}

func (m *Memory) retag(ref uint32, flags uint8, knownAt uint32) {
	r := m.arena.records.at(ref)
	if r.flags == flags && r.knownAt == knownAt {
		return
	}
	was := *r
	r.flags, r.knownAt = flags, knownAt
	for _, place := range r.entities {
		if place != 0 {
			m.arena.retag(m.arena.entities.at(place), ref, &was, r)
		}
	}
}

// Retract forgets observed events, so that their ids may come again. Unknown ids are passed over.
func (m *Memory) Retract(ctx context.Context, events []Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range events {
		m.change(events[i].ID, m.retract)
	}
	return nil
}

// Restore counts events from the store with all that has become of them, without reading. Like Observe it counts no id twice.
func (m *Memory) Restore(ctx context.Context, history []Remembered) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for i := range history {
		if err := check(&history[i].Event, i); err != nil {
			return err
		}
	}
	for i := range history {
		h := &history[i]
		flags, knownAt := settled(h.Declined, h.Anomalous), uint32(0)
		if h.Label != nil {
			flags, knownAt = flags|labeled(h.Label), clampSecond(h.Label.KnownAt)
		}
		m.mu.Lock()
		if s := m.locate(&h.Event); s.known == 0 {
			m.count(&s, flags, knownAt)
		}
		m.mu.Unlock()
	}
	return nil
}
