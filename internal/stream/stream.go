// Package stream is the vocabulary of a partitioned, ordered, durable log of bytes.
//
// A log has partitions. Records of one key always land in one partition and are
// read in the order in which they were appended. Readers keep their own position;
// the log is read at least once and never changed by being read. Ports over it
// are declared by their callers (ingest appends, pipeline reads); streamtest is
// the suite that every implementation passes.
package stream

import (
	"errors"
	"time"
)

// Partition names one partition of a log: "0", "1" … embedded, a shard id on Kinesis.
type Partition string

// Position is a place in one partition: that of the last record that was handled.
// It is opaque to all but the log that made it; the zero Position is before the first record.
type Position string

// Ended is the checkpoint of a partition that was read to its end. No log gives it to a record.
const Ended Position = "ended"

// Entry is what a producer appends.
type Entry struct {
	Key  []byte // decides the partition; the customer token
	Data []byte // opaque; at most MaxData bytes
}

// MaxData is the size of the largest entry, in bytes.
const MaxData = 256 << 10

// Record is what a consumer reads.
type Record struct {
	Partition  Partition
	Position   Position // of this record: a reader that has handled it continues after here
	Key        []byte
	Data       []byte
	AppendedAt time.Time // by the log's clock, UTC
}

var (
	// ErrFull is returned by an append when the log has no room; the caller answers 503 and nothing was appended.
	ErrFull = errors.New("stream: no room left")
	// ErrTooLarge is returned for an entry over MaxData; nothing of the call was appended.
	ErrTooLarge = errors.New("stream: entry too large")
	// ErrPosition is returned when a position does not belong to the log or points past its end: the log is not the
	// one that the checkpoint was made on.
	ErrPosition = errors.New("stream: position is not of this log")
	// ErrTrimmed is returned when records after the position have already been removed.
	ErrTrimmed = errors.New("stream: records after the position were trimmed")
	// ErrUnavailable is wrapped by errors that have nothing to do with the call and end with an outage or a restart.
	ErrUnavailable = errors.New("stream unavailable")
	// ErrEnded is returned by a read of a partition that takes no more records and has none after the position: its
	// keys go on in other partitions (a shard that was split or merged).
	ErrEnded = errors.New("stream: partition has ended")
	// ErrClosed is returned by calls on a closed log.
	ErrClosed = errors.New("stream: closed")
)
