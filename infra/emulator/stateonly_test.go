package emulator

import (
	"slices"
	"testing"
)

func TestStateOnlyKinds(t *testing.T) {
	var got []string
	for _, k := range StateOnlyKinds() {
		got = append(got, k.Token+": "+k.StateOnly)
	}
	want := []string{
		"aws:elasticache/subnetGroup:SubnetGroup: moto_server makes a cache subnet group but can neither change nor delete it (500), so destroy would leave it behind",
		"aws:elasticache/parameterGroup:ParameterGroup: moto_server answers 500 to CreateCacheParameterGroup",
		"aws:elasticache/userGroup:UserGroup: moto_server answers 500 to CreateUserGroup",
	}
	if !slices.Equal(got, want) {
		t.Errorf("state only = %q, want %q", got, want)
	}
}

// Every kind that is not of the network is there once, and can be checked, made and removed.
func TestKindsAreWhole(t *testing.T) {
	want := []string{
		"aws:apigatewayv2/api:Api", "aws:apigatewayv2/integration:Integration", "aws:apigatewayv2/route:Route", "aws:apigatewayv2/stage:Stage",
		"aws:cloudwatch/dashboard:Dashboard", "aws:cloudwatch/eventRule:EventRule", "aws:cloudwatch/eventTarget:EventTarget",
		"aws:cloudwatch/metricAlarm:MetricAlarm", "aws:dynamodb/table:Table", "aws:elasticache/parameterGroup:ParameterGroup",
		"aws:elasticache/replicationGroup:ReplicationGroup", "aws:elasticache/subnetGroup:SubnetGroup", "aws:elasticache/user:User",
		"aws:elasticache/userGroup:UserGroup", "aws:kinesis/stream:Stream", "aws:kinesis/streamConsumer:StreamConsumer", "aws:kms/alias:Alias",
		"aws:kms/key:Key", "aws:lambda/eventSourceMapping:EventSourceMapping", "aws:lambda/function:Function", "aws:lambda/permission:Permission",
		"aws:rds/eventSubscription:EventSubscription", "aws:rds/instance:Instance", "aws:rds/parameterGroup:ParameterGroup", "aws:rds/subnetGroup:SubnetGroup",
		"aws:sns/topic:Topic", "aws:sns/topicPolicy:TopicPolicy", "aws:sns/topicSubscription:TopicSubscription", "aws:sqs/queue:Queue",
		"aws:sqs/queuePolicy:QueuePolicy",
	}
	seen := map[string]int{}
	for _, k := range Kinds() {
		seen[k.Token]++
		if slices.Contains(want, k.Token) && (k.Check == nil || k.Create == nil || k.Delete == nil) {
			t.Errorf("%s lacks a check, a creation or a deletion", k.Token)
		}
	}
	for _, token := range want {
		if seen[token] != 1 {
			t.Errorf("%s is there %d times, want once", token, seen[token])
		}
	}
}
