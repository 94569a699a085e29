package emulator

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const (
	anyProtocol = "-1"
	portLimit   = 65535
)

// ruleKinds are the two directions of a rule; they differ in one call only.
func ruleKinds() []Kind {
	kind := func(token string, egress bool) Kind {
		return Kind{
			Token:    token,
			Required: []string{"securityGroupId", "ipProtocol"},
			// AWS changes the port or the block of a rule, never the kind of its source.
			Replace: []string{"securityGroupId", "referencedSecurityGroupId", "prefixListId"},
			Check:   checkRule,
			Create: func(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
				id, err := authorize(ctx, c, in, egress)
				if err != nil {
					return "", nil, err
				}
				out, err := readRule(ctx, c, id, in)
				return id, out, err
			},
			Read:   readRule,
			Update: updateRule,
			Delete: func(ctx context.Context, c *Cloud, id string, state Object) error {
				return revoke(ctx, c, id, state.Str("securityGroupId"), egress)
			},
		}
	}
	return []Kind{
		kind("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", false),
		kind("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", true),
	}
}

func checkRule(in Object) []Fault {
	i := inspect(in)
	i.add(checkExactlyOne(in, "cidrIpv4", "referencedSecurityGroupId", "prefixListId"))
	i.add(checkCIDR(in, "cidrIpv4", 0, 32))
	i.unmodeled("cidrIpv6")
	if in.Str("description") != "" {
		i.add(checkName(in, "description", groupNameLimit, groupText))
	}
	if !in.Known("ipProtocol") {
		return i.found()
	}
	if in.Str("ipProtocol") == anyProtocol {
		if in.Has("fromPort") || in.Has("toPort") {
			i.fault("ipProtocol", "InvalidParameterCombination: all protocols have no ports; leave fromPort and toPort out")
		}
		return i.found()
	}
	i.oneOf("ipProtocol", "tcp", "udp")
	i.given("fromPort", "toPort")
	i.between("fromPort", 0, portLimit)
	i.between("toPort", 0, portLimit)
	if from, to := in.Int("fromPort"), in.Int("toPort"); in.Known("fromPort") && in.Known("toPort") && from > to {
		i.fault("fromPort", "InvalidParameterValue: port range %d-%d is reversed", from, to)
	}
	return i.found()
}

// permission is the rule in the words of EC2.
func permission(in Object) types.IpPermission {
	description := in.StrPtr("description")
	p := types.IpPermission{IpProtocol: in.StrPtr("ipProtocol"), FromPort: in.Int32Ptr("fromPort"), ToPort: in.Int32Ptr("toPort")}
	if block := in.StrPtr("cidrIpv4"); block != nil {
		p.IpRanges = []types.IpRange{{CidrIp: block, Description: description}}
	}
	if group := in.StrPtr("referencedSecurityGroupId"); group != nil {
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: group, Description: description}}
	}
	if list := in.StrPtr("prefixListId"); list != nil {
		p.PrefixListIds = []types.PrefixListId{{PrefixListId: list, Description: description}}
	}
	return p
}

func authorize(ctx context.Context, c *Cloud, in Object, egress bool) (string, error) {
	group, rule := in.StrPtr("securityGroupId"), []types.IpPermission{permission(in)}
	tags := tagged(types.ResourceTypeSecurityGroupRule, in)
	var made []types.SecurityGroupRule
	if egress {
		answer, err := c.Network.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
			GroupId: group, IpPermissions: rule, TagSpecifications: tags,
		})
		if err != nil {
			return "", err
		}
		made = answer.SecurityGroupRules
	} else {
		answer, err := c.Network.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: group, IpPermissions: rule, TagSpecifications: tags,
		})
		if err != nil {
			return "", err
		}
		made = answer.SecurityGroupRules
	}
	if len(made) != 1 {
		return "", fmt.Errorf("add one rule to %s: the emulator made %d", aws.ToString(group), len(made))
	}
	return aws.ToString(made[0].SecurityGroupRuleId), nil
}

func revoke(ctx context.Context, c *Cloud, id, group string, egress bool) error {
	var err error
	if egress {
		_, err = c.Network.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, SecurityGroupRuleIds: []string{id}})
	} else {
		_, err = c.Network.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, SecurityGroupRuleIds: []string{id}})
	}
	return unless(err, "InvalidPermission.NotFound", "InvalidGroup.NotFound")
}

func readRule(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	found, err := c.Network.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{
		Filters: []types.Filter{filter("security-group-rule-id", id)},
	})
	if err != nil {
		return nil, err
	}
	if len(found.SecurityGroupRules) == 0 {
		return nil, ErrGone
	}
	rule := found.SecurityGroupRules[0]
	out := withTags(state, rule.Tags).With(Object{
		"arn": c.ARN("ec2", "security-group-rule/"+id), "securityGroupRuleId": id, "securityGroupId": rule.GroupId,
		"ipProtocol": rule.IpProtocol, "cidrIpv4": rule.CidrIpv4, "prefixListId": rule.PrefixListId,
	})
	if rule.Description != nil { // the emulator keeps it for blocks only
		out = out.With(Object{"description": rule.Description})
	}
	if rule.ReferencedGroupInfo != nil {
		out = out.With(Object{"referencedSecurityGroupId": rule.ReferencedGroupInfo.GroupId})
	}
	if aws.ToString(rule.IpProtocol) != anyProtocol { // where EC2 answers -1 for no port
		out = out.With(Object{"fromPort": rule.FromPort, "toPort": rule.ToPort})
	}
	return out, nil
}

func updateRule(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	request := &types.SecurityGroupRuleRequest{
		IpProtocol: in.StrPtr("ipProtocol"), FromPort: in.Int32Ptr("fromPort"), ToPort: in.Int32Ptr("toPort"),
		CidrIpv4: in.StrPtr("cidrIpv4"), PrefixListId: in.StrPtr("prefixListId"), ReferencedGroupId: in.StrPtr("referencedSecurityGroupId"),
		Description: in.StrPtr("description"),
	}
	if in.Str("ipProtocol") == anyProtocol {
		request.FromPort, request.ToPort = aws.Int32(-1), aws.Int32(-1)
	}
	_, err := c.Network.ModifySecurityGroupRules(ctx, &ec2.ModifySecurityGroupRulesInput{
		GroupId:            in.StrPtr("securityGroupId"),
		SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &id, SecurityGroupRule: request}},
	})
	if err != nil {
		return nil, err
	}
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readRule(ctx, c, id, in)
}
