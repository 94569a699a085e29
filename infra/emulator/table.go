package emulator

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	tableGone = "ResourceNotFoundException"
	// longestRecovery is how far back a table can be restored, in days, when nothing is said; it is also the most.
	longestRecovery = 35
)

func tableKinds() []Kind {
	return []Kind{{
		Token: "aws:dynamodb/table:Table",
		Replace: []string{
			"name", "hashKey", "rangeKey", "localSecondaryIndexes", "importTable", "restoreDateTime", "restoreSourceName",
			"restoreSourceTableArn", "restoreToLatestTime", "restoreBackupArn",
		},
		Check: checkTable, Create: createTable, Read: readTable, Update: updateTable, Delete: deleteTable,
	}}
}

func checkTable(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("globalSecondaryIndexes", "localSecondaryIndexes", "replicas", "importTable", "streamEnabled", "streamViewType",
		"restoreSourceName", "restoreSourceTableArn", "restoreBackupArn", "onDemandThroughput", "warmThroughput")
	i.name("name", 255, wordName)
	if in.Known("name") && len(in.Str("name")) < 3 {
		i.fault("name", "ValidationException: lengthen it to at least 3 characters")
	}
	i.given("hashKey", "attributes")
	i.oneOf("billingMode", "PROVISIONED", "PAY_PER_REQUEST")
	i.oneOf("tableClass", "STANDARD", "STANDARD_INFREQUENT_ACCESS")
	checkCapacity(i)
	checkAttributes(i)
	recovery := i.inside("pointInTimeRecovery")
	recovery.between("recoveryPeriodInDays", 1, longestRecovery)
	if recovery.in.Has("recoveryPeriodInDays") && recovery.in.Known("enabled") && !recovery.in.Bool("enabled") {
		recovery.fault("recoveryPeriodInDays", "ValidationException: set enabled to true, or leave the period away")
	}
	encryption := i.inside("serverSideEncryption")
	if encryption.in.Has("kmsKeyArn") && encryption.in.Known("enabled") && !encryption.in.Bool("enabled") {
		encryption.fault("kmsKeyArn", "ValidationException: set enabled to true: without, the key does nothing")
	}
	if ttl := i.inside("ttl"); ttl.in.Bool("enabled") && !ttl.in.Has("attributeName") {
		ttl.fault("attributeName", "ValidationException: name the attribute that holds the time of expiry")
	}
	return i.found()
}

// checkCapacity demands the capacities exactly when they are provisioned, which is the default.
func checkCapacity(i *inspection) {
	if i.in.Has("billingMode") && !i.in.Known("billingMode") {
		return
	}
	onDemand := i.in.Str("billingMode") == string(types.BillingModePayPerRequest)
	for _, p := range []string{"readCapacity", "writeCapacity"} {
		switch {
		case onDemand && i.in.Int(p) > 0:
			i.fault(p, "ValidationException: leave it away: billingMode is PAY_PER_REQUEST")
		case !onDemand && !i.in.Has(p):
			i.fault(p, "ValidationException: set it, or billingMode to PAY_PER_REQUEST")
		}
	}
}

// checkAttributes demands that exactly the attributes of the keys are declared.
func checkAttributes(i *inspection) {
	if !i.in.Known("attributes") || !i.in.Known("hashKey") || i.in.Has("rangeKey") && !i.in.Known("rangeKey") {
		return
	}
	declared := map[string]bool{}
	for _, a := range i.each("attributes") {
		a.oneOf("type", "S", "N", "B")
		name := a.in.Str("name")
		declared[name] = true
		if name != i.in.Str("hashKey") && name != i.in.Str("rangeKey") {
			a.fault("name", "ValidationException: remove %q: only attributes of keys are declared", name)
		}
	}
	for _, key := range []string{"hashKey", "rangeKey"} {
		if i.in.Has(key) && !declared[i.in.Str(key)] {
			i.fault(key, "ValidationException: declare %q among the attributes", i.in.Str(key))
		}
	}
}

func createTable(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("name")
	input := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingMode(in.Str("billingMode")), TableClass: types.TableClass(in.Str("tableClass")),
		DeletionProtectionEnabled: in.BoolPtr("deletionProtectionEnabled"), ProvisionedThroughput: throughput(in),
		KeySchema:        []types.KeySchemaElement{{AttributeName: in.StrPtr("hashKey"), KeyType: types.KeyTypeHash}},
		SSESpecification: tableKey(in), Tags: tagList(in.Tags(), tableTag),
	}
	if in.Has("rangeKey") {
		input.KeySchema = append(input.KeySchema, types.KeySchemaElement{AttributeName: in.StrPtr("rangeKey"), KeyType: types.KeyTypeRange})
	}
	for _, a := range in.Objects("attributes") {
		input.AttributeDefinitions = append(input.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: a.StrPtr("name"), AttributeType: types.ScalarAttributeType(a.Str("type")),
		})
	}
	if _, err := c.Table.CreateTable(ctx, input); err != nil {
		return "", nil, fmt.Errorf("create table %s: %w", name, err)
	}
	if err := c.setRecovery(ctx, nil, in); err != nil {
		return name, in, err
	}
	if err := c.setExpiry(ctx, nil, in); err != nil {
		return name, in, err
	}
	out, err := readTable(ctx, c, name, in)
	return name, out, err
}

func tableTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

func throughput(in Object) *types.ProvisionedThroughput {
	if in.Str("billingMode") == string(types.BillingModePayPerRequest) {
		return nil
	}
	return &types.ProvisionedThroughput{
		ReadCapacityUnits: aws.Int64(int64(in.Int("readCapacity"))), WriteCapacityUnits: aws.Int64(int64(in.Int("writeCapacity"))),
	}
}

// tableKey is the encryption by a key of KMS; without, the table is encrypted by a key of DynamoDB's.
func tableKey(in Object) *types.SSESpecification {
	encryption := in.Object("serverSideEncryption")
	if !encryption.Bool("enabled") {
		return nil
	}
	return &types.SSESpecification{Enabled: aws.Bool(true), SSEType: types.SSETypeKms, KMSMasterKeyId: encryption.StrPtr("kmsKeyArn")}
}

func (c *Cloud) setRecovery(ctx context.Context, state, in Object) error {
	before, after := state.Object("pointInTimeRecovery"), in.Object("pointInTimeRecovery")
	if !before.Bool("enabled") && !after.Bool("enabled") {
		return nil
	}
	spec := &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(after.Bool("enabled"))}
	if after.Bool("enabled") {
		spec.RecoveryPeriodInDays = after.Int32Ptr("recoveryPeriodInDays")
	}
	_, err := c.Table.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
		TableName: in.StrPtr("name"), PointInTimeRecoverySpecification: spec,
	})
	return wrap(err, "set point-in-time recovery of table %s", in.Str("name"))
}

func (c *Cloud) setExpiry(ctx context.Context, state, in Object) error {
	before, after := state.Object("ttl"), in.Object("ttl")
	if before.Bool("enabled") == after.Bool("enabled") {
		return nil
	}
	attribute := after.Str("attributeName")
	if !after.Bool("enabled") {
		attribute = before.Str("attributeName") // switching off names what was on
	}
	_, err := c.Table.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               in.StrPtr("name"),
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: aws.Bool(after.Bool("enabled"))},
	})
	return wrap(err, "set expiry of table %s", in.Str("name"))
}

// readTable leaves serverSideEncryption to the state: the emulator takes a key at creation and forgets later changes.
func readTable(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Table.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &id})
	if isCode(err, tableGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe table %s: %w", id, err)
	}
	backups, err := c.Table.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &id})
	if err != nil {
		return nil, fmt.Errorf("describe backups of table %s: %w", id, err)
	}
	ttl, err := c.Table.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &id})
	if err != nil {
		return nil, fmt.Errorf("describe expiry of table %s: %w", id, err)
	}
	recovery := map[string]any{"enabled": false}
	if r := backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription; r != nil && r.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled {
		recovery = map[string]any{"enabled": true, "recoveryPeriodInDays": longestRecovery}
		if r.RecoveryPeriodInDays != nil {
			recovery["recoveryPeriodInDays"] = int(*r.RecoveryPeriodInDays)
		}
		if !state.Object("pointInTimeRecovery").Has("recoveryPeriodInDays") && recovery["recoveryPeriodInDays"] == longestRecovery {
			delete(recovery, "recoveryPeriodInDays") // the program did not ask for it
		}
	}
	out := state.With(Object{
		"arn": aws.ToString(got.Table.TableArn), "name": id, "deletionProtectionEnabled": aws.ToBool(got.Table.DeletionProtectionEnabled),
		"pointInTimeRecovery": recovery, "tableClass": orElse(state.Str("tableClass"), "STANDARD"),
	})
	if b := got.Table.BillingModeSummary; b != nil {
		out["billingMode"] = string(b.BillingMode)
	}
	if d := ttl.TimeToLiveDescription; d != nil && d.TimeToLiveStatus == types.TimeToLiveStatusEnabled {
		out["ttl"] = map[string]any{"enabled": true, "attributeName": aws.ToString(d.AttributeName)}
	} else if state.Object("ttl").Bool("enabled") {
		out["ttl"] = map[string]any{"enabled": false}
	}
	return out, nil
}

func updateTable(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	input := &dynamodb.UpdateTableInput{
		TableName: &id, DeletionProtectionEnabled: aws.Bool(in.Bool("deletionProtectionEnabled")),
		BillingMode: types.BillingMode(in.Str("billingMode")), ProvisionedThroughput: throughput(in), SSESpecification: tableKey(in),
	}
	if _, err := c.Table.UpdateTable(ctx, input); err != nil {
		return nil, fmt.Errorf("update table %s: %w", id, err)
	}
	if err := c.setRecovery(ctx, state, in); err != nil {
		return nil, err
	}
	if err := c.setExpiry(ctx, state, in); err != nil {
		return nil, err
	}
	if err := c.tagTable(ctx, state.Str("arn"), state.Tags(), in.Tags()); err != nil {
		return nil, err
	}
	return readTable(ctx, c, id, in)
}

func (c *Cloud) tagTable(ctx context.Context, arn string, before, after map[string]string) error {
	return changeTags("table "+arn, before, after,
		func(set map[string]string) error {
			_, err := c.Table.TagResource(ctx, &dynamodb.TagResourceInput{ResourceArn: &arn, Tags: tagList(set, tableTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Table.UntagResource(ctx, &dynamodb.UntagResourceInput{ResourceArn: &arn, TagKeys: remove})
			return err
		})
}

// deleteTable relies on the emulator for deletion protection, which it enforces.
func deleteTable(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Table.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &id})
	return wrap(unless(err, tableGone), "delete table %s", id)
}
