// Package sizing derives the number of Kinesis shards from a load.
//
// # Limits of one shard
//
// A provisioned shard takes 1 MB/s or 1,000 records/s, whichever is reached first, and gives 2 MB/s to all consumers
// that share its read side. A consumer with enhanced fan-out has 2 MB/s of its own per shard, twice what can be
// written, so it never decides the size. Shared consumers also divide five GetRecords calls per second; an event source
// mapping of Lambda makes one call per second and shard, which is why five is the most that a [Load] may name. A
// megabyte here is 1,000,000 bytes: AWS is a little more generous, and the difference is on the safe side.
//
// # Formula
//
//	write  = max(R·B / 1 MB, R / 1,000)      R transactions per second at the peak, B bytes per record
//	read   = R·B·C / 2 MB                    C shared consumers, 0 if all use enhanced fan-out
//	shards = max(2, ceil(max(write, read) / 0.7))
//
// At most 70 % of a shard is used ([Headroom] is the rest): customers do not hash evenly, a throttled producer retries
// and adds load, and a consumer that fell behind has to read faster than producers write. Two shards are the least,
// so that one poison record never holds back every customer.
//
// # Hot keys
//
// The partition key is the customer's token, so all records of one customer land on one shard and more shards do not
// help that customer. [Stream.HotKeyShare] says how much of the load one customer may have. If somebody exceeds it
// (a marketplace that books for others, say), add a salt to the partition key and give up their order.
//
// Measure B on real records: base64 adds a third to the sealed part, and each sealed field carries nonce and tag. With
// 1.5 KB the formula gives 2 shards for 100 transactions per second, 3 for 1,000 and 22 for 10,000.
package sizing

import (
	"errors"
	"fmt"
)

// Limits of a provisioned Kinesis data stream in us-east-1, as AWS documents them.
const (
	// ShardWriteBytes is what one shard takes, in bytes per second.
	ShardWriteBytes = 1_000_000
	// ShardWriteRecords is what one shard takes, in records per second.
	ShardWriteRecords = 1_000
	// ShardReadBytes is what one shard gives to all shared consumers together, in bytes per second.
	ShardReadBytes = 2_000_000
	// MaxSharedConsumers is how many shared consumers one shard serves when each asks once per second.
	MaxSharedConsumers = 5
	// MaxRecordBytes is the largest record of a stream that did not ask for more.
	MaxRecordBytes = 1 << 20
	// MaxShards is the default quota of shards for an account in us-east-1; AWS raises it on request.
	MaxShards = 20_000
)

const (
	// MinShards is the least that ForLoad returns.
	MinShards = 2
	// Headroom is the part of a shard that ForLoad leaves free, in percent.
	Headroom = 30
	// MaxTransactionsPerSecond bounds a Load; far above it the quota of shards ends every plan anyway.
	MaxTransactionsPerSecond = 10_000_000
)

var (
	// ErrLoad marks a Load or a number of shards out of range.
	ErrLoad = errors.New("load out of range")
	// ErrQuota marks a load that needs more than MaxShards.
	ErrQuota = errors.New("more shards than the default quota")
)

// A Load is what a stream has to carry at its peak.
type Load struct {
	// TransactionsPerSecond is the highest rate that lasts, 1 to MaxTransactionsPerSecond. One transaction is one record.
	TransactionsPerSecond int
	// RecordBytes is the mean size of a record as stored, with key and envelope, 1 to MaxRecordBytes.
	RecordBytes int
	// SharedConsumers counts the consumers without enhanced fan-out, 0 to MaxSharedConsumers.
	SharedConsumers int
}

// A Limit names the property of a shard that is exhausted first.
type Limit string

// The limits that can decide the number of shards. LimitFloor means that none does: MinShards is more than enough.
const (
	LimitFloor        Limit = "floor"
	LimitWriteBytes   Limit = "write bytes"
	LimitWriteRecords Limit = "write records"
	LimitReadBytes    Limit = "read bytes"
)

// A Stream is a number of shards and what a Load makes of it.
type Stream struct {
	// Shards is the number of shards.
	Shards int
	// WriteUtilization is the used part of the write side, 1 being everything. ForLoad keeps it at or below 0.7.
	WriteUtilization float64
	// ReadUtilization is the used part of the shared read side, 1 being everything, 0 without shared consumers.
	ReadUtilization float64
	// HotKeyShare is the largest part of the whole load, above 0 and at most 1, that a single partition key may
	// have: alone it stays within 70 % of a shard, and together with the shard's even part of all other records
	// within the whole of it. It is 0 when the shards do not carry the load at all.
	HotKeyShare float64
	// LimitedBy is what decides the number of shards that ForLoad chooses for this load.
	LimitedBy Limit
}

// ForLoad returns the smallest stream that carries load with Headroom to spare. All faults of load are reported at
// once, each wrapping ErrLoad; a load that needs more than MaxShards wraps ErrQuota.
func ForLoad(load Load) (Stream, error) {
	if err := load.validate(); err != nil {
		return Stream{}, err
	}
	shards, _ := load.shards()
	if shards > MaxShards {
		return Stream{}, fmt.Errorf("size stream: %w: %d shards are needed, the quota is %d; "+
			"lower the rate or the record size, or ask AWS to raise the quota and set the shards yourself", ErrQuota, shards, MaxShards)
	}
	return ForShards(load, int(shards))
}

// ForShards returns what load makes of a stream with the given number of shards (at least 1), which an operator chose.
// A utilization above 1 means that the stream cannot carry the load. Errors wrap ErrLoad.
func ForShards(load Load, shards int) (Stream, error) {
	err := load.validate()
	if shards < 1 {
		err = errors.Join(err, fmt.Errorf("size stream: %w: %d shards; use at least 1", ErrLoad, shards))
	}
	if err != nil {
		return Stream{}, err
	}
	bytes := float64(load.TransactionsPerSecond) * float64(load.RecordBytes)
	n := float64(shards)
	write := max(bytes/ShardWriteBytes, float64(load.TransactionsPerSecond)/ShardWriteRecords)
	read := bytes * float64(load.SharedConsumers) / ShardReadBytes
	_, limit := load.shards()
	return Stream{
		Shards:           shards,
		WriteUtilization: write / n,
		ReadUtilization:  read / n,
		HotKeyShare:      hotKeyShare(max(write, read), n),
		LimitedBy:        limit,
	}, nil
}

// shards counts in whole numbers, for 2.1/0.7 is a little more than 3 in floating point and would cost a shard.
func (l Load) shards() (int64, Limit) {
	rate, size, readers := int64(l.TransactionsPerSecond), int64(l.RecordBytes), int64(l.SharedConsumers)
	shards, limit := int64(MinShards), LimitFloor
	for _, need := range []struct {
		amount, capacity int64
		limit            Limit
	}{
		{rate * size, ShardWriteBytes, LimitWriteBytes},
		{rate, ShardWriteRecords, LimitWriteRecords},
		{rate * size * readers, ShardReadBytes, LimitReadBytes},
	} {
		usable := need.capacity / 100 * (100 - Headroom)
		if n := (need.amount + usable - 1) / usable; n > shards {
			shards, limit = n, need.limit
		}
	}
	return shards, limit
}

// hotKeyShare solves for the share h of the load L (in shards' worth) at which a hot key meets a limit on n shards:
// h·L = 0.7 by itself, and h·L + (1-h)·L/n = 1 with its shard's even part of the rest.
func hotKeyShare(load, n float64) float64 {
	if load > n {
		return 0
	}
	share := min(1, (100-Headroom)/100.0/load)
	if n > 1 {
		share = min(share, (n-load)/(load*(n-1)))
	}
	return share
}

// validate reports every fault at once.
func (l Load) validate() error {
	var faults []error
	check := func(what string, value, low, high int) {
		if value < low || value > high {
			faults = append(faults, fmt.Errorf("size stream: %w: %s is %d; use %d to %d", ErrLoad, what, value, low, high))
		}
	}
	check("transactions per second", l.TransactionsPerSecond, 1, MaxTransactionsPerSecond)
	check("record size in bytes", l.RecordBytes, 1, MaxRecordBytes)
	check("number of shared consumers", l.SharedConsumers, 0, MaxSharedConsumers)
	return errors.Join(faults...)
}
