package velocity

import (
	"math"

	"github.com/fastshop/pipeline/internal/payment"
)

// growAbove is how large a log may become, in bytes, before a snapshot of it is worth the trouble.
const growAbove = 2048

// Start tells that the log is of a generation, and begins with a snapshot of base bytes. If that is not what the mirror
// has, it forgets what it has.
func (b *Batch) Start(s *Share, generation uint64, base uint32) {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	seat := m.seats.at(s.seat)
	if _, ok := seat.number(generation, seat.cut); !ok {
		m.empty(seat)
		seat.generation, seat.next, seat.base = generation, 1, base
	}
}

// Feed takes blocks of the log of a generation, the first of which has number from. It passes over what the mirror has
// already, and over all of it if the mirror lacks something before, or follows another generation. Its error wraps
// ErrLog; then nothing is known of the entity.
func (b *Batch) Feed(s *Share, generation uint64, from uint32, blocks []string) error {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	seat := m.seats.at(s.seat)
	if seat.next == 0 || seat.generation != generation || from > seat.next {
		return nil
	}
	for _, block := range blocks[min(int(seat.next-from), len(blocks)):] {
		for w := m.waiting[s.seat]; w != nil; w = w.link {
			if w.is(block, seat) {
				w.ask()
			}
		}
		if err := m.take(seat, block); err != nil {
			return err
		}
	}
	return nil
}

// Behind returns the number of the first block that the mirror lacks to know all before block at of a generation; 0 if
// it lacks nothing, or follows a newer generation by now.
func (b *Batch) Behind(s *Share, generation uint64, at uint32) uint32 {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	seat := m.seats.at(s.seat)
	now, ok := seat.number(generation, at)
	switch {
	case ok && seat.next < now:
		return seat.next
	case ok, seat.next > 0 && s.Next > 0 && s.Generation == generation:
		return 0
	}
	return 1
}

// is reports whether the block that the seat takes next is the share's own, which another batch has fetched. As long as it
// is not known where the share's lies it is the last one that looks like it.
func (s *Share) is(block string, seat *seat) bool {
	if !s.located {
		return len(s.Block) > 0 && string(s.Block) == block
	}
	now, ok := seat.number(s.placed, s.at)
	return ok && seat.next == now
}

// Locate tells where the share's block lies in its log, or would lie if there were one: at is its number, or 0 if it
// cannot be said.
func (b *Batch) Locate(s *Share, generation uint64, at uint32) {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	seat := m.seats.at(s.seat)
	seat.foreign = s.Next > 0 && at != s.Next
	now, ok := seat.number(generation, at)
	s.placed, s.at, s.needs, s.located = generation, at, math.MaxUint32, true
	if at == 0 && seat.generation == generation {
		s.needs = seat.next
	}
	s.asked = s.asked && (!ok || seat.next != now) // else it can still be asked
}

// leave takes a share out of those of its seat.
func (b *Batch) leave(s *Share) {
	p := &b.m.waiting[s.seat]
	for *p != s {
		p = &(*p).link
	}
	*p, s.link = s.link, nil
}

// ask marks the events of s that its entity knows, before it learns of them by somebody else. As long as nobody has asked
// it is enough to look when an event is observed.
func (s *Share) ask() {
	b := s.batch
	s.asked = true
	entity := b.m.seats.at(s.seat).entity
	if entity == 0 {
		return
	}
	for n := s.first; n != 0; n = b.entries[n-1].next[s.Kind] {
		e := &b.entries[n-1]
		if e.known &^= 1 << s.Kind; b.m.find(under(e.idHash, entity)) != 0 {
			e.known |= 1 << s.Kind
		}
	}
}

// Forget makes the mirror forget an entity: what it holds may not be what the log says.
func (b *Batch) Forget(s *Share) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.empty(b.m.seats.at(s.seat))
}

// Refresh notes the second when the log was told to live on.
func (b *Batch) Refresh(s *Share, second uint32) {
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	b.m.seats.at(s.seat).refreshed = second
}

// Observe reads event number i of the batch as of its own time and then, if the batch is to be counted, counts it. The
// events before it must have been observed.
func (b *Batch) Observe(i int) Reading {
	m, e, out := b.m, &b.entries[i], &b.readings[i]
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bury(trimStep)
	s := sighting{event: &b.events[i], at: int64(e.op.at), hour: e.hour}
	m.begin(&s, out)
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		if e.share[kind] == 0 {
			m.readKind(kind, nil, &s, out)
			continue
		}
		share := b.at(int(e.share[kind]) - 1)
		seat := m.seats.at(share.seat)
		ready := share.ready(seat)
		out.Incomplete = out.Incomplete || share.Lost || !ready
		var known *entity
		if s.known = 0; seat.entity != 0 {
			known = m.arena.entities.at(seat.entity)
			s.known = m.find(under(e.idHash, seat.entity))
			if !share.asked {
				e.known &^= 1 << kind
				if s.known != 0 && (share.at != 0 || !b.counts) {
					e.known |= 1 << kind
				}
			}
		}
		m.readKind(kind, known, &s, out)
		if b.counts && ready { // else somebody reads the log anew, and will find it there
			m.apply(seat, &e.op, e.idHash, s.known)
			share.did(seat)
		}
	}
	if out.Duplicate = e.known != 0 || e.repeated; b.counts {
		m.newest = max(m.newest, s.at)
	}
	return *out
}

// did notes that one more of the share's events has been applied.
func (s *Share) did(seat *seat) {
	if s.entity != seat.entity {
		s.entity, s.applied = seat.entity, 0
	}
	s.applied++
}

// ready reports whether a seat has what came before the share's block. It may have had that and have begun to read anew:
// another batch may have come upon an older generation.
func (s *Share) ready(seat *seat) bool {
	switch {
	case !s.located:
		return seat.next == 0 // there is no log
	case s.at != 0:
		now, ok := seat.number(s.placed, s.at)
		return ok && seat.next >= now
	case seat.next > 0 && seat.prior == s.placed && s.needs < seat.cut:
		return true // it is part of the snapshot
	}
	now, ok := seat.number(s.placed, s.needs)
	return ok && seat.next >= now
}

// Settle states what became of an event of the batch, which has been observed. It reports whether there is such an event.
func (b *Batch) Settle(s *Settlement) bool {
	m := b.m
	o := op{code: opSettled, flags: settled(s.Declined, s.Anomalous), digest: digestOf(s.ID)}
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := b.ids[m.hashOf(&o.digest)]
	if !ok {
		return false
	}
	e := &b.entries[i]
	for kind := range e.share {
		if e.share[kind] == 0 {
			continue
		}
		share := b.at(int(e.share[kind]) - 1)
		share.Later = appendOp(share.Later, &o, nil)
		if seat := m.seats.at(share.seat); share.ready(seat) {
			m.apply(seat, &o, e.idHash, m.find(under(e.idHash, seat.entity)))
		}
	}
	return true
}

// Advance tells the mirror that the blocks need not be read back from the logs. It is called when all is observed, or
// nothing will be.
func (b *Batch) Advance() {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range b.n {
		s := b.at(i)
		seat := m.seats.at(s.seat)
		now, ok := seat.number(s.placed, s.at)
		if ok && len(s.Block) > 0 && s.at != 0 && seat.next == now {
			b.own(s, seat)
		}
		s.Grown = seat.next > 1 && seat.size > growAbove && seat.size > 2*seat.base
	}
}

func (b *Batch) own(s *Share, seat *seat) {
	if s.applied == s.count && s.entity == seat.entity {
		seat.next++
		seat.size += uint32(len(s.Block))
	} else if err := b.m.take(seat, text(s.Block)); err != nil {
		panic(err) // what was written a moment ago cannot be read
	}
}

// Appended tells that a block, the share's Block or its Later, was appended without reading what came before it, as
// number at. The mirror takes it if it lacks nothing before. Nobody has read of which generation that number is. If the
// mirror still follows the one that the share knew it is of that one, or of a log of somebody else's that the mirror will
// begin anew; but a mirror that has followed to another could take it for the number of a block that it lacks.
func (b *Batch) Appended(s *Share, block []byte, at uint32) {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	seat := m.seats.at(s.seat)
	generation := s.placed
	if !s.located {
		generation = s.Generation
	}
	if seat.next == 0 || seat.next != at || seat.generation != generation || m.moving == (place{s.Kind, s.Token}) {
		return
	}
	if err := m.take(seat, text(block)); err != nil {
		panic(err) // what was written a moment ago cannot be read
	}
}

// Close lets the entities of the batch go.
func (b *Batch) Close() {
	m := b.m
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range b.n {
		s := b.at(i)
		b.leave(s)
		m.unpin(s.seat)
	}
	b.events, b.readings = nil, nil
	if !b.spoiled && len(m.spare) < maxSpare {
		m.spare = append(m.spare, b)
	}
}

// maxSpare is how many closed batches are kept for their memory.
const maxSpare = 8
