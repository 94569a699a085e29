package emulator

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

const (
	eventRuleToken   = "aws:cloudwatch/eventRule:EventRule"
	eventTargetToken = "aws:cloudwatch/eventTarget:EventTarget"
)

func TestSchedule(t *testing.T) {
	e := newEngine(t, Options{})
	rule := e.create(eventRuleToken, "rule", Object{
		"name": "retention-test", "scheduleExpression": "rate(1 day)", "description": "retention", "state": "ENABLED", "tags": tags("a", "1"),
	})
	rule.equal(Object{"arn": "arn:aws:events:us-east-1:123456789012:rule/retention-test", "eventBusName": "default", "isEnabled": true})
	const function = "arn:aws:lambda:us-east-1:123456789012:function:admin"
	target := e.create(eventTargetToken, "target", Object{
		"rule": rule.id, "targetId": "admin", "arn": function, "input": `{"task": "retention"}`,
		"retryPolicy":      map[string]any{"maximumRetryAttempts": 3.0, "maximumEventAgeInSeconds": 3600.0},
		"deadLetterConfig": map[string]any{"arn": "arn:aws:sqs:us-east-1:123456789012:dead"},
	})
	if target.id != "retention-test-admin" {
		t.Errorf("id = %q, want rule and target", target.id)
	}
	invented := e.create(eventTargetToken, "invented", Object{"rule": rule.id, "arn": function})
	if !strings.HasPrefix(invented.out.Str("targetId"), "pulumi-") {
		t.Errorf("invented target = %q", invented.out.Str("targetId"))
	}
	rule.update(Object{"scheduleExpression": "cron(0 3 * * ? *)", "state": "DISABLED", "tags": tags("b", "2")})
	got, err := e.cloud.Events.DescribeRule(t.Context(), &eventbridge.DescribeRuleInput{Name: &rule.id})
	if err != nil || *got.ScheduleExpression != "cron(0 3 * * ? *)" || got.State != "DISABLED" {
		t.Errorf("rule = %+v, %v, want three o'clock, off", got, err)
	}
	found, err := e.cloud.Events.ListTagsForResource(t.Context(), &eventbridge.ListTagsForResourceInput{ResourceARN: got.Arn})
	if err != nil || len(found.Tags) != 1 || *found.Tags[0].Key != "b" {
		t.Errorf("tags = %v, %v, want b only", found, err)
	}
	target.update(Object{"input": `{"task": "doctor"}`})
	invented.update(Object{"input": `{}`})
	targets, err := e.cloud.Events.ListTargetsByRule(t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: &rule.id})
	if err != nil || len(targets.Targets) != 2 {
		t.Fatalf("targets = %v, %v, want two", targets, err)
	}
	if one := targets.Targets[0]; *one.Input != `{"task": "doctor"}` || *one.RetryPolicy.MaximumRetryAttempts != 3 || *one.DeadLetterConfig.Arn != "arn:aws:sqs:us-east-1:123456789012:dead" {
		t.Errorf("target = %+v, want the doctor with three retries and dead letters", one)
	}
	rule.replaces(Object{"name": "x"})
	target.replaces(Object{"rule": "x", "targetId": "x"})
	refused(t, rule.tryDelete(), "Rule can't be deleted since it has targets")
	invented.delete()
	target.delete()
	rule.delete()
	if _, _, alive := target.refresh(); alive {
		t.Error("a target outlives its rule")
	}

	pattern := e.create(eventRuleToken, "pattern", Object{"name": "pattern-test", "eventPattern": `{"source": ["aws.rds"]}`, "isEnabled": false})
	pattern.equal(Object{"state": "DISABLED"})
	pattern.delete()
}

func TestScheduleRefusals(t *testing.T) {
	const said = "scheduleExpression: ValidationException: write rate(1 day), rate(5 minutes) or cron with six fields, not "
	refusesAll(t, eventRuleToken, Object{"name": strings.Repeat("r", 64), "scheduleExpression": "rate(5 minutes)"}, map[string]refusal{
		"long":    {Object{"name": strings.Repeat("r", 65)}, `name: ValidationError: "` + strings.Repeat("r", 65) + `" has 65 characters; at most 64 are allowed`},
		"plural":  {Object{"scheduleExpression": "rate(1 days)"}, said + `"rate(1 days)"`},
		"single":  {Object{"scheduleExpression": "rate(2 day)"}, said + `"rate(2 day)"`},
		"cron":    {Object{"scheduleExpression": "cron(0 3 * * *)"}, said + `"cron(0 3 * * *)"`},
		"none":    {Object{"scheduleExpression": nil}, "scheduleExpression: ValidationException: set it, or eventPattern"},
		"twice":   {Object{"state": "ENABLED", "isEnabled": true}, "isEnabled: InvalidParameterCombination: give either state or isEnabled, not both"},
		"pattern": {Object{"eventPattern": "x"}, "eventPattern: MalformedPolicyDocument: not a JSON object: invalid character 'x' looking for beginning of value"},
	})
	refusesAll(t, eventTargetToken, Object{"rule": "r", "arn": "arn:aws:lambda:us-east-1:123456789012:function:f"}, map[string]refusal{
		"retries": {Object{"retryPolicy": map[string]any{"maximumRetryAttempts": 186.0}}, "retryPolicy.maximumRetryAttempts: InvalidParameterValue: set a whole number from 0 to 185, not 186"},
		"age":     {Object{"retryPolicy": map[string]any{"maximumEventAgeInSeconds": 59.0}}, "retryPolicy.maximumEventAgeInSeconds: InvalidParameterValue: set a whole number from 60 to 86400, not 59"},
		"input":   {Object{"input": "x"}, "input: ValidationException: write JSON"},
		"inputs":  {Object{"input": "{}", "inputPath": "$"}, "inputPath: InvalidParameterCombination: give either input or inputPath, not both"},
		"arn":     {Object{"arn": "f"}, `arn: ValidationException: "f" is no ARN`},
	})
}
