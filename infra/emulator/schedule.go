package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

const eventsGone = "ResourceNotFoundException"

// schedule is rate(1 minute), rate(5 minutes) or a cron expression of six fields.
var schedule = regexp.MustCompile(`^(rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)|cron\([^ ]+( [^ ]+){5}\))$`)

func scheduleKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:cloudwatch/eventRule:EventRule",
			Replace: []string{"name", "namePrefix", "eventBusName"},
			Check:   checkEventRule, Create: createEventRule, Read: readEventRule, Update: updateEventRule, Delete: deleteEventRule,
		},
		{
			Token:    "aws:cloudwatch/eventTarget:EventTarget",
			Required: []string{"arn", "rule"},
			Replace:  []string{"rule", "targetId", "eventBusName"},
			Check:    checkEventTarget, Create: createEventTarget, Read: readEventTarget, Update: updateEventTarget, Delete: deleteEventTarget,
		},
	}
}

func checkEventRule(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("eventBusName", "roleArn")
	i.name("name", 64, wordName)
	i.exclusive("state", "isEnabled")
	i.oneOf("state", "ENABLED", "DISABLED")
	i.document("eventPattern")
	if !in.Has("scheduleExpression") && !in.Has("eventPattern") {
		i.fault("scheduleExpression", "ValidationException: set it, or eventPattern")
	}
	if in.Known("scheduleExpression") && !schedule.MatchString(in.Str("scheduleExpression")) {
		i.fault("scheduleExpression", "ValidationException: write rate(1 day), rate(5 minutes) or cron with six fields, not %q", in.Str("scheduleExpression"))
	}
	return i.found()
}

func (c *Cloud) putRule(ctx context.Context, in Object, tags []types.Tag) error {
	state := types.RuleStateEnabled
	if in.Str("state") == string(types.RuleStateDisabled) || !in.BoolOr("isEnabled", true) {
		state = types.RuleStateDisabled
	}
	_, err := c.Events.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: in.StrPtr("name"), ScheduleExpression: in.StrPtr("scheduleExpression"), EventPattern: in.StrPtr("eventPattern"),
		Description: in.StrPtr("description"), State: state, Tags: tags,
	})
	return wrap(err, "put rule %s", in.Str("name"))
}

func eventTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

func createEventRule(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	if err := c.putRule(ctx, in, tagList(in.Tags(), eventTag)); err != nil {
		return "", nil, err
	}
	out, err := readEventRule(ctx, c, in.Str("name"), in)
	return in.Str("name"), out, err
}

func readEventRule(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Events.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &id})
	if isCode(err, eventsGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("describe rule %s: %w", id, err)
	}
	out := state.With(Object{
		"arn": aws.ToString(got.Arn), "name": id, "eventBusName": "default", "state": string(got.State),
		"isEnabled": got.State == types.RuleStateEnabled,
	})
	if got.ScheduleExpression != nil {
		out["scheduleExpression"] = *got.ScheduleExpression
	}
	if got.EventPattern != nil {
		out["eventPattern"] = asWritten(state.Str("eventPattern"), *got.EventPattern)
	}
	return out, nil
}

func updateEventRule(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := c.putRule(ctx, in, nil); err != nil {
		return nil, err
	}
	arn := state.StrPtr("arn")
	err := changeTags("rule "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Events.TagResource(ctx, &eventbridge.TagResourceInput{ResourceARN: arn, Tags: tagList(set, eventTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Events.UntagResource(ctx, &eventbridge.UntagResourceInput{ResourceARN: arn, TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return readEventRule(ctx, c, id, in)
}

// deleteEventRule relies on the emulator for refusing a rule with targets.
func deleteEventRule(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &id})
	return wrap(unless(err, eventsGone), "delete rule %s", id)
}

func checkEventTarget(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("eventBusName", "batchTarget", "ecsTarget", "httpTarget", "kinesisTarget", "redshiftTarget", "runCommandTargets", "sqsTarget",
		"sagemakerPipelineTarget", "appsyncTarget", "inputTransformer")
	i.add(checkName(in, "targetId", 64, wordName))
	i.exclusive("input", "inputPath")
	if in.Known("input") && !json.Valid([]byte(in.Str("input"))) {
		i.fault("input", "ValidationException: write JSON")
	}
	retry := i.inside("retryPolicy")
	retry.between("maximumRetryAttempts", 0, 185)
	retry.between("maximumEventAgeInSeconds", 60, 86400)
	if in.Known("arn") && !regexp.MustCompile(`^arn:aws:[a-z0-9-]+:`).MatchString(in.Str("arn")) {
		i.fault("arn", "ValidationException: %q is no ARN", in.Str("arn"))
	}
	return i.found()
}

func (c *Cloud) putTarget(ctx context.Context, target string, in Object) error {
	entry := types.Target{
		Id: &target, Arn: in.StrPtr("arn"), Input: in.StrPtr("input"), InputPath: in.StrPtr("inputPath"), RoleArn: in.StrPtr("roleArn"),
	}
	if retry := in.Object("retryPolicy"); retry != nil {
		entry.RetryPolicy = &types.RetryPolicy{
			MaximumRetryAttempts: retry.Int32Ptr("maximumRetryAttempts"), MaximumEventAgeInSeconds: retry.Int32Ptr("maximumEventAgeInSeconds"),
		}
	}
	if letter := in.Object("deadLetterConfig"); letter != nil {
		entry.DeadLetterConfig = &types.DeadLetterConfig{Arn: letter.StrPtr("arn")}
	}
	got, err := c.Events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: in.StrPtr("rule"), Targets: []types.Target{entry}})
	if err == nil && got.FailedEntryCount > 0 {
		err = refuse(aws.ToString(got.FailedEntries[0].ErrorCode), "%s", aws.ToString(got.FailedEntries[0].ErrorMessage))
	}
	return wrap(err, "put target %s of rule %s", target, in.Str("rule"))
}

func createEventTarget(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	target := orElse(in.Str("targetId"), invented(in.Str("rule"), in.Str("arn")))
	if err := c.putTarget(ctx, target, in); err != nil {
		return "", nil, err
	}
	id := in.Str("rule") + "-" + target
	out, err := readEventTarget(ctx, c, id, in.With(Object{"targetId": target}))
	return id, out, err
}

func readEventTarget(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: state.StrPtr("rule")})
	if isCode(err, eventsGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("list targets of rule %s: %w", state.Str("rule"), err)
	}
	for _, t := range got.Targets {
		if aws.ToString(t.Id) != state.Str("targetId") {
			continue
		}
		out := state.With(Object{"arn": aws.ToString(t.Arn), "eventBusName": "default"})
		if t.Input != nil {
			out["input"] = asWritten(state.Str("input"), *t.Input)
		}
		return out, nil
	}
	return nil, ErrGone
}

func updateEventTarget(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	target := state.Str("targetId")
	if err := c.putTarget(ctx, target, in); err != nil {
		return nil, err
	}
	return readEventTarget(ctx, c, id, in.With(Object{"targetId": target}))
}

func deleteEventTarget(ctx context.Context, c *Cloud, id string, state Object) error {
	_, err := c.Events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: state.StrPtr("rule"), Ids: []string{state.Str("targetId")}})
	return wrap(unless(err, eventsGone), "remove target %s", id)
}
