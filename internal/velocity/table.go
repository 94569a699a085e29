package velocity

// table maps 64-bit hashes to numbers of records or entities, whose own content decides between equal hashes.
//
// It is open addressing with linear probing in 256 shards, so that growing copies a small part at a time and
// never holds up a request. A slot is the low half of the hash and the number; 0 is free.
type table struct {
	shards [256]shard
}

type shard struct {
	slots []uint64
	used  int
}

// home is where the search for a hash begins: the low half of it, scaled to the number of slots, which can so be any.
func (s *shard) home(hash uint32) int { return int(uint64(hash) * uint64(len(s.slots)) >> 32) }

func (s *shard) next(i int) int {
	if i++; i < len(s.slots) {
		return i
	}
	return 0
}

func (t *table) shard(hash uint64) *shard { return &t.shards[hash>>56] }

// find returns the number under hash for which match holds, or 0.
func (t *table) find(hash uint64, match func(ref uint32) bool) uint32 {
	s := t.shard(hash)
	if s.used == 0 {
		return 0
	}
	for i := s.home(uint32(hash)); ; i = s.next(i) {
		slot := s.slots[i]
		if slot == 0 {
			return 0
		}
		if uint32(slot>>32) == uint32(hash) && match(uint32(slot)) {
			return uint32(slot)
		}
	}
}

// add puts ref, which is not 0 and not there yet, under hash.
func (t *table) add(hash uint64, ref uint32) {
	s := t.shard(hash)
	if s.used >= len(s.slots)*13/16 {
		s.grow()
	}
	s.used++
	s.put(uint64(uint32(hash))<<32 | uint64(ref))
}

func (s *shard) put(slot uint64) {
	i := s.home(uint32(slot >> 32))
	for s.slots[i] != 0 {
		i = s.next(i)
	}
	s.slots[i] = slot
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]uint64, max(8, len(old)*3/2))
	for _, slot := range old {
		if slot != 0 {
			s.put(slot)
		}
	}
}

// remove takes ref, which is there, out from under hash and closes the gap (Knuth, TAOCP 3, 6.4, algorithm R).
func (t *table) remove(hash uint64, ref uint32) {
	s := t.shard(hash)
	gap := s.home(uint32(hash))
	for uint32(s.slots[gap]) != ref {
		gap = s.next(gap)
	}
	s.used--
	for i := s.next(gap); s.slots[i] != 0; i = s.next(i) {
		// A slot fills the gap unless its home lies behind it, going around the end.
		if s.behind(i, s.home(uint32(s.slots[i]>>32))) >= s.behind(i, gap) {
			s.slots[gap] = s.slots[i]
			gap = i
		}
	}
	s.slots[gap] = 0
}

// behind is how far back from slot i slot j is.
func (s *shard) behind(i, j int) int {
	if j > i {
		i += len(s.slots)
	}
	return i - j
}

func (t *table) bytes() int64 {
	var n int64
	for i := range t.shards {
		n += int64(len(t.shards[i].slots)) * 8
	}
	return n
}
