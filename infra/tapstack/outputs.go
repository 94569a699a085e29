package tapstack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Outputs are what the stack tells, by name. The first eight are the contract with whoever used the stack's
// predecessor; the rest is for the program and for people. None is a secret.
func (s *TapStack) Outputs() pulumi.Map { return s.outputs }

func (s *TapStack) buildOutputs() {
	arns := pulumi.StringMap{}
	for class, key := range s.keys {
		arns[string(class)] = key.Arn
	}
	s.outputs = pulumi.Map{
		"vpc_id":              s.network.vpc.ID().ToStringOutput(),
		"kinesis_stream_name": s.stream.stream.Name,
		"kinesis_stream_arn":  s.stream.stream.Arn,
		"rds_endpoint":        s.database.instance.Endpoint,
		"rds_arn":             s.database.instance.Arn,
		"redis_endpoint":      s.cache.endpoint,
		"redis_port":          pulumi.Int(cachePort),
		"kms_key_id":          s.keys[ClassStream].ID().ToStringOutput(),

		"account_id":            pulumi.String(s.account),
		"region":                pulumi.String(Region),
		"availability_zones":    pulumi.ToStringArray(s.zones),
		"private_subnet_ids":    s.privateSubnets(),
		"kms_key_arns":          arns,
		"kinesis_sizing":        s.sizing(),
		"redis_endpoint_kind":   pulumi.String(s.cache.kind), // configuration: cluster-aware client; primary: ordinary one
		"redis_tls":             pulumi.Bool(true),
		"rds_database":          pulumi.String(databaseName),
		"rds_master_secret_arn": s.database.secretArn,
		"customer_keys_table":   s.keystore.table.Name,
		"dead_letter_queue_url": s.queue.deadLetters.Url,
		"alarm_topic_arn":       s.topic.Arn,
		"api_endpoint":          s.edge.api.ApiEndpoint,
		"ingest_function":       s.compute.ingest.Name,
		"process_function":      s.compute.process.Name,
		"admin_function":        s.compute.admin.Name,
		"dashboard_url":         pulumi.String(s.dashboardURL()),
		"code_sha256":           pulumi.String(s.compute.codeHash),
		"settings":              s.compute.settings,
	}
}

// sizing is what the stream was sized for, and by the formula of ../sizing how much of it the load takes and which share
// of the load one customer may have, so that an operator sees when it no longer fits.
func (s *TapStack) sizing() pulumi.Map {
	m := pulumi.Map{
		"stream_mode": pulumi.String(string(s.args.StreamMode)), "record_bytes": pulumi.Int(s.args.RecordBytes),
	}
	if s.args.TransactionsPerSecond > 0 {
		m["transactions_per_second"] = pulumi.Int(s.args.TransactionsPerSecond)
	}
	if s.args.StreamMode == StreamProvisioned {
		m["shards"] = pulumi.Int(s.load.Shards)
	}
	if s.load.WriteUtilization > 0 {
		m["write_utilization"], m["hot_key_share"] = pulumi.Float64(s.load.WriteUtilization), pulumi.Float64(s.load.HotKeyShare)
	}
	return m
}
