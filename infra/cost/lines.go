package cost

import (
	"fmt"
	"math"
)

// stream is the data stream with its retention and, if chosen, enhanced fan-out.
func (m month) stream() Line {
	var bill meter
	shardHours := float64(m.shards) * hours
	if m.StreamMode == OnDemand {
		rounded := m.transactions * math.Ceil(float64(m.RecordBytes)/1024) * 1024 / gigabyte
		bill.add(StreamHour, hours)
		bill.add(OnDemandIn, rounded)
		out := OnDemandOut
		if m.EnhancedFanOut {
			out = OnDemandFanOut
		}
		bill.add(out, m.gigabytes)
		bill.add(OnDemandStorage, m.keptGB(24, 168))
	} else {
		bill.add(ShardHour, shardHours)
		bill.add(PutUnit, m.transactions/1e6*math.Ceil(float64(m.RecordBytes)/putUnitBytes))
		if m.RetentionHours > 24 {
			bill.add(ExtendedShardHour, shardHours)
		}
		if m.EnhancedFanOut {
			bill.add(FanOutShardHour, shardHours)
			bill.add(FanOutData, m.gigabytes)
		}
	}
	bill.add(LongTermStorage, m.keptGB(168, 8760))
	return bill.line(PartStream, fmt.Sprintf("%s, kept %d h", m.StreamMode, m.RetentionHours))
}

// keptGB is the volume of records that are between two ages, in hours, at any time.
func (m month) keptGB(from, to float64) float64 {
	kept := min(float64(m.RetentionHours), to) - from
	return max(0, kept) * m.gigabytes / hours
}

// processor is the Lambda function at the stream.
func (m month) processor() Line {
	var bill meter
	seconds := m.invocations*processSeconds + m.transactions*processRecordSeconds
	bill.add(FunctionRequest, m.invocations/1e6)
	bill.add(FunctionTime, seconds*float64(m.ProcessMemoryMiB)/1024)
	return bill.line(PartProcessor, fmt.Sprintf("%d shards", m.shards))
}

// requestSeconds is how long ingest runs for one request.
func (m month) requestSeconds() float64 {
	return ingestSeconds + ingestRecordSeconds*float64(m.BatchSize)
}

// ingest is the HTTP API and the function behind it.
func (m month) ingest() Line {
	var bill meter
	metered := m.requests / 1e6 * math.Ceil(float64(m.BatchSize)*float64(m.RecordBytes)/requestBytes)
	bill.tiers(metered, tier{RequestFirst, 300}, tier{item: RequestFurther})
	bill.add(FunctionRequest, m.requests/1e6)
	bill.add(FunctionTime, m.requests*m.requestSeconds()*float64(m.IngestMemoryMiB)/1024)
	return bill.line(PartIngest, fmt.Sprintf("%d in a request", m.BatchSize))
}

// database is the RDS instance, its standby and its storage. Backups up to the size of the storage are free.
func (m month) database() Line {
	var bill meter
	zones, note := 1.0, "one zone"
	if m.MultiAZ {
		zones, note = 2, "two zones"
	}
	bill.charge(m.class.Price, hours*zones)
	bill.add(DatabaseStorage, m.databaseGB*zones)
	bill.add(Secret, 1)
	return bill.line(PartDatabase, note)
}

// historyGB is what the windows of all entities take, and nodeGB what one node can hold of it.
func (m month) historyGB() float64 {
	return float64(m.TransactionsPerSecond) * 86400 * historyDays * historyBytes / gigabyte
}

func (m month) nodeGB() float64 { return m.node.MemoryGiB * (1 << 30) * nodeShare / gigabyte }

// cache is the ElastiCache replication group.
func (m month) cache() Line {
	var bill meter
	price := m.node.Price
	if m.CacheEngine == Valkey {
		price.Item, price.USD = "ElastiCache for Valkey: "+m.node.Name, price.USD*valkeyShare
	}
	nodes := m.cacheShards * (1 + m.CacheReplicas)
	bill.charge(price, float64(nodes)*hours)
	held := min(historyDays, historyDays*float64(m.cacheShards)*m.nodeGB()/m.historyGB())
	return bill.line(PartCache, fmt.Sprintf("%d shards of %d nodes", m.cacheShards, 1+m.CacheReplicas),
		fmt.Sprintf("holds %.3g of %d days of windows (%s GB)", held, historyDays, number(m.historyGB())))
}

// keys is the table of wrapped customer keys, and KMS.
func (m month) keys() Line {
	var bill meter
	stored := float64(m.Customers) * keyBytes / gigabyte
	bill.add(TableRead, m.transactions/1e6*keyReads)
	bill.add(TableWrite, m.transactions/1e6*m.NewCustomers*keyWrites)
	bill.add(TableStorage, stored)
	bill.add(TableRecovery, stored)
	bill.add(Key, float64(m.Keys))
	callers := m.environments + float64(m.shards) + serviceCallers
	bill.add(KeyRequest, callers*hours*3600/cachedSeconds/1e4)
	return bill.line(PartKeys)
}

// observability is logs with their storage, alarms, the dashboard and traces.
func (m month) observability() Line {
	var bill meter
	written := m.transactions/1e6*m.LogGBPerMillionTransactions +
		(m.requests*(accessLineBytes+platformBytes)+m.invocations*platformBytes)/gigabyte +
		m.environments*flowRecords*flowBytes*60*hours/gigabyte
	bill.tiers(written, tier{LogFirst, 10 * terabyteGB}, tier{LogSecond, 20 * terabyteGB}, tier{LogThird, 20 * terabyteGB},
		tier{item: LogFurther})
	bill.add(LogStorage, written*logCompression*float64(m.LogRetentionDays)*24/hours)
	bill.add(Alarm, float64(m.Alarms))
	bill.add(Dashboard, 1)
	if m.Tracing {
		first := min(m.requests, hours*3600) + min(m.invocations, hours*3600)
		bill.add(Trace, (first+tracedShare*(m.requests+m.invocations-first))/1e6)
	}
	return bill.line(PartObservability)
}

// egress is the way from private subnets to AWS services. What ingest writes to the stream passes it; what process reads
// does not, for Lambda polls the stream from outside the VPC.
func (m month) egress() Line {
	var bill meter
	if m.Egress == Endpoints {
		bill.add(EndpointHour, float64(m.InterfaceEndpoints*m.AvailabilityZones)*hours)
		bill.add(EndpointData, m.gigabytes)
		return bill.line(PartEgress, fmt.Sprintf("%d interface endpoints in %d zones", m.InterfaceEndpoints, m.AvailabilityZones))
	}
	bill.add(NATHour, float64(m.NATGateways)*hours)
	bill.add(NATData, m.gigabytes)
	return bill.line(PartEgress, fmt.Sprintf("%d NAT gateways", m.NATGateways))
}

// transfer is what leaves for the internet, and what crosses zones between functions, database and cache: of so many
// zones a function shares the other's in one case.
func (m month) transfer() Line {
	var bill meter
	answers := (m.requests*answerBytes + m.transactions*answerRecordBytes) / gigabyte
	bill.tiers(answers, tier{InternetFirst, 10 * terabyteGB}, tier{InternetSecond, 40 * terabyteGB},
		tier{InternetThird, 100 * terabyteGB}, tier{item: InternetFurther})
	elsewhere := 1 - 1/float64(m.AvailabilityZones)
	bill.add(ZoneData, m.transactions*(cacheTrafficBytes+databaseTrafficBytes)/gigabyte*elsewhere)
	return bill.line(PartTransfer)
}

// EndpointsPayFrom returns the volume in GB a month from which interface endpoints, each in every zone, cost less than NAT
// gateways. It is 0 when they do at any volume.
func EndpointsPayFrom(endpoints, zones, gateways int) float64 {
	fixed := float64(endpoints*zones)*prices[EndpointHour].USD - float64(gateways)*prices[NATHour].USD
	return max(0, fixed*hours/(prices[NATData].USD-prices[EndpointData].USD))
}
