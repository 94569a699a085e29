package emulator

import (
	"context"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

const topicGone = "NotFound"

func topicKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:sns/topic:Topic",
			Replace: []string{"name", "namePrefix", "fifoTopic"},
			Check:   checkTopic, Create: createTopic, Read: readTopic, Update: updateTopic, Delete: deleteTopic,
		},
		{
			Token:    "aws:sns/topicPolicy:TopicPolicy",
			Required: []string{"arn", "policy"},
			Replace:  []string{"arn"},
			Check:    func(in Object) []Fault { return checkJSON(in, "policy") },
			Create:   createTopicPolicy, Read: readTopicPolicy, Update: updateTopicPolicy, Delete: deleteTopicPolicy,
		},
		{
			Token:    "aws:sns/topicSubscription:TopicSubscription",
			Required: []string{"endpoint", "protocol", "topic"},
			Replace:  []string{"endpoint", "protocol", "topic"},
			Check:    checkTopicSubscription, Create: createTopicSubscription, Read: readTopicSubscription,
			Update: updateTopicSubscription, Delete: deleteTopicSubscription,
		},
	}
}

func checkTopic(in Object) []Fault {
	i := inspect(in)
	for _, p := range slices.Sorted(maps.Keys(in)) {
		if strings.Contains(p, "Feedback") {
			i.unmodeled(p)
		}
	}
	i.unmodeled("fifoTopic", "archivePolicy", "deliveryPolicy", "contentBasedDeduplication")
	i.name("name", 256, dashName)
	i.document("policy")
	i.between("signatureVersion", 1, 2)
	i.oneOf("tracingConfig", "PassThrough", "Active")
	if in.Known("displayName") && len(in.Str("displayName")) > 100 {
		i.fault("displayName", "InvalidParameter: shorten it to 100 characters")
	}
	return i.found()
}

// topicAttributes are the attributes as SNS wants them: those that are given, and those that have to be emptied.
func topicAttributes(state, in Object) map[string]string {
	out := map[string]string{}
	for property, attribute := range map[string]string{
		"kmsMasterKeyId": "KmsMasterKeyId", "displayName": "DisplayName", "tracingConfig": "TracingConfig",
	} {
		if in.Has(property) || state.Str(property) != "" {
			out[attribute] = in.Str(property)
		}
	}
	if in.Has("policy") {
		out["Policy"] = in.Str("policy")
	}
	if in.Has("signatureVersion") {
		out["SignatureVersion"] = strconv.Itoa(in.Int("signatureVersion"))
	}
	return out
}

func topicTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }

func createTopic(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Topic.CreateTopic(ctx, &sns.CreateTopicInput{
		Name: in.StrPtr("name"), Attributes: topicAttributes(nil, in), Tags: tagList(in.Tags(), topicTag),
	})
	if err != nil {
		return "", nil, fmt.Errorf("create topic %s: %w", in.Str("name"), err)
	}
	out, err := readTopic(ctx, c, *made.TopicArn, in)
	return *made.TopicArn, out, err
}

// topicHas are all attributes of the topic, or ErrGone.
func (c *Cloud) topicHas(ctx context.Context, arn string) (map[string]string, error) {
	got, err := c.Topic.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &arn})
	if isCode(err, topicGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read attributes of topic %s: %w", arn, err)
	}
	return got.Attributes, nil
}

func readTopic(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	attributes, err := c.topicHas(ctx, id)
	if err != nil {
		return nil, err
	}
	out := state.With(Object{
		"arn": id, "owner": c.Account, "policy": asWritten(state.Str("policy"), attributes["Policy"]),
	})
	for property, attribute := range map[string]string{"kmsMasterKeyId": "KmsMasterKeyId", "displayName": "DisplayName"} {
		if value := attributes[attribute]; value != "" {
			out[property] = value
		} else {
			delete(out, property)
		}
	}
	return out, nil
}

func (c *Cloud) setTopic(ctx context.Context, arn string, attributes map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		_, err := c.Topic.SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
			TopicArn: &arn, AttributeName: &name, AttributeValue: ref(attributes[name]),
		})
		if err != nil {
			return fmt.Errorf("set %s of topic %s: %w", name, arn, err)
		}
	}
	return nil
}

func updateTopic(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := c.setTopic(ctx, id, topicAttributes(state, in)); err != nil {
		return nil, err
	}
	err := changeTags("topic "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Topic.TagResource(ctx, &sns.TagResourceInput{ResourceArn: &id, Tags: tagList(set, topicTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Topic.UntagResource(ctx, &sns.UntagResourceInput{ResourceArn: &id, TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return readTopic(ctx, c, id, in)
}

func deleteTopic(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Topic.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &id})
	return wrap(unless(err, topicGone), "delete topic %s", id)
}

func createTopicPolicy(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	arn := in.Str("arn")
	out, err := updateTopicPolicy(ctx, c, arn, nil, in)
	if err != nil {
		return "", nil, err
	}
	return arn, out, nil
}

func readTopicPolicy(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	attributes, err := c.topicHas(ctx, id)
	if err != nil {
		return nil, err
	}
	return state.With(Object{"arn": id, "owner": c.Account, "policy": asWritten(state.Str("policy"), attributes["Policy"])}), nil
}

func updateTopicPolicy(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	if err := c.setTopic(ctx, id, map[string]string{"Policy": in.Str("policy")}); err != nil {
		return nil, err
	}
	return readTopicPolicy(ctx, c, id, in)
}

// deleteTopicPolicy puts back the policy that a topic is born with, as the real provider does: a topic is never without.
func deleteTopicPolicy(ctx context.Context, c *Cloud, id string, _ Object) error {
	policy := fmt.Sprintf(`{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID","Effect":"Allow",`+
		`"Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission",`+
		`"SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":%q,`+
		`"Condition":{"StringEquals":{"AWS:SourceOwner":%q}}}]}`, id, c.Account)
	return unless(c.setTopic(ctx, id, map[string]string{"Policy": policy}), topicGone)
}

func checkTopicSubscription(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("filterPolicy", "filterPolicyScope", "redrivePolicy", "replayPolicy", "subscriptionRoleArn", "deliveryPolicy")
	i.oneOf("protocol", "email", "email-json", "sqs", "lambda", "https")
	email := strings.HasPrefix(in.Str("protocol"), "email")
	if in.Known("endpoint") && email {
		if _, err := mail.ParseAddress(in.Str("endpoint")); err != nil {
			i.fault("endpoint", "InvalidParameter: write an e-mail address")
		}
	}
	if in.Bool("rawMessageDelivery") && email {
		i.fault("rawMessageDelivery", "InvalidParameter: leave it away: mail is never raw")
	}
	return i.found()
}

func createTopicSubscription(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	input := &sns.SubscribeInput{
		TopicArn: in.StrPtr("topic"), Protocol: in.StrPtr("protocol"), Endpoint: in.StrPtr("endpoint"), ReturnSubscriptionArn: true,
	}
	if in.Has("rawMessageDelivery") {
		input.Attributes = map[string]string{"RawMessageDelivery": strconv.FormatBool(in.Bool("rawMessageDelivery"))}
	}
	made, err := c.Topic.Subscribe(ctx, input)
	if err != nil {
		return "", nil, fmt.Errorf("subscribe to topic %s: %w", in.Str("topic"), err)
	}
	id := aws.ToString(made.SubscriptionArn)
	out, err := readTopicSubscription(ctx, c, id, in)
	return id, out, err
}

// readTopicSubscription calls mail unconfirmed: AWS waits for a click in it that never comes here, where the emulator
// confirms all.
func readTopicSubscription(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	got, err := c.Topic.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &id})
	if isCode(err, topicGone) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, fmt.Errorf("read subscription %s: %w", id, err)
	}
	pending := strings.HasPrefix(state.Str("protocol"), "email")
	return state.With(Object{
		"arn": id, "ownerId": c.Account, "endpoint": got.Attributes["Endpoint"], "topic": got.Attributes["TopicArn"],
		"pendingConfirmation": pending, "confirmationWasAuthenticated": !pending,
		"rawMessageDelivery": got.Attributes["RawMessageDelivery"] == "true",
	}), nil
}

func updateTopicSubscription(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	_, err := c.Topic.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
		SubscriptionArn: &id, AttributeName: aws.String("RawMessageDelivery"), AttributeValue: ref(strconv.FormatBool(in.Bool("rawMessageDelivery"))),
	})
	if err != nil {
		return nil, fmt.Errorf("change subscription %s: %w", id, err)
	}
	return readTopicSubscription(ctx, c, id, in)
}

func deleteTopicSubscription(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Topic.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &id})
	return wrap(unless(err, topicGone), "unsubscribe %s", id)
}
