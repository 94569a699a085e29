package velocity

import (
	"unsafe"

	"github.com/fastshop/pipeline/internal/payment"
)

// Batch is some events, or changes to events, on their way to the logs of their entities. Whoever opens one
//
//   - appends each share's Block to its log, remembers where it came to lie, and reads what came before it,
//   - tells the batch with Start and Feed what that was, until Behind asks for nothing more, and with Locate where the
//     block lies,
//   - then observes and settles the events in order, appends each share's Later, and closes the batch.
//
// The Batch itself is used by one goroutine; others may use other batches of the same Mirror meanwhile. Then an event may
// see events of its own batch that come after it, if they are not of a later second.
type Batch struct {
	m        *Mirror
	events   []Event
	entries  []entry
	readings []Reading
	pieces   [][]Share        // shares, at addresses that never move
	n        int              // shares
	counts   bool             // the events are counted
	buffer   []byte           // of all blocks
	ids      map[uint64]int32 // from a hash to the first event with that id
	spoiled  bool
}

// Share is what a batch has to do with one entity.
type Share struct {
	Kind  payment.Kind
	Token payment.Token
	// Block is what to append to the log; empty for a batch that only reads.
	Block []byte
	// Later is what was settled since, to be appended when the batch is through.
	Later []byte
	// Generation and Next are of the log as the mirror has it: it lacks the blocks from number Next on. The first is
	// number 1; a Next of 0 says that nothing is known.
	Generation uint64
	Next       uint32
	// Refreshed is the second when the log was last told to live on.
	Refreshed uint32
	// Foreign is true if others have appended to the log lately.
	Foreign bool
	// Lost is set by the caller when something of the log is known to be missing: readings say so.
	Lost bool
	// Grown is true after Advance if the log is due for a snapshot.
	Grown bool

	batch   *Batch
	seat    uint32
	located bool
	asked   bool   // it has been settled which of its events were counted before
	placed  uint64 // generation in which the block lies
	at      uint32 // number of the block; 0: unknown
	needs   uint32 // if it is unknown: the first block that need not have been taken
	entity  uint32 // to which entries were applied
	count   uint32 // entries
	applied uint32 // entries that were applied to entity
	size    int    // of Block
	first   int32  // event, + 1
	last    int32
	link    *Share // another one that waits for the same seat
}

// entry is one event of a batch, or one change.
type entry struct {
	op
	idHash   uint64
	share    [payment.KindCount]int32 // number of the share, + 1
	next     [payment.KindCount]int32 // event of the same share, + 1
	known    uint16                   // kinds of entities that had counted it, a bit each
	repeated bool                     // in this batch
}

const pieceSize = 256

// Open opens a batch of events that are read and then counted. Its error wraps ErrEvent.
func (m *Mirror) Open(events []Event) (*Batch, error) { return m.open(events, true) }

// OpenRead opens a batch of events that are only read. Its error wraps ErrEvent.
func (m *Mirror) OpenRead(events []Event) (*Batch, error) { return m.open(events, false) }

func (m *Mirror) open(events []Event, count bool) (*Batch, error) {
	for i := range events {
		if err := check(&events[i], i); err != nil {
			return nil, err
		}
	}
	b := m.newBatch(len(events))
	b.events, b.counts = events, count
	b.readings = m.readings(nil, len(events))
	for i := range events {
		e := &events[i]
		b.entries[i].op = op{code: opEvent, digest: digestOf(e.ID), at: uint32(e.At.Unix()), amount: e.Amount,
			keys: keysOf(&e.Entities), hour: uint8(e.At.In(m.location).Hour())}
		b.place(i, &e.Entities)
	}
	b.fill()
	return b, nil
}

// OpenRestore opens a batch of events from the store, with all that has become of them. Its error wraps ErrEvent.
func (m *Mirror) OpenRestore(history []Remembered) (*Batch, error) {
	for i := range history {
		if err := check(&history[i].Event, i); err != nil {
			return nil, err
		}
	}
	b := m.newBatch(len(history))
	b.counts = true
	for i := range history {
		h := &history[i]
		o := op{code: opRestored, flags: settled(h.Declined, h.Anomalous), digest: digestOf(h.ID), at: uint32(h.At.Unix()),
			amount: h.Amount, keys: keysOf(&h.Entities)}
		if h.Label != nil {
			o.flags, o.knownAt = o.flags|labeled(h.Label), clampSecond(h.Label.KnownAt)
		}
		b.entries[i].op = o
		b.place(i, &h.Entities)
	}
	b.fill()
	return b, nil
}

// OpenSettle opens a batch of settlements.
func (m *Mirror) OpenSettle(settlements []Settlement) *Batch {
	return m.openChanges(len(settlements), func(i int) (op, *payment.Entities) {
		s := &settlements[i]
		return op{code: opSettled, flags: settled(s.Declined, s.Anomalous), digest: digestOf(s.ID)}, &s.Entities
	})
}

// OpenLabel opens a batch of labels.
func (m *Mirror) OpenLabel(labels []Label) *Batch {
	return m.openChanges(len(labels), func(i int) (op, *payment.Entities) {
		l := &labels[i]
		return op{code: opLabeled, flags: labeled(l), digest: digestOf(l.ID), knownAt: clampSecond(l.KnownAt)}, &l.Entities
	})
}

// OpenRetract opens a batch of events to be forgotten.
func (m *Mirror) OpenRetract(events []Event) *Batch {
	return m.openChanges(len(events), func(i int) (op, *payment.Entities) {
		return op{code: opRetracted, digest: digestOf(events[i].ID)}, &events[i].Entities
	})
}

func (m *Mirror) openChanges(n int, change func(i int) (op, *payment.Entities)) *Batch {
	b := m.newBatch(n)
	b.counts = true
	for i := range n {
		o, entities := change(i)
		b.entries[i].op = o
		b.place(i, entities)
	}
	b.fill()
	return b
}

func (m *Mirror) newBatch(n int) *Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := &Batch{}
	if last := len(m.spare) - 1; last >= 0 {
		b, m.spare = m.spare[last], m.spare[:last]
	}
	*b = Batch{m: m, entries: b.entries[:0], pieces: b.pieces, buffer: b.buffer[:0], ids: b.ids}
	if b.ids == nil {
		b.ids = make(map[uint64]int32, n)
	}
	clear(b.ids)
	if cap(b.entries) < n {
		b.entries = make([]entry, n)
	}
	b.entries = b.entries[:n]
	return b
}

// place finds the shares of an event.
func (b *Batch) place(i int, entities *payment.Entities) {
	m := b.m
	e := &b.entries[i]
	e.idHash = m.hashOf(&e.digest)
	first, repeated := b.ids[e.idHash]
	if e.known, e.repeated = 0, repeated; !repeated {
		first = int32(i)
	}
	b.ids[e.idHash] = first
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		e.share[kind], e.next[kind] = 0, 0
		if entities[kind].IsZero() || !m.kinds[kind].logged {
			continue
		}
		no := b.shareOf(kind, &entities[kind])
		s := b.at(no)
		e.share[kind] = int32(no) + 1
		s.count++
		if b.counts {
			s.size += opSize(&e.op, m.needs[kind])
		}
		if s.last == 0 {
			s.first = int32(i) + 1
		} else {
			b.entries[s.last-1].next[kind] = int32(i) + 1
		}
		s.last = int32(i) + 1
	}
}

// shareOf returns the number of the share of an entity.
func (b *Batch) shareOf(kind payment.Kind, t *payment.Token) int {
	m := b.m
	no, hash := m.findSeat(kind, t)
	if no != 0 {
		for s := m.waiting[no]; s != nil; s = s.link {
			if s.batch == b {
				return int(s.applied) // its own number, until it is filled
			}
		}
	}
	no = m.pin(no, hash, kind, t)
	if b.n == len(b.pieces)*pieceSize {
		b.pieces = append(b.pieces, make([]Share, pieceSize))
	}
	at := m.seats.at(no)
	s := b.at(b.n)
	*s = Share{Kind: kind, Token: *t, Generation: at.generation, Next: at.next, Refreshed: at.refreshed, Foreign: at.foreign,
		Later: s.Later[:0], batch: b, seat: no, applied: uint32(b.n), link: m.waiting[no]}
	m.waiting[no] = s
	b.n++
	return b.n - 1
}

func (b *Batch) at(i int) *Share { return &b.pieces[i/pieceSize][i%pieceSize] }

// fill writes all blocks. Other batches see them once they are whole.
func (b *Batch) fill() {
	total := 0
	for i := range b.n {
		total += b.at(i).size
	}
	if cap(b.buffer) < total {
		b.buffer = make([]byte, 0, total)
	}
	all := b.buffer[:0]
	for i := range b.n {
		s := b.at(i)
		for n := s.first; n != 0 && b.counts; n = b.entries[n-1].next[s.Kind] {
			all = appendOp(all, &b.entries[n-1].op, b.m.needs[s.Kind])
		}
	}
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	for i := range b.n {
		s := b.at(i)
		s.applied = 0
		s.Block, all = all[:s.size:s.size], all[s.size:]
	}
}

// Len returns the number of shares.
func (b *Batch) Len() int { return b.n }

// Share returns one of them. It is valid until Close.
func (b *Batch) Share(i int) *Share { return b.at(i) }

// Spoil tells that somebody may still read the blocks after Close, so that their memory is not used again.
func (b *Batch) Spoil() { b.spoiled = true }

// text is a block without a copy: nothing keeps it.
func text(block []byte) string { return unsafe.String(unsafe.SliceData(block), len(block)) }
