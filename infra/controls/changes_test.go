package controls_test

import (
	"maps"
	"testing"
	"time"

	"github.com/fastshop/pipeline/infra/controls"
)

// Types that the mutations name.
const (
	kmsKey          = "aws:kms/key:Key"
	role            = "aws:iam/role:Role"
	rolePolicy      = "aws:iam/rolePolicy:RolePolicy"
	stream          = "aws:kinesis/stream:Stream"
	table           = "aws:dynamodb/table:Table"
	database        = "aws:rds/instance:Instance"
	parameters      = "aws:rds/parameterGroup:ParameterGroup"
	dbSubnets       = "aws:rds/subnetGroup:SubnetGroup"
	events          = "aws:rds/eventSubscription:EventSubscription"
	cache           = "aws:elasticache/replicationGroup:ReplicationGroup"
	cacheSubnets    = "aws:elasticache/subnetGroup:SubnetGroup"
	function        = "aws:lambda/function:Function"
	permission      = "aws:lambda/permission:Permission"
	source          = "aws:lambda/eventSourceMapping:EventSourceMapping"
	queue           = "aws:sqs/queue:Queue"
	queuePolicy     = "aws:sqs/queuePolicy:QueuePolicy"
	topic           = "aws:sns/topic:Topic"
	topicPolicy     = "aws:sns/topicPolicy:TopicPolicy"
	alarm           = "aws:cloudwatch/metricAlarm:MetricAlarm"
	logGroup        = "aws:cloudwatch/logGroup:LogGroup"
	network         = "aws:ec2/vpc:Vpc"
	subnet          = "aws:ec2/subnet:Subnet"
	group           = "aws:ec2/securityGroup:SecurityGroup"
	defaultGroup    = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
	ingress         = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	egress          = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
	endpoint        = "aws:ec2/vpcEndpoint:VpcEndpoint"
	flowLog         = "aws:ec2/flowLog:FlowLog"
	nat             = "aws:ec2/natGateway:NatGateway"
	provider        = "pulumi:providers:aws"
	api             = "aws:apigatewayv2/api:Api"
	route           = "aws:apigatewayv2/route:Route"
	stage           = "aws:apigatewayv2/stage:Stage"
	foreign         = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
	privateToPublic = "route-public-test"
)

// breakingChanges are, by control, changes of the real stack that the control must find.
func breakingChanges(t *testing.T) map[string][]change {
	all := map[string][]change{}
	for _, part := range []map[string][]change{
		keyChanges(t), databaseChanges(), cacheChanges(), networkChanges(t), messageChanges(t), computeChanges(), identityChanges(t), policyChanges(t), lifeChanges(t),
	} {
		maps.Copy(all, part)
	}
	return all
}

// mendingChanges are, by control that the stack meets only by exception, changes that would meet it.
func mendingChanges() map[string][]change {
	withEndpoint := func(service string) []change {
		return []change{func(s *controls.Stack) {
			matching(s, network, "", func(v *controls.Resource) {
				add(controls.Resource{Type: endpoint, Name: "more", Inputs: map[string]any{
					"vpcId": v.ID, "vpcEndpointType": "Interface", "serviceName": "com.amazonaws.us-east-1." + service}})(s)
			})
		}}
	}
	return map[string][]change{
		"KMS.3":       {option(kmsKey, func(r *controls.Resource) { r.RetainOnDelete = true }), option(kmsKey, func(r *controls.Resource) { r.Protect = true })},
		"RDS.8":       {set(database, "deletionProtection", true)},
		"DynamoDB.6":  {set(table, "deletionProtectionEnabled", true)},
		"CKV_AWS_272": {set(function, "codeSigningConfigArn", "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-1")},
		"EC2.10":      withEndpoint("ec2"), "EC2.55": withEndpoint("ecr.api"), "EC2.56": withEndpoint("ecr.dkr"), "EC2.57": withEndpoint("ssm"),
		"EC2.58": withEndpoint("ssm-contacts"), "EC2.60": withEndpoint("ssm-incidents"),
	}
}

func keyChanges(t *testing.T) map[string][]change {
	return map[string][]change{
		"KMS.4":         {set(kmsKey, "enableKeyRotation", false), set(kmsKey, "rotationPeriodInDays", 30.0), set(kmsKey, "rotationPeriodInDays", 3650.0)},
		"KMS.5":         {grant(t, kmsKey, "", "policy", `{"Sid":"X","Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:Decrypt","Resource":"*"}`), edit(t, kmsKey, "stream-key", "policy", `"123456789012"`, `"*"`)},
		"CKV_AWS_227":   {set(kmsKey, "isEnabled", false)},
		"CKV2_AWS_64":   {set(kmsKey, "policy", nil), set(kmsKey, "bypassPolicyLockoutSafetyCheck", true)},
		"Kinesis.1":     {set(stream, "encryptionType", "NONE"), set(stream, "encryptionType", nil)},
		"KDS3":          {set(stream, "kmsKeyId", "alias/aws/kinesis"), set(stream, "kmsKeyId", nil), set(stream, "kmsKeyId", foreign)},
		"Kinesis.2":     {set(stream, "tags", nil), set(stream, "tags", map[string]any{})},
		"Kinesis.3":     {set(stream, "retentionPeriod", 24.0), set(stream, "retentionPeriod", nil)},
		"DynamoDB.1":    {set(table, "billingMode", "PROVISIONED")},
		"DynamoDB.2":    {set(table, "pointInTimeRecovery.enabled", false), set(table, "pointInTimeRecovery.recoveryPeriodInDays", nil)},
		"CKV_AWS_119":   {set(table, "serverSideEncryption", nil), set(table, "serverSideEncryption.kmsKeyArn", foreign)},
		"CKV_AWS_158":   {set(logGroup, "kmsKeyId", nil)},
		"CloudWatch.16": {set(logGroup, "retentionInDays", 30.0), set(logGroup, "retentionInDays", nil)},
		"CloudWatch.15": {set(alarm, "alarmActions", nil), set(alarm, "alarmActions", []any{"arn:aws:sns:us-east-1:123456789012:another"})},
		"CloudWatch.17": {set(alarm, "actionsEnabled", false)},
	}
}

func databaseChanges() map[string][]change {
	return map[string][]change{
		"RDS.2":            {set(database, "publiclyAccessible", true), set(database, "publiclyAccessible", nil)},
		"RDS.3":            {set(database, "storageEncrypted", false), set(database, "kmsKeyId", nil), set(database, "kmsKeyId", foreign)},
		"RDS.5":            {set(database, "multiAz", false)},
		"RDS.6":            {set(database, "monitoringInterval", 0.0), set(database, "monitoringRoleArn", nil)},
		"RDS.9":            {set(database, "enabledCloudwatchLogsExports", []any{"postgresql"}), set(database, "enabledCloudwatchLogsExports", nil)},
		"RDS.10":           {set(database, "iamDatabaseAuthenticationEnabled", false)},
		"RDS.11":           {set(database, "backupRetentionPeriod", 6.0), set(database, "backupRetentionPeriod", nil)},
		"RDS.13":           {set(database, "autoMinorVersionUpgrade", false)},
		"RDS.17":           {set(database, "copyTagsToSnapshot", nil)},
		"RDS.20":           {drop(events, "rds-instance"), set(events, "enabled", false), set(events, "eventCategories", []any{"failure"}), set(events, "snsTopic", "arn:aws:sns:us-east-1:123456789012:another"), set(events, "sourceIds", []any{"rds-other"})},
		"RDS.21":           {drop(events, "rds-parameter"), set(events, "sourceType", "db-cluster"), set(events, "sourceIds", []any{"postgres15-parameter-group-test"})},
		"RDS.22":           {drop(events, "rds-group"), set(events, "eventCategories", []any{"failure"}), set(events, "sourceIds", []any{"default"})},
		"RDS.23":           {set(database, "port", 5432.0), set(database, "port", nil)},
		"RDS.25":           {set(database, "username", "postgres"), set(database, "username", "Admin"), set(database, "username", nil)},
		"RDS.38":           {setParameter(parameters, "rds.force_ssl", "value", "0"), set(parameters, "parameters", nil)},
		"RDS.46":           {openSubnets, set(database, "dbSubnetGroupName", "default"), set(dbSubnets, "subnetIds", []any{"subnet-1"})},
		"CKV_AWS_211":      {set(database, "caCertIdentifier", "rds-ca-2019")},
		"SecretsManager.1": {set(database, "manageMasterUserPassword", nil), set(database, "password", "hunter2"), set(database, "passwordWo", "hunter2"), set(database, "masterUserSecretKmsKeyId", nil)},
		"CKV_AWS_353":      {set(database, "performanceInsightsEnabled", false), set(database, "performanceInsightsKmsKeyId", nil)},
		"CKV2_AWS_30":      {setParameter(parameters, "log_statement", "value", "none"), setParameter(parameters, "log_min_duration_statement", "name", "x")},
		"LOG.1": {setParameter(parameters, "log_parameter_max_length", "value", "-1"), setParameter(parameters, "log_parameter_max_length", "name", "x"), addParameter(parameters, "log_parameter_max_length_on_error", "64"),
			addParameter(parameters, "log_parameter_max_length_on_error", "-1"), setParameter(parameters, "log_error_verbosity", "value", "default"), setParameter(parameters, "log_error_verbosity", "name", "x")},
	}
}

// openSubnets routes the private subnets to the internet gateway.
func openSubnets(s *controls.Stack) {
	var gateway any
	matching(s, "aws:ec2/route:Route", privateToPublic, func(r *controls.Resource) { gateway = r.Input("gatewayId") })
	matching(s, "aws:ec2/route:Route", "route-private", func(r *controls.Resource) { r.Inputs["gatewayId"] = gateway })
}

func cacheChanges() map[string][]change {
	return map[string][]change{
		"ElastiCache.1": {set(cache, "snapshotRetentionLimit", 0.0), set(cache, "snapshotRetentionLimit", nil)},
		"ElastiCache.2": {set(cache, "autoMinorVersionUpgrade", false)},
		"ElastiCache.3": {set(cache, "automaticFailoverEnabled", false), set(cache, "replicasPerNodeGroup", 0.0)},
		"ElastiCache.4": {set(cache, "atRestEncryptionEnabled", nil)},
		"ElastiCache.5": {set(cache, "transitEncryptionEnabled", false), set(cache, "transitEncryptionMode", "preferred")},
		"ElastiCache.7": {set(cache, "subnetGroupName", "default"), set(cache, "subnetGroupName", nil), openSubnets},
		"AEC4":          {set(cache, "multiAzEnabled", false)},
		"AEC5":          {set(cache, "port", 6379.0), set(cache, "port", nil)},
		"AEC6":          {set(cache, "userGroupIds", []any{}), set(cache, "userGroupIds", nil)},
		"CKV_AWS_191":   {set(cache, "kmsKeyId", nil)},
		"CACHE.1": {drop(alarm, ""), func(s *controls.Stack) {
			matching(s, topic, "", func(r *controls.Resource) { put(r.Outputs, "arn", "arn:of:the:topic") })
			set(cache, "notificationTopicArn", "arn:of:another:topic")(s)
		}},
	}
}

func networkChanges(t *testing.T) map[string][]change {
	fromWorld := func(from, to float64, cidr string) change {
		return add(controls.Resource{Type: ingress, Name: "open", Inputs: map[string]any{"cidrIpv4": cidr, "ipProtocol": "tcp", "fromPort": from, "toPort": to, "description": "x"}})
	}
	everything := add(controls.Resource{Type: ingress, Name: "open", Inputs: map[string]any{"cidrIpv6": "::/0", "ipProtocol": "-1", "description": "x"}})
	return map[string][]change{
		"EC2.2":      {drop(defaultGroup, ""), set(defaultGroup, "ingress", []any{map[string]any{}}), set(defaultGroup, "egress", []any{map[string]any{}})},
		"EC2.6":      {drop(flowLog, ""), set(flowLog, "trafficType", "ACCEPT"), set(flowLog, "vpcId", "vpc-1")},
		"EC2.15":     {set(subnet, "mapPublicIpOnLaunch", true)},
		"EC2.18":     {fromWorld(8443, 8443, "0.0.0.0/0"), fromWorld(80, 443, "0.0.0.0/0"), everything, set(group, "ingress", []any{map[string]any{}})},
		"EC2.19":     {fromWorld(22, 22, "0.0.0.0/0"), fromWorld(5000, 6000, "0.0.0.0/0"), everything},
		"EC23":       {fromWorld(443, 443, "0.0.0.0/0"), everything},
		"EC27":       {set(group, "description", "Managed by Pulumi"), set(ingress, "description", nil), set(egress, "description", "")},
		"CKV2_AWS_5": {add(controls.Resource{Type: group, Name: "idle", ID: "sg-idle"})},
		"NET.1": {fromWorld(443, 443, "10.0.0.0/8"), add(controls.Resource{Type: egress, Name: "out", Inputs: map[string]any{"cidrIpv4": "0.0.0.0/0", "ipProtocol": "-1"}}),
			add(controls.Resource{Type: egress, Name: "out", Inputs: map[string]any{"cidrIpv4": "10.0.0.0/8", "ipProtocol": "tcp", "fromPort": 443.0, "toPort": 443.0}})},
		"NET.2": {set(provider, "region", "sa-east-1"), set(provider, "region", nil)},
		"NET.3": {set(endpoint, "policy", nil), edit(t, endpoint, "", "policy", "aws:PrincipalAccount", "aws:PrincipalOrgID")},
	}
}

func messageChanges(t *testing.T) map[string][]change {
	open := `{"Sid":"X","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`
	return map[string][]change{
		"SQS.1":       {set(queue, "kmsMasterKeyId", nil)},
		"CKV2_AWS_73": {set(queue, "kmsMasterKeyId", "alias/aws/sqs")},
		"SQS.3":       {grant(t, queuePolicy, "", "policy", open)},
		"CKV_AWS_72":  {grant(t, queuePolicy, "", "policy", `{"Sid":"X","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/r"},"Action":"sqs:*","Resource":"*"}`)},
		"SQS3":        {add(controls.Resource{Type: queue, Name: "work", Outputs: map[string]any{"arn": "arn:aws:sqs:us-east-1:123456789012:work"}})},
		"SQS4": {drop(queuePolicy, ""), edit(t, queuePolicy, "", "policy", `"false"`, `"true"`), edit(t, queuePolicy, "", "policy", `sqs:*`, `sqs:SendMessage`),
			edit(t, queuePolicy, "", "policy", `"Deny"`, `"Allow"`), set(queuePolicy, "queueUrl", "https://another")},
		"SNS.1": {set(topic, "kmsMasterKeyId", nil), set(topic, "kmsMasterKeyId", "alias/aws/sns")},
		"SNS.4": {grant(t, topicPolicy, "", "policy", open)},
		"SNS3":  {drop(topicPolicy, ""), edit(t, topicPolicy, "", "policy", `aws:SecureTransport`, `aws:ViaAWSService`)},
	}
}

// fromBucket permits a bucket, whose ARN has no account, to start functions, with the account stated beside it.
func fromBucket(account any) change {
	return func(s *controls.Stack) {
		set(permission, "sourceArn", "arn:aws:s3:::bucket")(s)
		set(permission, "sourceAccount", account)(s)
	}
}

func computeChanges() map[string][]change {
	return map[string][]change{
		"Lambda.1": {set(permission, "principal", "*"), set(permission, "principal", "999999999999"), set(permission, "sourceArn", nil),
			// No account, a pattern of accounts, another account, any source, any service, and a function of which nobody knows the account.
			set(permission, "sourceArn", "arn:aws:s3:::bucket"), set(permission, "sourceArn", "arn:aws:events:us-east-1:*:rule/r"), set(permission, "sourceArn", "arn:aws:events:us-east-1:99999999999?:rule/r"),
			set(permission, "sourceArn", "arn:aws:events:us-east-1:999999999999:rule/r"), set(permission, "sourceArn", "arn:aws:events:us-east-1:123456789012:*"),
			set(permission, "sourceArn", "arn:aws:*:us-east-1:123456789012:rule/r"), set(permission, "sourceArn", "arn:aws:events:us-east-1:123456789012:"), set(permission, "sourceArn", "*"),
			set(permission, "function", "another"),
			fromBucket(nil), fromBucket("999999999999"), fromBucket("*"),
			set(permission, "action", "lambda:*"), set(permission, "functionUrlAuthType", "NONE")},
		"Lambda.2":    {set(function, "runtime", "provided.al2"), set(function, "runtime", "go1.x")},
		"Lambda.3":    {set(function, "vpcConfig", nil), set(function, "vpcConfig.securityGroupIds", []any{})},
		"Lambda.5":    {set(function, "vpcConfig.subnetIds", []any{}), set(subnet, "availabilityZone", "us-east-1a"), openSubnets},
		"Lambda.7":    {set(function, "tracingConfig.mode", "PassThrough"), set(function, "tracingConfig", nil)},
		"CKV_AWS_45":  {set(function, "environment.variables.DB_PASSWORD", "x"), set(function, "environment.variables.X", "AKIAIOSFODNN7EXAMPLE"), set(function, "environment.variables.X", "postgres://fs:hunter2@db/x")},
		"CKV_AWS_115": {set(function, "reservedConcurrentExecutions", -1.0), set(function, "reservedConcurrentExecutions", nil)},
		"CKV_AWS_116": {set(function, "deadLetterConfig", nil), set(function, "deadLetterConfig.targetArn", "arn:aws:sqs:us-east-1:123456789012:another")},
		"CKV_AWS_173": {set(function, "kmsKeyArn", nil), set(function, "kmsKeyArn", foreign)},
		"ESM.1": {set(source, "functionResponseTypes", nil), set(source, "bisectBatchOnFunctionError", false), set(source, "maximumRetryAttempts", -1.0),
			set(source, "maximumRetryAttempts", nil), set(source, "destinationConfig", nil)},
		"APIGateway.8": {set(route, "authorizationType", "NONE"), set(route, "authorizationType", nil)},
		"APIGateway.9": {set(stage, "accessLogSettings", nil), set(stage, "accessLogSettings.destinationArn", "arn:aws:logs:x"), set(stage, "accessLogSettings.format", "")},
		"EDGE.1":       {set(stage, "defaultRouteSettings", nil), set(stage, "defaultRouteSettings.throttlingBurstLimit", 0.0)},
		"EDGE.2":       {set(api, "corsConfiguration", map[string]any{"allowOrigins": []any{"*"}}), set(api, "protocolType", "WEBSOCKET")},
	}
}

func identityChanges(t *testing.T) map[string][]change {
	may := func(action, resource string) change {
		return grant(t, rolePolicy, "process-policy", "policy", `{"Sid":"X","Effect":"Allow","Action":"`+action+`","Resource":"`+resource+`"}`)
	}
	trusts := func(principal, action string) change {
		return grant(t, role, "process-role", "assumeRolePolicy", `{"Sid":"X","Effect":"Allow","Principal":`+principal+`,"Action":"`+action+`"}`)
	}
	return map[string][]change{
		"IAM.1":      {may("*", "*"), set(role, "inlinePolicies", []any{map[string]any{"policy": `{"Version":"2012-10-17","Statement":[{"Sid":"X","Effect":"Allow","Action":"*","Resource":"*"}]}`}})},
		"IAM.21":     {may("kinesis:*", "arn:aws:kinesis:us-east-1:123456789012:stream/s"), may("iam:*", "x"), may("s3:Get*", "x")},
		"KMS.2":      {may("kms:Decrypt", "*"), may("kms:*", "*"), may("kms:ReEncrypt*", "arn:aws:kms:us-east-1:123456789012:key/*")},
		"IAM4":       {set(role, "managedPolicyArns", []any{"arn:aws:iam::aws:policy/AdministratorAccess"})},
		"IAM5":       {may("sqs:SendMessage", "*"), may("logs:PutLogEvents", "arn:aws:logs:us-east-1:123456789012:log-group:*:*"), may("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:123456789012:table/*")},
		"ROLE.1":     {may("rds:DeleteDBInstance", "x"), may("kms:PutKeyPolicy", "x"), may("logs:Delete*", "x")},
		"CKV_AWS_60": {trusts(`"*"`, "sts:AssumeRole"), trusts(`{"AWS":"arn:aws:iam::123456789012:role/r"}`, "sts:AssumeRole"), trusts(`{"Service":"lambda.amazonaws.com"}`, "sts:*")},
		"CKV_AWS_61": {trusts(`{"AWS":"arn:aws:iam::123456789012:root"}`, "sts:AssumeRole"), trusts(`{"AWS":"123456789012"}`, "sts:AssumeRole")},
	}
}

func policyChanges(t *testing.T) map[string][]change {
	const root = `{"AWS":"arn:aws:iam::123456789012:root"}`
	key := func(prefix, sid, principal, action, condition string) change {
		return grant(t, kmsKey, prefix, "policy", `{"Sid":"`+sid+`","Effect":"Allow","Principal":`+principal+`,"Action":"`+action+`","Resource":"*","Condition":`+condition+`}`)
	}
	mention := func(s *controls.Stack) { // the process role's own policy is given the personal-data key
		var id string
		matching(s, kmsKey, "pii-key", func(r *controls.Resource) { id = r.ID })
		edit(t, rolePolicy, "process-policy", "policy", `"Resource":[`, `"Resource":["arn:aws:kms:us-east-1:123456789012:key/`+id+`",`)(s)
	}
	return map[string][]change{
		"POLICY.1": {set(queuePolicy, "policy", "{"), edit(t, kmsKey, "", "policy", "2012-10-17", "2008-10-17"), edit(t, rolePolicy, "", "policy", `"Sid"`, `"SID"`),
			edit(t, kmsKey, "stream-key", "policy", `"ReadRecords"`, `"WriteRecords"`), edit(t, kmsKey, "", "policy", `"Administration"`, `""`),
			set(topicPolicy, "policy", `{"Version":"2012-10-17","Statement":[]}`), edit(t, rolePolicy, "", "policy", `"Allow"`, `"Permit"`), set(topicPolicy, "policy", `{"Version":"2012-10-17","Statement":[],"Also":1}`)},
		"POLICY.2": {grant(t, rolePolicy, "", "policy", `{"Sid":"X","Effect":"Allow","NotAction":"iam:*","Resource":"*"}`), grant(t, queuePolicy, "", "policy", `{"Sid":"X","Effect":"Allow","NotPrincipal":{"AWS":"a"},"Action":"sqs:SendMessage","Resource":"x"}`),
			key("", "X", `"*"`, "kms:DescribeKey", "{}"), key("", "X", `{"AWS":["arn:aws:iam::*:root"]}`, "kms:DescribeKey", "{}")},
		"POLICY.3": {edit(t, kmsKey, "", "policy", `"kms:Describe*"`, `"kms:*"`), key("", "X", root, "kms:D*", "{}"), grant(t, topicPolicy, "", "policy", `{"Sid":"X","Effect":"Allow","Principal":{"Service":"s"},"Action":"sns:Pub*","Resource":"x"}`)},
		"POLICY.4": {grant(t, rolePolicy, "", "policy", `{"Sid":"X","Effect":"Allow","Action":"kms:GenerateDataKey","Resource":"*"}`), grant(t, rolePolicy, "", "policy", `{"Sid":"X","Effect":"Allow","Action":"kms:CreateGrant","Resource":"`+foreign+`"}`)},
		"POLICY.5": {edit(t, kmsKey, "", "policy", `"kms:Describe*"`, `"kms:Decrypt"`), edit(t, kmsKey, "", "policy", `"kms:Describe*"`, `"kms:Cr*"`), edit(t, kmsKey, "", "policy", `"kms:Describe*"`, `"kms:*"`),
			set(kmsKey, "policy", `{"Version":"2012-10-17","Statement":[]}`), set(kmsKey, "policy", `{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}]}`)},
		"POLICY.6": {key("", "X", root, "kms:Decrypt", "{}"), key("", "X", root, "kms:Decrypt", `{"StringEquals":{"kms:CallerAccount":"123456789012"}}`), key("", "X", `{"AWS":"123456789012"}`, "kms:Decrypt", "{}"),
			key("", "X", root, "kms:Decrypt", `{"StringEqualsIfExists":{"kms:CallerAccount":"123456789012","kms:ViaService":"rds.us-east-1.amazonaws.com"}}`),
			key("", "X", root, "kms:CreateGrant", `{"StringEquals":{"kms:CallerAccount":"123456789012","kms:ViaService":"rds.us-east-1.amazonaws.com"}}`)},
		"POLICY.7": {edit(t, kmsKey, "stream-key", "policy", "role/ingest-role-test", "role/*"), edit(t, kmsKey, "pii-key", "policy", `"fastshop"`, `"${aws:username}"`), edit(t, role, "flow-log-role", "assumeRolePolicy", `"123456789012"`, `"1234567890??"`)},
		"POLICY.8": {edit(t, role, "flow-log-role", "assumeRolePolicy", `aws:SourceAccount`, `aws:CurrentTime`), edit(t, kmsKey, "operations-key", "policy", `kms:EncryptionContext:aws:logs:arn`, `kms:X`), edit(t, kmsKey, "operations-key", "policy", `aws:SourceAccount`, `kms:X`)},
		"POLICY.9": {edit(t, kmsKey, "cache-key", "policy", `,"dax.us-east-1.amazonaws.com"`, ``), edit(t, kmsKey, "cache-key", "policy", `"elasticache.us-east-1.amazonaws.com",`, ``), set(cache, "kmsKeyId", foreign),
			func(s *controls.Stack) { // another key, which does not admit ElastiCache
				matching(s, kmsKey, "stream-key", func(k *controls.Resource) { set(cache, "kmsKeyId", k.Outputs["arn"])(s) })
			}},
		"POLICY.10": {mention, edit(t, kmsKey, "pii-key", "policy", "role/admin-role-test", "role/process-role-test"), key("pii-key", "X", root, "kms:Decrypt", `{"StringEquals":{"kms:ViaService":"dynamodb.us-east-1.amazonaws.com"}}`)},
	}
}

func lifeChanges(t *testing.T) map[string][]change {
	brief := func(token string) change {
		return option(token, func(r *controls.Resource) { r.DeleteTimeout = 20 * time.Minute })
	}
	return map[string][]change{
		"DESTROY.1": {option(database, func(r *controls.Resource) { r.Protect = true }), option(stream, func(r *controls.Resource) { r.RetainOnDelete = true })},
		"DESTROY.2": {set(database, "deletionProtection", true), set(table, "deletionProtectionEnabled", true), set(logGroup, "skipDestroy", true)},
		"DESTROY.3": {set(database, "skipFinalSnapshot", false), set(database, "finalSnapshotIdentifier", "last"), set(database, "deleteAutomatedBackups", false)},
		"DESTROY.4": {set(cache, "finalSnapshotIdentifier", "last")},
		"DESTROY.5": {set(stream, "enforceConsumerDeletion", nil)},
		"DESTROY.6": {set(kmsKey, "deletionWindowInDays", 30.0), set(kmsKey, "deletionWindowInDays", nil)},
		"DESTROY.7": {lessDependent(function), lessDependent(database), drop(logGroup, ""), set(function, "loggingConfig.logGroup", "/aws/lambda/another"), func(s *controls.Stack) { // the group that Lambda makes by itself
			set(function, "loggingConfig", nil)(s)
			set(function, "name", "another")(s)
		}},
		"DESTROY.8":  {grant(t, rolePolicy, "", "policy", `{"Sid":"X","Effect":"Allow","Action":"logs:Create*","Resource":"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/x"}`)},
		"DESTROY.9":  {set(function, "replaceSecurityGroupsOnDestroy", false), set(function, "replacementSecurityGroupIds", nil), brief(group), brief(subnet)},
		"DESTROY.10": {set(group, "revokeRulesOnDelete", nil), set(group, "ingress", []any{map[string]any{}}), set(group, "egress", []any{map[string]any{}})},
		"DESTROY.11": {lessDependent(nat)},
		"DESTROY.12": {set(role, "forceDetachPolicies", nil)},
		"DESTROY.13": {setParameter(parameters, "rds.force_ssl", "applyMethod", "immediate"), setParameter(parameters, "shared_preload_libraries", "applyMethod", "immediate")},
		"DESTROY.14": {option(role, func(r *controls.Resource) { r.DeleteBeforeReplace = false })},
		"DESTROY.15": {lessDependentOn(rolePolicy), set(function, "role", "arn:aws:iam::123456789012:role/another")},
		"NAME.1":     {set(queue, "name", "dead-letters"), set(logGroup, "name", "/aws/lambda/ingest-function-testing"), set(table, "name", "test-keys")},
		"NAME.2":     {set(queue, "name", "dead letters"), set(cache, "replicationGroupId", "redis--test"), set(function, "name", longName), set(database, "identifier", "9-test")},
		"NAME.3":     {set(group, "name", "sg-redis-test"), set(group, "name", nil)},
		"NAME.4":     {set(topic, "tags", nil), set(stream, "tags.cost-center", "sales")},
	}
}

// longName is one character longer than a function's name may be.
const longName = "a-function-with-a-name-of-sixty-five-characters-and-that-is-much-"

// lessDependentOn makes everything forget its dependencies on resources of the type, and gives each role's user a policy to
// forget: the change is found even where the stack itself forgot.
func lessDependentOn(token string) change {
	return func(s *controls.Stack) {
		var names []string
		matching(s, token, "", func(r *controls.Resource) { names = append(names, r.Name) })
		matching(s, role, "ingest-role", func(r *controls.Resource) {
			add(controls.Resource{Type: token, Name: "more", Inputs: map[string]any{"role": r.ID}})(s)
		})
		for _, r := range s.Resources {
			kept := r.Dependencies[:0]
			for _, d := range r.Dependencies {
				forget := false
				for _, n := range names {
					forget = forget || n == d
				}
				if !forget {
					kept = append(kept, d)
				}
			}
			r.Dependencies = kept
		}
	}
}
