package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const (
	groupToken        = "aws:ec2/securityGroup:SecurityGroup"
	defaultGroupToken = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
	ingressToken      = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	egressToken       = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
)

// rules are the rules of a group in the emulator.
func rules(t *testing.T, e *engine, group string) []types.SecurityGroupRule {
	t.Helper()
	found, err := e.cloud.Network.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{
		Filters: []types.Filter{filter("group-id", group)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return found.SecurityGroupRules
}

func TestSecurityGroup(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-groups")
	group := e.create(groupToken, "cache", Object{"name": "redis-sg-dev", "description": "cache nodes", "vpcId": vpc.id, "tags": tags("Name", "redis")})
	group.equal(Object{
		"name": "redis-sg-dev", "description": "cache nodes", "vpcId": vpc.id,
		"arn": "arn:aws:ec2:us-east-1:123456789012:security-group/" + group.id,
	})
	if got := rules(t, e, group.id); len(got) != 0 {
		t.Errorf("a new group has rules %+v, want none, not even to everywhere", got)
	}
	_, err := e.try(groupToken, "twin", group.in)
	refused(t, err, "InvalidGroup.Duplicate")
	group.update(Object{"tags": tags("Name", "cache")})
	group.replaces(Object{"name": "other-sg", "description": "other", "vpcId": "vpc-2"})
	group.delete()
}

func TestDefaultSecurityGroupIsEmptied(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-default-group")
	id := vpc.out.Str("defaultSecurityGroupId")
	if len(rules(t, e, id)) == 0 {
		t.Fatal("the default group has no rules to begin with, so the test proves nothing")
	}
	group := e.create(defaultGroupToken, "default", Object{"vpcId": vpc.id})
	if group.id != id {
		t.Errorf("id = %q, want the default group %q", group.id, id)
	}
	if got := rules(t, e, id); len(got) != 0 {
		t.Errorf("rules = %+v, want none", got)
	}
	group.update(Object{"tags": tags("Name", "empty")})
	if err := group.tryDelete(); err != nil {
		t.Fatal(err)
	}
	if _, _, found := group.refresh(); !found {
		t.Error("the default group went before its VPC")
	}
	vpc.delete()
	if _, _, found := group.refresh(); found {
		t.Error("the default group outlived its VPC")
	}
}

func TestRules(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-rules")
	cache := e.create(groupToken, "cache", Object{"name": "cache-sg", "vpcId": vpc.id, "revokeRulesOnDelete": true})
	worker := e.create(groupToken, "worker", Object{"name": "worker-sg", "vpcId": vpc.id, "revokeRulesOnDelete": true})
	list, err := prefixList(t.Context(), e.cloud, Object{"name": "com.amazonaws.us-east-1.dynamodb"})
	if err != nil {
		t.Fatal(err)
	}
	in := e.create(ingressToken, "from worker", Object{
		"securityGroupId": cache.id, "referencedSecurityGroupId": worker.id, "ipProtocol": "tcp", "fromPort": 6380, "toPort": 6380,
		"description": "from worker", "tags": tags("Name", "worker"),
	})
	in.equal(Object{"securityGroupRuleId": in.id, "arn": "arn:aws:ec2:us-east-1:123456789012:security-group-rule/" + in.id, "fromPort": 6380})
	out := e.create(egressToken, "to keys", Object{
		"securityGroupId": worker.id, "prefixListId": list["prefixListId"], "ipProtocol": "tcp", "fromPort": 443, "toPort": 443,
	})
	everywhere := e.create(egressToken, "out", Object{"securityGroupId": worker.id, "cidrIpv4": "0.0.0.0/0", "ipProtocol": "-1"})

	got := rules(t, e, cache.id)
	if len(got) != 1 || aws.ToBool(got[0].IsEgress) || *got[0].FromPort != 6380 || *got[0].ReferencedGroupInfo.GroupId != worker.id {
		t.Errorf("rules of the cache = %+v, want port 6380 from the worker", got)
	}
	refused(t, worker.tryDelete(), "DependencyViolation")
	_, err = e.try(ingressToken, "twin", in.in)
	refused(t, err, "InvalidPermission.Duplicate")
	in.replaces(Object{"securityGroupId": "sg-2", "referencedSecurityGroupId": "sg-3"})
	everywhere.update(Object{"cidrIpv4": "10.20.0.0/16", "ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "tags": tags("Name", "vpc")})
	in.update(Object{"fromPort": 6379, "description": "from the worker"})
	for _, m := range []*made{in, out, everywhere, worker, cache, vpc} {
		m.delete()
	}
}

func TestGroupTakesItsOwnRulesAlong(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-own-rules")
	one := e.create(groupToken, "one", Object{"name": "one-sg", "vpcId": vpc.id, "revokeRulesOnDelete": true})
	two := e.create(groupToken, "two", Object{"name": "two-sg", "vpcId": vpc.id})
	rule := Object{"ipProtocol": "tcp", "fromPort": 1, "toPort": 2}
	e.create(ingressToken, "in", rule.With(Object{"securityGroupId": one.id, "referencedSecurityGroupId": two.id}))
	e.create(egressToken, "out", rule.With(Object{"securityGroupId": one.id, "referencedSecurityGroupId": two.id}))
	refused(t, two.tryDelete(), "DependencyViolation")
	one.delete()
	two.delete()
}
