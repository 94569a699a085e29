package tapstack

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// crypto are the verbs with which a service encrypts at rest on a caller's behalf.
func crypto() []string {
	return []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"}
}

// keyPolicy is who may do what with the key of a class. Two locks: the role's own policy must allow it, too. Roles are
// named by exact ARNs built from names, because a role that does not exist yet cannot be a principal.
func (s *TapStack) keyPolicy(class Class) pulumi.StringOutput {
	statements := []statement{s.administration()}
	switch class {
	case ClassStream:
		statements = append(statements, s.streamKeyUse()...)
	case ClassDatabase:
		statements = append(statements,
			s.throughService("UseThroughDatabase", crypto(), "rds"), s.grantForService("GrantToDatabase", "rds"),
			s.throughService("MasterSecret", []string{"kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"}, "secretsmanager"))
	case ClassCache:
		// ElastiCache calls under either name.
		statements = append(statements,
			s.throughService("UseThroughCache", crypto(), "elasticache", "dax"), s.grantForService("GrantToCache", "elasticache", "dax"))
	case ClassKeystore:
		statements = append(statements,
			s.throughService("UseThroughTable", crypto(), "dynamodb"), s.grantForService("GrantToTable", "dynamodb"))
	case ClassOperations:
		statements = append(statements, s.operationsKeyUse()...)
	case ClassPII:
		statements = append(statements, s.envelope("epoch")...)
	case ClassToken:
		statements = append(statements, s.envelope("token")...)
	}
	return s.document(statements...)
}

// administration lets the account's administrators manage the key, but neither use it nor grant its use: reading data
// takes a change of this policy, and that leaves a trace in CloudTrail.
func (s *TapStack) administration() statement {
	return statement{sid: "Administration", aws: []string{s.root()}, resources: everything(), actions: []string{
		"kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Enable*", "kms:Disable*", "kms:CreateAlias", "kms:DeleteAlias",
		"kms:TagResource", "kms:UntagResource", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:RotateKeyOnDemand",
	}}
}

// byRoles narrows the account to some of our roles.
func (s *TapStack) byRoles(prefixes ...string) conditions {
	var arns []string
	for _, p := range prefixes {
		arns = append(arns, s.roleArn(p))
	}
	return conditions{"ArnEquals": {"aws:PrincipalArn": arns}, "StringEquals": {"kms:CallerAccount": {s.account}}}
}

// through adds the services through which a key may be used.
func (c conditions) through(services ...string) conditions {
	for _, service := range services {
		c["StringEquals"]["kms:ViaService"] = append(c["StringEquals"]["kms:ViaService"], service+"."+Region+".amazonaws.com")
	}
	return c
}

// streamKeyUse: ingest writes, process and admin read; ingest and process may leave what failed in the queue, and admin
// takes it from there.
func (s *TapStack) streamKeyUse() []statement {
	records := func(sid string, actions []string, roles ...string) statement {
		c := s.byRoles(roles...).through("kinesis")
		c["StringEquals"]["kms:EncryptionContext:aws:kinesis:arn"] = []string{s.streamArn()}
		return statement{sid: sid, aws: []string{s.root()}, actions: actions, resources: everything(), conditions: c}
	}
	return []statement{
		records("WriteRecords", []string{"kms:GenerateDataKey"}, "ingest-role"),
		records("ReadRecords", []string{"kms:Decrypt"}, "process-role", "admin-role"),
		{sid: "DeadLetters", aws: []string{s.root()}, actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, resources: everything(),
			conditions: s.byRoles("ingest-role", "process-role").through("sqs")},
		{sid: "CarryDeadLetters", aws: []string{s.root()}, actions: []string{"kms:Decrypt"}, resources: everything(),
			conditions: s.byRoles("admin-role").through("sqs")},
	}
}

// throughService lets principals of the account use the key through a service, as far as their own policies allow.
func (s *TapStack) throughService(sid string, actions []string, services ...string) statement {
	c := conditions{"StringEquals": {"kms:CallerAccount": {s.account}}}.through(services...)
	return statement{sid: sid, aws: []string{s.root()}, actions: actions, resources: everything(), conditions: c}
}

// grantForService lets whoever creates the database, cache or table grant the key to the service, and to nobody else.
func (s *TapStack) grantForService(sid string, services ...string) statement {
	st := s.throughService(sid, []string{"kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"}, services...)
	st.conditions["Bool"] = map[string][]string{"kms:GrantIsForAWSResource": {"true"}}
	return st
}

// operationsKeyUse: CloudWatch Logs for exactly our groups, alarms and database events for our topic, Lambda for the
// functions' settings.
func (s *TapStack) operationsKeyUse() []statement {
	var groups []string
	for _, g := range s.logGroups() {
		groups = append(groups, s.arn("logs", "log-group:"+g.name))
	}
	return []statement{
		{sid: "Logs", services: []string{"logs." + Region + ".amazonaws.com"}, actions: crypto(), resources: everything(),
			conditions: conditions{"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": groups}}},
		{sid: "Alarms", services: []string{"cloudwatch.amazonaws.com", "events.rds.amazonaws.com"}, actions: []string{"kms:Decrypt", "kms:GenerateDataKey"}, resources: everything(),
			conditions: conditions{"StringEquals": {"aws:SourceAccount": {s.account}}}},
		s.throughService("FunctionSettings", crypto(), "lambda"), s.grantForService("GrantToFunctions", "lambda"),
	}
}

// envelope is the program's own use of a wrapping key: ingest and admin make and open data keys. The context that
// CloudTrail shows in clear names program, environment, purpose and epoch, and can name nothing else: no customer.
func (s *TapStack) envelope(purpose string) []statement {
	use := func(sid, role string, actions ...string) statement {
		c := s.byRoles(role)
		c["StringEquals"]["kms:EncryptionContext:app"] = []string{"fastshop"}
		c["StringEquals"]["kms:EncryptionContext:env"] = []string{s.args.EnvironmentSuffix}
		c["StringEquals"]["kms:EncryptionContext:purpose"] = []string{purpose}
		c["ForAllValues:StringEquals"] = map[string][]string{"kms:EncryptionContextKeys": {"app", "env", "purpose", "epoch"}}
		return statement{sid: sid, aws: []string{s.root()}, actions: actions, resources: everything(), conditions: c}
	}
	return []statement{
		use("IngestEnvelope", "ingest-role", "kms:GenerateDataKey", "kms:Decrypt"),
		use("AdminEnvelope", "admin-role", "kms:GenerateDataKey", "kms:Decrypt"),
	}
}
