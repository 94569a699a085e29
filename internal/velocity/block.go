package velocity

// blockSizes are the sizes that a block can have, in words. Small steps keep the waste near a tenth.
var blockSizes = [...]uint16{
	0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 80, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2052,
}

const (
	chunkBits  = 16
	chunkWords = 1 << chunkBits
)

// blocks gives out short lists of 32-bit words from large pieces without pointers: the lists of a million
// entities are nothing that the garbage collector has to follow.
type blocks struct {
	chunks [][]uint32
	next   uint32                  // first word of the last chunk that was never used
	free   [len(blockSizes)]uint32 // by class: the first free block; its first word is the next one
	used   int64                   // words given out
}

// block is one list. The zero value is empty.
type block struct {
	addr  uint32 // chunk and word
	n     uint16 // words in use
	class uint8  // index into blockSizes
}

// words returns the list itself; it is valid until the next change.
func (s *blocks) words(b block) []uint32 {
	if b.class == 0 {
		return nil
	}
	at := b.addr & (chunkWords - 1)
	return s.chunks[b.addr>>chunkBits][at : at+uint32(b.n)]
}

// open makes room for k words before word i and returns them.
func (s *blocks) open(b *block, i, k int) []uint32 {
	if int(b.n)+k > int(blockSizes[b.class]) {
		s.resize(b, int(b.n)+k)
	}
	b.n += uint16(k)
	words := s.words(*b)
	copy(words[i+k:], words[i:])
	return words[i : i+k]
}

// cut takes k words out from word i on, and gives memory back when the block is less than half full.
func (s *blocks) cut(b *block, i, k int) {
	words := s.words(*b)
	copy(words[i:], words[i+k:])
	b.n -= uint16(k)
	if b.n == 0 || 2*int(b.n) < int(blockSizes[b.class]) {
		s.resize(b, int(b.n))
	}
}

// drop empties b.
func (s *blocks) drop(b *block) {
	b.n = 0
	s.resize(b, 0)
}

func (s *blocks) resize(b *block, n int) {
	class := uint8(0)
	for int(blockSizes[class]) < n {
		class++
	}
	if class == b.class {
		return
	}
	old := *b
	b.class = class
	if class > 0 {
		b.addr = s.alloc(class)
		copy(s.words(*b), s.words(old))
	}
	if old.class > 0 {
		s.used -= int64(blockSizes[old.class])
		s.chunks[old.addr>>chunkBits][old.addr&(chunkWords-1)] = s.free[old.class]
		s.free[old.class] = old.addr
	}
}

func (s *blocks) alloc(class uint8) uint32 {
	size := uint32(blockSizes[class])
	s.used += int64(size)
	if addr := s.free[class]; addr != 0 {
		s.free[class] = s.chunks[addr>>chunkBits][addr&(chunkWords-1)]
		return addr
	}
	if len(s.chunks) == 0 || s.next+size > chunkWords {
		s.chunks = append(s.chunks, make([]uint32, chunkWords))
		s.next = 1 // address 0 is the end of a free list
	}
	addr := uint32(len(s.chunks)-1)<<chunkBits | s.next
	s.next += size
	return addr
}

func (s *blocks) bytes() int64 { return int64(len(s.chunks)) * chunkWords * 4 }
