package velocity

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A table is a map of hashes to numbers, also when hashes collide and slots wrap around.
func TestTableIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table table
		want := make(map[uint32]uint64)
		for ref := uint32(1); ref < 200; ref++ {
			// One shard, and only a few homes.
			hash := uint64(rapid.SampledFrom([]uint32{0, 1, 7, 1 << 30, 1<<31 + 5, 1<<32 - 1}).Draw(t, "hash"))
			table.add(hash, ref)
			want[ref] = hash
			if gone := rapid.Uint32Range(1, 400).Draw(t, "gone"); want[gone] != 0 || gone == ref {
				table.remove(want[gone], gone)
				delete(want, gone)
			}
		}
		for ref := uint32(1); ref < 200; ref++ {
			hash, ok := want[ref]
			for _, h := range []uint64{hash, 1 << 30} {
				found := table.find(h, func(r uint32) bool { return r == ref })
				if (found == ref) != (ok && h == hash) {
					t.Fatalf("number %d under %x is %d", ref, h, found)
				}
			}
		}
	})
}

// Blocks are lists of words that never touch one another.
func TestBlocksAreLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var words blocks
		lists, want := make([]block, 5), make([][]uint32, 5)
		for step := uint32(0); step < 300; step++ {
			i := rapid.IntRange(0, 4).Draw(t, "list")
			n := len(want[i])
			switch at := rapid.IntRange(0, n).Draw(t, "at"); rapid.IntRange(0, 4).Draw(t, "op") {
			case 0:
				k := rapid.IntRange(0, n-at).Draw(t, "length")
				words.cut(&lists[i], at, k)
				want[i] = slices.Delete(want[i], at, at+k)
			case 1:
				if step%7 == 0 {
					words.drop(&lists[i])
					want[i] = nil
				}
			default:
				added := []uint32{step, step + 1, step + 2, step + 3}[:rapid.IntRange(1, 4).Draw(t, "length")]
				copy(words.open(&lists[i], at, len(added)), added)
				want[i] = slices.Insert(want[i], at, added...)
			}
			for i := range lists {
				if got := words.words(lists[i]); !slices.Equal(got, want[i]) {
					t.Fatalf("list %d is %v, want %v", i, got, want[i])
				}
			}
		}
	})
}

func TestFloat128IsRoundedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hi := rapid.Uint64().Draw(t, "hi") >> rapid.IntRange(0, 63).Draw(t, "shift")
		lo := rapid.Uint64().Draw(t, "lo") << rapid.IntRange(0, 63).Draw(t, "zeros")
		exact := new(big.Int).SetUint64(hi)
		exact.Lsh(exact, 64).Or(exact, new(big.Int).SetUint64(lo))
		want, _ := new(big.Float).SetInt(exact).Float64()
		if got := float128(hi, lo); got != want {
			t.Fatalf("%d, %d is %v, want %v", hi, lo, got, want)
		}
	})
}

func TestSeenSetStartsOver(t *testing.T) {
	s := seenSet{generation: 1<<32 - 1}
	slot, _ := s.has(7)
	s.put(slot, 7)
	s.reset()
	if _, ok := s.has(7); ok || s.generation == 0 {
		t.Errorf("generation %d still has what the one before had", s.generation)
	}
}
