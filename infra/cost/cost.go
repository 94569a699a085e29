// Package cost estimates the monthly bill of the stack in US dollars, in us-east-1, by transactions per second.
//
// # What the figures are
//
// A rate is sustained: day and night, 730 hours. Prices are on-demand list prices without free tier, tax, support plan,
// savings plan or reservation, and each says how it is known and of which month it is ([Price]). Many are recalled and
// not confirmed, those of the larger database and cache machines among them. Take the bill as an order of magnitude
// with its reasons, and ask AWS's calculator before signing anything.
//
// A GB is 10⁹ bytes here while AWS mostly counts 2³⁰, so that lines that go by volume are up to 7 % too high.
//
// # What a transaction is assumed to cause
//
// The constants in this package say how long functions run, how many bytes travel, and what the cache holds, each with
// its reason; [Markdown] prints them beside the tables that it makes for infra/README.md.
//
// # What is left out
//
// The admin function, the queue, the alarm topic and the schedule, less than a dollar each; backups beyond the size of
// the database; reading logs; webhooks; anything that people do.
package cost

import (
	"fmt"
	"math"

	"github.com/fastshop/pipeline/infra/sizing"
)

// A Part is one line of the bill.
type Part string

// The parts of the stack, in the order of the bill.
const (
	PartStream        Part = "stream"
	PartProcessor     Part = "stream processor"
	PartIngest        Part = "ingest: HTTP API and Lambda"
	PartDatabase      Part = "database"
	PartCache         Part = "cache"
	PartKeys          Part = "customer keys and KMS"
	PartObservability Part = "logs, flow logs, alarms, traces"
	PartEgress        Part = "NAT gateways or endpoints"
	PartTransfer      Part = "answers to the internet, data between zones"
)

// A Line is what one part costs.
type Line struct {
	Part Part
	// Basis says how the sum came about.
	Basis string
	// USD is the cost of a month, 0 or more.
	USD float64
}

// A Bill is a month of one Shape.
type Bill struct {
	// Lines has every part once, in the order of their constants.
	Lines []Line
	// Total is the sum of the lines in US dollars.
	Total float64
}

// Of returns the cost of one part, 0 if the bill has no such line.
func (b Bill) Of(part Part) float64 {
	for _, line := range b.Lines {
		if line.Part == part {
			return line.USD
		}
	}
	return 0
}

// Monthly prices a shape. All faults of the shape are reported at once, each wrapping ErrShape; so does a shape whose
// shards, database or cache cannot carry its rate.
func Monthly(shape Shape) (Bill, error) {
	m, err := newMonth(shape)
	if err != nil {
		return Bill{}, err
	}
	bill := Bill{Lines: []Line{m.stream(), m.processor(), m.ingest(), m.database(), m.cache(), m.keys(),
		m.observability(), m.egress(), m.transfer()}}
	for _, line := range bill.Lines {
		bill.Total += line.USD
	}
	return bill, nil
}

// month is a shape with the quantities that several lines need.
type month struct {
	Shape
	shards int
	// transactions, requests to ingest and invocations of process in the month, and GB of records.
	transactions, requests, invocations, gigabytes float64
	// environments is the number of functions that run at once.
	environments float64
	// databaseGB is the storage of one zone.
	databaseGB  float64
	cacheShards int
	class, node Machine
}

// newMonth validates the shape and derives what it leaves open.
func newMonth(s Shape) (month, error) {
	if err := s.validate(); err != nil {
		return month{}, err
	}
	m := month{Shape: s}
	if err := m.sizeStream(); err != nil {
		return month{}, err
	}
	m.transactions = float64(s.TransactionsPerSecond) * hours * 3600
	m.requests = m.transactions / float64(s.BatchSize)
	m.gigabytes = m.transactions * float64(s.RecordBytes) / gigabyte
	// Below one transaction per shard and second not every poll finds something.
	m.invocations = min(m.transactions, float64(m.shards)*hours*3600)
	m.environments = float64(m.shards) + math.Ceil(m.requests/(hours*3600)*m.requestSeconds())
	m.class, _ = machine(DatabaseClasses(), s.DatabaseClass)
	m.node, _ = machine(CacheNodes(), s.CacheNodeType)
	if m.databaseGB = float64(s.DatabaseStorageGB); m.databaseGB == 0 {
		perDay := float64(s.TransactionsPerSecond) * 86400 * databaseBytes / gigabyte
		m.databaseGB = max(minDatabaseGB, math.Ceil(perDay*float64(s.DatabaseDays)))
	}
	if m.databaseGB > maxDatabaseGB {
		return month{}, fmt.Errorf("price shape: %w: %d days in the database are %s GB, RDS ends at %s; keep fewer days",
			ErrShape, s.DatabaseDays, number(m.databaseGB), number(maxDatabaseGB))
	}
	if m.cacheShards = s.CacheShards; m.cacheShards == 0 {
		m.cacheShards = int(max(1, math.Ceil(m.historyGB()/m.nodeGB())))
	}
	if m.cacheShards > maxCacheShards {
		return month{}, fmt.Errorf("price shape: %w: the windows need %s GB, that is %d shards of %s, a cluster ends at %d; use a larger node",
			ErrShape, number(m.historyGB()), m.cacheShards, s.CacheNodeType, maxCacheShards)
	}
	return m, nil
}

// sizeStream takes the operator's shards if they carry the load, else the formula's.
func (m *month) sizeStream() error {
	load := sizing.Load{TransactionsPerSecond: m.TransactionsPerSecond, RecordBytes: m.RecordBytes, SharedConsumers: 1}
	if m.EnhancedFanOut {
		load.SharedConsumers = 0
	}
	var stream sizing.Stream
	var err error
	if m.Shards == 0 {
		stream, err = sizing.ForLoad(load)
	} else {
		stream, err = sizing.ForShards(load, m.Shards)
	}
	if err != nil {
		return fmt.Errorf("price shape: %w: %w", ErrShape, err)
	}
	if used := max(stream.WriteUtilization, stream.ReadUtilization); used > 1 {
		return fmt.Errorf("price shape: %w: %d shards would have to carry %.0f %% of what they can; use more, or 0 for the formula",
			ErrShape, m.Shards, 100*used)
	}
	if m.shards = stream.Shards; m.StreamMode == OnDemand {
		m.shards = max(m.shards, onDemandShards)
	}
	return nil
}
