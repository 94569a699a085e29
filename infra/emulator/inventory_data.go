package emulator

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	elasticachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretsmanagertypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// listKeys leaves out the aliases of AWS's own keys, which the emulator draws anew whenever it starts.
func listKeys(ctx context.Context, c *Cloud) ([]Item, error) {
	all, err := pages(ctx, kms.NewListKeysPaginator(c.Keys, &kms.ListKeysInput{}),
		func(o *kms.ListKeysOutput) []kmstypes.KeyListEntry { return o.Keys })
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, k := range all {
		got, err := c.Keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyId})
		if err != nil {
			return nil, err
		}
		out = append(out, Item{"kms", "key", aws.ToString(k.KeyId), string(got.KeyMetadata.KeyState)})
	}
	aliases, err := pages(ctx, kms.NewListAliasesPaginator(c.Keys, &kms.ListAliasesInput{}),
		func(o *kms.ListAliasesOutput) []kmstypes.AliasListEntry { return o.Aliases })
	if err != nil {
		return nil, err
	}
	for _, a := range aliases {
		if !strings.HasPrefix(aws.ToString(a.AliasName), "alias/aws/") {
			out = append(out, Item{"kms", "alias", aws.ToString(a.AliasName), aws.ToString(a.TargetKeyId)})
		}
	}
	return out, nil
}

func listStreams(ctx context.Context, c *Cloud) ([]Item, error) {
	names, err := pages(ctx, kinesis.NewListStreamsPaginator(c.Stream, &kinesis.ListStreamsInput{}),
		func(o *kinesis.ListStreamsOutput) []string { return o.StreamNames })
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, name := range names {
		arn := c.ARN("kinesis", "stream/"+name)
		out = append(out, Item{"kinesis", "stream", arn, name})
		consumers, err := c.Stream.ListStreamConsumers(ctx, &kinesis.ListStreamConsumersInput{StreamARN: &arn})
		if err != nil {
			return nil, err
		}
		for _, one := range consumers.Consumers {
			out = append(out, Item{"kinesis", "consumer", aws.ToString(one.ConsumerARN), aws.ToString(one.ConsumerName)})
		}
	}
	return out, nil
}

func listTables(ctx context.Context, c *Cloud) ([]Item, error) {
	names, err := pages(ctx, dynamodb.NewListTablesPaginator(c.Table, &dynamodb.ListTablesInput{}),
		func(o *dynamodb.ListTablesOutput) []string { return o.TableNames })
	if err != nil {
		return nil, err
	}
	out := collect("dynamodb", "table", names, func(name string) (string, string) { return name, "" })
	backups, err := c.Table.ListBackups(ctx, &dynamodb.ListBackupsInput{})
	if err != nil {
		return nil, err
	}
	return append(out, collect("dynamodb", "backup", backups.BackupSummaries, func(b dynamodbtypes.BackupSummary) (string, string) {
		return aws.ToString(b.BackupArn), aws.ToString(b.TableName)
	})...), nil
}

func listDatabases(ctx context.Context, c *Cloud) ([]Item, error) {
	instances, err := c.Database.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	if err != nil {
		return nil, err
	}
	out := collect("rds", "database", instances.DBInstances, func(d rdstypes.DBInstance) (string, string) {
		return aws.ToString(d.DBInstanceIdentifier), aws.ToString(d.DBInstanceStatus)
	})
	subnets, err := c.Database.DescribeDBSubnetGroups(ctx, &rds.DescribeDBSubnetGroupsInput{})
	if err != nil {
		return nil, err
	}
	out = append(out, collect("rds", "subnet group", subnets.DBSubnetGroups, func(g rdstypes.DBSubnetGroup) (string, string) {
		return aws.ToString(g.DBSubnetGroupName), aws.ToString(g.VpcId)
	})...)
	parameters, err := c.Database.DescribeDBParameterGroups(ctx, &rds.DescribeDBParameterGroupsInput{})
	if err != nil {
		return nil, err
	}
	out = append(out, collect("rds", "parameter group", parameters.DBParameterGroups, func(g rdstypes.DBParameterGroup) (string, string) {
		return aws.ToString(g.DBParameterGroupName), aws.ToString(g.DBParameterGroupFamily)
	})...)
	subscriptions, err := c.Database.DescribeEventSubscriptions(ctx, &rds.DescribeEventSubscriptionsInput{})
	if err != nil {
		return nil, err
	}
	return append(out, collect("rds", "event subscription", subscriptions.EventSubscriptionsList, func(s rdstypes.EventSubscription) (string, string) {
		return aws.ToString(s.CustSubscriptionId), aws.ToString(s.SourceType)
	})...), nil
}

func listBackups(ctx context.Context, c *Cloud) ([]Item, error) {
	snapshots, err := c.Database.DescribeDBSnapshots(ctx, &rds.DescribeDBSnapshotsInput{})
	if err != nil {
		return nil, err
	}
	out := collect("rds", "snapshot", snapshots.DBSnapshots, func(s rdstypes.DBSnapshot) (string, string) {
		return aws.ToString(s.DBSnapshotIdentifier), aws.ToString(s.SnapshotType)
	})
	automated, err := c.Database.DescribeDBInstanceAutomatedBackups(ctx, &rds.DescribeDBInstanceAutomatedBackupsInput{})
	if err != nil {
		return nil, err
	}
	return append(out, collect("rds", "automated backup", automated.DBInstanceAutomatedBackups, func(b rdstypes.DBInstanceAutomatedBackup) (string, string) {
		return aws.ToString(b.DBInstanceArn), aws.ToString(b.Status)
	})...), nil
}

func listCaches(ctx context.Context, c *Cloud) ([]Item, error) {
	live, err := c.caches(ctx)
	if err != nil {
		return nil, err
	}
	out := collect("elasticache", "replication group", live, func(g elasticachetypes.ReplicationGroup) (string, string) {
		return aws.ToString(g.ReplicationGroupId), aws.ToString(g.Status)
	})
	users, err := c.Cache.DescribeUsers(ctx, &elasticache.DescribeUsersInput{})
	if err != nil {
		return nil, err
	}
	out = append(out, collect("elasticache", "user", users.Users, func(u elasticachetypes.User) (string, string) {
		return aws.ToString(u.UserId), aws.ToString(u.Status)
	})...)
	subnets, err := c.Cache.DescribeCacheSubnetGroups(ctx, &elasticache.DescribeCacheSubnetGroupsInput{})
	if err != nil {
		return nil, err
	}
	out = append(out, collect("elasticache", "subnet group", subnets.CacheSubnetGroups, func(g elasticachetypes.CacheSubnetGroup) (string, string) {
		return aws.ToString(g.CacheSubnetGroupName), aws.ToString(g.VpcId)
	})...)
	snapshots, err := c.Cache.DescribeSnapshots(ctx, &elasticache.DescribeSnapshotsInput{})
	if err != nil {
		return nil, err
	}
	return append(out, collect("elasticache", "snapshot", snapshots.Snapshots, func(s elasticachetypes.Snapshot) (string, string) {
		return aws.ToString(s.SnapshotName), aws.ToString(s.SnapshotStatus)
	})...), nil
}

// listSecrets lists those that wait for their deletion, too.
func listSecrets(ctx context.Context, c *Cloud) ([]Item, error) {
	all, err := pages(ctx, secretsmanager.NewListSecretsPaginator(c.Secrets, &secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)}),
		func(o *secretsmanager.ListSecretsOutput) []secretsmanagertypes.SecretListEntry { return o.SecretList })
	return collect("secretsmanager", "secret", all, func(s secretsmanagertypes.SecretListEntry) (string, string) {
		return aws.ToString(s.ARN), aws.ToString(s.OwningService)
	}), err
}
