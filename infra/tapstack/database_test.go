package tapstack_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

const instance = "aws:rds/instance:Instance"

// defaultDatabase is what RDS is given with the default arguments.
func (d deployed) defaultDatabase() inputs {
	key := d.arn("database-key-dev")
	return inputs{
		"identifier": "rds-dev", "dbName": "fastshop", "engine": "postgres", "engineVersion": "17", "instanceClass": "db.t4g.medium",
		"engineLifecycleSupport": "open-source-rds-extended-support-disabled", "autoMinorVersionUpgrade": true, "allowMajorVersionUpgrade": true, "applyImmediately": false,
		// In private subnets, behind its group, at a port that nobody scans.
		"dbSubnetGroupName": "rds-subnet-group-dev", "vpcSecurityGroupIds": d.ids("database-sg-dev"), "port": 6432,
		"publiclyAccessible": false, "multiAz": true, "caCertIdentifier": "rds-ca-rsa2048-g1",
		"storageType": "gp3", "allocatedStorage": 50, "maxAllocatedStorage": 200, "storageEncrypted": true, "kmsKeyId": key,
		// The master password is RDS's to keep and to turn; functions sign in by IAM.
		"username": "fsadmin", "manageMasterUserPassword": true, "masterUserSecretKmsKeyId": key, "iamDatabaseAuthenticationEnabled": true,
		"parameterGroupName":    "postgres17-parameter-group-dev",
		"backupRetentionPeriod": 7, "backupWindow": "03:00-04:00", "maintenanceWindow": "sun:05:00-sun:06:00", "copyTagsToSnapshot": true,
		"enabledCloudwatchLogsExports": list("postgresql", "upgrade"), "monitoringInterval": 60, "monitoringRoleArn": d.arn("rds-monitoring-role-dev"),
		"databaseInsightsMode": "standard", "performanceInsightsEnabled": true, "performanceInsightsKmsKeyId": key, "performanceInsightsRetentionPeriod": 7,
		// Nothing stays behind.
		"deletionProtection": false, "skipFinalSnapshot": true, "deleteAutomatedBackups": true,
	}
}

func TestDatabase(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(instance, "rds-dev")
	d.expect(instance, "rds-dev", d.defaultDatabase())
	d.expectNames("aws:rds/subnetGroup:SubnetGroup", "rds-subnet-group-dev")
	d.expect("aws:rds/subnetGroup:SubnetGroup", "rds-subnet-group-dev", inputs{
		"name": "rds-subnet-group-dev", "description": "Private subnets of the FastShop database", "subnetIds": d.ids("subnet-private-1-dev", "subnet-private-2-dev")})
	// Or RDS would make them, without key and retention.
	for _, log := range []string{"/aws/rds/instance/rds-dev/postgresql", "/aws/rds/instance/rds-dev/upgrade"} {
		if !d.get("rds-dev").DependsOn(log) {
			t.Errorf("the database does not wait for %s", log)
		}
	}
}

func TestDatabaseAsTheOperatorSays(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) {
		a.DatabaseClass, a.DatabaseVersion, a.DatabaseStorageGiB, a.DatabaseMaxStorageGiB = "db.r7g.large", "16", 100, 150
		a.DatabaseSingleAZ, a.DatabaseBackupDays, a.DatabaseApplyImmediately = true, 35, true
		a.DatabaseBackupWindow, a.DatabaseMaintenanceWindow = "23:30-00:30", "wed:10:00-wed:11:00"
	})
	want := d.defaultDatabase()
	for input, value := range (inputs{
		"instanceClass": "db.r7g.large", "engineVersion": "16", "allocatedStorage": 100, "maxAllocatedStorage": 150,
		"parameterGroupName": "postgres16-parameter-group-dev",
		"multiAz":            false, "backupRetentionPeriod": 35, "applyImmediately": true, "backupWindow": "23:30-00:30", "maintenanceWindow": "wed:10:00-wed:11:00",
	}) {
		want[input] = value
	}
	d.expect(instance, "rds-dev", want)
}

// The parameters of each version, in a group of its own: one in use can be neither deleted nor given another family. A
// static parameter that is applied at once would differ for ever, and so would one that is PostgreSQL's default.
func TestDatabaseParameters(t *testing.T) {
	t.Parallel()
	parameter := func(name, value, when string) inputs {
		return inputs{"name": name, "value": value, "applyMethod": when}
	}
	const parameterGroup = "aws:rds/parameterGroup:ParameterGroup"
	for version, group := range map[string]string{
		"15": "postgres15-parameter-group-dev", "16": "postgres16-parameter-group-dev", "17": "postgres17-parameter-group-dev",
	} {
		d := up(t, func(a *tapstack.TapStackArgs) { a.DatabaseVersion = version })
		d.expectNames(parameterGroup, group)
		d.expect(parameterGroup, group, inputs{
			"name": group, "description": "FastShop database", "family": "postgres" + version, "parameters": []inputs{
				parameter("rds.force_ssl", "1", "pending-reboot"),
				parameter("log_statement", "ddl", "immediate"),
				parameter("log_min_duration_statement", "1000", "immediate"),
				// What is bound to a statement may be personal.
				parameter("log_parameter_max_length", "0", "immediate"),
				// And so may what an error's DETAIL quotes.
				parameter("log_error_verbosity", "terse", "immediate"),
				parameter("log_lock_waits", "1", "immediate"),
				parameter("log_connections", "1", "immediate"),
				parameter("log_disconnections", "1", "immediate"),
				parameter("shared_preload_libraries", "pg_stat_statements,pgaudit", "pending-reboot"),
				parameter("pgaudit.log", "role,ddl", "immediate"),
				parameter("idle_in_transaction_session_timeout", "60000", "immediate"),
				parameter("idle_session_timeout", "900000", "immediate"),
				parameter("statement_timeout", "900000", "immediate"),
				parameter("checkpoint_timeout", "900", "immediate"),
				parameter("max_wal_size", "8192", "immediate"),
				parameter("wal_compression", "lz4", "immediate"),
				parameter("autovacuum_vacuum_insert_scale_factor", "0.02", "immediate"),
			}})
		want := d.defaultDatabase()
		want["engineVersion"], want["parameterGroupName"] = version, group
		d.expect(instance, "rds-dev", want)
		if diff := cmp.Diff([]any{group}, d.get("rds-parameter-events-dev").List("sourceIds")); diff != "" {
			t.Errorf("PostgreSQL %s: the groups whose changes are told (-want +got):\n%s", version, diff)
		}
	}
}

// What happens to other databases of the account is not told. DB security groups, which a VPC has none of, have no name here.
func TestDatabaseEvents(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	const subscription = "aws:rds/eventSubscription:EventSubscription"
	d.expectNames(subscription, "rds-group-events-dev", "rds-instance-events-dev", "rds-parameter-events-dev")
	for name, c := range map[string]struct {
		source          string
		ids, categories []string
	}{
		"rds-instance-events-dev":  {"db-instance", list("rds-dev"), list("maintenance", "configuration change", "failure", "failover", "low storage", "deletion")},
		"rds-parameter-events-dev": {"db-parameter-group", list("postgres17-parameter-group-dev"), list("configuration change")},
		"rds-group-events-dev":     {"db-security-group", nil, list("configuration change", "failure")},
	} {
		want := inputs{"name": name, "snsTopic": d.arn("alarm-topic-dev"), "sourceType": c.source, "eventCategories": c.categories, "enabled": true}
		if c.ids != nil {
			want["sourceIds"] = c.ids
		}
		d.expect(subscription, name, want)
	}
}

// While the instance is only planned there is no managed secret yet; once it is there and the secret is not, nobody
// could migrate, so the deployment fails.
func TestMasterSecret(t *testing.T) {
	t.Parallel()
	managed, given := []rds.InstanceMasterUserSecret{{SecretArn: pulumi.StringRef("arn:the-secret")}}, "arn:the-secret"
	const missing = "RDS returned no managed master secret: run pulumi refresh, then up again"
	planned := arn("secretsmanager", "secret:known-after-deployment")
	ask := func(secrets []rds.InstanceMasterUserSecret, options ...tapstacktest.Option) (got string, fault string) {
		_, err := tapstacktest.Run(func(ctx *pulumi.Context) (err error) {
			got, err = tapstack.MasterSecret(ctx, secrets)
			return err
		}, options...)
		if err != nil {
			fault = err.Error()
		}
		return got, fault
	}
	type answer struct{ arn, fault string }
	for name, c := range map[string]struct {
		secrets []rds.InstanceMasterUserSecret
		options []tapstacktest.Option
		want    answer
	}{
		"deployed":                   {managed, nil, answer{given, ""}},
		"deployed, none":             {nil, nil, answer{"", missing}},
		"deployed, one without ARN":  {[]rds.InstanceMasterUserSecret{{}}, nil, answer{"", missing}},
		"previewed":                  {managed, []tapstacktest.Option{tapstacktest.Preview()}, answer{given, ""}},
		"previewed, none":            {nil, []tapstacktest.Option{tapstacktest.Preview()}, answer{planned, ""}},
		"previewed, one without ARN": {[]rds.InstanceMasterUserSecret{{}}, []tapstacktest.Option{tapstacktest.Preview()}, answer{planned, ""}},
	} {
		gotArn, gotFault := ask(c.secrets, c.options...)
		if gotArn != c.want.arn || !strings.Contains(gotFault, c.want.fault) || (gotFault == "") != (c.want.fault == "") {
			t.Errorf("%s: got %q, %q; want %+v", name, gotArn, gotFault, c.want)
		}
	}

	// The same through the whole stack: nothing that needs the secret is made.
	capture, err := try(argsOf(t, nil), nil, tapstacktest.NoMasterSecret())
	if err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"ingest-function-dev", "process-function-dev"}, deployed{t, capture}.names("aws:lambda/function:Function")); diff != "" {
		t.Errorf("functions (-want +got):\n%s", diff)
	}
}
