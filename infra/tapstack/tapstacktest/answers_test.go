package tapstacktest_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

// answer is what AWS should answer to a resource with some inputs.
type answer struct {
	token  string
	inputs pulumi.Map
	// id and outputs (by path) are patterns; % stands for the service.
	id      string
	outputs map[string]string
}

// arn begins the ARNs of most services.
const arn = `arn:aws:%:us-east-1:123456789012:`

func networkAnswers() []answer {
	return []answer{
		{"pulumi:providers:aws", pulumi.Map{}, `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, nil},
		{"aws:ec2/vpc:Vpc", pulumi.Map{}, `vpc-[0-9a-f]{17}`, map[string]string{"arn": "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-[0-9a-f]{17}", "defaultSecurityGroupId": "sg-[0-9a-f]{17}"}},
		{"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", pulumi.Map{"vpcId": text("vpc-1")}, `sg-[0-9a-f]{17}`, map[string]string{"name": "default"}},
		{"aws:ec2/internetGateway:InternetGateway", pulumi.Map{}, `igw-[0-9a-f]{17}`, nil},
		{"aws:ec2/subnet:Subnet", pulumi.Map{"availabilityZone": text("us-east-1d")}, `subnet-[0-9a-f]{17}`, map[string]string{"availabilityZoneId": "use1-az6"}},
		{"aws:ec2/subnet:Subnet", pulumi.Map{}, `subnet-[0-9a-f]{17}`, map[string]string{"ownerId": "123456789012"}},
		{"aws:ec2/routeTable:RouteTable", pulumi.Map{}, `rtb-[0-9a-f]{17}`, nil},
		{"aws:ec2/route:Route", pulumi.Map{"routeTableId": text("rtb-1"), "gatewayId": text("igw-1")}, `r-rtb-1[0-9a-f]{10}`, map[string]string{"state": "active"}},
		{"aws:ec2/routeTableAssociation:RouteTableAssociation", pulumi.Map{}, `rtbassoc-[0-9a-f]{17}`, nil},
		{"aws:ec2/eip:Eip", pulumi.Map{}, `eipalloc-[0-9a-f]{17}`, map[string]string{"allocationId": "eipalloc-[0-9a-f]{17}"}},
		{"aws:ec2/natGateway:NatGateway", pulumi.Map{}, `nat-[0-9a-f]{17}`, map[string]string{"networkInterfaceId": "eni-[0-9a-f]{17}"}},
		{"aws:ec2/vpcEndpoint:VpcEndpoint", pulumi.Map{"serviceName": text("com.amazonaws.us-east-1.dynamodb")}, `vpce-[0-9a-f]{17}`, map[string]string{"prefixListId": "pl-[0-9a-f]{8}"}},
		{"aws:ec2/vpcEndpoint:VpcEndpoint", pulumi.Map{"serviceName": text("com.amazonaws.us-east-1.kms"), "vpcEndpointType": text("Interface"), "subnetIds": pulumi.ToStringArray([]string{"a", "b"})},
			`vpce-[0-9a-f]{17}`, map[string]string{"networkInterfaceIds.1": "eni-[0-9a-f]{17}", "dnsEntries.0.dnsName": `vpce-[0-9a-f]{17}\.kms\.us-east-1\.vpce\.amazonaws\.com`}},
		{"aws:ec2/flowLog:FlowLog", pulumi.Map{}, `fl-[0-9a-f]{17}`, nil},
		{"aws:ec2/securityGroup:SecurityGroup", pulumi.Map{"name": text("rds-sg-dev")}, `sg-[0-9a-f]{17}`, map[string]string{"name": "rds-sg-dev"}},
		{"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", pulumi.Map{"cidrIpv4": text("0.0.0.0/0")}, `sgr-[0-9a-f]{17}`, map[string]string{"securityGroupRuleId": "sgr-[0-9a-f]{17}"}},
	}
}

func dataAnswers() []answer {
	return []answer{
		{"aws:kms/key:Key", pulumi.Map{}, `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`, map[string]string{"arn": arn + "key/[0-9a-f-]{36}"}},
		{"aws:kms/alias:Alias", pulumi.Map{"name": text("alias/pii-key-dev"), "targetKeyId": text("arn:aws:kms:us-east-1:123456789012:key/k")}, `alias/pii-key-dev`, map[string]string{"targetKeyArn": arn + "key/k"}},
		{"aws:iam/role:Role", pulumi.Map{"name": text("ingest-role-dev")}, `ingest-role-dev`, map[string]string{"arn": "arn:aws:iam::123456789012:role/ingest-role-dev", "uniqueId": "AROA[0-9A-F]{17}"}},
		{"aws:iam/rolePolicy:RolePolicy", pulumi.Map{"role": text("r"), "name": text("p")}, `r:p`, map[string]string{"name": "p"}},
		{"aws:iam/rolePolicy:RolePolicy", pulumi.Map{"role": text("r")}, `r:logical`, nil},
		{"aws:kinesis/stream:Stream", pulumi.Map{"name": text("kinesis-stream-dev")}, arn + `stream/kinesis-stream-dev`, map[string]string{"arn": arn + "stream/kinesis-stream-dev"}},
		{"aws:kinesis/stream:Stream", pulumi.Map{}, arn + `stream/logical-[0-9a-f]{7}`, map[string]string{"name": "logical-[0-9a-f]{7}"}},
		{"aws:kinesis/streamConsumer:StreamConsumer", pulumi.Map{"name": text("c"), "streamArn": text("STREAM")}, `STREAM/consumer/c:1767225600`, map[string]string{"arn": "STREAM/consumer/c:1767225600"}},
		{"aws:dynamodb/table:Table", pulumi.Map{"name": text("keys")}, `keys`, map[string]string{"arn": arn + "table/keys"}},
		{"aws:rds/subnetGroup:SubnetGroup", pulumi.Map{"name": text("g")}, `g`, map[string]string{"arn": arn + "subgrp:g"}},
		{"aws:rds/parameterGroup:ParameterGroup", pulumi.Map{"name": text("g")}, `g`, map[string]string{"arn": arn + "pg:g"}},
		{"aws:rds/eventSubscription:EventSubscription", pulumi.Map{"name": text("g")}, `g`, map[string]string{"arn": arn + "es:g", "customerAwsId": "123456789012"}},
		{"aws:elasticache/subnetGroup:SubnetGroup", pulumi.Map{"name": text("g")}, `g`, map[string]string{"arn": arn + "subnetgroup:g"}},
		{"aws:elasticache/parameterGroup:ParameterGroup", pulumi.Map{"name": text("g")}, `g`, map[string]string{"arn": arn + "parametergroup:g"}},
		{"aws:elasticache/user:User", pulumi.Map{"userId": text("app")}, `app`, map[string]string{"arn": arn + "user:app"}},
		{"aws:elasticache/userGroup:UserGroup", pulumi.Map{"userGroupId": text("users"), "engine": text("valkey")}, `users`, map[string]string{"arn": arn + "usergroup:users"}},
	}
}

func messageAnswers() []answer {
	return []answer{
		{"aws:sqs/queue:Queue", pulumi.Map{"name": text("dlq")}, `https://sqs\.us-east-1\.amazonaws\.com/123456789012/dlq`, map[string]string{"arn": arn + "dlq"}},
		{"aws:sqs/queuePolicy:QueuePolicy", pulumi.Map{"queueUrl": text("URL")}, `URL`, nil},
		{"aws:sns/topic:Topic", pulumi.Map{"name": text("alarms")}, arn + `alarms`, map[string]string{"owner": "123456789012"}},
		{"aws:sns/topicPolicy:TopicPolicy", pulumi.Map{"arn": text("ARN")}, `ARN`, nil},
		{"aws:sns/topicSubscription:TopicSubscription", pulumi.Map{"topic": text("ARN"), "protocol": text("email")}, `ARN:[0-9a-f-]{36}`, map[string]string{"pendingConfirmation": "true"}},
		{"aws:cloudwatch/logGroup:LogGroup", pulumi.Map{"name": text("/aws/lambda/f")}, `/aws/lambda/f`, map[string]string{"arn": arn + "log-group:/aws/lambda/f"}},
		{"aws:cloudwatch/metricAlarm:MetricAlarm", pulumi.Map{"name": text("a")}, `a`, map[string]string{"arn": arn + "alarm:a"}},
		{"aws:cloudwatch/dashboard:Dashboard", pulumi.Map{"dashboardName": text("d")}, `d`, map[string]string{"dashboardArn": "arn:aws:cloudwatch::123456789012:dashboard/d"}},
		{"aws:cloudwatch/eventRule:EventRule", pulumi.Map{"name": text("r")}, `r`, map[string]string{"arn": arn + "rule/r"}},
		{"aws:cloudwatch/eventTarget:EventTarget", pulumi.Map{"rule": text("r"), "targetId": text("t")}, `r-t`, nil},
		{"aws:cloudwatch/eventTarget:EventTarget", pulumi.Map{"rule": text("r")}, `r-[0-9a-f-]{36}`, map[string]string{"targetId": "[0-9a-f-]{36}"}},
		{"aws:lambda/function:Function", pulumi.Map{"name": text("f")}, `f`, map[string]string{
			"arn": arn + "function:f", "qualifiedArn": arn + `function:f:\$LATEST`,
			"invokeArn": `arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/invocations`}},
		{"aws:lambda/permission:Permission", pulumi.Map{"statementId": text("s")}, `s`, nil},
		{"aws:lambda/permission:Permission", pulumi.Map{}, `terraform-[0-9a-f]{26}`, nil},
		{"aws:lambda/eventSourceMapping:EventSourceMapping", pulumi.Map{"functionName": text("f")}, `[0-9a-f-]{36}`, map[string]string{"functionArn": arn + "function:f"}},
		{"aws:lambda/eventSourceMapping:EventSourceMapping", pulumi.Map{"functionName": text("arn:aws:lambda:f")}, `[0-9a-f-]{36}`, map[string]string{"functionArn": "arn:aws:lambda:f"}},
		{"aws:apigatewayv2/api:Api", pulumi.Map{"name": text("http-api")}, `[0-9a-f]{10}`, map[string]string{
			"apiEndpoint": `https://[0-9a-f]{10}\.execute-api\.us-east-1\.amazonaws\.com`, "executionArn": "arn:aws:execute-api:us-east-1:123456789012:[0-9a-f]{10}"}},
		{"aws:apigatewayv2/integration:Integration", pulumi.Map{}, `[0-9a-f]{7}`, nil},
		{"aws:apigatewayv2/route:Route", pulumi.Map{}, `[0-9a-f]{7}`, nil},
		{"aws:apigatewayv2/stage:Stage", pulumi.Map{"apiId": text("abc"), "name": text("$default")}, `\$default`, map[string]string{
			"invokeUrl": `https://abc\.execute-api\.us-east-1\.amazonaws\.com/`, "executionArn": `arn:aws:execute-api:us-east-1:123456789012:abc/\$default`}},
	}
}

func TestAnswersHaveTheFormOfAWS(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(networkAnswers(), dataAnswers(), messageAnswers()) {
		r := only(t, c.token, c.inputs)
		service := regexp.MustCompile(`^[^:]*:([a-z0-9]*)`).FindStringSubmatch(c.token)[1]
		service = strings.NewReplacer("cloudwatch", serviceOf(c.token)).Replace(service)
		match := func(what, pattern, got string) {
			if pattern = "^" + strings.ReplaceAll(pattern, "%", service) + "$"; !regexp.MustCompile(pattern).MatchString(got) {
				t.Errorf("%s %s: %s = %q, want %s", c.token, c.inputs, what, got, pattern)
			}
		}
		match("id", c.id, r.ID)
		for path, pattern := range c.outputs {
			switch got := r.Output(path).(type) {
			case string:
				match(path, pattern, got)
			case bool:
				if (pattern == "true") != got {
					t.Errorf("%s: %s = %v, want %s", c.token, path, got, pattern)
				}
			default:
				t.Errorf("%s: %s = %v", c.token, path, got)
			}
		}
	}
}

// serviceOf is the service in the ARNs of the types that Pulumi files under cloudwatch.
func serviceOf(token string) string {
	switch {
	case strings.Contains(token, "logGroup"):
		return "logs"
	case strings.Contains(token, "event"):
		return "events"
	}
	return "cloudwatch"
}

func TestDefaultGroupIsTheOneOfTheVPC(t *testing.T) {
	t.Parallel()
	capture, err := tapstacktest.Run(func(ctx *pulumi.Context) error {
		vpc, err := register(ctx, "aws:ec2/vpc:Vpc", "vpc", pulumi.Map{})
		if err != nil {
			return err
		}
		_, err = register(ctx, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default", pulumi.Map{"vpcId": vpc.ID()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := capture.Named("default").ID, capture.Named("vpc").Output("defaultSecurityGroupId"); got != want {
		t.Errorf("default group %q, the VPC says %q", got, want)
	}
}
