package velocity

// seenSet holds numbers of entities; it never has to be cleared. It is four times as large as the most it takes.
type seenSet struct {
	slots      [1024]uint64 // generation and number
	generation uint32
}

func (s *seenSet) reset() {
	if s.generation++; s.generation == 0 {
		*s = seenSet{generation: 1}
	}
}

// has reports whether n is there and where it is or would be.
func (s *seenSet) has(n uint32) (slot int, ok bool) {
	want := uint64(s.generation)<<32 | uint64(n)
	for i := n * 0x9e3779b1 >> 22; ; i = (i + 1) % uint32(len(s.slots)) {
		switch {
		case s.slots[i] == want:
			return int(i), true
		case uint32(s.slots[i]>>32) != s.generation:
			return int(i), false
		}
	}
}

func (s *seenSet) put(slot int, n uint32) { s.slots[slot] = uint64(s.generation)<<32 | uint64(n) }
