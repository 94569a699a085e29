package tapstack_test

import (
	"slices"
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const role, rolePolicy = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"

func TestRoles(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(role, "admin-role-dev", "flow-log-role-dev", "ingest-role-dev", "process-role-dev", "rds-monitoring-role-dev")
	d.expectNames(rolePolicy, "admin-policy-dev", "flow-log-policy-dev", "ingest-policy-dev", "process-policy-dev", "rds-monitoring-policy-dev")
	for prefix, description := range map[string]string{
		"ingest": "Function ingest", "process": "Function process: no right on personal data", "admin": "Function admin",
		"flow-log": "Delivery of the VPC's flow logs", "rds-monitoring": "Enhanced monitoring of the database",
	} {
		// Nothing is attached from elsewhere: the inline policy is all that the role may do.
		name, policy := prefix+"-role-dev", prefix+"-policy-dev"
		d.expect(role, name, inputs{"name": name, "description": description, "forceDetachPolicies": true, "assumeRolePolicy": d.get(name).Text("assumeRolePolicy")})
		d.expect(rolePolicy, policy, inputs{"name": policy, "role": name, "policy": d.get(policy).Text("policy")})
	}
}

// A function that came before its policy could not be made, and one that outlived it would leave its network interfaces
// behind.
func TestWhoActsAsARoleWaitsForItsPolicy(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	for actor, policy := range map[string]string{
		"ingest-function-dev": "ingest-policy-dev", "process-function-dev": "process-policy-dev", "admin-function-dev": "admin-policy-dev",
		"flow-log-dev": "flow-log-policy-dev", "rds-dev": "rds-monitoring-policy-dev",
	} {
		if !d.get(actor).DependsOn(policy) {
			t.Errorf("%s does not wait for %s", actor, policy)
		}
	}
	if !d.get("process-source-dev").DependsOn("process-function-dev") {
		t.Error("the event source does not wait for process")
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	trust := func(name string, condition conditions) statement {
		return statement{Sid: "Trust", Effect: "Allow", Principal: service(name), Action: list("sts:AssumeRole"), Condition: condition}
	}
	for _, function := range []string{"ingest", "process", "admin"} {
		d.expectPolicy(function+"-role-dev", "assumeRolePolicy", trust("lambda.amazonaws.com", nil))
	}
	d.expectPolicy("flow-log-role-dev", "assumeRolePolicy", trust("vpc-flow-logs.amazonaws.com", conditions{"StringEquals": {"aws:SourceAccount": list(account)}}))
	d.expectPolicy("rds-monitoring-role-dev", "assumeRolePolicy", trust("monitoring.rds.amazonaws.com", conditions{
		"StringEquals": {"aws:SourceAccount": list(account)}, "ArnEquals": {"aws:SourceArn": list(arn("rds", "db:rds-dev"))}}))
}

// allow is a statement of a role.
func allow(sid string, actions []string, resources ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

// common is what every function may do.
func (d deployed) common(function string) []statement {
	interfaces := list("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses")
	return []statement{
		allow("OwnLog", list("logs:CreateLogStream", "logs:PutLogEvents"), arn("logs", "log-group:/aws/lambda/"+function+"-function-dev:*")),
		// For Lambda itself, and not for the code that runs there.
		allow("VpcInterface", interfaces, "*"),
		{Sid: "VpcInterfaceNotByCode", Effect: "Deny", Action: interfaces, Resource: list("*"),
			Condition: conditions{"ArnEquals": {"lambda:SourceFunctionArn": list(arn("lambda", "function:"+function+"-function-dev"))}}},
		allow("Traces", list("xray:PutTraceSegments", "xray:PutTelemetryRecords"), "*"),
		allow("CacheSignIn", list("elasticache:Connect"), arn("elasticache", "replicationgroup:redis-dev"), arn("elasticache", "user:redis-app-dev")),
	}
}

// leave is to put what failed into the queue. The key is the stream's.
func (d deployed) leave() []statement {
	return []statement{
		allow("DeadLetters", list("sqs:SendMessage"), arn("sqs", "dead-letter-queue-dev")),
		allow("StreamKey", list("kms:GenerateDataKey", "kms:Decrypt"), d.arn("stream-key-dev")),
	}
}

// signIn lets a role sign in to the database, which is named by its resource id, as users.
func (d deployed) signIn(users ...string) statement {
	d.t.Helper()
	resource, ok := d.get("rds-dev").Output("resourceId").(string)
	if !ok {
		d.t.Fatal("the database has no resource id")
	}
	var arns []string
	for _, user := range users {
		arns = append(arns, arn("rds-db", "dbuser:"+resource+"/"+user))
	}
	return allow("DatabaseSignIn", list("rds-db:connect"), arns...)
}

func (d deployed) expectRights(function string, own ...statement) {
	d.t.Helper()
	d.expectPolicy(function+"-policy-dev", "policy", slices.Concat(d.common(function), own)...)
}

func TestIngestRights(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectRights("ingest", append(d.leave(),
		allow("WriteStream", list("kinesis:PutRecords", "kinesis:DescribeStreamSummary"), d.arn("kinesis-stream-dev")),
		allow("Envelope", list("kms:GenerateDataKey", "kms:Decrypt"), d.arn("pii-key-dev"), d.arn("token-key-dev")),
		allow("KeyTable", list("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"), d.arn("customer-keys-dev")),
		// It erases nobody: that takes a tombstone.
		statement{Sid: "NoErasure", Effect: "Deny", Action: list("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"), Resource: list(d.arn("customer-keys-dev")),
			Condition: conditions{"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": list("tombstones")}}},
		allow("KeyTableKey", list("kms:Decrypt"), d.arn("keystore-key-dev")),
		d.signIn("fastshop_ingest"))...)
}

func TestProcessRights(t *testing.T) {
	t.Parallel()
	read := allow("ReadStream", list("kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"),
		arn("kinesis", "stream/kinesis-stream-dev"))
	d := up(t, nil)
	d.expectRights("process", append(d.leave(), read, d.signIn("fastshop_processor"))...)

	d = up(t, func(a *tapstack.TapStackArgs) { a.EnhancedFanOut = true })
	d.expectRights("process", append(d.leave(), read, d.signIn("fastshop_processor"),
		allow("ReadPipe", list("kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"), d.arn("stream-consumer-dev")))...)
}

func TestAdminRights(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	secret, ok := d.get("rds-dev").Output("masterUserSecrets.0.secretArn").(string)
	if !ok {
		t.Fatal("the database has no managed secret")
	}
	d.expectRights("admin",
		allow("ReadStream", list("kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"), d.arn("kinesis-stream-dev")),
		allow("StreamKey", list("kms:Decrypt"), d.arn("stream-key-dev")),
		allow("Envelope", list("kms:GenerateDataKey", "kms:Decrypt"), d.arn("pii-key-dev"), d.arn("token-key-dev")),
		allow("KeyTable", list("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem",
			"dynamodb:DescribeTable"), d.arn("customer-keys-dev")),
		allow("KeyTableKey", list("kms:Decrypt"), d.arn("keystore-key-dev")),
		d.signIn("fastshop_migrate", "fastshop_processor"),
		allow("MasterSecret", list("secretsmanager:GetSecretValue"), secret),
		allow("MasterSecretKey", list("kms:Decrypt"), d.arn("database-key-dev")),
		allow("CarryDeadLetters", list("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"), arn("sqs", "dead-letter-queue-dev")))
}

func TestServiceRights(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectPolicy("flow-log-policy-dev", "policy", allow("Deliver", list("logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"),
		arn("logs", "log-group:/aws/vpc/flow-log-dev"), arn("logs", "log-group:/aws/vpc/flow-log-dev:*")))
	d.expectPolicy("rds-monitoring-policy-dev", "policy", allow("OSMetrics", list("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:CreateLogStream",
		"logs:PutLogEvents", "logs:DescribeLogStreams", "logs:GetLogEvents"), arn("logs", "log-group:RDSOSMetrics"), arn("logs", "log-group:RDSOSMetrics:log-stream:*")))
}
