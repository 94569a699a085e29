package console

import (
	"math"
	"math/bits"
	"time"
)

// rolling is a histogram of the last minute in six slots of ten seconds. Buckets grow
// by an eighth of a power of two from one microsecond, so a quantile is at most 12.5 % too high.
type rolling struct {
	slots [6]latencySlot
}

const (
	slotSeconds = 10
	subBuckets  = 8
	buckets     = 27 * subBuckets // the last one takes everything above 67 s
)

type latencySlot struct {
	epoch  int64 // Unix seconds / slotSeconds
	counts [buckets]uint32
}

func (r *rolling) add(at time.Time, d time.Duration) {
	epoch := at.Unix() / slotSeconds
	s := &r.slots[epoch%int64(len(r.slots))]
	if s.epoch != epoch {
		*s = latencySlot{epoch: epoch}
	}
	s.counts[bucketOf(d)]++
}

func bucketOf(d time.Duration) int {
	us := uint64(max(0, d.Microseconds()))
	if us < subBuckets {
		return int(us)
	}
	exponent := bits.Len64(us) - 4 // us>>exponent is 8 to 15
	return min((exponent+1)*subBuckets+int(us>>exponent)-subBuckets, buckets-1)
}

// upper is the smallest duration above bucket i.
func upper(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i+1) * time.Microsecond
	}
	exponent := i/subBuckets - 1
	return time.Duration(i%subBuckets+subBuckets+1) << exponent * time.Microsecond
}

// quantiles returns the median and the 99th percentile of the last minute.
func (r *rolling) quantiles(now time.Time) (p50, p99 time.Duration) {
	epoch := now.Unix() / slotSeconds
	var sum [buckets]uint64
	var total uint64
	for i := range r.slots {
		if s := &r.slots[i]; s.epoch > epoch-int64(len(r.slots)) && s.epoch <= epoch {
			for b, n := range s.counts {
				sum[b] += uint64(n)
				total += uint64(n)
			}
		}
	}
	if total == 0 {
		return 0, 0
	}
	at := func(q float64) time.Duration {
		rank, seen := min(uint64(math.Ceil(q*float64(total))), total), uint64(0)
		b := 0
		for seen = sum[0]; seen < rank; seen += sum[b] {
			b++ // ends at the latest when all have been seen, for rank ≤ total
		}
		return upper(b)
	}
	return at(0.50), at(0.99)
}
