package emulator

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// tagged are the tags for a call that makes a thing of EC2; without any, EC2 wants no list at all.
func tagged(kind types.ResourceType, in Object) []types.TagSpecification {
	tags := ec2Tags(in.Tags())
	if len(tags) == 0 {
		return nil
	}
	return []types.TagSpecification{{ResourceType: kind, Tags: tags}}
}

func ec2Tags(tags map[string]string) []types.Tag {
	return tagList(tags, func(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} })
}

// withTags is state with the tags that a thing of EC2 has now.
func withTags(state Object, live []types.Tag) Object {
	tags := map[string]string{}
	for _, t := range live {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return withTagMap(state, tags)
}

// withTagMap is state with the tags of live. None given and none there is no change.
func withTagMap(state Object, live map[string]string) Object {
	if len(live) == 0 && len(state.Tags()) == 0 {
		return state.With(nil)
	}
	return state.With(Object{"tags": live})
}

// retag makes the tags of a thing of EC2 those of in.
func retag(ctx context.Context, c *Cloud, id string, state, in Object) error {
	write, remove := tagChange(state.Tags(), in.Tags())
	if len(write) > 0 {
		if _, err := c.Network.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: ec2Tags(write)}); err != nil {
			return err
		}
	}
	if len(remove) == 0 {
		return nil
	}
	var tags []types.Tag
	for _, key := range remove {
		tags = append(tags, types.Tag{Key: aws.String(key)})
	}
	_, err := c.Network.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags})
	return err
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

// sameOrder is live in the order of given when both hold the same, and sorted otherwise, because AWS keeps no order.
func sameOrder(given, live []string) []string {
	sorted := slices.Sorted(slices.Values(live))
	if slices.Equal(slices.Sorted(slices.Values(given)), sorted) {
		return given
	}
	return sorted
}

// missingFrom are the elements of all that are not in some.
func missingFrom(some, all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(e string) bool { return slices.Contains(some, e) })
}
