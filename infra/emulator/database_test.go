package emulator

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

const (
	subnetGroupToken    = "aws:rds/subnetGroup:SubnetGroup"
	parameterGroupToken = "aws:rds/parameterGroup:ParameterGroup"
	instanceToken       = "aws:rds/instance:Instance"
	subscriptionToken   = "aws:rds/eventSubscription:EventSubscription"
)

func parameter(name, value, method string) map[string]any {
	return map[string]any{"name": name, "value": value, "applyMethod": method}
}

// databaseGroups makes the groups that a database needs, in a network of their own.
func (e *engine) databaseGroups(name string) (vpc, subnets, parameters *made) {
	e.t.Helper()
	vpc = e.vpc(name)
	a, b := e.subnet(vpc, "10.20.1.0/24", "us-east-1a"), e.subnet(vpc, "10.20.2.0/24", "us-east-1b")
	subnets = e.create(subnetGroupToken, name, Object{"name": name, "subnetIds": []any{a.id, b.id}, "tags": tags("a", "1")})
	parameters = e.create(parameterGroupToken, name, Object{
		"name": name + "-parameters", "family": "postgres16",
		"parameters": []any{parameter("rds.force_ssl", "1", "pending-reboot"), parameter("log_statement", "ddl", "immediate")},
	})
	return vpc, subnets, parameters
}

func TestDatabaseGroups(t *testing.T) {
	e := newEngine(t, Options{})
	vpc, subnets, parameters := e.databaseGroups("groups-test")
	subnets.equal(Object{
		"arn": "arn:aws:rds:us-east-1:123456789012:subgrp:groups-test", "vpcId": vpc.id, "description": "Managed by Pulumi",
	})
	third := e.subnet(vpc, "10.20.3.0/24", "us-east-1c")
	subnets.update(Object{"subnetIds": append(subnets.in.List("subnetIds"), third.id)})
	err := subnets.tryUpdate(subnets.in.With(Object{"subnetIds": []any{third.id}}))
	refused(t, err, "DBSubnetGroupDoesNotCoverEnoughAZs: give subnets in at least two availability zones, not 1")
	_, err = e.try(subnetGroupToken, "narrow", Object{"name": "narrow", "subnetIds": []any{third.id}})
	refused(t, err, "DBSubnetGroupDoesNotCoverEnoughAZs")
	_, err = e.try(subnetGroupToken, "nowhere", Object{"name": "nowhere", "subnetIds": []any{"subnet-00000000"}})
	refused(t, err, "InvalidSubnetID.NotFound")
	subnets.replaces(Object{"name": "other"})

	values := func() map[string]string {
		got, err := e.cloud.parameterValues(t.Context(), parameters.id)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	parameters.equal(Object{"arn": "arn:aws:rds:us-east-1:123456789012:pg:groups-test-parameters", "description": "Managed by Pulumi"})
	if got := values(); got["rds.force_ssl"] != "1" || got["log_statement"] != "ddl" {
		t.Errorf("parameters = %v, want TLS forced and changes of schema logged", got)
	}
	parameters.update(Object{"parameters": []any{parameter("rds.force_ssl", "1", "pending-reboot"), parameter("log_statement", "all", "immediate")}})
	if got := values(); got["log_statement"] != "all" {
		t.Errorf("parameters = %v, want all logged", got)
	}
	parameters.update(Object{"parameters": []any{parameter("rds.force_ssl", "1", "pending-reboot")}, "tags": tags("a", "1")})
	if got := values(); len(got) != 1 || got["rds.force_ssl"] != "1" {
		t.Errorf("parameters = %v, want only TLS forced", got)
	}
	parameters.replaces(Object{"name": "x", "family": "postgres15", "description": "x"})
	parameters.delete()
	subnets.delete()
}

// database makes a database as the stack has it.
func (e *engine) database(name string, more Object) (*made, *made) {
	e.t.Helper()
	vpc, subnets, parameters := e.databaseGroups(name)
	group := e.create(groupToken, name, Object{"vpcId": vpc.id, "name": name + "-rds", "description": "database"})
	key := e.create(keyToken, name, Object{})
	in := Object{
		"identifier": name, "engine": "postgres", "engineVersion": "16.4", "instanceClass": "db.t4g.medium", "allocatedStorage": 20,
		"maxAllocatedStorage": 100, "storageType": "gp3", "storageEncrypted": true, "kmsKeyId": key.out["arn"], "username": "fsadmin",
		"manageMasterUserPassword": true, "masterUserSecretKmsKeyId": key.out["arn"], "dbName": "fastshop", "port": 6432,
		"dbSubnetGroupName": subnets.id, "parameterGroupName": parameters.id, "vpcSecurityGroupIds": []any{group.id}, "multiAz": true,
		"publiclyAccessible": false, "backupRetentionPeriod": 7, "backupWindow": "03:00-04:00", "maintenanceWindow": "sun:05:00-sun:06:00",
		"iamDatabaseAuthenticationEnabled": true, "enabledCloudwatchLogsExports": []any{"postgresql", "upgrade"}, "copyTagsToSnapshot": true,
		"monitoringInterval": 60, "monitoringRoleArn": "arn:aws:iam::123456789012:role/monitoring", "performanceInsightsEnabled": true,
		"performanceInsightsKmsKeyId": key.out["arn"], "performanceInsightsRetentionPeriod": 7, "skipFinalSnapshot": true,
		"deletionProtection": false, "applyImmediately": true, "tags": tags("a", "1"),
	}
	return e.create(instanceToken, name, in.With(more)), key
}

// instance is the database as the emulator has it.
func instance(t *testing.T, m *made) types.DBInstance {
	t.Helper()
	got, err := m.cloud.Database.DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: m.in.StrPtr("identifier")})
	if err != nil {
		t.Fatal(err)
	}
	return got.DBInstances[0]
}

func TestInstance(t *testing.T) {
	e := newEngine(t, Options{})
	db, key := e.database("rds-test", nil)
	if !strings.HasPrefix(db.id, "db-") || len(db.id) != 29 {
		t.Errorf("id = %q, want a resource id of RDS", db.id)
	}
	address := db.out.Str("address")
	db.equal(Object{
		"arn": "arn:aws:rds:us-east-1:123456789012:db:rds-test", "resourceId": db.id, "endpoint": address + ":6432", "port": 6432,
		"hostedZoneId": "Z2R2ITUGPM61AM", "status": "available", "engineVersionActual": "16.4", "licenseModel": "postgresql-license",
	})
	if !strings.HasPrefix(address, "rds-test.") {
		t.Errorf("address = %q, want one of rds-test", address)
	}
	secrets := db.out.Objects("masterUserSecrets")
	if len(secrets) != 1 || secrets[0].Str("kmsKeyId") != key.out["arn"] || secrets[0].Str("secretStatus") != "active" {
		t.Fatalf("masterUserSecrets = %v, want an active one under %s", secrets, key.out["arn"])
	}
	if _, err := e.cloud.Secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: secrets[0].StrPtr("secretArn")}); err != nil {
		t.Errorf("describe the master secret: %v", err)
	}
	d := instance(t, db)
	if !*d.StorageEncrypted || *d.KmsKeyId != key.out["arn"] || *d.PubliclyAccessible || !*d.MultiAZ || !*d.IAMDatabaseAuthenticationEnabled || *d.BackupRetentionPeriod != 7 {
		t.Errorf("database = %+v, want it encrypted, private, in two zones, with IAM login and 7 days of backups", d)
	}
	db.update(Object{
		"instanceClass": "db.t4g.large", "backupRetentionPeriod": 14, "multiAz": false, "enabledCloudwatchLogsExports": []any{"postgresql"},
		"maxAllocatedStorage": 200, "tags": tags("b", "2"),
	})
	d = instance(t, db)
	if *d.DBInstanceClass != "db.t4g.large" || *d.BackupRetentionPeriod != 14 || *d.MultiAZ || *d.MaxAllocatedStorage != 200 ||
		!slices.Equal(d.EnabledCloudwatchLogsExports, []string{"postgresql"}) {
		t.Errorf("database = %+v, want the changes", d)
	}
	if len(d.TagList) != 1 || *d.TagList[0].Key != "b" {
		t.Errorf("tags = %v, want b only", d.TagList)
	}
	refused(t, db.tryUpdate(db.in.With(Object{"performanceInsightsKmsKeyId": "arn:other"})), "the key of Performance Insights can never change")
	db.replaces(Object{"kmsKeyId": "k", "storageEncrypted": false, "username": "x", "dbName": "x", "engine": "mysql", "availabilityZone": "us-east-1b"})
	db.update(Object{"identifier": "rds-renamed"})
	db.equal(Object{"arn": "arn:aws:rds:us-east-1:123456789012:db:rds-renamed", "resourceId": db.id})
	db.delete()
	if _, err := e.cloud.Secrets.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: secrets[0].StrPtr("secretArn")}); !isCode(err, "ResourceNotFoundException") {
		t.Errorf("describe the master secret of a deleted database: %v, want it gone", err)
	}
}

func TestInstanceDeletion(t *testing.T) {
	e := newEngine(t, Options{})
	db, _ := e.database("rds-kept", Object{"deletionProtection": true, "skipFinalSnapshot": nil, "manageMasterUserPassword": nil, "masterUserSecretKmsKeyId": nil, "password": "a-long-enough-password"})
	if secrets := db.out.List("masterUserSecrets"); len(secrets) != 0 {
		t.Errorf("masterUserSecrets = %v, want none for a password of one's own", secrets)
	}
	refused(t, db.tryDelete(), "InvalidParameterCombination: delete database rds-kept: set skipFinalSnapshot, or finalSnapshotIdentifier")
	db.update(Object{"skipFinalSnapshot": true})
	refused(t, db.tryDelete(), "Cannot delete protected DB Instance")

	groups := db.in.Str("parameterGroupName")
	refused(t, deleteParameterGroup(t.Context(), e.cloud, groups, nil), "InvalidDBParameterGroupState: delete parameter group "+groups+": database rds-kept uses it")
	refused(t, deleteSubnetGroup(t.Context(), e.cloud, "rds-kept", nil), "InvalidDBSubnetGroupStateFault: delete subnet group rds-kept: database rds-kept uses it")

	db.update(Object{"deletionProtection": false, "skipFinalSnapshot": false, "finalSnapshotIdentifier": "last"})
	db.delete()
	snapshots, err := e.cloud.Database.DescribeDBSnapshots(t.Context(), &rds.DescribeDBSnapshotsInput{DBSnapshotIdentifier: aws.String("last")})
	if err != nil || len(snapshots.DBSnapshots) != 1 {
		t.Fatalf("final snapshots = %v, %v, want one", snapshots, err)
	}
	if _, err := e.cloud.Database.DeleteDBSnapshot(t.Context(), &rds.DeleteDBSnapshotInput{DBSnapshotIdentifier: aws.String("last")}); err != nil {
		t.Fatal(err)
	}
}

func TestEventSubscription(t *testing.T) {
	e := newEngine(t, Options{})
	s := e.create(subscriptionToken, "events", Object{
		"name": "events-test", "snsTopic": "arn:aws:sns:us-east-1:123456789012:alarms", "sourceType": "db-instance",
		"eventCategories": []any{"failure", "maintenance"}, "tags": tags("a", "1"),
	})
	s.equal(Object{"arn": "arn:aws:rds:us-east-1:123456789012:es:events-test", "enabled": true, "customerAwsId": "123456789012"})
	s.update(Object{"eventCategories": []any{"failure"}, "enabled": false})
	got, err := e.cloud.Database.DescribeEventSubscriptions(t.Context(), &rds.DescribeEventSubscriptionsInput{SubscriptionName: &s.id})
	if err != nil || *got.EventSubscriptionsList[0].Enabled || !slices.Equal(got.EventSubscriptionsList[0].EventCategoriesList, []string{"failure"}) {
		t.Errorf("subscription = %v, %v, want failures only, off", got, err)
	}
	s.replaces(Object{"name": "x"})
	s.delete()
}
