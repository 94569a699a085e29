package emulator

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// databaseZone is the hosted zone of the endpoints of RDS in us-east-1.
const databaseZone = "Z2R2ITUGPM61AM"

var (
	databaseName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	databaseUser = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)
)

func checkInstance(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("replicateSourceDb", "snapshotIdentifier", "restoreToPointInTime", "s3Import", "blueGreenUpdate", "domain", "replicaMode")
	i.name("identifier", 63, lowerName)
	i.oneOf("engine", "postgres")
	i.given("engine", "allocatedStorage", "username")
	i.between("port", 1150, 65535)
	i.between("backupRetentionPeriod", 0, 35)
	i.between("allocatedStorage", 20, 65536)
	i.add(checkName(in, "dbName", 63, databaseName))
	i.add(checkName(in, "username", 63, databaseUser))
	if slices.Contains([]string{"admin", "rdsadmin", "postgres_admin"}, in.Str("username")) {
		i.fault("username", "InvalidParameterValue: choose another name: %s is reserved by the engine", in.Str("username"))
	}
	checkInstanceStorage(i)
	checkInstanceSecret(i)
	checkInstanceMonitoring(i)
	checkInstanceWindows(i)
	i.add(checkName(in, "finalSnapshotIdentifier", 255, hyphenName))
	for _, kind := range in.Strings("enabledCloudwatchLogsExports") {
		if !slices.Contains([]string{"postgresql", "upgrade", "iam-db-auth-error"}, kind) {
			i.fault("enabledCloudwatchLogsExports", "InvalidParameterCombination: postgres writes no log %q", kind)
		}
	}
	return i.found()
}

// checkInstanceStorage demands room to grow by at least a tenth, as RDS does; 0 switches growing off.
func checkInstanceStorage(i *inspection) {
	now, most := i.in.Int("allocatedStorage"), i.in.Int("maxAllocatedStorage")
	if i.in.Known("maxAllocatedStorage") && i.in.Known("allocatedStorage") && most != 0 && 10*most < 11*now {
		i.fault("maxAllocatedStorage", "InvalidParameterCombination: set at least %d GiB, a tenth above allocatedStorage, or 0", (11*now+9)/10)
	}
	i.oneOf("storageType", "gp2", "gp3", "io1", "io2")
	if i.in.Has("kmsKeyId") && (!i.in.Has("storageEncrypted") || i.in.Known("storageEncrypted") && !i.in.Bool("storageEncrypted")) {
		i.fault("storageEncrypted", "InvalidParameterCombination: set it to true: kmsKeyId is given")
	}
}

func checkInstanceSecret(i *inspection) {
	if i.in.Bool("manageMasterUserPassword") {
		i.exclusive("manageMasterUserPassword", "password", "passwordWo")
		return
	}
	if i.in.Has("manageMasterUserPassword") && !i.in.Known("manageMasterUserPassword") {
		return
	}
	if i.in.Has("masterUserSecretKmsKeyId") {
		i.fault("masterUserSecretKmsKeyId", "InvalidParameterCombination: set manageMasterUserPassword to true too")
	}
	if !i.in.Has("password") && !i.in.Has("passwordWo") {
		i.fault("password", "InvalidParameterValue: set it, or better manageMasterUserPassword to true")
	}
}

func checkInstanceMonitoring(i *inspection) {
	if i.in.Known("monitoringInterval") {
		interval := i.in.Int("monitoringInterval")
		if !slices.Contains([]int{0, 1, 5, 10, 15, 30, 60}, interval) {
			i.fault("monitoringInterval", "InvalidParameterValue: set 0, 1, 5, 10, 15, 30 or 60 seconds, not %d", interval)
		}
		if interval > 0 && !i.in.Has("monitoringRoleArn") {
			i.fault("monitoringRoleArn", "InvalidParameterCombination: set the role that writes the metrics, or monitoringInterval to 0")
		}
	}
	if i.in.Known("performanceInsightsRetentionPeriod") {
		days := i.in.Int("performanceInsightsRetentionPeriod")
		if days != 7 && days != 731 && (days%31 != 0 || days < 31 || days > 23*31) {
			i.fault("performanceInsightsRetentionPeriod", "InvalidParameterValue: set 7, 731 or a multiple of 31 days, not %d", days)
		}
	}
	off := !i.in.Has("performanceInsightsEnabled") || i.in.Known("performanceInsightsEnabled") && !i.in.Bool("performanceInsightsEnabled")
	if off && i.in.Has("performanceInsightsKmsKeyId") {
		i.fault("performanceInsightsKmsKeyId", "InvalidParameterCombination: set performanceInsightsEnabled to true too")
	}
}

// checkInstanceWindows demands half an hour for each, and that they never meet.
func checkInstanceWindows(i *inspection) {
	i.window("backupWindow", false, 30)
	i.window("maintenanceWindow", true, 30)
	backup, errBackup := parseWindow(i.in.Str("backupWindow"), false)
	maintenance, errMaintenance := parseWindow(i.in.Str("maintenanceWindow"), true)
	if errBackup == nil && errMaintenance == nil && backup.overlaps(maintenance) {
		i.fault("maintenanceWindow", "InvalidParameterValue: move it: it must not overlap backupWindow")
	}
}

// createInstance leaves Performance Insights and the database's monitoring role to the state: the emulator takes both and
// tells of neither.
func createInstance(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	name := in.Str("identifier")
	_, err := c.Database.CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: &name, DBInstanceClass: in.StrPtr("instanceClass"), Engine: in.StrPtr("engine"), EngineVersion: in.StrPtr("engineVersion"),
		AllocatedStorage: in.Int32Ptr("allocatedStorage"), MaxAllocatedStorage: in.Int32Ptr("maxAllocatedStorage"),
		StorageType: in.StrPtr("storageType"), StorageEncrypted: in.BoolPtr("storageEncrypted"), KmsKeyId: in.StrPtr("kmsKeyId"),
		Iops: in.Int32Ptr("iops"), StorageThroughput: in.Int32Ptr("storageThroughput"),
		DBName: in.StrPtr("dbName"), Port: in.Int32Ptr("port"), MasterUsername: in.StrPtr("username"), MasterUserPassword: in.StrPtr("password"),
		ManageMasterUserPassword: in.BoolPtr("manageMasterUserPassword"), MasterUserSecretKmsKeyId: in.StrPtr("masterUserSecretKmsKeyId"),
		DBSubnetGroupName: in.StrPtr("dbSubnetGroupName"), VpcSecurityGroupIds: in.Strings("vpcSecurityGroupIds"),
		PubliclyAccessible: aws.Bool(in.Bool("publiclyAccessible")), MultiAZ: in.BoolPtr("multiAz"), AvailabilityZone: in.StrPtr("availabilityZone"),
		DBParameterGroupName: in.StrPtr("parameterGroupName"), CACertificateIdentifier: in.StrPtr("caCertIdentifier"),
		BackupRetentionPeriod: in.Int32Ptr("backupRetentionPeriod"), PreferredBackupWindow: in.StrPtr("backupWindow"),
		PreferredMaintenanceWindow: in.StrPtr("maintenanceWindow"), AutoMinorVersionUpgrade: aws.Bool(in.BoolOr("autoMinorVersionUpgrade", true)),
		CopyTagsToSnapshot: in.BoolPtr("copyTagsToSnapshot"), DeletionProtection: in.BoolPtr("deletionProtection"),
		EnableIAMDatabaseAuthentication: in.BoolPtr("iamDatabaseAuthenticationEnabled"), EnableCloudwatchLogsExports: in.Strings("enabledCloudwatchLogsExports"),
		MonitoringInterval: in.Int32Ptr("monitoringInterval"), MonitoringRoleArn: in.StrPtr("monitoringRoleArn"),
		EnablePerformanceInsights: in.BoolPtr("performanceInsightsEnabled"), PerformanceInsightsKMSKeyId: in.StrPtr("performanceInsightsKmsKeyId"),
		PerformanceInsightsRetentionPeriod: in.Int32Ptr("performanceInsightsRetentionPeriod"), Tags: tagList(in.Tags(), databaseTag),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create database %s: %w", name, err)
	}
	id := databaseID(c.Account, name)
	out, err := readInstance(ctx, c, id, in)
	return id, out, err
}

// databaseID is the id that RDS gives to a database and that names it for IAM login. The emulator gives all the same
// one; this one is told apart by the name.
func databaseID(account, name string) string {
	sum := sha256.Sum256([]byte(account + "/" + name))
	return "db-" + base32.StdEncoding.EncodeToString(sum[:])[:26]
}

func readInstance(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	name := state.Str("identifier")
	got, err := c.Database.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: &name})
	if isCode(err, databaseGone) || err == nil && len(got.DBInstances) == 0 {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe database %s: %w", name, err)
	}
	d := got.DBInstances[0]
	address, port := aws.ToString(d.Endpoint.Address), int(aws.ToInt32(d.Endpoint.Port))
	out := state.With(Object{
		"arn": aws.ToString(d.DBInstanceArn), "resourceId": id, "identifier": aws.ToString(d.DBInstanceIdentifier),
		"address": address, "port": port, "endpoint": fmt.Sprintf("%s:%d", address, port), "hostedZoneId": databaseZone,
		"status": aws.ToString(d.DBInstanceStatus), "instanceClass": aws.ToString(d.DBInstanceClass),
		"engineVersionActual": aws.ToString(d.EngineVersion), "availabilityZone": aws.ToString(d.AvailabilityZone),
		"allocatedStorage": int(aws.ToInt32(d.AllocatedStorage)), "storageType": aws.ToString(d.StorageType),
		"storageEncrypted": aws.ToBool(d.StorageEncrypted), "multiAz": aws.ToBool(d.MultiAZ),
		"publiclyAccessible": aws.ToBool(d.PubliclyAccessible), "deletionProtection": aws.ToBool(d.DeletionProtection),
		"backupRetentionPeriod": int(aws.ToInt32(d.BackupRetentionPeriod)), "backupWindow": aws.ToString(d.PreferredBackupWindow),
		"maintenanceWindow": aws.ToString(d.PreferredMaintenanceWindow), "caCertIdentifier": aws.ToString(d.CACertificateIdentifier),
		"iamDatabaseAuthenticationEnabled": aws.ToBool(d.IAMDatabaseAuthenticationEnabled),
		"licenseModel":                     "postgresql-license", "replicas": []any{}, "masterUserSecrets": masterSecrets(d),
	})
	if d.KmsKeyId != nil {
		out["kmsKeyId"] = *d.KmsKeyId
	}
	if !state.Has("engineVersion") {
		out["engineVersion"] = aws.ToString(d.EngineVersion)
	}
	return out, nil
}

// masterSecrets is the one secret of a managed password, or none. The real provider waits until it is active; the
// emulator says so only from the second look on.
func masterSecrets(d types.DBInstance) []any {
	if d.MasterUserSecret == nil {
		return []any{}
	}
	return []any{map[string]any{
		"secretArn": aws.ToString(d.MasterUserSecret.SecretArn), "secretStatus": "active", "kmsKeyId": aws.ToString(d.MasterUserSecret.KmsKeyId),
	}}
}

// updateInstance applies everything at once; without applyImmediately, AWS would wait for the maintenance window.
func updateInstance(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	name := state.Str("identifier")
	key := state.Str("performanceInsightsKmsKeyId")
	if key != "" && in.Has("performanceInsightsKmsKeyId") && in.Str("performanceInsightsKmsKeyId") != key {
		return nil, refuse("InvalidParameterCombination", "update database %s: the key of Performance Insights can never change; replace the database", name)
	}
	input := &rds.ModifyDBInstanceInput{
		DBInstanceIdentifier: &name, ApplyImmediately: aws.Bool(true), DBInstanceClass: in.StrPtr("instanceClass"),
		EngineVersion: in.StrPtr("engineVersion"), AllowMajorVersionUpgrade: in.BoolPtr("allowMajorVersionUpgrade"),
		AllocatedStorage: in.Int32Ptr("allocatedStorage"), MaxAllocatedStorage: in.Int32Ptr("maxAllocatedStorage"), StorageType: in.StrPtr("storageType"),
		PubliclyAccessible: aws.Bool(in.Bool("publiclyAccessible")), MultiAZ: in.BoolPtr("multiAz"), DBPortNumber: in.Int32Ptr("port"),
		VpcSecurityGroupIds: in.Strings("vpcSecurityGroupIds"), DBParameterGroupName: in.StrPtr("parameterGroupName"),
		CACertificateIdentifier: in.StrPtr("caCertIdentifier"), BackupRetentionPeriod: in.Int32Ptr("backupRetentionPeriod"),
		PreferredBackupWindow: in.StrPtr("backupWindow"), PreferredMaintenanceWindow: in.StrPtr("maintenanceWindow"),
		AutoMinorVersionUpgrade: in.BoolPtr("autoMinorVersionUpgrade"), CopyTagsToSnapshot: in.BoolPtr("copyTagsToSnapshot"),
		DeletionProtection: aws.Bool(in.Bool("deletionProtection")), EnableIAMDatabaseAuthentication: in.BoolPtr("iamDatabaseAuthenticationEnabled"),
		MonitoringInterval: in.Int32Ptr("monitoringInterval"), MonitoringRoleArn: in.StrPtr("monitoringRoleArn"),
		EnablePerformanceInsights:          in.BoolPtr("performanceInsightsEnabled"),
		PerformanceInsightsRetentionPeriod: in.Int32Ptr("performanceInsightsRetentionPeriod"),
		CloudwatchLogsExportConfiguration:  exportChange(state, in),
	}
	if in.Str("identifier") != name {
		input.NewDBInstanceIdentifier = in.StrPtr("identifier")
	}
	if _, err := c.Database.ModifyDBInstance(ctx, input); err != nil {
		return nil, fmt.Errorf("update database %s: %w", name, err)
	}
	if err := c.tagDatabase(ctx, c.ARN("rds", "db:"+in.Str("identifier")), state.Tags(), in.Tags()); err != nil {
		return nil, err
	}
	return readInstance(ctx, c, id, in)
}

// exportChange are the logs to add and to drop, or nil when they are the same. The emulator adds one twice if asked.
func exportChange(state, in Object) *types.CloudwatchLogsExportConfiguration {
	before, after := state.Strings("enabledCloudwatchLogsExports"), in.Strings("enabledCloudwatchLogsExports")
	add, drop := missingFrom(before, after), missingFrom(after, before)
	if len(add)+len(drop) == 0 {
		return nil
	}
	return &types.CloudwatchLogsExportConfiguration{EnableLogTypes: add, DisableLogTypes: drop}
}

// deleteInstance refuses as the real provider does when nobody said what becomes of the data. The flags count as they
// stand in the state; the emulator itself refuses a protected database.
func deleteInstance(ctx context.Context, c *Cloud, _ string, state Object) error {
	name, skip := state.Str("identifier"), state.Bool("skipFinalSnapshot")
	if !skip && !state.Has("finalSnapshotIdentifier") {
		return refuse("InvalidParameterCombination",
			"delete database %s: set skipFinalSnapshot, or finalSnapshotIdentifier, and run up before destroy", name)
	}
	input := &rds.DeleteDBInstanceInput{
		DBInstanceIdentifier: &name, SkipFinalSnapshot: &skip, DeleteAutomatedBackups: aws.Bool(state.BoolOr("deleteAutomatedBackups", true)),
	}
	if !skip {
		input.FinalDBSnapshotIdentifier = state.StrPtr("finalSnapshotIdentifier")
	}
	_, err := c.Database.DeleteDBInstance(ctx, input)
	return wrap(unless(err, databaseGone), "delete database %s", name)
}
