package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const dynamoToken = "aws:dynamodb/table:Table"

func attribute(name, kind string) map[string]any { return map[string]any{"name": name, "type": kind} }

func TestTable(t *testing.T) {
	e := newEngine(t, Options{})
	key := e.create(keyToken, "table-key", Object{})
	table := e.create(dynamoToken, "table", Object{
		"name": "keys-test", "hashKey": "pk", "rangeKey": "sk", "attributes": []any{attribute("pk", "S"), attribute("sk", "S")},
		"billingMode": "PAY_PER_REQUEST", "deletionProtectionEnabled": false, "tags": tags("a", "1"),
		"serverSideEncryption": map[string]any{"enabled": true, "kmsKeyArn": key.out["arn"]},
		"pointInTimeRecovery":  map[string]any{"enabled": true, "recoveryPeriodInDays": 7.0},
		"ttl":                  map[string]any{"enabled": true, "attributeName": "expires"},
	})
	if table.id != "keys-test" {
		t.Errorf("id = %q, want the name", table.id)
	}
	table.equal(Object{"arn": "arn:aws:dynamodb:us-east-1:123456789012:table/keys-test", "tableClass": "STANDARD"})
	describe := func() *types.TableDescription {
		got, err := e.cloud.Table.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table.id})
		if err != nil {
			t.Fatal(err)
		}
		return got.Table
	}
	days := func() int32 {
		got, err := e.cloud.Table.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: &table.id})
		if err != nil {
			t.Fatal(err)
		}
		return *got.ContinuousBackupsDescription.PointInTimeRecoveryDescription.RecoveryPeriodInDays
	}
	if d := describe(); *d.SSEDescription.KMSMasterKeyArn != key.out["arn"] || len(d.KeySchema) != 2 || d.BillingModeSummary.BillingMode != "PAY_PER_REQUEST" {
		t.Errorf("table = %+v, want two keys, on demand, encrypted by %s", d, key.out["arn"])
	}
	if got := days(); got != 7 {
		t.Errorf("recovery = %d days, want 7", got)
	}
	table.update(Object{"pointInTimeRecovery": map[string]any{"enabled": true, "recoveryPeriodInDays": 14.0}, "tags": tags("b", "2")})
	if got := days(); got != 14 {
		t.Errorf("recovery = %d days, want 14", got)
	}
	table.update(Object{"ttl": map[string]any{"enabled": false}, "pointInTimeRecovery": map[string]any{"enabled": true}})
	ttl, err := e.cloud.Table.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table.id})
	if err != nil || ttl.TimeToLiveDescription.TimeToLiveStatus != "DISABLED" {
		t.Errorf("expiry = %v, %v, want none", ttl, err)
	}
	table.update(Object{"pointInTimeRecovery": map[string]any{"enabled": false}})
	table.update(Object{"billingMode": "PROVISIONED", "readCapacity": 3, "writeCapacity": 2, "deletionProtectionEnabled": true})
	if d := describe(); *d.ProvisionedThroughput.ReadCapacityUnits != 3 || !*d.DeletionProtectionEnabled {
		t.Errorf("table = %+v, want 3 reads, protected", d)
	}
	refused(t, table.tryDelete(), "DeletionProtectionEnabled")
	table.update(Object{"deletionProtectionEnabled": false})
	table.replaces(Object{"name": "other", "hashKey": "id", "rangeKey": "id"})
	table.delete()
}

func TestTableRefusals(t *testing.T) {
	base := Object{"name": "keys", "hashKey": "pk", "attributes": []any{attribute("pk", "S")}, "billingMode": "PAY_PER_REQUEST"}
	refusesAll(t, dynamoToken, base, map[string]refusal{
		"short":      {Object{"name": "ab"}, "name: ValidationException: lengthen it to at least 3 characters"},
		"recovery":   {Object{"pointInTimeRecovery": map[string]any{"enabled": true, "recoveryPeriodInDays": 36.0}}, "pointInTimeRecovery.recoveryPeriodInDays: InvalidParameterValue: set a whole number from 1 to 35, not 36"},
		"idle":       {Object{"pointInTimeRecovery": map[string]any{"enabled": false, "recoveryPeriodInDays": 7.0}}, "pointInTimeRecovery.recoveryPeriodInDays: ValidationException: set enabled to true, or leave the period away"},
		"key off":    {Object{"serverSideEncryption": map[string]any{"enabled": false, "kmsKeyArn": "k"}}, "serverSideEncryption.kmsKeyArn: ValidationException: set enabled to true: without, the key does nothing"},
		"no expiry":  {Object{"ttl": map[string]any{"enabled": true}}, "ttl.attributeName: ValidationException: name the attribute that holds the time of expiry"},
		"undeclared": {Object{"rangeKey": "sk"}, `rangeKey: ValidationException: declare "sk" among the attributes`},
		"too many":   {Object{"attributes": []any{attribute("pk", "S"), attribute("x", "S")}}, `attributes[1].name: ValidationException: remove "x": only attributes of keys are declared`},
		"type":       {Object{"attributes": []any{attribute("pk", "X")}}, `attributes[0].type: InvalidParameterValue: "X" is none of ["S" "N" "B"]`},
		"capacity":   {Object{"readCapacity": 5}, "readCapacity: ValidationException: leave it away: billingMode is PAY_PER_REQUEST"},
		"no reads":   {Object{"billingMode": "PROVISIONED", "writeCapacity": 1}, "readCapacity: ValidationException: set it, or billingMode to PAY_PER_REQUEST"},
		"index":      {Object{"globalSecondaryIndexes": []any{}}, "globalSecondaryIndexes: the emulator does not model this input: add it to infra/emulator, or do without it"},
	})
}
