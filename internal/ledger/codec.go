package ledger

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
)

// The stored form of a decision: a version byte, then its fields in the order of AppendDecision. Numbers are uvarints or
// zigzag varints, texts have their length in front. The transaction's id is not in it: the row has it.
const (
	plainDecision    = 1 // no shadow model is named: all that there was before shadow models were
	shadowedDecision = 2 // the version of the shadow model stands behind that of the model
)

// Bounds of a stored decision. What is beyond them is a mistake, and would be refused on the way back.
const (
	maxText     = 1 << 10
	maxReasons  = 1 << 10
	maxFeatures = 1 << 14
)

// AppendDecision appends the stored form of d to b.
func AppendDecision(b []byte, d *decision.Decision) []byte {
	version := byte(plainDecision)
	if d.Shadow != "" {
		version = shadowedDecision
	}
	b = append(b, version, byte(d.Outcome), byte(d.Path), flag(d.Anomalous))
	b = binary.AppendVarint(b, int64(d.Score))
	b = binary.AppendUvarint(b, uint64(d.Degraded))
	b = binary.AppendVarint(b, d.DecidedAt.UnixMilli())
	b = binary.AppendVarint(b, int64(d.Took))
	b = appendText(b, d.RuleSet)
	b = appendText(b, d.Policy)
	b = appendText(b, d.Model)
	if version == shadowedDecision {
		b = appendText(b, d.Shadow)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Reasons)))
	for i := range d.Reasons {
		r := &d.Reasons[i]
		b = appendText(b, r.Code)
		b = appendText(b, r.Rule)
		b = binary.AppendVarint(b, int64(r.Points))
		b = append(b, flag(r.Shadow))
	}
	b = appendText(b, d.Features.Plan)
	return appendValues(b, d.Features.Values)
}

// Feature values are a count and then steps: a uvarint whose lower two bits say what follows. Most values of a new
// customer are missing or zero, most others whole numbers of centavos, seconds or events.
const (
	stepMissing = 0 // a run of NaN; the upper bits are its length, less one
	stepZero    = 1 // a run of +0; likewise
	stepWhole   = 2 // a whole number; the upper bits are it in zigzag
	stepExact   = 3 // 8 bytes, little-endian IEEE 754
)

// maxWhole bounds the whole numbers that are written as such; all of them are exact in a float64.
const maxWhole = 1 << 52

func appendValues(b []byte, values []float64) []byte {
	b = binary.AppendUvarint(b, uint64(len(values)))
	for i := 0; i < len(values); {
		v := values[i]
		if step, ok := runStep(v); ok {
			n := 1
			for i+n < len(values) && math.Float64bits(values[i+n]) == math.Float64bits(v) {
				n++
			}
			b = binary.AppendUvarint(b, uint64(n-1)<<2|step)
			i += n
			continue
		}
		if v == math.Trunc(v) && math.Abs(v) < maxWhole && v != 0 {
			n := int64(v)
			b = binary.AppendUvarint(b, uint64(n<<1^n>>63)<<2|stepWhole)
		} else {
			b = append(b, stepExact)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		i++
	}
	return b
}

// runStep tells whether v is one of the two values that are written as runs. A NaN with another payload is not.
func runStep(v float64) (uint64, bool) {
	switch math.Float64bits(v) {
	case math.Float64bits(math.NaN()):
		return stepMissing, true
	case 0:
		return stepZero, true
	}
	return 0, false
}

// DecodeDecision is the inverse of AppendDecision. It accepts only what AppendDecision writes.
func DecodeDecision(id string, b []byte) (decision.Decision, error) {
	r := reader{b: b}
	version := r.byte()
	if version != plainDecision && version != shadowedDecision {
		return decision.Decision{}, fmt.Errorf("decode decision: version %d: %w", version, ErrCorrupt)
	}
	d := decision.Decision{TransactionID: id, Outcome: decision.Outcome(r.byte()), Path: decision.Path(r.byte()), Anomalous: r.flag()}
	d.Score = int(r.varint())
	degraded := r.uvarint()
	d.Degraded = decision.Degraded(degraded)
	d.DecidedAt = time.UnixMilli(r.varint()).UTC()
	d.Took = time.Duration(r.varint())
	d.RuleSet, d.Policy, d.Model = r.text(), r.text(), r.text()
	if version == shadowedDecision {
		d.Shadow = r.text()
		r.bad = r.bad || d.Shadow == ""
	}
	if n := r.count(maxReasons); n > 0 {
		d.Reasons = make([]decision.Reason, n)
		for i := range d.Reasons {
			d.Reasons[i] = decision.Reason{Code: r.text(), Rule: r.text(), Points: int(r.varint()), Shadow: r.flag()}
		}
	}
	d.Features.Plan = r.text()
	d.Features.Values = r.values()
	if r.bad || len(r.b) > 0 || degraded > math.MaxUint32 || !d.Outcome.Valid() {
		return decision.Decision{}, fmt.Errorf("decode decision: %w", ErrCorrupt)
	}
	return d, nil
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader cuts values off the front of b. After the first malformed one it is bad and returns zero values.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) flag() bool {
	v := r.byte()
	r.bad = r.bad || v > 1
	return v == 1
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// count reads a length that is at most limit, so that a corrupt one cannot ask for memory.
func (r *reader) count(limit int) int {
	n := r.uvarint()
	if n > uint64(limit) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) text() string { return string(r.take(r.count(maxText))) }

func (r *reader) values() []float64 {
	n := r.count(maxFeatures)
	if n == 0 {
		return nil
	}
	values := make([]float64, 0, n)
	for len(values) < n && !r.bad {
		u := r.uvarint()
		step, upper := u&3, u>>2
		switch step {
		case stepMissing, stepZero:
			v := 0.0
			if step == stepMissing {
				v = math.NaN()
			}
			if upper >= uint64(n-len(values)) {
				r.bad = true
				return nil
			}
			for range upper + 1 {
				values = append(values, v)
			}
		case stepWhole:
			values = append(values, float64(int64(upper>>1)^-int64(upper&1)))
		case stepExact:
			if raw := r.take(8); raw != nil && upper == 0 {
				values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(raw)))
			} else {
				r.bad = true
			}
		}
	}
	return values
}
