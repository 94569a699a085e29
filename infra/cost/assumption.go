package cost

// What the bill assumes beside the shape. Whoever measures better changes the constant and generates README anew.
const (
	// hours is a month as AWS counts it.
	hours = 730.0
	// gigabyte is in bytes; AWS mostly counts 2³⁰, which is on the safe side.
	gigabyte = 1e9
	// terabyteGB is where a tier of a TB ends.
	terabyteGB = 1024.0

	// onDemandShards is what an on-demand stream opens with.
	onDemandShards = 4
	// putUnitBytes is the size of a PUT payload unit, and requestBytes that of a metered request of an HTTP API.
	putUnitBytes = 25 * 1024
	requestBytes = 512 * 1024

	// processSeconds for an invocation of process (one per shard and second, which is how often Lambda polls) and
	// processRecordSeconds for each record: the round trips to database and cache, and the work in between.
	processSeconds       = 0.020
	processRecordSeconds = 0.001
	// ingestSeconds for a request and ingestRecordSeconds for each transaction in it.
	ingestSeconds       = 0.014
	ingestRecordSeconds = 0.001

	// databaseBytes is a transaction with decision, indexes and its part of alerts and audit.
	databaseBytes = 2000
	minDatabaseGB = 50
	// maxDatabaseGB is 64 TiB, where RDS ends.
	maxDatabaseGB = 70_368

	// historyDays is how long velocity windows look back, the delayed ones included, and a day for latecomers.
	historyDays = 38
	// historyBytes is what the in-memory windows take for an event, measured; Redis will hardly take less.
	historyBytes = 220
	// nodeShare is the part of a node's memory that data may have; ElastiCache reserves the rest.
	nodeShare      = 0.75
	maxCacheShards = 500
	// valkeyShare is Valkey's price as a part of Redis's. Recalled.
	valkeyShare = 0.8

	// keyReads is how often the key table is read for a transaction: customers seldom come back within the minutes that a
	// key is cached. keyWrites are for a new customer, keyBytes for a key with its index.
	keyReads  = 1
	keyWrites = 1
	keyBytes  = 500
	// cachedSeconds is how long a function holds an epoch key, and how long AWS services hold a data key of KMS.
	cachedSeconds = 300
	// serviceCallers is how many parties beside functions and shards ask KMS: table, queue, logs, topic, database, cache.
	serviceCallers = 20

	// accessLineBytes is the access-log line of a request, platformBytes what Lambda writes about an invocation.
	accessLineBytes = 400
	platformBytes   = 350
	// flowRecords is what one running function causes each minute in flow logs, flowBytes the size of a record.
	flowRecords = 16
	flowBytes   = 150
	// logCompression is the part of its size that a log takes in storage.
	logCompression = 0.15
	// tracedShare is Lambda's own sampling; the first trace of each second is on top.
	tracedShare = 0.05

	// answerBytes is the answer to a request without its transactions, answerRecordBytes the part of each.
	answerBytes       = 250
	answerRecordBytes = 60
	// cacheTrafficBytes and databaseTrafficBytes go to and fro between functions and the two for a transaction.
	cacheTrafficBytes    = 6000
	databaseTrafficBytes = 2500
)
