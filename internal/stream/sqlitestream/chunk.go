package sqlitestream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

const (
	maxPartitions = 1024
	maxKey        = 1 << 10 // bytes; a customer token has 17
	chunkRecords  = 512     // a reader that wants few records decodes few in vain
	chunkBytes    = 1 << 20
	positionBits  = 48
)

// errCorrupt is returned when a chunk is not what was written: the disk or another program changed it.
var errCorrupt = errors.New("sqlitestream: chunk is corrupt: restore the stream file from before, or let its records be sent again")

// place is the key of the chunk that begins at a position.
func place(partition int, position int64) int64 { return int64(partition)<<positionBits | position }

func positionOf(place int64) int64 { return place & (1<<positionBits - 1) }

// format writes a position as decimal digits; 0 is the zero Position.
func format(position int64) stream.Position {
	if position == 0 {
		return ""
	}
	return stream.Position(strconv.FormatInt(position, 10))
}

// parse is the inverse of format.
func parse(p stream.Position) (int64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil || n <= 0 || n >= 1<<positionBits || format(n) != p {
		return 0, fmt.Errorf("position %.24q: %w", string(p), stream.ErrPosition)
	}
	return n, nil
}

// chunk is a run of records of one partition, as one row holds them: 4 bytes of CRC-32C over the rest (little-endian),
// then for each record the length of its key (uvarint), the key, the length of its data (uvarint) and the data.
type chunk struct {
	partition int
	first     int64 // position of its first record
	count     int
	at        int64 // Unix milliseconds
	data      []byte
}

func newChunk(partition int, first, at int64) *chunk {
	return &chunk{partition: partition, first: first, at: at, data: make([]byte, 4, 4096)}
}

func (c *chunk) full() bool { return c.count >= chunkRecords || len(c.data) >= chunkBytes }

func (c *chunk) add(e *stream.Entry) {
	c.data = binary.AppendUvarint(c.data, uint64(len(e.Key)))
	c.data = append(c.data, e.Key...)
	c.data = binary.AppendUvarint(c.data, uint64(len(e.Data)))
	c.data = append(c.data, e.Data...)
	c.count++
}

// seal sets the checksum.
func (c *chunk) seal() { binary.LittleEndian.PutUint32(c.data, checksum(c.data[4:])) }

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// records appends the chunk's records after a position to dst, at most max in all. They share the chunk's memory.
func (c *chunk) records(dst []stream.Record, name stream.Partition, after int64, max int) ([]stream.Record, error) {
	if len(c.data) < 4 || binary.LittleEndian.Uint32(c.data) != checksum(c.data[4:]) {
		return dst, fmt.Errorf("partition %s from position %d: %w", name, c.first, errCorrupt)
	}
	rest, at := c.data[4:], time.UnixMilli(c.at).UTC()
	for i := range c.count {
		var key, data []byte
		var ok bool
		if key, rest, ok = field(rest); ok {
			data, rest, ok = field(rest)
		}
		if !ok {
			return dst, fmt.Errorf("partition %s, position %d: %w", name, c.first+int64(i), errCorrupt)
		}
		position := c.first + int64(i)
		if position <= after {
			continue
		}
		if len(dst) >= max {
			return dst, nil
		}
		dst = append(dst, stream.Record{Partition: name, Position: format(position), Key: key, Data: data, AppendedAt: at})
	}
	return dst, nil
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
