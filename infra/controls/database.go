package controls

import (
	"slices"
	"strings"
)

// databaseControls are about RDS PostgreSQL and its managed master secret.
func databaseControls() []Control {
	return append(databaseAccess(), append(databaseCare(), tableControls()...)...)
}

// databaseAccess is who reaches the database and its data.
func databaseAccess() []Control {
	return []Control{
		{"RDS.2", []string{"CKV_AWS_17"}, FSBP, "The database is not publicly accessible",
			every(dbInstance, is("publiclyAccessible", false))},
		{"RDS.3", []string{"RDS.4", "CKV_AWS_16"}, FSBP, "The database, and with it every snapshot, is encrypted with a key of ours",
			every(dbInstance, is("storageEncrypted", true), ownKey("kmsKeyId"))},
		{"RDS.10", []string{"CKV_AWS_161"}, FSBP, "The database takes logins by IAM token",
			every(dbInstance, is("iamDatabaseAuthenticationEnabled", true))},
		{"RDS.23", []string{"RDS11"}, FSBP, "The database listens on a port other than the usual one",
			every(dbInstance, given("port"), isNot("port", 5432.0))},
		{"RDS.25", nil, FSBP, "The administrator has a name of our own",
			every(dbInstance, rule{"username", func(_ *inspection, v any) bool {
				name, _ := v.(string)
				return name != "" && !slices.Contains([]string{"postgres", "admin", "administrator", "root", "master", "user", "rdsadmin"}, strings.ToLower(name))
			}, "choose a name that is not the engine's default"})},
		{"RDS.38", []string{"CKV2_AWS_69"}, SecurityHub, "Connections to the database are encrypted: rds.force_ssl is 1",
			every(dbParameters, setTo("rds.force_ssl", "1"))},
		{"RDS.46", nil, FSBP, "The database lies in private subnets alone", privateDatabase},
		{"CKV_AWS_211", nil, Checkov, "The database's certificate comes from a current authority",
			every(dbInstance, oneOf("caCertIdentifier", "rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1", "rds-ca-ecc384-g1"))},
		{"SecretsManager.1", []string{"SecretsManager.4", "SMG4"}, FSBP, "The master password is RDS's own secret, which rotates by itself, and is encrypted with a key of ours; the program knows none",
			every(dbInstance, is("manageMasterUserPassword", true), absent("password"), absent("passwordWo"), ownKey("masterUserSecretKmsKeyId"))},
	}
}

// databaseCare is how the database is kept, watched and backed up.
func databaseCare() []Control {
	return []Control{
		{"RDS.5", []string{"CKV_AWS_157"}, FSBP, "The database has a standby in another zone",
			every(dbInstance, is("multiAz", true))},
		{"RDS.6", []string{"CKV_AWS_118"}, FSBP, "Enhanced monitoring is on",
			every(dbInstance, oneOf("monitoringInterval", 1.0, 5.0, 10.0, 15.0, 30.0, 60.0), given("monitoringRoleArn"))},
		{"RDS.8", []string{"RDS10", "CKV_AWS_293"}, FSBP, "The database is protected from deletion",
			every(dbInstance, is("deletionProtection", true))},
		{"RDS.9", []string{"RDS.36", "CKV_AWS_129"}, FSBP, "The database's logs go to CloudWatch",
			every(dbInstance, lists("enabledCloudwatchLogsExports", "postgresql", "upgrade"))},
		{"RDS.11", []string{"RDS13", "CKV_AWS_133"}, FSBP, "Backups are kept for a week at least",
			every(dbInstance, atLeast("backupRetentionPeriod", 7))},
		{"RDS.13", []string{"CKV_AWS_226"}, FSBP, "Minor versions are installed automatically",
			every(dbInstance, is("autoMinorVersionUpgrade", true))},
		{"RDS.17", []string{"CKV2_AWS_60"}, FSBP, "Snapshots carry the database's tags",
			every(dbInstance, is("copyTagsToSnapshot", true))},
		{"RDS.20", nil, FSBP, "Somebody is told of the instance's maintenance, configuration changes and failures",
			announced("db-instance", dbInstance, "maintenance", "configuration change", "failure")},
		{"RDS.21", nil, FSBP, "Somebody is told of changed parameters",
			announced("db-parameter-group", dbParameters, "configuration change")},
		{"RDS.22", nil, FSBP, "Somebody is told of changes of the database's security groups",
			announced("db-security-group", dbInstance, "configuration change", "failure")},
		{"CKV_AWS_353", []string{"CKV_AWS_354"}, Checkov, "Performance Insights is on and encrypted with a key of ours",
			every(dbInstance, is("performanceInsightsEnabled", true), ownKey("performanceInsightsKmsKeyId"))},
		{"CKV2_AWS_30", nil, Checkov, "Statements are logged: data definitions and what is slow",
			every(dbParameters, setTo("log_statement", "ddl", "mod", "all"), setTo("log_min_duration_statement"))},
		{"LOG.1", nil, FastShop, "Bind values and rows, which may be personal data, stay out of the database's log",
			every(dbParameters, setTo("log_parameter_max_length", "0"), unsetOr("log_parameter_max_length_on_error", "0"), setTo("log_error_verbosity", "terse"))},
	}
}

// tableControls are about the table of wrapped customer keys.
func tableControls() []Control {
	return []Control{
		{"DynamoDB.1", []string{"CKV2_AWS_16"}, FSBP, "The table scales with demand",
			every(table, is("billingMode", "PAY_PER_REQUEST"))},
		{"DynamoDB.2", []string{"CKV_AWS_28"}, FSBP, "The table can be restored to a point in time, within a short, stated window: it bounds how long an erased key can come back",
			every(table, is("pointInTimeRecovery.enabled", true), between("pointInTimeRecovery.recoveryPeriodInDays", 1, 35))},
		{"DynamoDB.6", nil, FSBP, "The table is protected from deletion",
			every(table, is("deletionProtectionEnabled", true))},
		{"CKV_AWS_119", nil, Checkov, "The table is encrypted with a key of ours",
			every(table, is("serverSideEncryption.enabled", true), ownKey("serverSideEncryption.kmsKeyArn"))},
	}
}

// setTo wants a parameter of a group at one of the values; without values, at any.
func setTo(name string, values ...string) rule {
	return rule{"parameters", func(_ *inspection, v any) bool {
		value, _ := parameter(&Resource{Inputs: map[string]any{"parameters": v}}, name)
		return value != "" && (len(values) == 0 || slices.Contains(values, value))
	}, "set " + name + " to " + strings.Join(values, " or ")}
}

// unsetOr wants a parameter of a group left at PostgreSQL's default, or set to the value that is the default.
func unsetOr(name, value string) rule {
	return rule{"parameters", func(_ *inspection, v any) bool {
		set, _ := parameter(&Resource{Inputs: map[string]any{"parameters": v}}, name)
		return set == "" || set == value
	}, "leave " + name + " unset, or set it to " + value}
}

// announced wants an event subscription of the source type, to a topic of ours, with all the categories. One that names its
// sources must name this one.
func announced(source, about string, categories ...string) func(*inspection) {
	return func(in *inspection) {
		in.each(about, func(r *Resource) {
			found := slices.ContainsFunc(in.ofType(dbEvents), func(s *Resource) bool {
				told, sources := texts(s.Input("eventCategories")), texts(s.Input("sourceIds"))
				covered := len(sources) == 0 || slices.Contains(sources, sourceID(source, r))
				missing := slices.ContainsFunc(categories, func(c string) bool { return !slices.Contains(told, c) })
				return s.Text("sourceType") == source && covered && !missing && s.Input("enabled") != false && in.byID(topic, s.Input("snsTopic")) != nil
			})
			in.want(found, r, "", "subscribe a topic of the stack to "+source+" events: "+strings.Join(categories, ", "))
		})
	}
}

// sourceID is what a subscription to events of the source type calls the resource; empty for the security groups from
// before VPCs, which the stack has none of.
func sourceID(source string, r *Resource) string {
	switch source {
	case "db-instance":
		return r.Text("identifier")
	case "db-parameter-group":
		return r.Text("name")
	}
	return ""
}

// privateDatabase wants a subnet group of ours whose subnets have no way to the internet gateway.
func privateDatabase(in *inspection) {
	in.each(dbInstance, func(r *Resource) {
		group := in.byID(dbSubnets, r.Input("dbSubnetGroupName"))
		in.want(group != nil, r, "dbSubnetGroupName", "name a subnet group of the stack")
		if group == nil {
			return
		}
		in.look(group)
		in.want(len(group.List("subnetIds")) >= 2, group, "subnetIds", "list private subnets of two zones at least")
		for _, id := range group.List("subnetIds") {
			in.want(!in.public(id), group, "subnetIds", "use private subnets alone: one routes to the internet gateway")
		}
	})
}
