package emulator

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

const (
	alarmToken     = "aws:cloudwatch/metricAlarm:MetricAlarm"
	dashboardToken = "aws:cloudwatch/dashboard:Dashboard"
)

func simpleAlarm(name string) Object {
	return Object{
		"name": name, "comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 3, "datapointsToAlarm": 2, "threshold": 1.5,
		"metricName": "IteratorAge", "namespace": "AWS/Lambda", "period": 60, "statistic": "Maximum",
	}
}

// query is an alarm on the ratio of two metrics.
func query(name string) Object {
	metric := func(id string) map[string]any {
		return map[string]any{"id": id, "metric": map[string]any{
			"namespace": "AWS/Lambda", "metricName": id, "period": 60.0, "stat": "Sum", "dimensions": map[string]any{"FunctionName": "f"},
		}}
	}
	return Object{
		"name": name, "comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "threshold": 0.1,
		"metricQueries": []any{map[string]any{"id": "ratio", "expression": "errors/calls", "returnData": true, "label": "errors"}, metric("errors"), metric("calls")},
	}
}

func TestAlarm(t *testing.T) {
	e := newEngine(t, Options{})
	const topic = "arn:aws:sns:us-east-1:123456789012:alarms"
	alarm := e.create(alarmToken, "alarm", simpleAlarm("age-test").With(Object{
		"alarmActions": []any{topic}, "okActions": []any{topic}, "dimensions": map[string]any{"FunctionName": "f"},
		"treatMissingData": "notBreaching", "alarmDescription": "slow", "tags": tags("a", "1"),
	}))
	alarm.equal(Object{"arn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:age-test", "actionsEnabled": true})
	get := func(name string) types.MetricAlarm {
		got, err := e.cloud.Metrics.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{name}})
		if err != nil || len(got.MetricAlarms) != 1 {
			t.Fatalf("alarms = %v, %v, want one", got, err)
		}
		return got.MetricAlarms[0]
	}
	if a := get("age-test"); *a.Threshold != 1.5 || *a.Period != 60 || a.AlarmActions[0] != topic || *a.Dimensions[0].Value != "f" || *a.TreatMissingData != "notBreaching" {
		t.Errorf("alarm = %+v, want what was asked for", a)
	}
	alarm.update(Object{"threshold": 2.5, "actionsEnabled": false, "tags": tags("b", "2")})
	if a := get("age-test"); *a.Threshold != 2.5 || *a.ActionsEnabled {
		t.Errorf("alarm = %+v, want 2.5, silent", a)
	}
	found, err := e.cloud.Metrics.ListTagsForResource(t.Context(), &cloudwatch.ListTagsForResourceInput{ResourceARN: alarm.out.StrPtr("arn")})
	if err != nil || len(found.Tags) != 1 || *found.Tags[0].Key != "b" {
		t.Errorf("tags = %v, %v, want b only", found, err)
	}
	alarm.replaces(Object{"name": "x"})
	alarm.delete()

	ratio := e.create(alarmToken, "ratio", query("ratio-test"))
	if a := get("ratio-test"); len(a.Metrics) != 3 || *a.Metrics[0].Expression != "errors/calls" || *a.Metrics[1].MetricStat.Metric.MetricName != "errors" {
		t.Errorf("alarm = %+v, want a ratio of two metrics", a)
	}
	ratio.delete()
}

func TestDashboard(t *testing.T) {
	e := newEngine(t, Options{})
	d := e.create(dashboardToken, "dashboard", Object{"dashboardName": "pipeline-test", "dashboardBody": `{"widgets": []}`})
	d.equal(Object{"dashboardArn": "arn:aws:cloudwatch::123456789012:dashboard/pipeline-test"})
	const body = `{"widgets":[{"type":"text"}]}`
	d.update(Object{"dashboardBody": body})
	got, err := e.cloud.Metrics.GetDashboard(t.Context(), &cloudwatch.GetDashboardInput{DashboardName: &d.id})
	if err != nil || *got.DashboardBody != body {
		t.Errorf("dashboard = %v, %v, want %s", got, err, body)
	}
	d.replaces(Object{"dashboardName": "x"})
	d.delete()
}

func TestWatchRefusals(t *testing.T) {
	refusesAll(t, alarmToken, simpleAlarm(strings.Repeat("a", 255)), map[string]refusal{
		"long":      {Object{"name": strings.Repeat("a", 256)}, `name: ValidationError: "` + strings.Repeat("a", 256) + `" has 256 characters; at most 255 are allowed`},
		"threshold": {Object{"threshold": nil}, "threshold: MissingParameter: give it a value"},
		"period":    {Object{"period": 90}, "period: ValidationError: set 10, 20, 30 or a multiple of 60 seconds, not 90"},
		"day":       {Object{"period": 1800, "evaluationPeriods": 49}, "period: ValidationError: shorten it: 49 periods of 1800 seconds look back more than 86400"},
		"week":      {Object{"period": 86400, "evaluationPeriods": 8}, "period: ValidationError: shorten it: 8 periods of 86400 seconds look back more than 604800"},
		"points":    {Object{"datapointsToAlarm": 4}, "datapointsToAlarm: InvalidParameterValue: set a whole number from 1 to 3, not 4"},
		"compare":   {Object{"comparisonOperator": "Above"}, `comparisonOperator: InvalidParameterValue: "Above" is none of ["GreaterThanThreshold" "GreaterThanOrEqualToThreshold" "LessThanThreshold" "LessThanOrEqualToThreshold"]`},
		"missing":   {Object{"treatMissingData": "ok"}, `treatMissingData: InvalidParameterValue: "ok" is none of ["missing" "ignore" "breaching" "notBreaching"]`},
		"statistic": {Object{"statistic": nil}, "statistic: ValidationError: set it, or extendedStatistic"},
		"both":      {Object{"extendedStatistic": "p99"}, "extendedStatistic: InvalidParameterCombination: give either statistic or extendedStatistic, not both"},
		"actions":   {Object{"alarmActions": []any{"1", "2", "3", "4", "5", "6"}}, "alarmActions: ValidationError: give at most 5"},
	})
	one := func(q map[string]any) Object { return Object{"metricQueries": []any{q}} }
	refusesAll(t, alarmToken, query("ratio"), map[string]refusal{
		"metric": {Object{"metricName": "m"}, "metricName: InvalidParameterCombination: give either metricQueries or metricName, not both"},
		"id":     {one(map[string]any{"id": "A", "expression": "m", "returnData": true}), `metricQueries[0].id: ValidationError: rename "A": use letters, digits and underscores, a small letter first`},
		"empty":  {one(map[string]any{"id": "a", "returnData": true}), "metricQueries[0].expression: ValidationError: give either an expression or a metric"},
		"data":   {one(map[string]any{"id": "a", "expression": "m"}), "metricQueries: ValidationError: set returnData of exactly one query, not of 0"},
		"period": {
			one(map[string]any{"id": "a", "metric": map[string]any{"period": 61.0}, "returnData": true}),
			"metricQueries[0].metric.period: ValidationError: set 10, 20, 30 or a multiple of 60 seconds, not 61",
		},
	})
	refusesAll(t, dashboardToken, Object{"dashboardName": "d", "dashboardBody": `{"widgets":[]}`}, map[string]refusal{
		"name":    {Object{"dashboardName": "a b"}, `dashboardName: ValidationError: "a b" does not match ^[a-zA-Z0-9_-]+$`},
		"widgets": {Object{"dashboardBody": "{}"}, "dashboardBody: InvalidParameterInput: write a JSON object with a list of widgets"},
	})
}
