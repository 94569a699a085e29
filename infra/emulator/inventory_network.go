package emulator

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func listNetworks(ctx context.Context, c *Cloud) ([]Item, error) {
	vpcs, err := pages(ctx, ec2.NewDescribeVpcsPaginator(c.Network, &ec2.DescribeVpcsInput{}),
		func(o *ec2.DescribeVpcsOutput) []types.Vpc { return o.Vpcs })
	if err != nil {
		return nil, err
	}
	out := collect("ec2", "vpc", vpcs, func(v types.Vpc) (string, string) {
		return aws.ToString(v.VpcId), aws.ToString(v.CidrBlock)
	})
	subnets, err := pages(ctx, ec2.NewDescribeSubnetsPaginator(c.Network, &ec2.DescribeSubnetsInput{}),
		func(o *ec2.DescribeSubnetsOutput) []types.Subnet { return o.Subnets })
	if err != nil {
		return nil, err
	}
	out = append(out, collect("ec2", "subnet", subnets, func(s types.Subnet) (string, string) {
		return aws.ToString(s.SubnetId), aws.ToString(s.CidrBlock)
	})...)
	tables, err := pages(ctx, ec2.NewDescribeRouteTablesPaginator(c.Network, &ec2.DescribeRouteTablesInput{}),
		func(o *ec2.DescribeRouteTablesOutput) []types.RouteTable { return o.RouteTables })
	if err != nil {
		return nil, err
	}
	out = append(out, collect("ec2", "route table", tables, func(t types.RouteTable) (string, string) {
		return aws.ToString(t.RouteTableId), aws.ToString(t.VpcId)
	})...)
	groups, err := pages(ctx, ec2.NewDescribeSecurityGroupsPaginator(c.Network, &ec2.DescribeSecurityGroupsInput{}),
		func(o *ec2.DescribeSecurityGroupsOutput) []types.SecurityGroup { return o.SecurityGroups })
	if err != nil {
		return nil, err
	}
	out = append(out, collect("ec2", "security group", groups, func(g types.SecurityGroup) (string, string) {
		return aws.ToString(g.GroupId), aws.ToString(g.GroupName)
	})...)
	lists, err := pages(ctx, ec2.NewDescribeNetworkAclsPaginator(c.Network, &ec2.DescribeNetworkAclsInput{}),
		func(o *ec2.DescribeNetworkAclsOutput) []types.NetworkAcl { return o.NetworkAcls })
	if err != nil {
		return nil, err
	}
	// A network's own list goes with it. The emulator keeps it, and cannot be told to delete it.
	lists = slices.DeleteFunc(lists, func(l types.NetworkAcl) bool {
		return aws.ToBool(l.IsDefault) && !slices.ContainsFunc(vpcs, func(v types.Vpc) bool { return aws.ToString(v.VpcId) == aws.ToString(l.VpcId) })
	})
	return append(out, collect("ec2", "network ACL", lists, func(l types.NetworkAcl) (string, string) {
		return aws.ToString(l.NetworkAclId), aws.ToString(l.VpcId)
	})...), nil
}

// listGateways leaves out gateways that are deleted: AWS and the emulator show those for a while.
func listGateways(ctx context.Context, c *Cloud) ([]Item, error) {
	internet, err := pages(ctx, ec2.NewDescribeInternetGatewaysPaginator(c.Network, &ec2.DescribeInternetGatewaysInput{}),
		func(o *ec2.DescribeInternetGatewaysOutput) []types.InternetGateway { return o.InternetGateways })
	if err != nil {
		return nil, err
	}
	out := collect("ec2", "internet gateway", internet, func(g types.InternetGateway) (string, string) {
		return aws.ToString(g.InternetGatewayId), ""
	})
	nats, err := pages(ctx, ec2.NewDescribeNatGatewaysPaginator(c.Network, &ec2.DescribeNatGatewaysInput{}),
		func(o *ec2.DescribeNatGatewaysOutput) []types.NatGateway { return o.NatGateways })
	if err != nil {
		return nil, err
	}
	for _, n := range nats {
		if n.State != types.NatGatewayStateDeleted {
			out = append(out, Item{"ec2", "NAT gateway", aws.ToString(n.NatGatewayId), string(n.State)})
		}
	}
	addresses, err := c.Network.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{})
	if err != nil {
		return nil, err
	}
	return append(out, collect("ec2", "address", addresses.Addresses, func(a types.Address) (string, string) {
		return aws.ToString(a.AllocationId), aws.ToString(a.PublicIp)
	})...), nil
}

func listInterfaces(ctx context.Context, c *Cloud) ([]Item, error) {
	endpoints, err := pages(ctx, ec2.NewDescribeVpcEndpointsPaginator(c.Network, &ec2.DescribeVpcEndpointsInput{}),
		func(o *ec2.DescribeVpcEndpointsOutput) []types.VpcEndpoint { return o.VpcEndpoints })
	if err != nil {
		return nil, err
	}
	var out []Item
	for _, e := range endpoints {
		if !strings.EqualFold(string(e.State), string(types.StateDeleted)) { // AWS says Deleted, the emulator deleted
			out = append(out, Item{"ec2", "endpoint", aws.ToString(e.VpcEndpointId), aws.ToString(e.ServiceName)})
		}
	}
	flows, err := pages(ctx, ec2.NewDescribeFlowLogsPaginator(c.Network, &ec2.DescribeFlowLogsInput{}),
		func(o *ec2.DescribeFlowLogsOutput) []types.FlowLog { return o.FlowLogs })
	if err != nil {
		return nil, err
	}
	out = append(out, collect("ec2", "flow log", flows, func(f types.FlowLog) (string, string) {
		return aws.ToString(f.FlowLogId), aws.ToString(f.ResourceId)
	})...)
	interfaces, err := pages(ctx, ec2.NewDescribeNetworkInterfacesPaginator(c.Network, &ec2.DescribeNetworkInterfacesInput{}),
		func(o *ec2.DescribeNetworkInterfacesOutput) []types.NetworkInterface { return o.NetworkInterfaces })
	if err != nil {
		return nil, err
	}
	return append(out, collect("ec2", "network interface", interfaces, func(i types.NetworkInterface) (string, string) {
		return aws.ToString(i.NetworkInterfaceId), aws.ToString(i.Description)
	})...), nil
}
