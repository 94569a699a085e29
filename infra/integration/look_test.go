package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/fastshop/pipeline/infra/deployment"
)

// equal compares what the emulator says with what must be.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// checkOutputs holds the contract of the eight names, and that the settings name what was made.
func checkOutputs(t *testing.T, g *ground, out deployment.Outputs) {
	t.Helper()
	for _, name := range []string{"vpc_id", "kinesis_stream_name", "kinesis_stream_arn", "rds_endpoint", "rds_arn", "redis_endpoint", "redis_port", "kms_key_id"} {
		if v := out[name].String(); v == "" || v == "null" {
			t.Errorf("output %s is empty", name)
		}
	}
	equal(t, "kinesis_stream_name", out["kinesis_stream_name"].String(), "kinesis-stream-life")
	equal(t, "kinesis_stream_arn", out["kinesis_stream_arn"].String(), "arn:aws:kinesis:us-east-1:"+g.cloud.Account+":stream/kinesis-stream-life")
	equal(t, "redis_port", out["redis_port"].String(), "6380")
	equal(t, "redis_endpoint_kind", out["redis_endpoint_kind"].String(), "configuration")

	groups, err := g.cloud.Cache.DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("redis-life")})
	ok(t, err)
	equal(t, "redis_endpoint", out["redis_endpoint"].String(), aws.ToString(groups.ReplicationGroups[0].ConfigurationEndpoint.Address))
	dbs, err := g.cloud.Database.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("rds-life")})
	ok(t, err)
	equal(t, "rds_endpoint", out["rds_endpoint"].String(), aws.ToString(dbs.DBInstances[0].Endpoint.Address)+":6432")
	equal(t, "rds_arn", out["rds_arn"].String(), aws.ToString(dbs.DBInstances[0].DBInstanceArn))

	settings, _ := out["settings"].Reveal().(map[string]any)
	ingest, _ := settings["ingest"].(map[string]any)
	equal(t, "ingest's stream", ingest["FASTSHOP_STREAM"].(string), "kinesis://kinesis-stream-life?region=us-east-1")
}

// checkStream asks for encryption under our key, retention and shards, and puts a record through.
func checkStream(t *testing.T, g *ground, suffix string, shards int32) {
	t.Helper()
	name := aws.String("kinesis-stream-" + suffix)
	summary, err := g.cloud.Stream.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: name})
	ok(t, err)
	s := summary.StreamDescriptionSummary
	equal(t, "encryption", s.EncryptionType, kinesistypes.EncryptionTypeKms)
	equal(t, "retention", aws.ToInt32(s.RetentionPeriodHours), 168)
	equal(t, "open shards", aws.ToInt32(s.OpenShardCount), shards)
	alias, err := g.cloud.Keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/stream-key-" + suffix)})
	ok(t, err)
	equal(t, "the stream's key", aws.ToString(s.KeyId), aws.ToString(alias.KeyMetadata.Arn))

	data := fmt.Sprintf("sealed for %d shards", shards)
	_, err = g.cloud.Stream.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("token"), Data: []byte(data)})
	ok(t, err)
	list, err := g.cloud.Stream.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name})
	ok(t, err)
	read := 0
	for _, shard := range list.Shards {
		it, err := g.cloud.Stream.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: name, ShardId: shard.ShardId, ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon})
		ok(t, err)
		records, err := g.cloud.Stream.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
		ok(t, err)
		for _, r := range records.Records {
			if string(r.Data) == data {
				read++
			}
		}
	}
	equal(t, "times that the record was read", read, 1)
}

func checkDatabase(t *testing.T, g *ground, suffix string) {
	t.Helper()
	dbs, err := g.cloud.Database.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("rds-" + suffix)})
	ok(t, err)
	db := dbs.DBInstances[0]
	equal(t, "publicly accessible", aws.ToBool(db.PubliclyAccessible), false)
	equal(t, "storage encrypted", aws.ToBool(db.StorageEncrypted), true)
	equal(t, "deletion protection", aws.ToBool(db.DeletionProtection), false)
	equal(t, "IAM sign-in", aws.ToBool(db.IAMDatabaseAuthenticationEnabled), true)
	equal(t, "backup days", aws.ToInt32(db.BackupRetentionPeriod), 7)
	equal(t, "backup window", aws.ToString(db.PreferredBackupWindow), "03:00-04:00")
	equal(t, "maintenance window", aws.ToString(db.PreferredMaintenanceWindow), "sun:05:00-sun:06:00")
	key, err := g.cloud.Keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/database-key-" + suffix)})
	ok(t, err)
	equal(t, "the database's key", aws.ToString(db.KmsKeyId), aws.ToString(key.KeyMetadata.Arn))
	if db.MasterUserSecret == nil || aws.ToString(db.MasterUserSecret.SecretArn) == "" {
		t.Error("the master password is not in a managed secret")
	}
	private := map[string]bool{}
	for _, id := range g.subnets(t, suffix, "subnet-private-") {
		private[id] = true
	}
	for _, subnet := range db.DBSubnetGroup.Subnets {
		if !private[aws.ToString(subnet.SubnetIdentifier)] {
			t.Errorf("the database may live in %s, which is not private", aws.ToString(subnet.SubnetIdentifier))
		}
	}
}

func checkCache(t *testing.T, g *ground, suffix string) {
	t.Helper()
	groups, err := g.cloud.Cache.DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("redis-" + suffix)})
	ok(t, err)
	c := groups.ReplicationGroups[0]
	equal(t, "failover", string(c.AutomaticFailover), "enabled")
	equal(t, "encrypted at rest", aws.ToBool(c.AtRestEncryptionEnabled), true)
	equal(t, "encrypted on the way", aws.ToBool(c.TransitEncryptionEnabled), true)
	key, err := g.cloud.Keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/cache-key-" + suffix)})
	ok(t, err)
	equal(t, "the cache's key", aws.ToString(c.KmsKeyId), aws.ToString(key.KeyMetadata.Arn))
}

// checkPrimary shows that a replicated cache is announced by its primary endpoint, and has no other to announce.
func checkPrimary(t *testing.T, g *ground, suffix, announced string) {
	t.Helper()
	groups, err := g.cloud.Cache.DescribeReplicationGroups(t.Context(), &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String("redis-" + suffix)})
	ok(t, err)
	c := groups.ReplicationGroups[0]
	if c.ConfigurationEndpoint != nil {
		t.Errorf("a replicated cache has the configuration endpoint %s", aws.ToString(c.ConfigurationEndpoint.Address))
	}
	equal(t, "redis_endpoint", announced, aws.ToString(c.NodeGroups[0].PrimaryEndpoint.Address))
}

// subnets are the ids of the environment's subnets whose name begins so.
func (g *ground) subnets(t *testing.T, suffix, prefix string) []string {
	t.Helper()
	list, err := g.cloud.Network.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: []ec2types.Filter{
		{Name: aws.String("tag:environment"), Values: []string{suffix}},
	}})
	ok(t, err)
	var ids []string
	for _, s := range list.Subnets {
		for _, tag := range s.Tags {
			if aws.ToString(tag.Key) == "Name" && strings.HasPrefix(aws.ToString(tag.Value), prefix) {
				ids = append(ids, aws.ToString(s.SubnetId))
			}
		}
	}
	return ids
}

// checkNetwork shows that no group of the VPC lets the world in, that the default group is empty, and that no subnet
// gives public addresses away.
func checkNetwork(t *testing.T, g *ground, out deployment.Outputs) {
	t.Helper()
	inVpc := []ec2types.Filter{{Name: aws.String("vpc-id"), Values: []string{out["vpc_id"].String()}}}
	groups, err := g.cloud.Network.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: inVpc})
	ok(t, err)
	equal(t, "security groups, the default one included", len(groups.SecurityGroups), 6)
	for _, group := range groups.SecurityGroups {
		for _, rule := range group.IpPermissions {
			if len(rule.IpRanges) > 0 || len(rule.Ipv6Ranges) > 0 {
				t.Errorf("%s lets addresses in: %v", aws.ToString(group.GroupName), rule)
			}
		}
		if aws.ToString(group.GroupName) == "default" && len(group.IpPermissions)+len(group.IpPermissionsEgress) > 0 {
			t.Error("the default group has rules")
		}
	}
	subnets, err := g.cloud.Network.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: inVpc})
	ok(t, err)
	equal(t, "subnets", len(subnets.Subnets), 4)
	for _, s := range subnets.Subnets {
		equal(t, "public address on launch in "+aws.ToString(s.CidrBlock), aws.ToBool(s.MapPublicIpOnLaunch), false)
	}
	logs, err := g.cloud.Network.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{})
	ok(t, err)
	equal(t, "flow logs", len(logs.FlowLogs), 1)
}

// checkKeys reads the policy of the personal-data key back: exactly the two roles, and process nowhere.
func checkKeys(t *testing.T, g *ground, out deployment.Outputs) {
	t.Helper()
	arns, _ := out["kms_key_arns"].Reveal().(map[string]any)
	equal(t, "keys", len(arns), 7)
	for class, arn := range arns {
		status, err := g.cloud.Keys.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: aws.String(arn.(string))})
		ok(t, err)
		equal(t, "rotation of "+class, status.KeyRotationEnabled, true)
	}
	got, err := g.cloud.Keys.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: aws.String(arns["pii"].(string)), PolicyName: aws.String("default")})
	ok(t, err)
	var policy struct {
		Statement []struct {
			Sid       string
			Action    []string
			Condition map[string]map[string][]string
		}
	}
	ok(t, json.Unmarshal([]byte(aws.ToString(got.Policy)), &policy))
	users := map[string][]string{}
	for _, s := range policy.Statement {
		for _, role := range s.Condition["ArnEquals"]["aws:PrincipalArn"] {
			users[role[strings.LastIndex(role, "/")+1:]] = s.Action
			equal(t, "purpose in "+s.Sid, strings.Join(s.Condition["StringEquals"]["kms:EncryptionContext:purpose"], ","), "epoch")
		}
	}
	if len(users) != 2 || !slices.Equal(users["ingest-role-life"], []string{"kms:GenerateDataKey", "kms:Decrypt"}) || !slices.Equal(users["admin-role-life"], []string{"kms:GenerateDataKey", "kms:Decrypt"}) {
		t.Errorf("the personal-data key is open to %v", users)
	}
	if strings.Contains(aws.ToString(got.Policy), "process-role") {
		t.Error("the personal-data key's policy names process")
	}
}

func checkFunctions(t *testing.T, g *ground, suffix string) {
	t.Helper()
	for _, name := range []string{"ingest", "process", "admin"} {
		f, err := g.cloud.Function.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String(name + "-function-" + suffix)})
		ok(t, err)
		equal(t, name+" runs on", string(f.Configuration.Runtime), "provided.al2023")
		equal(t, name+"'s handler", aws.ToString(f.Configuration.Handler), name)
		equal(t, name+"'s subnets", len(f.Configuration.VpcConfig.SubnetIds), 2)
		equal(t, name+"'s environment", f.Configuration.Environment.Variables["FASTSHOP_ENVIRONMENT"], suffix)
	}
	stream := "arn:aws:kinesis:us-east-1:" + g.cloud.Account + ":stream/kinesis-stream-" + suffix
	sources, err := g.cloud.Function.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{EventSourceArn: aws.String(stream)})
	ok(t, err)
	if len(sources.EventSourceMappings) != 1 {
		t.Fatalf("the stream has %d readers, want 1", len(sources.EventSourceMappings))
	}
	if arn := aws.ToString(sources.EventSourceMappings[0].FunctionArn); !strings.HasSuffix(arn, "process-function-"+suffix) {
		t.Errorf("the stream is read by %s", arn)
	}
}
