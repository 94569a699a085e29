package velocity

import (
	"math"
	"math/bits"
)

// summary is the aggregates of some events. All of it is integers, so that the order of adding does not matter.
type summary struct {
	n, declines, anomalies, frauds uint32
	sum                            int64
	squareHi, squareLo             uint64 // 128 bits: 2^22 events of 10^10 centavos need 89
	max                            int64
}

// add counts r. A fraud counts whenever it becomes known; readers check that.
func (s *summary) add(r *record) {
	s.n++
	s.declines += uint32(r.flags & flagDeclined)
	s.anomalies += uint32(r.flags & flagAnomalous / flagAnomalous)
	s.frauds += uint32(r.flags & flagFraud / flagFraud)
	s.sum += r.amount
	hi, lo := bits.Mul64(uint64(r.amount), uint64(r.amount))
	var carry uint64
	s.squareLo, carry = bits.Add64(s.squareLo, lo, 0)
	s.squareHi += hi + carry
	s.max = max(s.max, r.amount)
}

// addAsOf counts r, as a fraud only if that was known.
func (s *summary) addAsOf(r *record, asOf int64) {
	s.add(r)
	if r.flags&flagFraud != 0 && int64(r.knownAt) > asOf {
		s.frauds--
	}
}

// sub takes out r, which was counted and is not the largest.
func (s *summary) sub(r *record) {
	s.n--
	s.declines -= uint32(r.flags & flagDeclined)
	s.anomalies -= uint32(r.flags & flagAnomalous / flagAnomalous)
	s.frauds -= uint32(r.flags & flagFraud / flagFraud)
	s.sum -= r.amount
	hi, lo := bits.Mul64(uint64(r.amount), uint64(r.amount))
	var borrow uint64
	s.squareLo, borrow = bits.Sub64(s.squareLo, lo, 0)
	s.squareHi -= hi + borrow
}

func (s *summary) merge(o *summary) {
	s.n += o.n
	s.declines += o.declines
	s.anomalies += o.anomalies
	s.frauds += o.frauds
	s.sum += o.sum
	var carry uint64
	s.squareLo, carry = bits.Add64(s.squareLo, o.squareLo, 0)
	s.squareHi += o.squareHi + carry
	s.max = max(s.max, o.max)
}

// value is the aggregate of the events.
func (s *summary) value(a Aggregate) float64 {
	switch a {
	case Count:
		return float64(s.n)
	case Sum:
		return float64(s.sum)
	case Declines:
		return float64(s.declines)
	case Anomalies:
		return float64(s.anomalies)
	case Frauds:
		return float64(s.frauds)
	}
	if s.n == 0 {
		return math.NaN()
	}
	switch a {
	case Mean:
		return float64(s.sum) / float64(s.n)
	case Max:
		return float64(s.max)
	case FraudShare:
		return float64(s.frauds) / float64(s.n)
	default:
		return s.sd()
	}
}

// sd is √((n·Σx² − (Σx)²) / (n·(n−1))). The numerator is exact: with at most 2^22 events it has at most 111 bits.
func (s *summary) sd() float64 {
	if s.n < 2 {
		return math.NaN()
	}
	n := uint64(s.n)
	hi, lo := bits.Mul64(s.squareLo, n)
	hi += s.squareHi * n
	sumHi, sumLo := bits.Mul64(uint64(s.sum), uint64(s.sum))
	lo, borrow := bits.Sub64(lo, sumLo, 0)
	hi, _ = bits.Sub64(hi, sumHi, borrow)
	return math.Sqrt(float128(hi, lo) / float64(n*(n-1)))
}

// float128 rounds a 128-bit integer to the nearest float64, ties to even.
func float128(hi, lo uint64) float64 {
	if hi == 0 {
		return float64(lo)
	}
	shift := bits.LeadingZeros64(hi)
	top, rest := hi, lo
	if shift > 0 {
		top, rest = hi<<shift|lo>>(64-shift), lo<<shift
	}
	if rest != 0 {
		top |= 1 // sticky: 64 bits are so many more than 53 that this decides ties and nothing else
	}
	return math.Ldexp(float64(top), 64-shift)
}
