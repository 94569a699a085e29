package velocity

import "github.com/fastshop/pipeline/internal/payment"

const (
	flagDeclined = 1 << iota
	flagAnomalous
	flagLabeled
	flagFraud // only with flagLabeled
)

// record is one event: 64 bytes, one cache line, no pointers.
type record struct {
	at       uint32 // second
	knownAt  uint32 // second; of the label
	amount   int64  // centavos
	hash     uint64 // keyed, of the id
	entities [payment.KindCount - 1]uint32
	flags    uint8
	hour     uint8 // local, 0 to 23
	holders  uint8 // entities that list it, and whoever works on it
}

// fraudBy reports whether the event was known to be fraud at a second.
func (r *record) fraudBy(asOf int64) bool {
	return r.flags&flagFraud != 0 && int64(r.knownAt) <= asOf
}

// before is the order of an entity's list: by time, then by amount.
func (r *record) before(o *record) bool {
	return r.at < o.at || r.at == o.at && r.amount < o.amount
}

const slabSize = 4096

// slab keeps values by number, from 1, at addresses that never move, in pieces that grow the whole by little.
type slab[T any] struct {
	pieces [][]T
	freed  []uint32
	last   uint32 // highest number given out
}

func (s *slab[T]) at(ref uint32) *T { return &s.pieces[ref/slabSize][ref%slabSize] }

// take gives out a number. What it holds is whatever was there.
func (s *slab[T]) take() uint32 {
	if n := len(s.freed); n > 0 {
		ref := s.freed[n-1]
		s.freed = s.freed[:n-1]
		return ref
	}
	s.last++
	if int(s.last/slabSize) == len(s.pieces) {
		s.pieces = append(s.pieces, make([]T, slabSize))
	}
	return s.last
}

func (s *slab[T]) give(ref uint32) { s.freed = append(s.freed, ref) }

func (s *slab[T]) used() int { return int(s.last) - len(s.freed) }
