package emulator

import (
	"strings"
	"testing"
)

func TestDatabaseRefusals(t *testing.T) {
	base := Object{
		"identifier": strings.Repeat("d", 63), "engine": "postgres", "instanceClass": "db.t4g.medium", "allocatedStorage": 20, "username": "fsadmin",
		"manageMasterUserPassword": true, "storageEncrypted": true, "kmsKeyId": "k", "performanceInsightsEnabled": true,
	}
	refusesAll(t, instanceToken, base, map[string]refusal{
		"long":       {Object{"identifier": strings.Repeat("d", 64)}, `identifier: ValidationError: "` + strings.Repeat("d", 64) + `" has 64 characters; at most 63 are allowed`},
		"hyphens":    {Object{"identifier": "a--b"}, `identifier: ValidationError: "a--b" does not match ^[a-z][a-z0-9]*(-[a-z0-9]+)*$`},
		"hyphen":     {Object{"identifier": "a-"}, `identifier: ValidationError: "a-" does not match ^[a-z][a-z0-9]*(-[a-z0-9]+)*$`},
		"capital":    {Object{"identifier": "A"}, `identifier: ValidationError: "A" does not match ^[a-z][a-z0-9]*(-[a-z0-9]+)*$`},
		"engine":     {Object{"engine": "mysql"}, `engine: InvalidParameterValue: "mysql" is none of ["postgres"]`},
		"backups":    {Object{"backupRetentionPeriod": 36}, "backupRetentionPeriod: InvalidParameterValue: set a whole number from 0 to 35, not 36"},
		"storage":    {Object{"allocatedStorage": 19}, "allocatedStorage: InvalidParameterValue: set a whole number from 20 to 65536, not 19"},
		"growth":     {Object{"maxAllocatedStorage": 21}, "maxAllocatedStorage: InvalidParameterCombination: set at least 22 GiB, a tenth above allocatedStorage, or 0"},
		"port":       {Object{"port": 1149}, "port: InvalidParameterValue: set a whole number from 1150 to 65535, not 1149"},
		"user":       {Object{"username": "admin"}, "username: InvalidParameterValue: choose another name: admin is reserved by the engine"},
		"plain":      {Object{"storageEncrypted": false}, "storageEncrypted: InvalidParameterCombination: set it to true: kmsKeyId is given"},
		"passwords":  {Object{"password": "p"}, "password: InvalidParameterCombination: give either manageMasterUserPassword or password, not both"},
		"none":       {Object{"manageMasterUserPassword": nil}, "password: InvalidParameterValue: set it, or better manageMasterUserPassword to true"},
		"secret key": {Object{"manageMasterUserPassword": nil, "password": "p", "masterUserSecretKmsKeyId": "k"}, "masterUserSecretKmsKeyId: InvalidParameterCombination: set manageMasterUserPassword to true too"},
		"interval":   {Object{"monitoringInterval": 2, "monitoringRoleArn": "r"}, "monitoringInterval: InvalidParameterValue: set 0, 1, 5, 10, 15, 30 or 60 seconds, not 2"},
		"role":       {Object{"monitoringInterval": 60}, "monitoringRoleArn: InvalidParameterCombination: set the role that writes the metrics, or monitoringInterval to 0"},
		"insights":   {Object{"performanceInsightsRetentionPeriod": 30}, "performanceInsightsRetentionPeriod: InvalidParameterValue: set 7, 731 or a multiple of 31 days, not 30"},
		"no insight": {Object{"performanceInsightsEnabled": false, "performanceInsightsKmsKeyId": "k"}, "performanceInsightsKmsKeyId: InvalidParameterCombination: set performanceInsightsEnabled to true too"},
		"format":     {Object{"backupWindow": "3:00-4:00"}, `backupWindow: InvalidParameterValue: write the window like 03:00-04:00 in UTC, not "3:00-4:00"`},
		"short":      {Object{"backupWindow": "03:00-03:29"}, "backupWindow: InvalidParameterValue: lengthen 03:00-03:29: it must last at least 30 minutes"},
		"day":        {Object{"maintenanceWindow": "05:00-06:00"}, `maintenanceWindow: InvalidParameterValue: write the window like sun:05:00-sun:06:00 in UTC, not "05:00-06:00"`},
		"overlap":    {Object{"backupWindow": "04:30-05:30", "maintenanceWindow": "sun:05:00-sun:06:00"}, "maintenanceWindow: InvalidParameterValue: move it: it must not overlap backupWindow"},
		"log":        {Object{"enabledCloudwatchLogsExports": []any{"audit"}}, `enabledCloudwatchLogsExports: InvalidParameterCombination: postgres writes no log "audit"`},
		"snapshot":   {Object{"finalSnapshotIdentifier": "1"}, `finalSnapshotIdentifier: ValidationError: "1" does not match ^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$`},
		"replica":    {Object{"replicateSourceDb": "x"}, "replicateSourceDb: the emulator does not model this input: add it to infra/emulator, or do without it"},
	})
	refusesAll(t, subnetGroupToken, Object{"name": "a", "subnetIds": []any{"x"}}, map[string]refusal{
		"default": {Object{"name": "default"}, "name: InvalidParameterValue: choose another name: default is taken"},
		"subnets": {Object{"subnetIds": nil}, `subnetIds: missing required argument: aws:rds/subnetGroup:SubnetGroup needs "subnetIds"`},
	})
	refusesAll(t, parameterGroupToken, Object{"name": "a", "family": "postgres16"}, map[string]refusal{
		"family": {Object{"family": "redis7"}, `family: InvalidParameterValue: "redis7" is no family such as postgres16`},
		"static": {Object{"parameters": []any{parameter("rds.force_ssl", "1", "immediate")}}, "parameters[0].applyMethod: InvalidParameterCombination: set pending-reboot: rds.force_ssl is a static parameter"},
		"method": {Object{"parameters": []any{parameter("a", "1", "now")}}, `parameters[0].applyMethod: InvalidParameterValue: "now" is none of ["immediate" "pending-reboot"]`},
		"twice":  {Object{"parameters": []any{parameter("a", "1", "immediate"), parameter("a", "2", "immediate")}}, "parameters[1].name: InvalidParameterValue: remove one of the two values of a"},
	})
	refusesAll(t, subscriptionToken, Object{"name": "a", "snsTopic": "t"}, map[string]refusal{
		"category": {Object{"sourceType": "db-security-group", "eventCategories": []any{"backup"}}, `eventCategories: SubscriptionCategoryNotFound: "backup" is no category of db-security-group; there are configuration change, failure`},
		"sources":  {Object{"sourceIds": []any{"x"}}, "sourceIds: InvalidParameterCombination: set sourceType too"},
	})
}

func TestWindowsOverlap(t *testing.T) {
	for _, c := range []struct {
		daily, weekly string
		want          bool
	}{
		{"03:00-04:00", "sun:04:00-sun:05:00", false},
		{"03:00-04:00", "sun:03:59-sun:05:00", true},
		{"03:00-04:00", "sun:02:00-sun:03:00", false},
		{"03:00-04:00", "sun:02:00-sun:03:01", true},
		{"03:00-04:00", "sat:23:00-sun:03:30", true},  // over midnight
		{"23:30-00:30", "wed:00:00-wed:01:00", true},  // the backup goes over midnight
		{"23:30-00:30", "mon:00:00-mon:00:30", true},  // and over the end of the week
		{"23:30-00:30", "sun:22:30-sun:23:30", false}, // ends as the backup begins
		{"01:00-02:00", "sun:23:00-mon:00:30", false}, // maintenance goes over the end of the week
		{"00:00-00:30", "sun:23:00-mon:00:30", true},
	} {
		daily, err := parseWindow(c.daily, false)
		if err != nil {
			t.Fatal(err)
		}
		weekly, err := parseWindow(c.weekly, true)
		if err != nil {
			t.Fatal(err)
		}
		if got := daily.overlaps(weekly); got != c.want {
			t.Errorf("%s and %s overlap = %t, want %t", c.daily, c.weekly, got, c.want)
		}
	}
}
