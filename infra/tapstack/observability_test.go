package tapstack_test

import (
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

const logGroup = "aws:cloudwatch/logGroup:LogGroup"

func TestLogGroups(t *testing.T) {
	t.Parallel()
	names := []string{"/aws/apigateway/http-api-dev", "/aws/elasticache/redis-dev/engine", "/aws/elasticache/redis-dev/slow", "/aws/lambda/admin-function-dev",
		"/aws/lambda/ingest-function-dev", "/aws/lambda/process-function-dev", "/aws/rds/instance/rds-dev/postgresql", "/aws/rds/instance/rds-dev/upgrade",
		"/aws/vpc/flow-log-dev"}
	for days, change := range map[int]argsChange{365: nil, 731: func(a *tapstack.TapStackArgs) { a.LogRetentionDays = 731 }} {
		d := up(t, change)
		d.expectNames(logGroup, names...)
		for _, name := range names {
			d.expect(logGroup, name, inputs{"name": name, "kmsKeyId": d.arn("operations-key-dev"), "retentionInDays": days})
		}
	}
}

// Whoever writes a log waits for its group, and so leaves before it: AWS would make the group anew.
func TestWritersWaitForTheirGroups(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	for group, writer := range map[string]string{
		"/aws/apigateway/http-api-dev": "http-stage-dev", "/aws/elasticache/redis-dev/engine": "redis-dev", "/aws/elasticache/redis-dev/slow": "redis-dev",
		"/aws/lambda/admin-function-dev": "admin-function-dev", "/aws/lambda/ingest-function-dev": "ingest-function-dev", "/aws/lambda/process-function-dev": "process-function-dev",
		"/aws/rds/instance/rds-dev/postgresql": "rds-dev", "/aws/rds/instance/rds-dev/upgrade": "rds-dev", "/aws/vpc/flow-log-dev": "flow-log-dev",
	} {
		if !d.get(writer).DependsOn(group) {
			t.Errorf("%s does not wait for %s", writer, group)
		}
	}
}

func TestFlowLog(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames("aws:ec2/flowLog:FlowLog", "flow-log-dev")
	d.expect("aws:ec2/flowLog:FlowLog", "flow-log-dev", inputs{
		"vpcId": d.id("vpc-dev"), "trafficType": "ALL", "maxAggregationInterval": 60, "logDestinationType": "cloud-watch-logs",
		"logDestination": d.arn("/aws/vpc/flow-log-dev"), "iamRoleArn": d.arn("flow-log-role-dev")})
}

// Alarms and database events of this account may be published, and nothing in the clear.
func TestAlarmTopic(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	topic := arn("sns", "alarm-topic-dev")
	d.expectNames("aws:sns/topic:Topic", "alarm-topic-dev")
	d.expect("aws:sns/topic:Topic", "alarm-topic-dev", inputs{"name": "alarm-topic-dev", "displayName": "FastShop dev", "kmsMasterKeyId": d.arn("operations-key-dev")})
	d.expect("aws:sns/topicPolicy:TopicPolicy", "alarm-topic-policy-dev", inputs{"arn": topic, "policy": d.get("alarm-topic-policy-dev").Text("policy")})
	publish := func(sid, from string) statement {
		return statement{Sid: sid, Effect: "Allow", Principal: service(from), Action: list("sns:Publish"), Resource: list(topic),
			Condition: conditions{"StringEquals": {"aws:SourceAccount": list(account)}}}
	}
	d.expectPolicy("alarm-topic-policy-dev", "policy", publish("Alarms", "cloudwatch.amazonaws.com"), publish("DatabaseEvents", "events.rds.amazonaws.com"),
		tlsOnly("sns:Publish", topic))
}

func TestAlarmEmail(t *testing.T) {
	t.Parallel()
	const subscription = "aws:sns/topicSubscription:TopicSubscription"
	up(t, nil).expectNames(subscription)
	d := up(t, func(a *tapstack.TapStackArgs) { a.AlarmEmail = "alarms@example.com" })
	d.expectNames(subscription, "alarm-email-dev")
	d.expect(subscription, "alarm-email-dev", inputs{"topic": d.arn("alarm-topic-dev"), "protocol": "email", "endpoint": "alarms@example.com"})
}
