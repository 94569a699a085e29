package gbdt

import "math"

// binned is one feature with its values replaced by the numbers of bins, which rise with the values. Bin number
// len(low) holds the missing.
type binned struct {
	low, high []float32 // least and greatest value of each bin
	narrow    []uint16  // bin of each row, if they are at most 65,535
	wide      []uint32  // bin of each row, if they are more
	first     int       // where its cells begin in a histogram
	constant  bool      // there is nothing to split on
}

// missing is the bin of missing values.
func (b *binned) missing() int { return len(b.low) }

// binOf is the bin of a row.
func (b *binned) binOf(row uint32) int {
	if b.narrow != nil {
		return int(b.narrow[row])
	}
	return int(b.wide[row])
}

// newColumns puts the features into bins, of which the given rows alone decide; bins is the most there may be of each, or
// 0 for one per distinct value.
func newColumns(f *Frame, rows []uint32, bins, workers int) []binned {
	columns := make([]binned, len(f.Columns))
	spare := make([]*sorter, workers)
	share(len(columns), workers, func(worker, j int) {
		if spare[worker] == nil {
			spare[worker] = &sorter{keys: make([]uint64, len(rows)), other: make([]uint64, len(rows))}
		}
		columns[j] = spare[worker].bin(f.Columns[j], rows, bins)
	})
	cells := 0
	for j := range columns {
		columns[j].first = cells
		cells += columns[j].missing() + 1
	}
	return columns
}

// sorter sorts the values of one feature at a time.
type sorter struct {
	keys, other []uint64 // order of the value, then the row
}

func (s *sorter) bin(values []float32, rows []uint32, bins int) binned {
	keys := s.sort(values, rows)
	distinct := 0
	for i, k := range keys {
		if i == 0 || k>>32 != keys[i-1]>>32 {
			distinct++
		}
	}
	if bins == 0 || bins > distinct {
		bins = distinct
	}
	b := binned{low: make([]float32, bins), high: make([]float32, bins), constant: bins == 0 || bins == 1 && len(keys) == len(rows)}
	if bins < math.MaxUint16 {
		b.narrow = make([]uint16, len(values))
		assign(b.narrow, keys, distinct, &b)
		for _, r := range rows {
			if v := values[r]; v != v {
				b.narrow[r] = uint16(bins)
			}
		}
		return b
	}
	b.wide = make([]uint32, len(values))
	assign(b.wide, keys, distinct, &b)
	for _, r := range rows {
		if v := values[r]; v != v {
			b.wide[r] = uint32(bins)
		}
	}
	return b
}

// assign numbers the bins so that value number i of n distinct ones comes into bin i·bins/n.
func assign[B uint16 | uint32](out []B, keys []uint64, distinct int, b *binned) {
	value, last := -1, -1
	for i, k := range keys {
		if i == 0 || k>>32 != keys[i-1]>>32 {
			value++
		}
		bin := value * len(b.low) / distinct
		v := valueOf(uint32(k >> 32))
		if bin != last {
			b.low[bin], last = v, bin
		}
		b.high[bin] = v
		out[uint32(k)] = B(bin)
	}
}

// sort returns the rows whose value is not missing by rising value, equal ones by rising row.
func (s *sorter) sort(values []float32, rows []uint32) []uint64 {
	const digit = 11
	n := 0
	var counts [3][1 << digit]int
	for _, r := range rows {
		v := values[r]
		if v != v {
			continue
		}
		k := orderOf(v)
		s.keys[n] = uint64(k)<<32 | uint64(r)
		n++
		for d := range counts {
			counts[d][k>>(d*digit)&(1<<digit-1)]++
		}
	}
	from, to := s.keys[:n], s.other[:n]
	for d := range counts {
		at := 0
		for i, c := range counts[d] {
			counts[d][i] = at
			at += c
		}
		for _, k := range from {
			slot := &counts[d][k>>(32+d*digit)&(1<<digit-1)]
			to[*slot] = k
			*slot++
		}
		from, to = to, from
	}
	return from
}

// orderOf maps numbers to whole ones in the same order; −0 is 0.
func orderOf(v float32) uint32 {
	if v == 0 {
		v = 0
	}
	bits := math.Float32bits(v)
	if bits>>31 == 1 {
		return ^bits
	}
	return bits | 1<<31
}

// valueOf is the inverse of orderOf.
func valueOf(order uint32) float32 {
	if order>>31 == 0 {
		return math.Float32frombits(^order)
	}
	return math.Float32frombits(order &^ (1 << 31))
}

// between is the split that has a on its left and b on its right, a being less than b: halfway, and never a itself.
func between(a, b float32) float32 {
	if half := float32((float64(a) + float64(b)) / 2); half > a {
		return half
	}
	return b
}
