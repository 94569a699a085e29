package emulator

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	keytypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const logGroupNameLimit = 512

var logGroupName = regexp.MustCompile(`^[-._/#A-Za-z0-9]+$`)

// retentions are the numbers of days that CloudWatch Logs takes; 0 is for ever.
func retentions() []int {
	return []int{
		0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
	}
}

func logKinds() []Kind {
	return []Kind{{
		Token:    "aws:cloudwatch/logGroup:LogGroup",
		Required: []string{"name"},
		// AWS changes the key in place; the emulator cannot.
		Replace: []string{"name", "logGroupClass", "kmsKeyId"},
		Check:   checkLogGroup,
		Create:  createLogGroup, Read: readLogGroup, Update: updateLogGroup, Delete: deleteLogGroup,
	}}
}

func checkLogGroup(in Object) []Fault {
	i := inspect(in)
	i.name("name", logGroupNameLimit, logGroupName)
	i.oneOf("logGroupClass", string(types.LogGroupClassStandard), string(types.LogGroupClassInfrequentAccess))
	if days := in.Int("retentionInDays"); in.Known("retentionInDays") && !slices.Contains(retentions(), days) {
		i.fault("retentionInDays", "InvalidParameterException: %d is none of %v days", days, retentions())
	}
	i.unmodeled("namePrefix", "deletionProtectionEnabled")
	return i.found()
}

func createLogGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := in.Str("name")
	if err := refuseLogKey(ctx, c, in); err != nil {
		return "", nil, err
	}
	_, err := c.Logs.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: &id, KmsKeyId: in.StrPtr("kmsKeyId"), Tags: in.Tags(), LogGroupClass: types.LogGroupClass(in.Str("logGroupClass")),
	})
	if err != nil {
		return "", nil, err
	}
	if err := setRetention(ctx, c, id, in); err != nil {
		return id, in, err
	}
	out, err := readLogGroup(ctx, c, id, in)
	return id, out, err
}

// refuseLogKey refuses a key that CloudWatch Logs may not use: it asks the key before it makes the group.
func refuseLogKey(ctx context.Context, c *Cloud, in Object) error {
	key := in.StrPtr("kmsKeyId")
	if key == nil {
		return nil
	}
	refused := refuse("AccessDeniedException", "The specified KMS key does not exist or is not allowed to be used with Arn '%s'",
		c.ARN("logs", "log-group:"+in.Str("name")))
	found, err := c.Keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})
	if isCode(err, "NotFoundException") {
		return refused
	}
	if err != nil {
		return err
	}
	policy, err := c.Keys.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: found.KeyMetadata.KeyId, PolicyName: aws.String("default")})
	if err != nil {
		return err
	}
	enabled := found.KeyMetadata.KeyState == keytypes.KeyStateEnabled
	if !enabled || !strings.Contains(aws.ToString(policy.Policy), "logs."+Region+".amazonaws.com") {
		return refused
	}
	return nil
}

func setRetention(ctx context.Context, c *Cloud, id string, in Object) error {
	if in.Int("retentionInDays") == 0 {
		_, err := c.Logs.DeleteRetentionPolicy(ctx, &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: &id})
		return err
	}
	_, err := c.Logs.PutRetentionPolicy(ctx, &cloudwatchlogs.PutRetentionPolicyInput{
		LogGroupName: &id, RetentionInDays: in.Int32Ptr("retentionInDays"),
	})
	return err
}

func readLogGroup(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	found, err := c.Logs.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &id})
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(found.LogGroups, func(g types.LogGroup) bool { return aws.ToString(g.LogGroupName) == id })
	if at < 0 {
		return nil, ErrGone
	}
	group, arn := found.LogGroups[at], c.ARN("logs", "log-group:"+id)
	tags, err := c.Logs.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn})
	if err != nil {
		return nil, err
	}
	class := string(group.LogGroupClass)
	if class == "" {
		class = string(types.LogGroupClassStandard)
	}
	return withTagMap(state, tags.Tags).With(Object{
		"arn": arn, "name": id, "retentionInDays": aws.ToInt32(group.RetentionInDays), "kmsKeyId": group.KmsKeyId, "logGroupClass": class,
	}), nil
}

func updateLogGroup(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := setRetention(ctx, c, id, in); err != nil {
		return nil, err
	}
	arn := c.ARN("logs", "log-group:"+id)
	write, remove := tagChange(state.Tags(), in.Tags())
	if len(write) > 0 {
		if _, err := c.Logs.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: write}); err != nil {
			return nil, err
		}
	}
	if len(remove) > 0 {
		if _, err := c.Logs.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: &arn, TagKeys: remove}); err != nil {
			return nil, err
		}
	}
	return readLogGroup(ctx, c, id, in)
}

func deleteLogGroup(ctx context.Context, c *Cloud, id string, state Object) error {
	if state.Bool("skipDestroy") {
		return nil
	}
	_, err := c.Logs.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: &id})
	return unless(err, "ResourceNotFoundException")
}
