package emulator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

const (
	databaseGone       = "DBInstanceNotFound"
	subnetGroupGone    = "DBSubnetGroupNotFoundFault"
	parameterGroupGone = "DBParameterGroupNotFound"
	subscriptionGone   = "SubscriptionNotFound"
)

func databaseKinds() []Kind {
	return []Kind{
		{
			Token:    "aws:rds/subnetGroup:SubnetGroup",
			Required: []string{"subnetIds"},
			Replace:  []string{"name", "namePrefix"},
			Check:    checkSubnetGroup, Create: createSubnetGroup, Read: readSubnetGroup, Update: updateSubnetGroup, Delete: deleteSubnetGroup,
		},
		{
			Token:    "aws:rds/parameterGroup:ParameterGroup",
			Required: []string{"family"},
			Replace:  []string{"name", "namePrefix", "family", "description"},
			Check:    checkParameterGroup, Create: createParameterGroup, Read: readParameterGroup,
			Update: updateParameterGroup, Delete: deleteParameterGroup,
		},
		{
			Token:    "aws:rds/instance:Instance",
			Required: []string{"instanceClass"},
			Replace: []string{
				"availabilityZone", "backupTarget", "characterSetName", "customIamInstanceProfile", "dbName", "engine", "identifierPrefix",
				"kmsKeyId", "ncharCharacterSetName", "restoreToPointInTime", "s3Import", "snapshotIdentifier", "storageEncrypted",
				"timezone", "username",
			},
			Check: checkInstance, Create: createInstance, Read: readInstance, Update: updateInstance, Delete: deleteInstance,
		},
		{
			Token:    "aws:rds/eventSubscription:EventSubscription",
			Required: []string{"snsTopic"},
			Replace:  []string{"name", "namePrefix"},
			Check:    checkSubscription, Create: createSubscription, Read: readSubscription,
			Update: updateSubscription, Delete: deleteSubscription,
		},
	}
}

func databaseTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// described is the description, or the one that the real provider writes.
func described(in Object) string { return orElse(in.Str("description"), "Managed by Pulumi") }

func (c *Cloud) tagDatabase(ctx context.Context, arn string, before, after map[string]string) error {
	return changeTags(arn, before, after,
		func(set map[string]string) error {
			_, err := c.Database.AddTagsToResource(ctx, &rds.AddTagsToResourceInput{ResourceName: &arn, Tags: tagList(set, databaseTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Database.RemoveTagsFromResource(ctx, &rds.RemoveTagsFromResourceInput{ResourceName: &arn, TagKeys: remove})
			return err
		})
}

// usedBy refuses with code when a database uses the group that uses tells of.
func (c *Cloud) usedBy(ctx context.Context, code, what string, uses func(types.DBInstance) bool) error {
	got, err := c.Database.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	if err != nil {
		return fmt.Errorf("describe databases: %w", err)
	}
	for _, d := range got.DBInstances {
		if uses(d) {
			return refuse(code, "delete %s: database %s uses it", what, aws.ToString(d.DBInstanceIdentifier))
		}
	}
	return nil
}

func checkSubnetGroup(in Object) []Fault {
	i := inspect(in)
	i.name("name", 255, lowerName)
	if in.Str("name") == "default" {
		i.fault("name", "InvalidParameterValue: choose another name: default is taken")
	}
	return i.found()
}

// subnets are the subnets of the ids, which must all be there.
func (c *Cloud) subnets(ctx context.Context, ids []string) ([]ec2types.Subnet, error) {
	got, err := c.Network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: ids})
	if err != nil {
		return nil, fmt.Errorf("describe subnets: %w", err)
	}
	return got.Subnets, nil
}

// checkZones refuses subnets of a single availability zone, as RDS does and the emulator does not.
func (c *Cloud) checkZones(ctx context.Context, subnets []string) error {
	found, err := c.subnets(ctx, subnets)
	if err != nil {
		return err
	}
	zones := map[string]bool{}
	for _, s := range found {
		zones[aws.ToString(s.AvailabilityZone)] = true
	}
	if len(zones) < 2 {
		return refuse("DBSubnetGroupDoesNotCoverEnoughAZs", "give subnets in at least two availability zones, not %d", len(zones))
	}
	return nil
}

func createSubnetGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	if err := c.checkZones(ctx, in.Strings("subnetIds")); err != nil {
		return "", nil, fmt.Errorf("create subnet group %s: %w", name, err)
	}
	_, err := c.Database.CreateDBSubnetGroup(ctx, &rds.CreateDBSubnetGroupInput{
		DBSubnetGroupName: &name, DBSubnetGroupDescription: aws.String(described(in)), SubnetIds: in.Strings("subnetIds"),
		Tags: tagList(in.Tags(), databaseTag),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create subnet group %s: %w", name, err)
	}
	out, err := readSubnetGroup(ctx, c, name, in)
	return name, out, err
}

func readSubnetGroup(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Database.DescribeDBSubnetGroups(ctx, &rds.DescribeDBSubnetGroupsInput{DBSubnetGroupName: &id})
	if isCode(err, subnetGroupGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe subnet group %s: %w", id, err)
	}
	g := got.DBSubnetGroups[0]
	var subnets []string
	for _, s := range g.Subnets {
		subnets = append(subnets, aws.ToString(s.SubnetIdentifier))
	}
	return state.With(Object{
		"arn": aws.ToString(g.DBSubnetGroupArn), "name": id, "description": aws.ToString(g.DBSubnetGroupDescription),
		"vpcId": aws.ToString(g.VpcId), "subnetIds": sameOrder(state.Strings("subnetIds"), subnets),
		"supportedNetworkTypes": []any{"IPV4"},
	}), nil
}

// updateSubnetGroup makes the group anew: ModifyDBSubnetGroup of the emulator loses it. Databases keep their own copy.
func updateSubnetGroup(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	if err := c.checkZones(ctx, in.Strings("subnetIds")); err != nil {
		return nil, fmt.Errorf("update subnet group %s: %w", id, err)
	}
	_, err := c.Database.DeleteDBSubnetGroup(ctx, &rds.DeleteDBSubnetGroupInput{DBSubnetGroupName: &id})
	if err != nil {
		return nil, fmt.Errorf("update subnet group %s: %w", id, err)
	}
	_, out, err := createSubnetGroup(ctx, c, in)
	return out, err
}

func deleteSubnetGroup(ctx context.Context, c *Cloud, id string, _ Object) error {
	err := c.usedBy(ctx, "InvalidDBSubnetGroupStateFault", "subnet group "+id, func(d types.DBInstance) bool {
		return d.DBSubnetGroup != nil && aws.ToString(d.DBSubnetGroup.DBSubnetGroupName) == id
	})
	if err != nil {
		return err
	}
	_, err = c.Database.DeleteDBSubnetGroup(ctx, &rds.DeleteDBSubnetGroupInput{DBSubnetGroupName: &id})
	return wrap(unless(err, subnetGroupGone), "delete subnet group %s", id)
}

// subscriptionCategories are the categories of events of the sources that the stack watches.
func subscriptionCategories() map[string][]string {
	return map[string][]string{
		"db-instance": {
			"availability", "backup", "configuration change", "creation", "deletion", "failover", "failure", "low storage",
			"maintenance", "notification", "read replica", "recovery", "restoration", "security", "security patching",
		},
		"db-parameter-group": {"configuration change"},
		"db-security-group":  {"configuration change", "failure"},
	}
}

func checkSubscription(in Object) []Fault {
	i := inspect(in)
	i.name("name", 255, lowerName)
	i.oneOf("sourceType", "db-instance", "db-parameter-group", "db-security-group", "db-snapshot", "db-cluster", "db-cluster-snapshot", "db-proxy")
	if in.Has("sourceIds") && !in.Has("sourceType") {
		i.fault("sourceIds", "InvalidParameterCombination: set sourceType too")
	}
	known, listed := subscriptionCategories()[in.Str("sourceType")]
	for _, category := range in.Strings("eventCategories") {
		if listed && !slices.Contains(known, category) {
			i.fault("eventCategories", "SubscriptionCategoryNotFound: %q is no category of %s; there are %s",
				category, in.Str("sourceType"), strings.Join(known, ", "))
		}
	}
	return i.found()
}

func createSubscription(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	_, err := c.Database.CreateEventSubscription(ctx, &rds.CreateEventSubscriptionInput{
		SubscriptionName: &name, SnsTopicArn: in.StrPtr("snsTopic"), SourceType: in.StrPtr("sourceType"),
		EventCategories: in.Strings("eventCategories"), SourceIds: in.Strings("sourceIds"),
		Enabled: aws.Bool(in.BoolOr("enabled", true)), Tags: tagList(in.Tags(), databaseTag),
	})
	if err != nil {
		return "", nil, fmt.Errorf("subscribe %s: %w", name, err)
	}
	out, err := readSubscription(ctx, c, name, in)
	return name, out, err
}

func readSubscription(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Database.DescribeEventSubscriptions(ctx, &rds.DescribeEventSubscriptionsInput{SubscriptionName: &id})
	if isCode(err, subscriptionGone) || err == nil && len(got.EventSubscriptionsList) == 0 {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe subscription %s: %w", id, err)
	}
	s := got.EventSubscriptionsList[0]
	return state.With(Object{
		"arn": aws.ToString(s.EventSubscriptionArn), "name": id, "snsTopic": aws.ToString(s.SnsTopicArn),
		"enabled": aws.ToBool(s.Enabled), "customerAwsId": c.Account,
	}), nil
}

// updateSubscription makes it anew: the emulator answers 500 to ModifyEventSubscription. AWS changes it in place.
func updateSubscription(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := deleteSubscription(ctx, c, id, state); err != nil {
		return nil, err
	}
	_, out, err := createSubscription(ctx, c, in)
	return out, err
}

func deleteSubscription(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Database.DeleteEventSubscription(ctx, &rds.DeleteEventSubscriptionInput{SubscriptionName: &id})
	return wrap(unless(err, subscriptionGone), "delete subscription %s", id)
}
