package tapstack

// Region is the one region of the stack. Keeping Brazilian customers' data here is an international transfer (LGPD
// art. 33), which is why the program seals personal fields before they get here.
const Region = "us-east-1"

// Egress is how the functions in the private subnets reach AWS services.
type Egress string

// The two ways out. With endpoints nothing in the VPC can reach the internet.
const (
	EgressNAT       Egress = "nat"
	EgressEndpoints Egress = "endpoints"
)

// StreamMode is how the stream's capacity is bought.
type StreamMode string

// Provisioned shards cost less at every sustained rate; on-demand suits traffic that nobody can foretell.
const (
	StreamProvisioned StreamMode = "provisioned"
	StreamOnDemand    StreamMode = "on-demand"
)

// CacheEngine is what ElastiCache runs.
type CacheEngine string

// Redis ends at 7.1 on ElastiCache; Valkey is its continuation, and costs less.
const (
	CacheRedis  CacheEngine = "redis"
	CacheValkey CacheEngine = "valkey"
)

// CacheShape is how the cache is laid out, and so which endpoint it has.
type CacheShape string

// A cluster has a configuration endpoint and wants a cluster-aware client; it can grow by shards while it runs. A
// replicated cache is one primary with replicas behind a primary endpoint.
const (
	CacheCluster    CacheShape = "cluster"
	CacheReplicated CacheShape = "replicated"
)

// NoReserve, as a function's concurrency, lets it share the account's pool. A new AWS account may have only ten
// executions at once, and refuses any reserve.
const NoReserve = -1

// TapStackArgs are what an operator can set. Only EnvironmentSuffix has no default; a zero value means the default that
// the comment names. Each field is a key of the stack configuration by the name in its config tag, so
// `pulumi config set transactionsPerSecond 1000` sets TransactionsPerSecond. Times of day are UTC: 03:00 is midnight in
// São Paulo.
type TapStackArgs struct {
	// EnvironmentSuffix ends every name: lower-case letters, digits and single hyphens, 1 to 20 of them, such as dev
	// or pr-1234. The suffixes prod and production, and those that begin with prod-, are production and refuse
	// savings on availability.
	EnvironmentSuffix string `config:"environmentSuffix"`
	// Tags are put on everything that takes tags, beside the stack's own (Name, project, environment, managed-by).
	Tags map[string]string `config:"tags"`

	// Egress is nat (default) or endpoints.
	Egress Egress `config:"egress"`
	// AvailabilityZones is how many zones are used: 2 (default) to 5.
	AvailabilityZones int `config:"availabilityZones"`
	// VpcCidr is the network: a private IPv4 range of /16 (default 10.40.0.0/16) to /20.
	VpcCidr string `config:"vpcCidr"`
	// SingleNatGateway saves all NAT gateways but one; egress then ends when its zone does. Not in production.
	SingleNatGateway bool `config:"singleNatGateway"`

	// TransactionsPerSecond is the peak rate that the stream is sized for, 1 to 100,000 (default 100; none for an
	// on-demand stream); see ../sizing. The API lets no more through. Set it or ShardCount, not both.
	TransactionsPerSecond int `config:"transactionsPerSecond"`
	// RecordBytes is the size of a record on the stream, 100 to 1,048,576 bytes (default 1,536).
	RecordBytes int `config:"recordBytes"`
	// ShardCount overrides the sizing formula: 1 to 1,000 shards.
	ShardCount int `config:"shardCount"`
	// StreamMode is provisioned (default) or on-demand.
	StreamMode StreamMode `config:"streamMode"`
	// StreamRetentionHours is how long the stream can be read again: 24 to 8,760 hours (default 168).
	StreamRetentionHours int `config:"streamRetentionHours"`
	// EnhancedFanOut gives process a read pipe of its own: about 70 ms instead of a second, for a price.
	EnhancedFanOut bool `config:"enhancedFanOut"`

	// DatabaseClass is the RDS instance class (default db.t4g.medium).
	DatabaseClass string `config:"databaseClass"`
	// DatabaseVersion is PostgreSQL's major version: 15, 16 or 17 (default).
	DatabaseVersion string `config:"databaseVersion"`
	// DatabaseStorageGiB is the storage at the start: 20 to 59,578 GiB (default 50).
	DatabaseStorageGiB int `config:"databaseStorageGiB"`
	// DatabaseMaxStorageGiB is where RDS stops growing it; at least a tenth above the start (default four times it), at most 65,536.
	DatabaseMaxStorageGiB int `config:"databaseMaxStorageGiB"`
	// DatabaseSingleAZ saves the standby in the second zone. Not in production.
	DatabaseSingleAZ bool `config:"databaseSingleAZ"`
	// DatabaseBackupDays is how long automated backups are kept: 7 (default) to 35.
	DatabaseBackupDays int `config:"databaseBackupDays"`
	// DatabaseBackupWindow is when they are taken (default 03:00-04:00).
	DatabaseBackupWindow string `config:"databaseBackupWindow"`
	// DatabaseMaintenanceWindow is when RDS may restart (default sun:05:00-sun:06:00). The two must not overlap.
	DatabaseMaintenanceWindow string `config:"databaseMaintenanceWindow"`
	// DatabaseApplyImmediately makes changes at once instead of in the maintenance window.
	DatabaseApplyImmediately bool `config:"databaseApplyImmediately"`

	// CacheEngine is redis (default) or valkey.
	CacheEngine CacheEngine `config:"cacheEngine"`
	// CacheShape is cluster (default) or replicated.
	CacheShape CacheShape `config:"cacheShape"`
	// CacheNodeType is the ElastiCache node type (default cache.t4g.small).
	CacheNodeType string `config:"cacheNodeType"`
	// CacheShards is the number of shards of a cluster: 1 (default) to 90; nodes together at most 90.
	CacheShards int `config:"cacheShards"`
	// CacheReplicas is the number of replicas of each shard: 1 (default) to 5. Failover needs one.
	CacheReplicas int `config:"cacheReplicas"`
	// CacheSnapshotWindow is when the daily snapshot is taken (default 02:00-03:00).
	CacheSnapshotWindow string `config:"cacheSnapshotWindow"`
	// CacheMaintenanceWindow is when ElastiCache may work on the nodes (default sun:06:00-sun:07:00).
	CacheMaintenanceWindow string `config:"cacheMaintenanceWindow"`

	// KeyRecoveryDays is how far the table of wrapped customer keys can be wound back: 1 to 35 days (default 7). An
	// erased customer's key can be brought back that long, so the erasure certificate names the day when it ends.
	KeyRecoveryDays int `config:"keyRecoveryDays"`

	// CodeArchive is the zip that `make lambda` writes (default ../bin/fastshop-lambda.zip, seen from infra/).
	CodeArchive string `config:"codeArchive"`
	// IngestMemoryMiB, ProcessMemoryMiB and AdminMemoryMiB size the functions, CPU included: 128 to 10,240 MiB
	// (defaults 512, 1,024 and 512).
	IngestMemoryMiB  int `config:"ingestMemoryMiB"`
	ProcessMemoryMiB int `config:"processMemoryMiB"`
	AdminMemoryMiB   int `config:"adminMemoryMiB"`
	// IngestConcurrency is how many ingest functions may run at once (default 50), and so how many connections they
	// open to the database, four each; -1 reserves none. See ../sizing.
	IngestConcurrency int `config:"ingestConcurrency"`
	// ProcessConcurrency is the same for process (default twice the shards, 10 to 1,000; 40 for an on-demand stream); -1
	// reserves none.
	ProcessConcurrency int `config:"processConcurrency"`
	// BatchSize is the most records that process is given at once: 1 to 10,000 (default 500).
	BatchSize int `config:"batchSize"`

	// AlarmEmail is told of alarms, once it has confirmed. Required in production.
	AlarmEmail string `config:"alarmEmail"`
	// LogRetentionDays is how long logs are kept; one of CloudWatch's periods (default 365).
	LogRetentionDays int `config:"logRetentionDays"`
}

// withDefaults is a copy with every zero value replaced by its default.
func (a TapStackArgs) withDefaults() TapStackArgs {
	or(&a.Egress, EgressNAT)
	or(&a.AvailabilityZones, 2)
	or(&a.VpcCidr, "10.40.0.0/16")
	or(&a.RecordBytes, 1536)
	or(&a.StreamMode, StreamProvisioned)
	if a.StreamMode == StreamProvisioned && a.ShardCount == 0 {
		or(&a.TransactionsPerSecond, 100)
	}
	or(&a.StreamRetentionHours, 168)
	or(&a.DatabaseClass, "db.t4g.medium")
	or(&a.DatabaseVersion, "17")
	or(&a.DatabaseStorageGiB, 50)
	or(&a.DatabaseMaxStorageGiB, min(4*a.DatabaseStorageGiB, 65536))
	or(&a.DatabaseBackupDays, 7)
	or(&a.DatabaseBackupWindow, "03:00-04:00")
	or(&a.DatabaseMaintenanceWindow, "sun:05:00-sun:06:00")
	or(&a.CacheEngine, CacheRedis)
	or(&a.CacheShape, CacheCluster)
	or(&a.CacheNodeType, "cache.t4g.small")
	or(&a.CacheShards, 1)
	or(&a.CacheReplicas, 1)
	or(&a.CacheSnapshotWindow, "02:00-03:00")
	or(&a.CacheMaintenanceWindow, "sun:06:00-sun:07:00")
	or(&a.KeyRecoveryDays, 7)
	or(&a.CodeArchive, "../bin/fastshop-lambda.zip")
	or(&a.IngestMemoryMiB, 512)
	or(&a.ProcessMemoryMiB, 1024)
	or(&a.AdminMemoryMiB, 512)
	or(&a.IngestConcurrency, 50)
	or(&a.BatchSize, 500)
	or(&a.LogRetentionDays, 365)
	return a
}

// or sets a field that was left at its zero value.
func or[T comparable](field *T, otherwise T) {
	var zero T
	if *field == zero {
		*field = otherwise
	}
}
