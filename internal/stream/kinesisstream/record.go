package kinesisstream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

// A Kinesis record holds one or more entries of one key:
//
//	0xF5  kind  [key]  entries
//
// The partition key is the entries' key in unpadded base64url, which Kinesis gives back as it was. A key that is too long
// for that has the hash of itself as the partition key, and stands in the record (kind & keyInside). The rest is the data
// of the one entry, or (kind & many) each entry's length as a uvarint and its data.
const (
	magic     = 0xF5 // begins no UTF-8 text
	many      = 1
	keyInside = 2

	maxKey     = 1 << 10        // bytes; a customer token has 17
	maxEncoded = 256            // characters of a partition key
	packBytes  = stream.MaxData // entries are gathered in one record up to here; the first always fits
	packCount  = 500
	overhead   = 2 + 2*binary.MaxVarintLen32 // beyond key and data, at most, of the first entry
)

// partitionKey is the name under which Kinesis places a key, and whether the key must be kept inside the record.
func partitionKey(key []byte) (name string, inside bool) {
	switch n := base64.RawURLEncoding.EncodedLen(len(key)); {
	case n == 0:
		return "~", false // a partition key cannot be empty
	case n <= maxEncoded:
		return base64.RawURLEncoding.EncodeToString(key), false
	}
	hash := sha256.Sum256(key)
	return "~" + hex.EncodeToString(hash[:]), true
}

// pack appends one Kinesis record's data to dst.
func pack(dst []byte, key []byte, inside bool, entries []item) []byte {
	kind := byte(0)
	if inside {
		kind |= keyInside
	}
	if len(entries) > 1 {
		kind |= many
	}
	dst = append(dst, magic, kind)
	if inside {
		dst = binary.AppendUvarint(dst, uint64(len(key)))
		dst = append(dst, key...)
	}
	for i := range entries {
		if kind&many != 0 {
			dst = binary.AppendUvarint(dst, uint64(len(entries[i].data)))
		}
		dst = append(dst, entries[i].data...)
	}
	return dst
}

// Split takes a Kinesis record apart: the key and the data of its entries, in order. What no Append of this package wrote
// comes back whole, with the partition key as the key: it is for the reader to put it aside. There is always at least one
// entry. The result shares data's memory.
func Split(partitionKey string, data []byte) (key []byte, entries [][]byte) {
	c := open(partitionKey, data)
	entries = make([][]byte, 0, c.count)
	for range c.count {
		entries = append(entries, c.next())
	}
	return c.key, entries
}

// content is what a Kinesis record holds.
type content struct {
	key   []byte
	count int    // of entries, at least 1
	many  bool   // whether lengths stand before them
	rest  []byte // those that next has not given yet
}

// open looks into a record.
func open(partitionKey string, data []byte) content {
	if c, ok := look(partitionKey, data); ok {
		return c
	}
	return content{key: []byte(partitionKey), count: 1, rest: data}
}

func look(name string, data []byte) (c content, ok bool) {
	if len(data) < 2 || data[0] != magic || data[1] > many|keyInside {
		return c, false
	}
	kind := data[1]
	c = content{count: 1, many: kind&many != 0, rest: data[2:]}
	switch {
	case kind&keyInside != 0:
		if c.key, c.rest, ok = field(c.rest); !ok {
			return c, false
		}
	case name != "~":
		var err error
		if c.key, err = base64.RawURLEncoding.Strict().DecodeString(name); err != nil {
			return c, false
		}
	}
	if !c.many {
		return c, true
	}
	c.count = 0
	for rest := c.rest; len(rest) > 0; c.count++ {
		if _, rest, ok = field(rest); !ok {
			return c, false
		}
	}
	return c, c.count > 0
}

// next is the next entry.
func (c *content) next() (entry []byte) {
	if !c.many {
		return c.rest
	}
	entry, c.rest, _ = field(c.rest) // look has been through it
	return entry
}

// field cuts a length-prefixed field off b.
func field(b []byte) (value, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	end := used + int(n)
	return b[used:end:end], b[end:], true
}

// FromEvent makes the records of one Kinesis record that came another way, such as in an event of Lambda: the same, with
// the same positions, that Read gives. Arrived is the approximate arrival time of the record.
func FromEvent(shard, sequence, partitionKey string, data []byte, arrived time.Time) []stream.Record {
	return appendRecords(nil, stream.Partition(shard), sequence, partitionKey, data, arrived)
}

func appendRecords(dst []stream.Record, p stream.Partition, sequence, partitionKey string, data []byte, arrived time.Time) []stream.Record {
	c := open(partitionKey, data)
	at := place{sequence: sequence, ms: arrived.Round(time.Millisecond).UnixMilli()}
	for i := range c.count {
		if at.index = i; i == c.count-1 {
			at.index = last
		}
		dst = append(dst, stream.Record{Partition: p, Position: at.position(), Key: c.key, Data: c.next(), AppendedAt: time.UnixMilli(at.ms).UTC()})
	}
	return dst
}

// place is a position, taken apart. Its text is "sequence.ms", for the last entry of a Kinesis record, or
// "sequence.ms.index" for one before it.
type place struct {
	sequence string // of the Kinesis record
	ms       int64  // when it arrived, Unix milliseconds: a reader that comes too late can tell since when
	index    int    // of the entry, or last
}

// last is the index of the last entry, whatever its number: a reader that has handled it needs nothing of the record.
const last = -1

func (a place) position() stream.Position {
	var room [160]byte
	b := append(append(room[:0], a.sequence...), '.')
	b = strconv.AppendInt(b, a.ms, 10)
	if a.index != last {
		b = strconv.AppendInt(append(b, '.'), int64(a.index), 10)
	}
	return stream.Position(b)
}

// parse is the inverse of position.
func parse(p stream.Position) (place, error) {
	parts := strings.Split(string(p), ".")
	a := place{index: last}
	ok := len(parts) == 2 || len(parts) == 3
	if ok {
		a.sequence = parts[0]
		a.ms, ok = number(parts[1])
		ok = ok && isSequence(a.sequence)
	}
	if ok && len(parts) == 3 {
		var n int64
		n, ok = number(parts[2])
		a.index = int(n)
	}
	if !ok {
		return place{}, fmt.Errorf("position %.24q: %w", string(p), stream.ErrPosition)
	}
	return a, nil
}

// number reads a decimal number below 2^53 that is written as format writes it.
func number(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n < 1<<53 && strconv.FormatInt(n, 10) == s
}

func isSequence(s string) bool {
	return s != "" && len(s) <= 129 && strings.Trim(s, "0123456789") == "" && (s[0] != '0' || s == "0")
}

// SequenceNumber is the sequence number of the Kinesis record that a position lies in: what Lambda wants to hear of the
// first record of a batch that failed.
func SequenceNumber(p stream.Position) (string, error) {
	a, err := parse(p)
	return a.sequence, err
}
