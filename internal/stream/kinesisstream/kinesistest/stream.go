package kinesistest

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// logStream is one stream.
type logStream struct {
	name     string
	ordinal  int
	made     time.Time
	keeps    int // hours
	sequence int // of its records and shards, ever
	opened   int // shards, ever
	shards   []*shard
}

type shard struct {
	id       string
	low      *big.Int
	high     *big.Int
	parents  []string
	opened   string // sequence numbers
	closed   string // empty while it is open
	closedAt time.Time
	gone     int // records that were trimmed
	records  []record
}

// record is one as GetRecords tells it.
type record struct {
	ApproximateArrivalTimestamp float64
	Data                        []byte
	PartitionKey                string
	SequenceNumber              string

	arrived time.Time
}

func newStream(name string, ordinal, shards int, now time.Time) *logStream {
	l := &logStream{name: name, ordinal: ordinal, made: now, keeps: 24}
	top := new(big.Int).Lsh(big.NewInt(1), 128)
	for i := range shards {
		low := new(big.Int).Div(new(big.Int).Mul(top, big.NewInt(int64(i))), big.NewInt(int64(shards)))
		high := new(big.Int).Div(new(big.Int).Mul(top, big.NewInt(int64(i+1))), big.NewInt(int64(shards)))
		l.open(low, high.Sub(high, big.NewInt(1)))
	}
	return l
}

// number is the next sequence number: larger than all before, and not one of another stream.
func (l *logStream) number() string {
	l.sequence++
	return fmt.Sprintf("49%08d%026d", l.ordinal, l.sequence)
}

func (l *logStream) open(low, high *big.Int, parents ...string) {
	l.opened++
	l.shards = append(l.shards, &shard{
		id: fmt.Sprintf("shardId-%012d", l.opened-1), low: low, high: high, parents: parents, opened: l.number(),
	})
}

func (l *logStream) close(s *shard, now time.Time) { s.closed, s.closedAt = l.number(), now }

func (l *logStream) shard(id string) (*shard, error) {
	for _, s := range l.shards {
		if s.id == id {
			return s, nil
		}
	}
	return nil, &refusal{"ResourceNotFoundException", "Shard " + id + " in stream " + l.name + " does not exist"}
}

// home is the open shard of a partition key.
func (l *logStream) home(key string) *shard {
	sum := md5.Sum([]byte(key))
	hash := new(big.Int).SetBytes(sum[:])
	for _, s := range l.shards {
		if s.closed == "" && s.low.Cmp(hash) <= 0 && hash.Cmp(s.high) <= 0 {
			return s
		}
	}
	return nil
}

// put adds a record.
func (l *logStream) put(key string, data []byte, now time.Time) (s *shard, sequence string) {
	s, sequence = l.home(key), l.number()
	s.records = append(s.records, record{
		ApproximateArrivalTimestamp: seconds(now), Data: data, PartitionKey: key, SequenceNumber: sequence, arrived: now,
	})
	return s, sequence
}

// trim lets go of what is too old, closed shards included.
func (l *logStream) trim(now time.Time) {
	horizon := now.Add(-time.Duration(l.keeps) * time.Hour)
	for _, s := range l.shards {
		n := 0
		for n < len(s.records) && s.records[n].arrived.Before(horizon) {
			n++
		}
		s.gone, s.records = s.gone+n, s.records[n:]
	}
	l.shards = slices.DeleteFunc(l.shards, func(s *shard) bool { return s.closed != "" && s.closedAt.Before(horizon) })
}

// index is how many records of the shard, ever, come before a place.
func (s *shard) index(kind, sequence string, l *logStream) (int, error) {
	switch kind {
	case "TRIM_HORIZON":
		return s.gone, nil
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
	default:
		return 0, &refusal{"InvalidArgumentException", "iterator of type " + kind}
	}
	if !strings.HasPrefix(sequence, fmt.Sprintf("49%08d", l.ordinal)) || len(sequence) != len(s.opened) || sequence < s.opened {
		return 0, &refusal{"InvalidArgumentException", "StartingSequenceNumber " + sequence + " is invalid because it did not come from this stream."}
	}
	n, found := slices.BinarySearchFunc(s.records, sequence, func(r record, to string) int { return strings.Compare(r.SequenceNumber, to) })
	if found && kind == "AFTER_SEQUENCE_NUMBER" {
		n++
	}
	return s.gone + n, nil // of a trimmed record: the horizon, without a word, as Kinesis has it
}

// iterator names a place in a shard. It is opaque to clients.
type iterator struct {
	stream, shard string
	ordinal       int
	index         int
	epoch         int
	made          time.Time
}

func (i iterator) String() string {
	return fmt.Sprintf("%s/%s/%d/%d/%d/%d", i.stream, i.shard, i.ordinal, i.index, i.epoch, i.made.UnixMilli())
}

func parseIterator(text string) (i iterator, err error) {
	parts := strings.Split(text, "/")
	if len(parts) != 6 {
		return i, &refusal{"InvalidArgumentException", "Invalid ShardIterator."}
	}
	i.stream, i.shard = parts[0], parts[1]
	for n, to := range []*int{&i.ordinal, &i.index, &i.epoch} {
		if *to, err = strconv.Atoi(parts[2+n]); err != nil {
			return i, &refusal{"InvalidArgumentException", "Invalid ShardIterator."}
		}
	}
	ms, err := strconv.ParseInt(parts[5], 10, 64)
	i.made = time.UnixMilli(ms)
	return i, err
}
