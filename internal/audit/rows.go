package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// Rows hashes the rows that an entry covers, in the order in which they were stored. Make one with [NewRows].
//
// Only columns that neither erasure nor retention changes go in, and no token: whoever reads the chain learns nothing
// about a customer.
type Rows struct {
	sum   hash.Hash
	buf   []byte
	count int
}

// NewRows starts with no row.
func NewRows() *Rows {
	r := &Rows{sum: sha256.New()}
	r.add(appendText(r.buf[:0], "fastshop audit rows 1"))
	return r
}

// Row kinds in the hash, so that a label can never stand for a decision. They are stored; they never change.
const (
	rowDecision   = 1
	rowLabel      = 2
	rowDeadLetter = 3
	rowListChange = 4
)

// Decision is what the chain remembers of a decided transaction.
type Decision struct {
	ID         string
	OccurredAt time.Time
	Centavos   int64
	Method     payment.Method
	Outcome    uint8 // the stored number of a decision.Outcome
	Score      int
	RuleSet    string
}

// Decision adds a decided transaction.
func (r *Rows) Decision(d Decision) {
	b := append(r.buf[:0], rowDecision)
	b = appendText(b, d.ID)
	b = appendTime(b, d.OccurredAt)
	b = binary.BigEndian.AppendUint64(b, uint64(d.Centavos))
	b = append(b, byte(d.Method), d.Outcome)
	b = binary.BigEndian.AppendUint64(b, uint64(d.Score))
	b = appendText(b, d.RuleSet)
	r.row(b)
}

// Label adds a label: verdict and source are their stored numbers.
func (r *Rows) Label(id string, verdict, source uint8, knownAt, recordedAt time.Time) {
	b := append(r.buf[:0], rowLabel)
	b = appendText(b, id)
	b = append(b, verdict, source)
	b = appendTime(b, knownAt)
	b = appendTime(b, recordedAt)
	r.row(b)
}

// DeadLetter adds a record that was put aside, by its place in the stream.
func (r *Rows) DeadLetter(partition, position, reason string) {
	b := append(r.buf[:0], rowDeadLetter)
	b = appendText(b, partition)
	b = appendText(b, position)
	b = appendText(b, reason)
	r.row(b)
}

// ListChange adds a change of a block or allow list, without the token: an entry must be able to go. The kind is the
// stored number of a kind of identifier.
func (r *Rows) ListChange(removed bool, list payment.Lists, kind uint8, expiresAt, at time.Time) {
	b := append(r.buf[:0], rowListChange, 0, byte(list), kind)
	if removed {
		b[1] = 1
	}
	b = appendTime(b, expiresAt)
	b = appendTime(b, at)
	r.row(b)
}

// Count is how many rows were added.
func (r *Rows) Count() int { return r.count }

// Sum is the hash of the rows so far.
func (r *Rows) Sum() (sum [32]byte) {
	r.sum.Sum(sum[:0])
	return sum
}

func (r *Rows) row(b []byte) {
	r.add(b)
	r.count++
}

func (r *Rows) add(b []byte) {
	r.sum.Write(b) // a hash never fails to write
	r.buf = b
}

// appendTime encodes a moment to the millisecond; the zero time, which stands for never, has a number of its own.
func appendTime(b []byte, t time.Time) []byte {
	ms := int64(-1 << 63)
	if !t.IsZero() {
		ms = t.UnixMilli()
	}
	return binary.BigEndian.AppendUint64(b, uint64(ms))
}
