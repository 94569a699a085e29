package cost

import (
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/infra/sizing"
)

// StreamMode is how the stream's capacity is bought.
type StreamMode string

// The two modes of a stream.
const (
	Provisioned StreamMode = "provisioned"
	OnDemand    StreamMode = "on-demand"
)

// Egress is how functions in private subnets reach AWS services.
type Egress string

// The two ways out. DynamoDB goes through a gateway endpoint, which is free, with either.
const (
	NAT       Egress = "nat"
	Endpoints Egress = "endpoints"
)

// Engine is what runs on the cache nodes.
type Engine string

// The engines; Valkey costs a fifth less.
const (
	Redis  Engine = "redis"
	Valkey Engine = "valkey"
)

// ErrShape marks a Shape that cannot be priced or that AWS would refuse.
var ErrShape = errors.New("shape out of range")

// A Shape is everything that the bill depends on. ForRate fills it sensibly; change what differs.
type Shape struct {
	// TransactionsPerSecond is the rate, day and night, 1 to 100,000. Every transaction takes the asynchronous path.
	TransactionsPerSecond int
	// RecordBytes is the mean size of a record on the stream and of a submission, 1 to 1,048,576 bytes.
	RecordBytes int
	// BatchSize is the number of transactions in one ingest request: 1 to 500, and at most 4 MiB together.
	BatchSize int

	// StreamMode is how the stream is bought.
	StreamMode StreamMode
	// Shards is the number of shards of a provisioned stream; 0 takes the sizing formula's. On-demand needs 0.
	Shards int
	// RetentionHours is how long the stream keeps a record: 24 to 8,760.
	RetentionHours int
	// EnhancedFanOut gives the processor a read pipe of its own.
	EnhancedFanOut bool

	// IngestMemoryMiB and ProcessMemoryMiB are the functions' sizes: 128 to 10,240 MiB.
	IngestMemoryMiB  int
	ProcessMemoryMiB int

	// AvailabilityZones is the number of zones in use: 1 to 6.
	AvailabilityZones int
	// Egress is the way out of the VPC; NATGateways counts for nat, InterfaceEndpoints (each in every zone) for endpoints.
	Egress             Egress
	NATGateways        int
	InterfaceEndpoints int

	// DatabaseClass is one of DatabaseClasses. MultiAZ adds a standby, which doubles the database's line.
	DatabaseClass string
	MultiAZ       bool
	// DatabaseStorageGB is the storage, 20 to 70,368 GB; 0 derives it from the rate and DatabaseDays, at least 50.
	DatabaseStorageGB int
	// DatabaseDays is how long transactions stay in the database when DatabaseStorageGB is 0: at least 1.
	DatabaseDays int

	// CacheEngine and CacheNodeType (one of CacheNodes) are the cache's nodes.
	CacheEngine   Engine
	CacheNodeType string
	// CacheShards is the number of shards, up to 500; 0 derives it from the memory that the windows' history needs.
	CacheShards int
	// CacheReplicas is the number of replicas of each shard, 0 to 5.
	CacheReplicas int

	// Keys is the number of customer-managed KMS keys. Data keys are cached, so that KMS is asked by process and
	// epoch, never by transaction.
	Keys int
	// NewCustomers is the share of transactions that bring a customer never seen before, 0 to 1.
	NewCustomers float64
	// Customers is the number of customers whose keys are held.
	Customers int

	// LogGBPerMillionTransactions is what functions and database write to logs of their own accord, beside one access
	// line for each request and the lines that Lambda adds to each invocation.
	LogGBPerMillionTransactions float64
	// LogRetentionDays is how long logs are kept: 1 to 3,653.
	LogRetentionDays int
	// Alarms is the number of CloudWatch alarms.
	Alarms int
	// Tracing says whether functions are traced with X-Ray, at Lambda's own sampling rate.
	Tracing bool
}

// ForRate returns a shape that suits a sustained rate: the stack's defaults, and a database and cache that hold up.
// The classes are judgment, not measurement: load-test before relying on them.
func ForRate(transactionsPerSecond int) Shape {
	shape := Shape{
		TransactionsPerSecond: transactionsPerSecond, RecordBytes: 1536, BatchSize: 1,
		StreamMode: Provisioned, RetentionHours: 168, IngestMemoryMiB: 512, ProcessMemoryMiB: 1024,
		AvailabilityZones: 2, Egress: NAT, NATGateways: 2, InterfaceEndpoints: 4,
		DatabaseClass: "db.m7g.large", MultiAZ: true, DatabaseDays: historyDays,
		CacheEngine: Redis, CacheNodeType: "cache.r7g.2xlarge", CacheReplicas: 1,
		Keys: 7, NewCustomers: 0.02, Customers: 1_000_000,
		LogGBPerMillionTransactions: 0.1, LogRetentionDays: 365, Alarms: 28, Tracing: true,
	}
	switch {
	case transactionsPerSecond <= 10:
		shape.DatabaseClass, shape.CacheNodeType = "db.t4g.medium", "cache.r7g.large"
	case transactionsPerSecond > 2000:
		shape.DatabaseClass, shape.CacheNodeType = "db.r7g.8xlarge", "cache.r7g.16xlarge"
		shape.Customers = 20_000_000
	case transactionsPerSecond > 200:
		shape.DatabaseClass, shape.CacheNodeType = "db.r7g.xlarge", "cache.r7g.4xlarge"
		shape.Customers = 5_000_000
	}
	return shape
}

// validate reports every fault of a shape at once.
func (s Shape) validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("price shape: %w: "+format, append([]any{ErrShape}, args...)...))
	}
	between := func(what string, value, low, high int) {
		if value < low || value > high {
			fault("%s is %d; use %d to %d", what, value, low, high)
		}
	}
	between("transactions per second", s.TransactionsPerSecond, 1, 100_000)
	between("record size in bytes", s.RecordBytes, 1, sizing.MaxRecordBytes)
	between("batch size", s.BatchSize, 1, 500)
	if s.BatchSize > 1 && s.BatchSize*s.RecordBytes > 4<<20 {
		fault("a batch of %d times %d bytes is more than 4 MiB; make it smaller", s.BatchSize, s.RecordBytes)
	}
	between("shards", s.Shards, 0, sizing.MaxShards)
	between("retention in hours", s.RetentionHours, 24, 8760)
	between("memory of ingest in MiB", s.IngestMemoryMiB, 128, 10_240)
	between("memory of process in MiB", s.ProcessMemoryMiB, 128, 10_240)
	between("availability zones", s.AvailabilityZones, 1, 6)
	between("days in the database", s.DatabaseDays, 1, 36_500)
	between("cache shards", s.CacheShards, 0, maxCacheShards)
	between("cache replicas", s.CacheReplicas, 0, 5)
	between("KMS keys", s.Keys, 0, 10_000)
	between("customers", s.Customers, 0, 10_000_000_000)
	between("log retention in days", s.LogRetentionDays, 1, 3653)
	between("alarms", s.Alarms, 0, 10_000)
	if !(s.NewCustomers >= 0 && s.NewCustomers <= 1) {
		fault("share of new customers is %v; use 0 to 1", s.NewCustomers)
	}
	if !(s.LogGBPerMillionTransactions >= 0 && s.LogGBPerMillionTransactions <= 1000) {
		fault("log GB per million transactions is %v; use 0 to 1000", s.LogGBPerMillionTransactions)
	}
	return errors.Join(append(faults, s.validateChoices())...)
}

// validateChoices checks what has to be one of a few, and what follows from it.
func (s Shape) validateChoices() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("price shape: %w: "+format, append([]any{ErrShape}, args...)...))
	}
	switch {
	case s.StreamMode != Provisioned && s.StreamMode != OnDemand:
		fault("stream mode is %q; use %s or %s", s.StreamMode, Provisioned, OnDemand)
	case s.StreamMode == OnDemand && s.Shards != 0:
		fault("an on-demand stream has no %d shards; leave them 0", s.Shards)
	}
	switch {
	case s.Egress != NAT && s.Egress != Endpoints:
		fault("egress is %q; use %s or %s", s.Egress, NAT, Endpoints)
	case s.Egress == NAT && (s.NATGateways < 1 || s.NATGateways > s.AvailabilityZones):
		fault("%d NAT gateways; use 1 to the number of zones, %d", s.NATGateways, s.AvailabilityZones)
	case s.Egress == Endpoints && (s.InterfaceEndpoints < 1 || s.InterfaceEndpoints > 50):
		fault("%d interface endpoints; use 1 to 50", s.InterfaceEndpoints)
	}
	if s.MultiAZ && s.AvailabilityZones < 2 {
		fault("a standby needs a second zone; use 2 zones or no MultiAZ")
	}
	if _, ok := machine(DatabaseClasses(), s.DatabaseClass); !ok {
		fault("no price is known for database class %q; see DatabaseClasses", s.DatabaseClass)
	}
	if s.DatabaseStorageGB != 0 && (s.DatabaseStorageGB < 20 || s.DatabaseStorageGB > maxDatabaseGB) {
		fault("database storage is %d GB; use 20 to %d, or 0 to derive it", s.DatabaseStorageGB, maxDatabaseGB)
	}
	if s.CacheEngine != Redis && s.CacheEngine != Valkey {
		fault("cache engine is %q; use %s or %s", s.CacheEngine, Redis, Valkey)
	}
	if _, ok := machine(CacheNodes(), s.CacheNodeType); !ok {
		fault("no price is known for cache node %q; see CacheNodes", s.CacheNodeType)
	}
	return errors.Join(faults...)
}
