package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// roles are what the functions act as.
type roles struct{ ingest, process, admin *role }

// role is a role with the one policy that says what it may do.
type role struct {
	*iam.Role
	policy *iam.RolePolicy
}

// inForce makes who acts as the role wait for its policy, and leave before it: a function without its rights cannot be
// made, and one that loses them first leaves its network interfaces behind.
func (r *role) inForce() pulumi.ResourceOption { return pulumi.DependsOn([]pulumi.Resource{r.policy}) }

// The database users that the functions sign in as, by IAM token. The program's migrations create them, and two more that
// nobody here is yet: fastshop_console and fastshop_privacy.
const (
	userIngest    = "fastshop_ingest"
	userProcessor = "fastshop_processor"
	userMigrate   = "fastshop_migrate"
)

// role makes a role with one inline policy: nothing is attached from elsewhere, so this text is all that it may do.
func (s *TapStack) role(prefix, description string, trust statement, rights ...statement) *role {
	trust.sid, trust.actions = "Trust", []string{"sts:AssumeRole"}
	r := add(s, iam.NewRole, s.name(prefix+"-role"), &iam.RoleArgs{
		Name: pulumi.String(s.name(prefix + "-role")), Description: pulumi.String(description),
		AssumeRolePolicy: s.document(trust), ForceDetachPolicies: pulumi.Bool(true),
	})
	policy := add(s, iam.NewRolePolicy, s.name(prefix+"-policy"), &iam.RolePolicyArgs{
		Name: pulumi.String(s.name(prefix + "-policy")), Role: r.ID(), Policy: s.document(rights...),
	})
	return &role{r, policy}
}

func (s *TapStack) buildRoles() {
	trust := statement{services: []string{"lambda.amazonaws.com"}}
	s.roles.ingest = s.role("ingest", "Function ingest", trust, append(s.functionRights("ingest-function"), s.ingestRights()...)...)
	s.roles.process = s.role("process", "Function process: no right on personal data", trust, append(s.functionRights("process-function"), s.processRights()...)...)
	s.roles.admin = s.role("admin", "Function admin", trust, append(s.functionRights("admin-function"), s.adminRights()...)...)
}

// functionRights are what every function needs: to write its own log (the group is there already, so that it cannot
// come back after a destroy), to have an interface in the VPC, to send traces, and to sign in to the cache.
func (s *TapStack) functionRights(function string) []statement {
	group := s.arn("logs", "log-group:"+s.named("/aws/lambda/", function, "", 0))
	return []statement{
		{sid: "OwnLog", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, resources: exactly(group + ":*")},
		// AWS checks these before a subnet is known, and has no narrower resource for the Describe verbs. Lambda itself uses
		// them; the function's own code is denied them.
		{sid: "VpcInterface", actions: interfaceVerbs(), resources: everything()},
		{sid: "VpcInterfaceNotByCode", deny: true, actions: interfaceVerbs(), resources: everything(),
			conditions: conditions{"ArnEquals": {"lambda:SourceFunctionArn": {s.arn("lambda", "function:"+s.name(function))}}}},
		{sid: "Traces", actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, resources: everything()},
		{sid: "CacheSignIn", actions: []string{"elasticache:Connect"}, resources: exactly(
			s.arn("elasticache", "replicationgroup:"+s.name("redis")), s.arn("elasticache", "user:"+s.cacheUser()))},
	}
}

// deadLetterRights are to leave in the queue what failed. The key is the stream's, too: ingest writes and process reads
// that with the same right, as far as the key's policy lets each.
func (s *TapStack) deadLetterRights() []statement {
	return []statement{
		{sid: "DeadLetters", actions: []string{"sqs:SendMessage"}, resources: exactly(s.queueArn())},
		{sid: "StreamKey", actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, resources: s.keyArns(ClassStream)},
	}
}

// interfaceVerbs are what Lambda does to put a function into a VPC and take it out.
func interfaceVerbs() []string {
	return []string{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"}
}

// databaseSignIn lets a role sign in as some of the database's users.
func (s *TapStack) databaseSignIn(users ...string) statement {
	var arns pulumi.StringArray
	for _, user := range users {
		arns = append(arns, pulumi.Sprintf("%s%s/%s", s.arn("rds-db", "dbuser:"), s.database.instance.ResourceId, user))
	}
	return statement{sid: "DatabaseSignIn", actions: []string{"rds-db:connect"}, resources: arns}
}

// keyTableVerbs are what the program does with the table of wrapped keys. It deletes and changes nothing there: an erasure
// replaces an item, and writes its tombstone in the same transaction.
func keyTableVerbs() []string {
	return []string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:ConditionCheckItem"}
}

// ingestRights: it seals, stores wrapped keys, writes the stream, and decides what must be decided at once. It cannot
// erase anybody, for it may not write a tombstone.
func (s *TapStack) ingestRights() []statement {
	return append(s.deadLetterRights(), []statement{
		{sid: "WriteStream", actions: []string{"kinesis:PutRecords", "kinesis:DescribeStreamSummary"}, resources: exactly(s.streamArn())},
		{sid: "Envelope", actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, resources: s.keyArns(ClassPII, ClassToken)},
		{sid: "KeyTable", actions: keyTableVerbs(), resources: exactly(s.tableArn())},
		{sid: "NoErasure", deny: true, actions: []string{"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}, resources: exactly(s.tableArn()),
			conditions: conditions{"ForAnyValue:StringEquals": {"dynamodb:LeadingKeys": {tombstones}}}},
		{sid: "KeyTableKey", actions: []string{"kms:Decrypt"}, resources: s.keyArns(ClassKeystore)},
		s.databaseSignIn(userIngest),
	}...)
}

// processRights: Lambda reads the stream for it, it judges and stores. Nothing here can open a customer's key.
func (s *TapStack) processRights() []statement {
	rights := append(s.deadLetterRights(), []statement{
		{sid: "ReadStream", actions: []string{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"},
			resources: exactly(s.streamArn())},
		s.databaseSignIn(userProcessor),
	}...)
	if s.args.EnhancedFanOut {
		rights = append(rights, statement{sid: "ReadPipe", actions: []string{"kinesis:SubscribeToShard", "kinesis:DescribeStreamConsumer"},
			resources: pulumi.StringArray{s.stream.consumer.Arn}})
	}
	return rights
}

// adminRights: it creates the database's users with the master secret and migrates, checks every place (which wraps and
// opens a key that is thrown away), searches the stream, carries what failed, and destroys customer keys: it alone may.
func (s *TapStack) adminRights() []statement {
	return []statement{
		{sid: "ReadStream", actions: []string{"kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, resources: exactly(s.streamArn())},
		{sid: "StreamKey", actions: []string{"kms:Decrypt"}, resources: s.keyArns(ClassStream)}, // the queue's, too
		{sid: "Envelope", actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, resources: s.keyArns(ClassPII, ClassToken)},
		{sid: "KeyTable", actions: append(keyTableVerbs(), "dynamodb:DescribeTable"), resources: exactly(s.tableArn())},
		{sid: "KeyTableKey", actions: []string{"kms:Decrypt"}, resources: s.keyArns(ClassKeystore)},
		s.databaseSignIn(userMigrate, userProcessor),
		{sid: "MasterSecret", actions: []string{"secretsmanager:GetSecretValue"}, resources: pulumi.StringArray{s.database.secretArn}},
		{sid: "MasterSecretKey", actions: []string{"kms:Decrypt"}, resources: s.keyArns(ClassDatabase)},
		{sid: "CarryDeadLetters", actions: []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"}, resources: exactly(s.queueArn())},
	}
}
