package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

const (
	dashboardGone = "ResourceNotFound"
	// The longest time that an alarm looks back, in seconds: a day, or a week with periods of an hour or more.
	longestLook, longestLookHourly = 86400, 604800
)

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)

func watchKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:cloudwatch/metricAlarm:MetricAlarm",
			Replace: []string{"name"},
			Check:   checkAlarm, Create: createAlarm, Read: readAlarm, Update: updateAlarm, Delete: deleteAlarm,
		},
		{
			Token:    "aws:cloudwatch/dashboard:Dashboard",
			Required: []string{"dashboardBody", "dashboardName"},
			Replace:  []string{"dashboardName"},
			Check:    checkDashboard, Create: createDashboard, Read: readDashboard, Update: updateDashboard, Delete: deleteDashboard,
		},
	}
}

func checkAlarm(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("evaluationCriteria", "evaluationInterval", "thresholdMetricId")
	i.name("name", 255, anyName)
	i.given("comparisonOperator", "evaluationPeriods", "threshold")
	i.oneOf("comparisonOperator", "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold")
	i.oneOf("treatMissingData", "missing", "ignore", "breaching", "notBreaching")
	i.oneOf("statistic", "SampleCount", "Average", "Sum", "Minimum", "Maximum")
	i.exclusive("statistic", "extendedStatistic")
	i.exclusive("metricQueries", "metricName", "namespace", "period", "statistic", "extendedStatistic", "dimensions")
	i.between("evaluationPeriods", 1, longestLook)
	if in.Known("datapointsToAlarm") && in.Known("evaluationPeriods") {
		i.between("datapointsToAlarm", 1, in.Int("evaluationPeriods"))
	}
	if !in.Has("metricQueries") {
		i.given("metricName", "namespace", "period")
		if !in.Has("statistic") && !in.Has("extendedStatistic") {
			i.fault("statistic", "ValidationError: set it, or extendedStatistic")
		}
	}
	checkPeriod(i, in.Int("evaluationPeriods"))
	checkQueries(i, in.Int("evaluationPeriods"))
	for _, actions := range []string{"alarmActions", "okActions", "insufficientDataActions"} {
		if len(in.List(actions)) > 5 {
			i.fault(actions, "ValidationError: give at most 5")
		}
	}
	return i.found()
}

// checkPeriod demands a period that CloudWatch knows, and that the alarm does not look back too far.
func checkPeriod(i *inspection, periods int) {
	if !i.in.Known("period") {
		return
	}
	period := i.in.Int("period")
	if period != 10 && period != 20 && period != 30 && (period < 60 || period%60 != 0) {
		i.fault("period", "ValidationError: set 10, 20, 30 or a multiple of 60 seconds, not %d", period)
	}
	most := longestLook
	if period >= 3600 {
		most = longestLookHourly
	}
	if period*periods > most {
		i.fault("period", "ValidationError: shorten it: %d periods of %d seconds look back more than %d", periods, period, most)
	}
}

func checkQueries(i *inspection, periods int) {
	queries := i.each("metricQueries")
	if len(queries) > 20 {
		i.fault("metricQueries", "ValidationError: give at most 20")
	}
	returned := 0
	for _, q := range queries {
		if q.in.Bool("returnData") {
			returned++
		}
		if q.in.Known("id") && !queryID.MatchString(q.in.Str("id")) {
			q.fault("id", "ValidationError: rename %q: use letters, digits and underscores, a small letter first", q.in.Str("id"))
		}
		if q.in.Has("expression") == q.in.Has("metric") {
			q.fault("expression", "ValidationError: give either an expression or a metric")
		}
		if q.in.Has("metric") {
			checkPeriod(q.inside("metric"), periods)
		}
	}
	if i.in.Known("metricQueries") && returned != 1 {
		i.fault("metricQueries", "ValidationError: set returnData of exactly one query, not of %d", returned)
	}
}

func dimensionsOf(in Object) []types.Dimension {
	return tagList(in.StringMap("dimensions"), func(name, value *string) types.Dimension { return types.Dimension{Name: name, Value: value} })
}

func queriesOf(in Object) []types.MetricDataQuery {
	var out []types.MetricDataQuery
	for _, q := range in.Objects("metricQueries") {
		query := types.MetricDataQuery{
			Id: q.StrPtr("id"), Expression: q.StrPtr("expression"), Label: q.StrPtr("label"), ReturnData: aws.Bool(q.Bool("returnData")),
			Period: q.Int32Ptr("period"), AccountId: q.StrPtr("accountId"),
		}
		if m := q.Object("metric"); m != nil {
			query.MetricStat = &types.MetricStat{
				Metric: &types.Metric{Namespace: m.StrPtr("namespace"), MetricName: m.StrPtr("metricName"), Dimensions: dimensionsOf(m)},
				Period: m.Int32Ptr("period"), Stat: m.StrPtr("stat"), Unit: types.StandardUnit(m.Str("unit")),
			}
		}
		out = append(out, query)
	}
	return out
}

func alarmTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

// putAlarm makes or changes an alarm. Tags are taken at creation only.
func (c *Cloud) putAlarm(ctx context.Context, in Object, tags []types.Tag) error {
	_, err := c.Metrics.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
		AlarmName: in.StrPtr("name"), AlarmDescription: in.StrPtr("alarmDescription"), ActionsEnabled: aws.Bool(in.BoolOr("actionsEnabled", true)),
		AlarmActions: in.Strings("alarmActions"), OKActions: in.Strings("okActions"), InsufficientDataActions: in.Strings("insufficientDataActions"),
		ComparisonOperator: types.ComparisonOperator(in.Str("comparisonOperator")), EvaluationPeriods: in.Int32Ptr("evaluationPeriods"),
		DatapointsToAlarm: in.Int32Ptr("datapointsToAlarm"), Threshold: aws.Float64(in.Float("threshold")), TreatMissingData: in.StrPtr("treatMissingData"),
		MetricName: in.StrPtr("metricName"), Namespace: in.StrPtr("namespace"), Period: in.Int32Ptr("period"), Statistic: types.Statistic(in.Str("statistic")),
		ExtendedStatistic: in.StrPtr("extendedStatistic"), Unit: types.StandardUnit(in.Str("unit")), Dimensions: dimensionsOf(in),
		EvaluateLowSampleCountPercentile: in.StrPtr("evaluateLowSampleCountPercentiles"), Metrics: queriesOf(in), Tags: tags,
	})
	return wrap(err, "put alarm %s", in.Str("name"))
}

func createAlarm(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	if err := c.putAlarm(ctx, in, tagList(in.Tags(), alarmTag)); err != nil {
		return "", nil, err
	}
	out, err := readAlarm(ctx, c, in.Str("name"), in)
	return in.Str("name"), out, err
}

func readAlarm(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Metrics.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{id}})
	if err != nil {
		return nil, fmt.Errorf("describe alarm %s: %w", id, err)
	}
	if len(got.MetricAlarms) == 0 {
		return nil, ErrGone
	}
	a := got.MetricAlarms[0]
	return state.With(Object{
		"arn": aws.ToString(a.AlarmArn), "name": id, "actionsEnabled": aws.ToBool(a.ActionsEnabled), "threshold": aws.ToFloat64(a.Threshold),
		"comparisonOperator": string(a.ComparisonOperator), "evaluationPeriods": int(aws.ToInt32(a.EvaluationPeriods)),
		"treatMissingData": orElse(aws.ToString(a.TreatMissingData), "missing"),
	}), nil
}

func updateAlarm(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := c.putAlarm(ctx, in, nil); err != nil {
		return nil, err
	}
	arn := state.StrPtr("arn")
	err := changeTags("alarm "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Metrics.TagResource(ctx, &cloudwatch.TagResourceInput{ResourceARN: arn, Tags: tagList(set, alarmTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Metrics.UntagResource(ctx, &cloudwatch.UntagResourceInput{ResourceARN: arn, TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return readAlarm(ctx, c, id, in)
}

func deleteAlarm(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Metrics.DeleteAlarms(ctx, &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{id}})
	return wrap(unless(err, dashboardGone), "delete alarm %s", id)
}

func checkDashboard(in Object) []Fault {
	i := inspect(in)
	i.add(checkName(in, "dashboardName", 255, dashName))
	var body struct {
		Widgets []map[string]any `json:"widgets"`
	}
	if in.Known("dashboardBody") {
		if err := json.Unmarshal([]byte(in.Str("dashboardBody")), &body); err != nil || body.Widgets == nil {
			i.fault("dashboardBody", "InvalidParameterInput: write a JSON object with a list of widgets")
		}
	}
	return i.found()
}

func createDashboard(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := in.Str("dashboardName")
	out, err := updateDashboard(ctx, c, id, nil, in)
	if err != nil {
		return "", nil, err
	}
	return id, out, nil
}

func readDashboard(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Metrics.GetDashboard(ctx, &cloudwatch.GetDashboardInput{DashboardName: &id})
	if isCode(err, dashboardGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read dashboard %s: %w", id, err)
	}
	return state.With(Object{
		"dashboardArn": aws.ToString(got.DashboardArn), "dashboardBody": asWritten(state.Str("dashboardBody"), aws.ToString(got.DashboardBody)),
	}), nil
}

func updateDashboard(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	_, err := c.Metrics.PutDashboard(ctx, &cloudwatch.PutDashboardInput{DashboardName: &id, DashboardBody: in.StrPtr("dashboardBody")})
	if err != nil {
		return nil, fmt.Errorf("put dashboard %s: %w", id, err)
	}
	return readDashboard(ctx, c, id, in)
}

func deleteDashboard(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Metrics.DeleteDashboards(ctx, &cloudwatch.DeleteDashboardsInput{DashboardNames: []string{id}})
	return wrap(unless(err, dashboardGone), "delete dashboard %s", id)
}
