package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/sns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// logGroup is one line of the list of log groups: who needs it first, and its name.
type logGroup struct{ of, key, name string }

// logGroups are all log groups. They are made here and before their writers, or AWS would make them: without key,
// without retention, and again after a destroy.
func (s *TapStack) logGroups() []logGroup {
	group := func(of, key, before, prefix, after string) logGroup {
		return logGroup{of, key, s.named(before, prefix, after, 0)}
	}
	return []logGroup{
		group("ingest-function", "ingest", "/aws/lambda/", "ingest-function", ""),
		group("process-function", "process", "/aws/lambda/", "process-function", ""),
		group("admin-function", "admin", "/aws/lambda/", "admin-function", ""),
		group("rds", "postgresql", "/aws/rds/instance/", "rds", "/postgresql"),
		group("rds", "upgrade", "/aws/rds/instance/", "rds", "/upgrade"),
		group("redis", "slow", "/aws/elasticache/", "redis", "/slow"),
		group("redis", "engine", "/aws/elasticache/", "redis", "/engine"),
		group("http-api", "http-api", "/aws/apigateway/", "http-api", ""),
		group("flow-log", "flow-log", "/aws/vpc/", "flow-log", ""),
	}
}

func (s *TapStack) buildLogs() {
	s.logs = map[string]*cloudwatch.LogGroup{}
	for _, g := range s.logGroups() {
		s.logs[g.key] = add(s, cloudwatch.NewLogGroup, g.name, &cloudwatch.LogGroupArgs{
			Name: pulumi.String(g.name), KmsKeyId: s.keys[ClassOperations].Arn, RetentionInDays: pulumi.Int(s.args.LogRetentionDays),
		})
	}
}

// afterLogs makes a writer of logs wait for its groups, and leave before them.
func (s *TapStack) afterLogs(of string) pulumi.ResourceOption {
	var groups []pulumi.Resource
	for _, g := range s.logGroups() {
		if g.of == of {
			groups = append(groups, s.logs[g.key])
		}
	}
	return pulumi.DependsOn(groups)
}

// buildFlowLogs records who talked to whom in the VPC (EC2.6). Addresses and ports, no content.
func (s *TapStack) buildFlowLogs() {
	group := s.arn("logs", "log-group:"+s.named("/aws/vpc/", "flow-log", "", 0))
	role := s.role("flow-log", "Delivery of the VPC's flow logs",
		statement{services: []string{"vpc-flow-logs.amazonaws.com"}, conditions: conditions{"StringEquals": {"aws:SourceAccount": {s.account}}}},
		statement{sid: "Deliver", actions: []string{"logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"}, resources: exactly(group, group+":*")})
	add(s, ec2.NewFlowLog, s.name("flow-log"), &ec2.FlowLogArgs{
		VpcId: s.network.vpc.ID(), TrafficType: pulumi.String("ALL"), MaxAggregationInterval: pulumi.Int(60),
		LogDestinationType: pulumi.String("cloud-watch-logs"), LogDestination: s.logs["flow-log"].Arn, IamRoleArn: role.Arn,
	}, role.inForce())
}

func (s *TapStack) topicArn() string { return s.arn("sns", s.name("alarm-topic")) }

// buildTopic makes where alarms and database events go. Its key lets both services in, or they would fail in silence.
// ElastiCache cannot publish to an encrypted topic; its alarms speak for it.
func (s *TapStack) buildTopic() {
	s.topic = add(s, sns.NewTopic, s.name("alarm-topic"), &sns.TopicArgs{
		Name: pulumi.String(s.name("alarm-topic")), DisplayName: pulumi.String("FastShop " + s.args.EnvironmentSuffix), KmsMasterKeyId: s.keys[ClassOperations].Arn,
	})
	publish := func(sid, service string) statement {
		return statement{sid: sid, services: []string{service}, actions: []string{"sns:Publish"}, resources: exactly(s.topicArn()),
			conditions: conditions{"StringEquals": {"aws:SourceAccount": {s.account}}}}
	}
	add(s, sns.NewTopicPolicy, s.name("alarm-topic-policy"), &sns.TopicPolicyArgs{
		Arn: s.topic.Arn,
		Policy: s.document(publish("Alarms", "cloudwatch.amazonaws.com"), publish("DatabaseEvents", "events.rds.amazonaws.com"),
			tlsOnly("sns:Publish", s.topicArn())),
	})
	if s.args.AlarmEmail != "" {
		add(s, sns.NewTopicSubscription, s.name("alarm-email"), &sns.TopicSubscriptionArgs{
			Topic: s.topic.Arn, Protocol: pulumi.String("email"), Endpoint: pulumi.String(s.args.AlarmEmail),
		})
	}
}
