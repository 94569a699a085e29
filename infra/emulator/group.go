package emulator

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const (
	defaultGroupName = "default"
	groupNameLimit   = 255
)

// groupText is what AWS takes in names and descriptions of security groups and their rules; a dash of typography or an
// accent is refused.
var groupText = regexp.MustCompile(`^[0-9A-Za-z_ .:/()#,@\[\]+=&;{}!$*-]*$`)

func groupKinds() []Kind {
	return append(ruleKinds(), Kind{
		Token:    "aws:ec2/securityGroup:SecurityGroup",
		Required: []string{"name", "vpcId"},
		Replace:  []string{"name", "description", "vpcId"},
		Check:    checkGroup,
		Create:   createGroup, Read: readGroup, Update: updateGroup, Delete: deleteGroup,
	}, Kind{
		Token:    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
		Required: []string{"vpcId"},
		Replace:  []string{"vpcId"},
		Check:    checkDefaultGroup,
		Create:   adoptGroup, Read: readGroup, Update: updateAdopted,
		// The group leaves with its VPC.
	})
}

// inline refuses rules within a group: two groups that refer to each other could not be deleted.
func (i *inspection) inline() {
	for _, key := range []string{"ingress", "egress"} {
		if len(i.in.List(key)) > 0 {
			i.fault(key, "inline rules are not modeled: use aws:vpc/securityGroupIngressRule and EgressRule")
		}
	}
}

func checkDefaultGroup(in Object) []Fault {
	i := inspect(in)
	i.inline()
	return i.found()
}

func checkGroup(in Object) []Fault {
	i := inspect(in)
	i.inline()
	i.name("name", groupNameLimit, groupText)
	i.add(checkName(in, "description", groupNameLimit, groupText))
	i.unmodeled("namePrefix")
	switch name := in.Str("name"); {
	case strings.HasPrefix(name, "sg-"):
		i.fault("name", "InvalidParameterValue: group name %q may not start with sg-, which begins ids", name)
	case name == defaultGroupName:
		i.fault("name", "InvalidParameterValue: Cannot use reserved security group name: default")
	}
	return i.found()
}

func createGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	description := in.Str("description")
	if description == "" {
		description = "Managed by Pulumi"
	}
	made, err := c.Network.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: in.StrPtr("name"), Description: &description, VpcId: in.StrPtr("vpcId"),
		TagSpecifications: tagged(types.ResourceTypeSecurityGroup, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.GroupId
	// AWS lets a new group reach everything; the real provider takes that back.
	if err := revokeAll(ctx, c, id); err != nil {
		return id, in, err
	}
	out, err := readGroup(ctx, c, id, in)
	return id, out, err
}

func findGroup(ctx context.Context, c *Cloud, id string) (types.SecurityGroup, error) {
	found, err := c.Network.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("group-id", id)},
	})
	if err != nil {
		return types.SecurityGroup{}, err
	}
	if len(found.SecurityGroups) == 0 {
		return types.SecurityGroup{}, ErrGone
	}
	return found.SecurityGroups[0], nil
}

// defaultGroup is the security group that every VPC begins with.
func defaultGroup(ctx context.Context, c *Cloud, vpc string) (types.SecurityGroup, error) {
	found, err := c.Network.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{
		Filters: []types.Filter{filter("vpc-id", vpc), filter("group-name", defaultGroupName)},
	})
	if err != nil {
		return types.SecurityGroup{}, err
	}
	if len(found.SecurityGroups) == 0 {
		return types.SecurityGroup{}, fmt.Errorf("find the default security group of %s: %w", vpc, ErrGone)
	}
	return found.SecurityGroups[0], nil
}

// revokeAll takes every rule from a group.
func revokeAll(ctx context.Context, c *Cloud, id string) error {
	group, err := findGroup(ctx, c, id)
	if err != nil {
		return err
	}
	if len(group.IpPermissions) > 0 {
		_, err := c.Network.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &id, IpPermissions: group.IpPermissions})
		if err != nil {
			return err
		}
	}
	if len(group.IpPermissionsEgress) > 0 {
		_, err := c.Network.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &id, IpPermissions: group.IpPermissionsEgress})
		if err != nil {
			return err
		}
	}
	return nil
}

func readGroup(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	group, err := findGroup(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return withTags(state, group.Tags).With(Object{
		"arn": c.ARN("ec2", "security-group/"+id), "ownerId": c.Account, "name": group.GroupName,
		"description": group.Description, "vpcId": group.VpcId,
	}), nil
}

func updateGroup(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readGroup(ctx, c, id, in)
}

// deleteGroup refuses a group in use, which the emulator lets go. The group's own rules go with it, so there is no need
// to heed revokeRulesOnDelete, which helps where AWS adds rules on its own.
func deleteGroup(ctx context.Context, c *Cloud, id string, _ Object) error {
	users, err := groupUsers(ctx, c, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return refuse("DependencyViolation", "resource %s has a dependent object: %s", id, strings.Join(users, ", "))
	}
	_, err = c.Network.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &id})
	return unless(err, "InvalidGroup.NotFound")
}

// adoptGroup empties the default group of a VPC; it makes nothing.
func adoptGroup(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	group, err := defaultGroup(ctx, c, in.Str("vpcId"))
	if err != nil {
		return "", nil, err
	}
	id := aws.ToString(group.GroupId)
	out, err := updateAdopted(ctx, c, id, Object{}, in)
	return id, out, err
}

func updateAdopted(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := revokeAll(ctx, c, id); err != nil {
		return nil, err
	}
	return updateGroup(ctx, c, id, state, in)
}
