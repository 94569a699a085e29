package emulator

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/rds"
)

// users collects what keeps something from being deleted. AWS only says that there is something; the names help whoever
// has to find out what.
type users []string

func (u *users) add(id *string) {
	if name := aws.ToString(id); name != "" && !slices.Contains(*u, name) {
		*u = append(*u, name)
	}
}

// vpcUsers is everything in a VPC but what leaves with it: its default group and its main route table.
func vpcUsers(ctx context.Context, c *Cloud, vpc string) ([]string, error) {
	var found users
	in := []types.Filter{filter("vpc-id", vpc)}
	subnets, err := c.Network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{Filters: in})
	if err != nil {
		return nil, err
	}
	for _, s := range subnets.Subnets {
		found.add(s.SubnetId)
	}
	groups, err := c.Network.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: in})
	if err != nil {
		return nil, err
	}
	for _, g := range groups.SecurityGroups {
		if aws.ToString(g.GroupName) != defaultGroupName {
			found.add(g.GroupId)
		}
	}
	tables, err := c.Network.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{Filters: in})
	if err != nil {
		return nil, err
	}
	for _, t := range tables.RouteTables {
		if !slices.ContainsFunc(t.Associations, func(a types.RouteTableAssociation) bool { return aws.ToBool(a.Main) }) {
			found.add(t.RouteTableId)
		}
	}
	gateway, err := gatewayOf(ctx, c, vpc)
	if err != nil {
		return nil, err
	}
	found.add(&gateway)
	endpoints, err := endpointsOf(ctx, c, vpc)
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		found.add(e.VpcEndpointId)
	}
	return found, nil
}

// subnetUsers is everything that has an address in a subnet. The emulator makes network interfaces for NAT gateways and
// endpoints only, and does not say where a cache is.
func subnetUsers(ctx context.Context, c *Cloud, subnet string) ([]string, error) {
	var found users
	cards, err := c.Network.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{filter("subnet-id", subnet)},
	})
	if err != nil {
		return nil, err
	}
	for _, card := range cards.NetworkInterfaces {
		found.add(card.NetworkInterfaceId)
	}
	databases, err := c.Database.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	if err != nil {
		return nil, err
	}
	for _, database := range databases.DBInstances {
		if database.DBSubnetGroup == nil {
			continue
		}
		for _, s := range database.DBSubnetGroup.Subnets {
			if aws.ToString(s.SubnetIdentifier) == subnet {
				found.add(database.DBInstanceArn)
			}
		}
	}
	functions, err := c.Function.ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err != nil {
		return nil, err
	}
	for _, f := range functions.Functions {
		if f.VpcConfig != nil && slices.Contains(f.VpcConfig.SubnetIds, subnet) {
			found.add(f.FunctionArn)
		}
	}
	return found, nil
}

// groupUsers is everything that uses a security group: rules of other groups that refer to it, and what it protects. The
// emulator does not say which groups protect a cache.
func groupUsers(ctx context.Context, c *Cloud, group string) ([]string, error) {
	var found users
	rules, err := c.Network.DescribeSecurityGroupRules(ctx, &ec2.DescribeSecurityGroupRulesInput{})
	if err != nil {
		return nil, err
	}
	for _, rule := range rules.SecurityGroupRules {
		refers := rule.ReferencedGroupInfo != nil && aws.ToString(rule.ReferencedGroupInfo.GroupId) == group
		if refers && aws.ToString(rule.GroupId) != group {
			found.add(rule.SecurityGroupRuleId)
		}
	}
	cards, err := c.Network.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{filter("group-id", group)},
	})
	if err != nil {
		return nil, err
	}
	for _, card := range cards.NetworkInterfaces {
		found.add(card.NetworkInterfaceId)
	}
	endpoints, err := endpointsOf(ctx, c, "")
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		if slices.ContainsFunc(e.Groups, func(g types.SecurityGroupIdentifier) bool { return aws.ToString(g.GroupId) == group }) {
			found.add(e.VpcEndpointId)
		}
	}
	if err := protectedBy(ctx, c, group, &found); err != nil {
		return nil, err
	}
	return found, nil
}

// protectedBy adds the databases and functions in a group.
func protectedBy(ctx context.Context, c *Cloud, group string, found *users) error {
	databases, err := c.Database.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{})
	if err != nil {
		return err
	}
	for _, database := range databases.DBInstances {
		for _, g := range database.VpcSecurityGroups {
			if aws.ToString(g.VpcSecurityGroupId) == group {
				found.add(database.DBInstanceArn)
			}
		}
	}
	functions, err := c.Function.ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if err != nil {
		return err
	}
	for _, f := range functions.Functions {
		if f.VpcConfig != nil && slices.Contains(f.VpcConfig.SecurityGroupIds, group) {
			found.add(f.FunctionArn)
		}
	}
	return nil
}
