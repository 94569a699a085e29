package velocity

import (
	"encoding/binary"
	"math/bits"

	"github.com/fastshop/pipeline/internal/payment"
)

// The pairs of an entity are its counterparts, least recently seen first, four words each: the counterpart's key in
// two, the second of the first meeting and of the last. The key is the counterpart's order with its kind in the low
// bits that the order leaves free; two counterparts of one entity fall together once in 2^60.
const pairWords = 4

// CounterpartOrder decides which of two counterparts that were last seen in the same second goes first: the smaller.
// Its low four bits are 0. It needs no secret: tokens are keyed already.
func CounterpartOrder(t payment.Token) uint64 {
	hi, lo := binary.BigEndian.Uint64(t[1:9]), binary.BigEndian.Uint64(t[9:17])
	// Fibonacci hashing (Knuth, TAOCP 3, 6.4) spreads tokens that are not spread by themselves.
	return (hi ^ bits.RotateLeft64(lo, 32) ^ uint64(t[0])) * 0x9e3779b97f4a7c15 &^ 15
}

func pairKey(kind payment.Kind, t payment.Token) uint64 { return CounterpartOrder(t) | uint64(kind) }

func keyOf(pair []uint32) uint64 { return uint64(pair[0])<<32 | uint64(pair[1]) }

// findPair returns the index of the first word of key's pair, or -1.
func findPair(pairs []uint32, key uint64) int {
	for i := len(pairs) - pairWords; i >= 0; i -= pairWords {
		if pairs[i+1] == uint32(key) && pairs[i] == uint32(key>>32) {
			return i
		}
	}
	return -1
}

// span extends first and last by a sighting. After more than horizon of silence it starts anew; a sighting that is
// older than that by itself is passed over.
func span(first, last *uint32, at uint32, horizon int64) {
	switch {
	case int64(at) > int64(*last)+horizon:
		*first, *last = at, at
	case int64(at)+horizon < int64(*first):
	default:
		*first, *last = min(*first, at), max(*last, at)
	}
}

// age is asOf − first, or 0 if that had not been seen yet, or not for horizon.
func age(first, last uint32, asOf, horizon int64) int64 {
	if int64(first) > asOf || asOf > int64(last)+horizon {
		return 0
	}
	return asOf - int64(first)
}

// meet notes that e was seen with a counterpart, and forgets the least recently seen of that kind above the limit.
func (a *arena) meet(e *entity, key uint64, at uint32, b *bounds) {
	pairs := a.words.words(e.pairs)
	first, last := at, at
	if i := findPair(pairs, key); i >= 0 {
		span(&pairs[i+2], &pairs[i+3], at, b.horizon)
		next := i + pairWords
		if next == len(pairs) || !pairBefore(pairs[next:], pairs[i+3], key) {
			return // still in order
		}
		first, last = pairs[i+2], pairs[i+3]
		a.words.cut(&e.pairs, i, pairWords)
		a.placePair(e, key, first, last)
		return
	}
	a.placePair(e, key, first, last)
	pairs = a.words.words(e.pairs)
	oldest, count := -1, 0
	for i := len(pairs) - pairWords; i >= 0; i -= pairWords {
		if pairs[i+1]&15 == uint32(key)&15 {
			oldest, count = i, count+1
		}
	}
	if count > b.counterparts {
		a.words.cut(&e.pairs, oldest, pairWords)
	}
}

// pairBefore reports whether a pair comes before one that was last seen at last under key.
func pairBefore(pair []uint32, last uint32, key uint64) bool {
	return pair[3] < last || pair[3] == last && keyOf(pair) < key
}

func (a *arena) placePair(e *entity, key uint64, first, last uint32) {
	pairs := a.words.words(e.pairs)
	i := len(pairs)
	for i > 0 && !pairBefore(pairs[i-pairWords:], last, key) {
		i -= pairWords
	}
	copy(a.words.open(&e.pairs, i, pairWords), []uint32{uint32(key >> 32), uint32(key), first, last})
}

// unmeet undoes meet for a record that is no longer listed. The first or the last meeting is found again among the
// events that e lists; one that is not listed any more is taken to be at the other end.
func (a *arena) unmeet(e *entity, key uint64, other uint32, kind payment.Kind, at uint32) {
	i := findPair(a.words.words(e.pairs), key)
	if i < 0 {
		return
	}
	pair := a.words.words(e.pairs)[i : i+pairWords]
	first, last := pair[2], pair[3]
	if at != first && at != last {
		return
	}
	met := false
	var oldest, newest uint32
	for w := a.backward(e, int64(last)); ; {
		_, r := w.next()
		if r == nil || r.at < first || met && at != first {
			break
		}
		if r.entities[kind-1] == other {
			if !met {
				met, newest = true, r.at
			}
			oldest = r.at
		}
	}
	switch {
	case met && at == first:
		first, last = oldest, newest
	case met:
		last = newest
	case first == last:
		a.words.cut(&e.pairs, i, pairWords)
		return
	case at == first:
		first = last
	default:
		last = first
	}
	a.words.cut(&e.pairs, i, pairWords)
	a.placePair(e, key, first, last)
}
