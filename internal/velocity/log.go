package velocity

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/payment"
)

// ErrLog is wrapped by the error for a log that is damaged, or that another version wrote.
var ErrLog = errors.New("velocity: damaged log")

// logVersion is part of every [Mirror.Signature]: logs of two formats never meet.
const logVersion = 1

// op is one entry of an entity's log. Its first byte is its code in the low half and its flags in the high one; then
// come the fields that its code has, integers little-endian:
//
//	event                digest, second, amount, counterparts
//	restored, kept       digest, second, amount, counterparts, known_at if flagLabeled
//	settled, retracted   digest
//	labeled              digest, known_at
//	head                 newest, first, last, floor; pairs: their number, and the key, first and last of each
//
// An amount and a number of pairs is a varint. The counterparts are a byte that says which of those that the plan needs
// are there, and their keys; they are absent as a whole where the plan needs none. A head and the kept events behind it
// are a snapshot: what is left of everything before.
type op struct {
	code    opCode
	flags   uint8
	digest  digest
	at      uint32 // second
	knownAt uint32 // second
	amount  int64
	keys    [payment.KindCount]uint64 // of counterparts, by kind; 0: none
	head    head
	hour    uint8 // local, of at; not written
}

type opCode uint8

const (
	opEvent opCode = iota + 1
	opRestored
	opKept
	opSettled
	opLabeled
	opRetracted
	opHead
)

// head is what a snapshot says of an entity beside its events.
type head struct {
	newest, first, last, floor uint32
	pairs                      []byte // as written
}

const (
	digestSize = 12
	pairSize   = 16
	maxPairs   = 64 * (payment.KindCount - 2)
	flagsMask  = flagDeclined | flagAnomalous | flagLabeled | flagFraud
)

// digest stands for an id in a log. Whoever can choose ids and spends 2^48 hashes on two with the same digest gets one
// event not counted.
type digest [digestSize]byte

func digestOf(id string) digest {
	sum := sha256.Sum256([]byte(id))
	return digest(sum[:digestSize])
}

// needs are the kinds of counterparts that the events of one kind of entity keep, in order.
func (k *kindPlan) needs() []payment.Kind {
	var wanted [payment.KindCount]bool
	for _, other := range k.pairs {
		wanted[other] = true
	}
	for g := range k.groups {
		for _, d := range k.groups[g].distinct {
			wanted[d.counterpart] = true
		}
	}
	var kinds []payment.Kind
	for kind, w := range wanted {
		if w {
			kinds = append(kinds, payment.Kind(kind))
		}
	}
	return kinds
}

// signature is eight characters that differ for plans and bounds whose logs must not meet.
func (c *core) signature() string {
	text := []byte{logVersion}
	for kind := range c.kinds {
		text = append(text, byte(kind), 0)
		if !c.kinds[kind].logged {
			continue
		}
		text[len(text)-1] = 1
		for _, other := range c.kinds[kind].needs() {
			text = append(text, 0x80|byte(other))
		}
	}
	text = fmt.Append(text, c.events, c.horizon, c.counterparts)
	for kind := range c.kinds {
		text = fmt.Append(text, c.kinds[kind].pairs) // only those are in a snapshot
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// opSize is how long o is when written; o is no head.
func opSize(o *op, needs []payment.Kind) int {
	n := 1 + digestSize
	if o.flags&flagLabeled != 0 {
		n += 4
	}
	if o.code > opKept {
		return n
	}
	n += 4 + varintSize(uint64(o.amount))
	if len(needs) > 0 {
		n++
		for _, kind := range needs {
			if o.keys[kind] != 0 {
				n += 8
			}
		}
	}
	return n
}

func varintSize(n uint64) int {
	size := 1
	for ; n >= 0x80; n >>= 7 {
		size++
	}
	return size
}

// appendOp writes o, which is no head.
func appendOp(b []byte, o *op, needs []payment.Kind) []byte {
	b = append(b, byte(o.code)|o.flags<<4)
	b = append(b, o.digest[:]...)
	le := binary.LittleEndian
	switch o.code {
	case opEvent, opRestored, opKept:
		b = le.AppendUint32(b, o.at)
		b = binary.AppendUvarint(b, uint64(o.amount))
		if len(needs) > 0 {
			mask := len(b)
			b = append(b, 0)
			for i, kind := range needs {
				if o.keys[kind] != 0 {
					b[mask] |= 1 << i
					b = le.AppendUint64(b, o.keys[kind])
				}
			}
		}
		if o.flags&flagLabeled != 0 {
			b = le.AppendUint32(b, o.knownAt)
		}
	case opLabeled:
		b = le.AppendUint32(b, o.knownAt)
	}
	return b
}

// appendHead writes the head of a snapshot of e.
func (c *core) appendHead(b []byte, e *entity) []byte {
	le := binary.LittleEndian
	b = append(b, byte(opHead))
	for _, second := range [...]uint32{e.newest, e.first, e.last, e.floor} {
		b = le.AppendUint32(b, second)
	}
	pairs := c.arena.words.words(e.pairs)
	b = binary.AppendUvarint(b, uint64(len(pairs)/pairWords))
	for ; len(pairs) > 0; pairs = pairs[pairWords:] {
		b = le.AppendUint64(b, keyOf(pairs))
		b = le.AppendUint32(b, pairs[2])
		b = le.AppendUint32(b, pairs[3])
	}
	return b
}

// logReader reads the entries of a block. After the last one, or the first that makes no sense, next is false; err then
// tells which.
type logReader struct {
	rest  string
	kind  payment.Kind   // of the entity
	needs []payment.Kind // of that kind
	err   error
}

// next reads an entry into o. Nothing that it accepts can harm an entity.
func (r *logReader) next(o *op) bool {
	if r.err != nil || len(r.rest) == 0 {
		return false
	}
	first := r.byte()
	o.code, o.flags = opCode(first&15), first>>4
	ok := o.flags&flagFraud == 0 || o.flags&flagLabeled != 0
	switch o.code {
	case opEvent:
		ok = o.flags == 0
		r.event(o)
	case opRestored, opKept:
		r.event(o)
		o.knownAt = 0
		if o.flags&flagLabeled != 0 {
			o.knownAt = r.second()
		}
	case opSettled:
		ok = o.flags&(flagLabeled|flagFraud) == 0
		copy(o.digest[:], r.bytes(digestSize))
	case opLabeled:
		ok = o.flags&^flagFraud == flagLabeled
		copy(o.digest[:], r.bytes(digestSize))
		o.knownAt = r.second()
	case opRetracted:
		ok = o.flags == 0
		copy(o.digest[:], r.bytes(digestSize))
	case opHead:
		ok = o.flags == 0
		r.head(&o.head)
	default:
		ok = false
	}
	if !ok {
		r.fail("entry of no known form")
	}
	return r.err == nil
}

func (r *logReader) event(o *op) {
	copy(o.digest[:], r.bytes(digestSize))
	o.at = r.second()
	amount := r.varint()
	if amount > payment.MaxCentavos {
		r.fail("amount out of range")
	}
	o.amount = int64(amount)
	o.keys = [payment.KindCount]uint64{}
	if len(r.needs) == 0 {
		return
	}
	mask := r.byte()
	if int(mask)>>len(r.needs) != 0 {
		r.fail("counterpart that nobody asked for")
	}
	for i, kind := range r.needs {
		if mask>>i&1 != 0 {
			o.keys[kind] = r.key(kind)
		}
	}
}

// key reads the key of a counterpart of a kind.
func (r *logReader) key(kind payment.Kind) uint64 {
	b := r.bytes(8)
	if r.err != nil {
		return 0
	}
	key := binary.LittleEndian.Uint64([]byte(b))
	if payment.Kind(key&15) != kind {
		r.fail("counterpart of another kind")
	}
	return key
}

func (r *logReader) head(h *head) {
	for _, second := range []*uint32{&h.newest, &h.first, &h.last, &h.floor} {
		*second = r.second()
	}
	n := r.varint()
	if n > maxPairs {
		r.fail("too many pairs")
		return
	}
	h.pairs = []byte(r.bytes(int(n) * pairSize))
	for pairs := h.pairs; len(pairs) > 0; pairs = pairs[pairSize:] {
		if kind := payment.Kind(pairs[0] & 15); kind == payment.KindInvalid || kind >= payment.KindCount || kind == r.kind {
			r.fail("pair of no kind")
		}
	}
}

func (r *logReader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrLog, what)
	}
}

// bytes takes n bytes off, or none after a failure.
func (r *logReader) bytes(n int) string {
	if r.err != nil || len(r.rest) < n {
		r.fail("cut short")
		return ""
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *logReader) byte() byte {
	if b := r.bytes(1); b != "" {
		return b[0]
	}
	return 0
}

func (r *logReader) second() uint32 {
	if b := r.bytes(4); b != "" {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	return 0
}

func (r *logReader) varint() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.byte()
		n |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
	r.fail("number too long")
	return 0
}
