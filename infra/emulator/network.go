package emulator

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// networkKinds are everything of a VPC but its security groups.
func networkKinds() []Kind {
	return slices.Concat(vpcKinds(), subnetKinds(), routeKinds(), natKinds(), endpointKinds(), flowKinds())
}

func vpcKinds() []Kind {
	return []Kind{
		{
			Token:    "aws:ec2/vpc:Vpc",
			Required: []string{"cidrBlock"},
			Replace:  []string{"cidrBlock", "instanceTenancy"},
			Check:    checkVPC,
			Create:   createVPC, Read: readVPC, Update: updateVPC, Delete: deleteVPC,
		},
		{
			Token:    "aws:ec2/internetGateway:InternetGateway",
			Required: []string{"vpcId"},
			Create:   createInternetGateway, Read: readInternetGateway, Update: updateInternetGateway, Delete: deleteInternetGateway,
		},
	}
}

func checkVPC(in Object) []Fault {
	i := inspect(in)
	i.add(checkCIDR(in, "cidrBlock", 16, 28))
	i.oneOf("instanceTenancy", "default")
	i.unmodeled("assignGeneratedIpv6CidrBlock", "ipv4IpamPoolId", "ipv6CidrBlock", "enableNetworkAddressUsageMetrics")
	return i.found()
}

func createVPC(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Network.CreateVpc(ctx, &ec2.CreateVpcInput{
		CidrBlock: in.StrPtr("cidrBlock"), TagSpecifications: tagged(types.ResourceTypeVpc, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.Vpc.VpcId
	if err := setDNS(ctx, c, id, in); err != nil {
		return id, in, err
	}
	out, err := readVPC(ctx, c, id, in)
	return id, out, err
}

// setDNS sets both attributes; a call of AWS takes only one.
func setDNS(ctx context.Context, c *Cloud, id string, in Object) error {
	_, err := c.Network.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{
		VpcId: &id, EnableDnsSupport: &types.AttributeBooleanValue{Value: aws.Bool(in.BoolOr("enableDnsSupport", true))},
	})
	if err != nil {
		return err
	}
	_, err = c.Network.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{
		VpcId: &id, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(in.Bool("enableDnsHostnames"))},
	})
	return err
}

func readVPC(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	found, err := c.Network.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	if isCode(err, "InvalidVpcID.NotFound") {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	vpc := found.Vpcs[0]
	support, hostnames, err := readDNS(ctx, c, id)
	if err != nil {
		return nil, err
	}
	group, err := defaultGroup(ctx, c, id)
	if err != nil {
		return nil, err
	}
	tables, err := c.Network.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{
		Filters: []types.Filter{filter("vpc-id", id), filter("association.main", "true")},
	})
	if err != nil {
		return nil, err
	}
	main := ""
	for _, table := range tables.RouteTables {
		main = *table.RouteTableId
	}
	return withTags(state, vpc.Tags).With(Object{
		"arn": c.ARN("ec2", "vpc/"+id), "cidrBlock": vpc.CidrBlock, "ownerId": c.Account, "dhcpOptionsId": vpc.DhcpOptionsId,
		"enableDnsSupport": support, "enableDnsHostnames": hostnames, "instanceTenancy": string(vpc.InstanceTenancy),
		"defaultSecurityGroupId": group.GroupId, "defaultRouteTableId": main, "mainRouteTableId": main,
	}), nil
}

func readDNS(ctx context.Context, c *Cloud, id string) (support, hostnames bool, err error) {
	first, err := c.Network.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{
		VpcId: &id, Attribute: types.VpcAttributeNameEnableDnsSupport,
	})
	if err != nil {
		return false, false, err
	}
	second, err := c.Network.DescribeVpcAttribute(ctx, &ec2.DescribeVpcAttributeInput{
		VpcId: &id, Attribute: types.VpcAttributeNameEnableDnsHostnames,
	})
	if err != nil {
		return false, false, err
	}
	return aws.ToBool(first.EnableDnsSupport.Value), aws.ToBool(second.EnableDnsHostnames.Value), nil
}

func updateVPC(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := setDNS(ctx, c, id, in); err != nil {
		return nil, err
	}
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readVPC(ctx, c, id, in)
}

// deleteVPC refuses all that AWS refuses; the emulator looks at subnets and route tables only.
func deleteVPC(ctx context.Context, c *Cloud, id string, _ Object) error {
	users, err := vpcUsers(ctx, c, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return refuse("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted: %s", id, strings.Join(users, ", "))
	}
	_, err = c.Network.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &id})
	return unless(err, "InvalidVpcID.NotFound")
}

func createInternetGateway(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Network.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{
		TagSpecifications: tagged(types.ResourceTypeInternetGateway, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.InternetGateway.InternetGatewayId
	if err := attachGateway(ctx, c, id, in.Str("vpcId")); err != nil {
		return id, in, err
	}
	out, err := readInternetGateway(ctx, c, id, in)
	return id, out, err
}

// attachGateway refuses a second gateway of one VPC, which the emulator takes.
func attachGateway(ctx context.Context, c *Cloud, id, vpc string) error {
	attached, err := gatewayOf(ctx, c, vpc)
	if err != nil {
		return err
	}
	if attached != "" {
		return refuse("InvalidParameterValue", "Network %s already has an internet gateway attached: %s", vpc, attached)
	}
	_, err = c.Network.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: &id, VpcId: &vpc})
	return err
}

// gatewayOf is the internet gateway of a VPC, or "" without one.
func gatewayOf(ctx context.Context, c *Cloud, vpc string) (string, error) {
	found, err := c.Network.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{
		Filters: []types.Filter{filter("attachment.vpc-id", vpc)},
	})
	if err != nil || len(found.InternetGateways) == 0 {
		return "", err
	}
	return *found.InternetGateways[0].InternetGatewayId, nil
}

func readInternetGateway(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	found, err := c.Network.DescribeInternetGateways(ctx, &ec2.DescribeInternetGatewaysInput{InternetGatewayIds: []string{id}})
	if isCode(err, "InvalidInternetGatewayID.NotFound") {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	gateway := found.InternetGateways[0]
	var vpc *string
	for _, a := range gateway.Attachments {
		vpc = a.VpcId
	}
	return withTags(state, gateway.Tags).With(Object{
		"arn": c.ARN("ec2", "internet-gateway/"+id), "ownerId": c.Account, "vpcId": vpc,
	}), nil
}

func updateInternetGateway(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if from, to := state.Str("vpcId"), in.Str("vpcId"); from != to {
		if from != "" {
			if err := detachGateway(ctx, c, id, from); err != nil {
				return nil, err
			}
		}
		if err := attachGateway(ctx, c, id, to); err != nil {
			return nil, err
		}
	}
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readInternetGateway(ctx, c, id, in)
}

// detachGateway refuses to leave public addresses behind, as AWS does.
func detachGateway(ctx context.Context, c *Cloud, id, vpc string) error {
	nats, err := natsOf(ctx, c, vpc)
	if err != nil {
		return err
	}
	for _, nat := range nats {
		if nat.ConnectivityType == types.ConnectivityTypePublic {
			return refuse("DependencyViolation",
				"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway: %s",
				vpc, aws.ToString(nat.NatGatewayId))
		}
	}
	_, err = c.Network.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &id, VpcId: &vpc})
	return unless(err, "Gateway.NotAttached", "InvalidInternetGatewayID.NotFound")
}

func deleteInternetGateway(ctx context.Context, c *Cloud, id string, state Object) error {
	if vpc := state.Str("vpcId"); vpc != "" {
		if err := detachGateway(ctx, c, id, vpc); err != nil {
			return err
		}
	}
	_, err := c.Network.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &id})
	return unless(err, "InvalidInternetGatewayID.NotFound")
}
