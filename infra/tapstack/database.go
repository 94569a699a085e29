package tapstack

import (
	"errors"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// database is RDS PostgreSQL: the one point of truth.
type database struct {
	instance *rds.Instance
	// secretArn is where RDS keeps the master password and rotates it. Only migrations read it.
	secretArn pulumi.StringOutput
}

const (
	databaseName   = "fastshop"
	databaseMaster = "fsadmin" // RDS.25: not a name that an attacker tries first
)

func (s *TapStack) databaseArn() string { return s.arn("rds", "db:"+s.name("rds")) }

func (s *TapStack) buildDatabase() {
	subnets := add(s, rds.NewSubnetGroup, s.name("rds-subnet-group"), &rds.SubnetGroupArgs{
		Name: pulumi.String(s.name("rds-subnet-group")), Description: pulumi.String("Private subnets of the FastShop database"), SubnetIds: s.privateSubnets(),
	})
	// The version is in the name: a group in use can be neither deleted nor given another family, so an upgrade makes the
	// next one beside it.
	family := "postgres" + s.args.DatabaseVersion
	parameters := add(s, rds.NewParameterGroup, s.name(family+"-parameter-group"), &rds.ParameterGroupArgs{
		Name: pulumi.String(s.name(family + "-parameter-group")), Description: pulumi.String("FastShop database"),
		Family: pulumi.String(family), Parameters: databaseParameters(),
	})
	monitoring := s.role("rds-monitoring", "Enhanced monitoring of the database",
		statement{services: []string{"monitoring.rds.amazonaws.com"}, conditions: conditions{
			"StringEquals": {"aws:SourceAccount": {s.account}}, "ArnEquals": {"aws:SourceArn": {s.databaseArn()}}}},
		statement{sid: "OSMetrics", actions: []string{"logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams", "logs:GetLogEvents"},
			resources: exactly(s.arn("logs", "log-group:RDSOSMetrics"), s.arn("logs", "log-group:RDSOSMetrics:log-stream:*"))})

	db := add(s, rds.NewInstance, s.name("rds"), &rds.InstanceArgs{
		Identifier: pulumi.String(s.name("rds")), DbName: pulumi.String(databaseName),
		Engine: pulumi.String("postgres"), EngineVersion: pulumi.String(s.args.DatabaseVersion), InstanceClass: pulumi.String(s.args.DatabaseClass),
		EngineLifecycleSupport: pulumi.String("open-source-rds-extended-support-disabled"), // no bill for an old version by surprise
		// A major upgrade comes only when databaseVersion says so.
		AutoMinorVersionUpgrade: pulumi.Bool(true), AllowMajorVersionUpgrade: pulumi.Bool(true), ApplyImmediately: pulumi.Bool(s.args.DatabaseApplyImmediately),

		DbSubnetGroupName: subnets.Name, VpcSecurityGroupIds: pulumi.StringArray{s.groups.database.ID()}, Port: pulumi.Int(databasePort),
		PubliclyAccessible: pulumi.Bool(false), MultiAz: pulumi.Bool(!s.args.DatabaseSingleAZ), CaCertIdentifier: pulumi.String("rds-ca-rsa2048-g1"),

		StorageType: pulumi.String("gp3"), AllocatedStorage: pulumi.Int(s.args.DatabaseStorageGiB), MaxAllocatedStorage: pulumi.Int(s.args.DatabaseMaxStorageGiB),
		StorageEncrypted: pulumi.Bool(true), KmsKeyId: s.keys[ClassDatabase].Arn,

		Username: pulumi.String(databaseMaster), ManageMasterUserPassword: pulumi.Bool(true), MasterUserSecretKmsKeyId: s.keys[ClassDatabase].Arn,
		IamDatabaseAuthenticationEnabled: pulumi.Bool(true), ParameterGroupName: parameters.Name,

		BackupRetentionPeriod: pulumi.Int(s.args.DatabaseBackupDays), BackupWindow: pulumi.String(s.args.DatabaseBackupWindow),
		MaintenanceWindow: pulumi.String(s.args.DatabaseMaintenanceWindow), CopyTagsToSnapshot: pulumi.Bool(true),

		EnabledCloudwatchLogsExports: pulumi.ToStringArray([]string{"postgresql", "upgrade"}),
		MonitoringInterval:           pulumi.Int(60), MonitoringRoleArn: monitoring.Arn, DatabaseInsightsMode: pulumi.String("standard"),
		PerformanceInsightsEnabled: pulumi.Bool(true), PerformanceInsightsKmsKeyId: s.keys[ClassDatabase].Arn, PerformanceInsightsRetentionPeriod: pulumi.Int(7),

		// It must be possible to destroy the whole stack, and nothing of it may stay behind.
		DeletionProtection: pulumi.Bool(false), SkipFinalSnapshot: pulumi.Bool(true), DeleteAutomatedBackups: pulumi.Bool(true),
	}, s.afterLogs("rds"), monitoring.inForce())
	s.database = database{instance: db, secretArn: db.MasterUserSecrets.ApplyT(s.masterSecret).(pulumi.StringOutput)}
	s.buildDatabaseEvents(parameters)
}

// databaseVersions are the major versions that the store runs on.
func databaseVersions() []string { return []string{"15", "16", "17"} }

// masterSecret is the ARN of the managed secret. The list is empty while the instance is only planned.
func (s *TapStack) masterSecret(secrets []rds.InstanceMasterUserSecret) (string, error) {
	if len(secrets) > 0 && secrets[0].SecretArn != nil {
		return *secrets[0].SecretArn, nil
	}
	if s.ctx.DryRun() {
		return s.arn("secretsmanager", "secret:known-after-deployment"), nil
	}
	return "", errors.New("RDS returned no managed master secret: run pulumi refresh, then up again")
}

// databaseParameters force TLS, keep what rows and statements hold out of the log, end what hangs, and let a store that
// only grows write. What is already PostgreSQL's default is not set: RDS would answer with another apply method, and every
// preview show a change. The store sets its own limits for each connection, and asks for synchronous commits.
func databaseParameters() rds.ParameterGroupParameterArray {
	parameter := func(name, value, when string) *rds.ParameterGroupParameterArgs {
		return &rds.ParameterGroupParameterArgs{Name: pulumi.String(name), Value: pulumi.String(value), ApplyMethod: pulumi.String(when)}
	}
	const now, restart = "immediate", "pending-reboot" // a static parameter applied at once would differ for ever
	return rds.ParameterGroupParameterArray{
		parameter("rds.force_ssl", "1", restart),
		parameter("log_statement", "ddl", now),
		parameter("log_min_duration_statement", "1000", now), // ms
		parameter("log_parameter_max_length", "0", now),
		parameter("log_error_verbosity", "terse", now), // without DETAIL, which quotes keys and rows
		parameter("log_lock_waits", "1", now),
		parameter("log_connections", "1", now),
		parameter("log_disconnections", "1", now),
		parameter("shared_preload_libraries", "pg_stat_statements,pgaudit", restart),
		parameter("pgaudit.log", "role,ddl", now),
		parameter("idle_in_transaction_session_timeout", "60000", now), // ms
		// A function that was put away keeps no connection; the store lets go of idle ones after ten minutes by itself.
		parameter("idle_session_timeout", "900000", now), // ms
		parameter("statement_timeout", "900000", now),    // ms; as long as admin may run
		// After a checkpoint each page goes to the log whole at its first change. With rows in random order that is most of the
		// log, so checkpoints come at most every quarter of an hour, or after 8 GiB of log, which a restart reads in a minute or
		// two, and those pages are compressed.
		parameter("checkpoint_timeout", "900", now), // s
		parameter("max_wal_size", "8192", now),      // MB
		parameter("wal_compression", "lz4", now),
		// Rows hardly ever change: vacuum has only to freeze them, in small steps instead of a fifth of the table at a time.
		parameter("autovacuum_vacuum_insert_scale_factor", "0.02", now),
	}
}

// buildDatabaseEvents sends what happens to the instance, its parameters and its groups to the topic (RDS.20 to RDS.22).
// Only of ours: an account may have other databases. There is no DB security group of ours to name, RDS has none in a VPC.
func (s *TapStack) buildDatabaseEvents(parameters *rds.ParameterGroup) {
	subscribe := func(prefix, source string, ids pulumi.StringArray, categories ...string) {
		add(s, rds.NewEventSubscription, s.name(prefix), &rds.EventSubscriptionArgs{
			Name: pulumi.String(s.name(prefix)), SnsTopic: s.topic.Arn, SourceType: pulumi.String(source), SourceIds: ids,
			EventCategories: pulumi.ToStringArray(categories), Enabled: pulumi.Bool(true),
		})
	}
	subscribe("rds-instance-events", "db-instance", pulumi.StringArray{s.database.instance.Identifier},
		"maintenance", "configuration change", "failure", "failover", "low storage", "deletion")
	subscribe("rds-parameter-events", "db-parameter-group", pulumi.StringArray{parameters.Name}, "configuration change")
	subscribe("rds-group-events", "db-security-group", nil, "configuration change", "failure")
}
