package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// alarm is one thing that somebody must be told of.
type alarm struct {
	name       string
	means      string // what is wrong and what to do first, for whoever is woken
	namespace  string
	metric     string
	dimensions pulumi.StringMap
	statistic  string  // Sum, Average, Maximum or pNN
	above      float64 // alarm beyond this; below it, if below is set
	below      bool
	minutes    int // of the last minutes, all must be beyond
}

// alarms are all of them but those of cache nodes and schedules, which there are several of.
func (s *TapStack) alarms() []alarm {
	stream := pulumi.StringMap{"StreamName": s.stream.stream.Name}
	queue := pulumi.StringMap{"QueueName": s.queue.deadLetters.Name}
	db := pulumi.StringMap{"DBInstanceIdentifier": s.database.instance.Identifier}
	table := pulumi.StringMap{"TableName": s.keystore.table.Name}
	api := pulumi.StringMap{"ApiId": s.edge.api.ID()}
	ingest := pulumi.StringMap{"FunctionName": s.compute.ingest.Name}
	process := pulumi.StringMap{"FunctionName": s.compute.process.Name}
	admin := pulumi.StringMap{"FunctionName": s.compute.admin.Name}
	halfRetention := float64(s.args.StreamRetentionHours) / 2 * 3600 * 1000 // ms
	return []alarm{
		{"process-late", "Decisions lag a minute behind: see errors of process, then the database's load", "AWS/Lambda", "IteratorAge", process, "Maximum", 60_000, false, 5},
		{"process-retention", "Half of the stream's retention is behind: raise streamRetentionHours now, then find out why", "AWS/Lambda", "IteratorAge", process, "Maximum", halfRetention, false, 1},
		{"stream-write-throttled", "Producers are turned away: raise transactionsPerSecond or shardCount; one hot shard means one hot customer", "AWS/Kinesis", "WriteProvisionedThroughputExceeded", stream, "Sum", 0, false, 5},
		{"stream-read-throttled", "Readers are turned away: set enhancedFanOut, or raise shardCount", "AWS/Kinesis", "ReadProvisionedThroughputExceeded", stream, "Sum", 0, false, 5},
		{"stream-put-failed", "Some records of batches fail: ingest repeats them; if it lasts, see throttling and the stream key", "AWS/Kinesis", "PutRecords.FailedRecords", stream, "Sum", 0, false, 5},
		{"dead-letters", "Batches of the stream were given up: see the log of process, mend the cause, and have admin carry them again before the stream forgets them (docs/runbook.md)", "AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, "Maximum", 0, false, 1},
		{"ingest-errors", "Function ingest fails: payments get 5xx; see its log", "AWS/Lambda", "Errors", ingest, "Sum", 5, false, 1},
		{"process-errors", "Function process fails; batches are repeated: see its log", "AWS/Lambda", "Errors", process, "Sum", 0, false, 3},
		{"admin-errors", "A scheduled task or command failed: see the log of admin", "AWS/Lambda", "Errors", admin, "Sum", 0, false, 1},
		{"ingest-throttled", "More calls than ingestConcurrency: raise it, mind the database's connections", "AWS/Lambda", "Throttles", ingest, "Sum", 0, false, 3},
		{"process-throttled", "More batches than processConcurrency: raise it to twice the shards at least", "AWS/Lambda", "Throttles", process, "Sum", 0, false, 3},
		{"ingest-slow", "One call in a hundred takes over half a second: see database and cache", "AWS/Lambda", "Duration", ingest, "p99", 500, false, 5},
		{"api-errors", "The API answers 5xx: see the log of ingest", "AWS/ApiGateway", "5xx", api, "Sum", 5, false, 1},
		{"database-cpu", "The database works at its limit: see Performance Insights, then take a larger databaseClass", "AWS/RDS", "CPUUtilization", db, "Average", 80, false, 10},
		{"database-memory", "Less than 256 MiB are free: take a larger databaseClass, or lower the functions' concurrency", "AWS/RDS", "FreeableMemory", db, "Average", 256 << 20, true, 10},
		{"database-storage", "Less than 10 GiB are free and RDS could not grow: raise databaseMaxStorageGiB", "AWS/RDS", "FreeStorageSpace", db, "Minimum", 10 << 30, true, 5},
		{"database-connections", "More connections than the functions' concurrency explains: somebody leaks them", "AWS/RDS", "DatabaseConnections", db, "Maximum", float64(s.args.connections(s.load.Shards)), false, 5},
		{"database-transactions", "Transaction ids run out in days: see autovacuum, end what has been open for long", "AWS/RDS", "MaximumUsedTransactionIDs", db, "Maximum", 1e9, false, 1},
		{"keys-throttled", "Reads of wrapped customer keys are turned away: ingest answers 503; see for a hot key", "AWS/DynamoDB", "ReadThrottleEvents", table, "Sum", 0, false, 1},
		{"keys-write-throttled", "Writes of wrapped customer keys are turned away: new customers get 503", "AWS/DynamoDB", "WriteThrottleEvents", table, "Sum", 0, false, 1},
	}
}

// cacheAlarms are those of one node.
func cacheAlarms(node string) []alarm {
	where := pulumi.StringMap{"CacheClusterId": pulumi.String(node)}
	return []alarm{
		{"cache-cpu", "A node of the cache works at its limit: raise cacheShards, or take a larger cacheNodeType", "AWS/ElastiCache", "EngineCPUUtilization", where, "Average", 80, false, 5},
		{"cache-memory", "A node of the cache is nearly full; once it is, nothing more is counted and decisions are marked features_degraded: raise cacheShards, or take a larger cacheNodeType", "AWS/ElastiCache", "DatabaseMemoryUsagePercentage", where, "Average", 80, false, 5},
		{"cache-lag", "A replica is ten seconds behind: a failover now would lose that much of the windows", "AWS/ElastiCache", "ReplicationLag", where, "Maximum", 10, false, 5},
	}
}

// cacheAlarmPrefixes are the first parts of the names of nodes' alarms, which are numbered: a cluster has at most 90.
func cacheAlarmPrefixes() []string {
	var prefixes []string
	for _, a := range cacheAlarms("") {
		prefixes = append(prefixes, a.name+"-alarm")
	}
	return prefixes
}

// alarmPrefixes are the first parts of the names of all other alarms.
func alarmPrefixes() []string {
	prefixes := []string{"process-late", "process-retention", "stream-write-throttled", "stream-read-throttled", "stream-put-failed", "dead-letters",
		"ingest-errors", "process-errors", "admin-errors", "ingest-throttled", "process-throttled", "ingest-slow", "api-errors",
		"database-cpu", "database-memory", "database-storage", "database-connections", "database-transactions", "keys-throttled", "keys-write-throttled"}
	for i := range prefixes {
		prefixes[i] += "-alarm"
	}
	for _, t := range tasks() {
		prefixes = append(prefixes, t.name+"-missed-alarm")
	}
	return prefixes
}

func (s *TapStack) buildAlarms() {
	for _, a := range s.alarms() {
		s.alarm(s.name(a.name+"-alarm"), a)
	}
	for i, node := range s.cacheNodes() {
		for _, a := range cacheAlarms(node) {
			s.alarm(s.numbered(a.name+"-alarm", i+1), a)
		}
	}
	for _, t := range tasks() {
		s.alarm(s.name(t.name+"-missed-alarm"), alarm{t.name, "The scheduled task could not be started: see the rule's target and the permission of admin", "AWS/Events", "FailedInvocations",
			pulumi.StringMap{"RuleName": pulumi.String(s.name(t.name + "-schedule"))}, "Sum", 0, false, 1})
	}
}

// alarm registers one alarm. Nothing measured is nothing wrong: most of these metrics appear with the first event.
func (s *TapStack) alarm(name string, a alarm) {
	args := &cloudwatch.MetricAlarmArgs{
		Name: pulumi.String(name), AlarmDescription: pulumi.String(a.means), Namespace: pulumi.String(a.namespace), MetricName: pulumi.String(a.metric),
		Dimensions: a.dimensions, Period: pulumi.Int(60), EvaluationPeriods: pulumi.Int(a.minutes), DatapointsToAlarm: pulumi.Int(a.minutes),
		ComparisonOperator: pulumi.String("GreaterThanThreshold"), Threshold: pulumi.Float64(a.above), TreatMissingData: pulumi.String("notBreaching"),
		ActionsEnabled: pulumi.Bool(true), AlarmActions: pulumi.Array{s.topic.Arn}, OkActions: pulumi.Array{s.topic.Arn},
	}
	if a.below {
		args.ComparisonOperator = pulumi.String("LessThanThreshold")
	}
	if a.statistic == "p99" {
		args.ExtendedStatistic = pulumi.String(a.statistic)
	} else {
		args.Statistic = pulumi.String(a.statistic)
	}
	add(s, cloudwatch.NewMetricAlarm, name, args)
}
