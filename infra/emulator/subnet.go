package emulator

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func subnetKinds() []Kind {
	return []Kind{{
		Token:    "aws:ec2/subnet:Subnet",
		Required: []string{"vpcId", "cidrBlock", "availabilityZone"},
		Replace:  []string{"vpcId", "cidrBlock", "availabilityZone"},
		Check:    checkSubnet,
		Create:   createSubnet, Read: readSubnet, Update: updateSubnet, Delete: deleteSubnet,
	}}
}

func checkSubnet(in Object) []Fault {
	i := inspect(in)
	i.add(checkCIDR(in, "cidrBlock", 16, 28))
	i.unmodeled("availabilityZoneId", "ipv6CidrBlock", "assignIpv6AddressOnCreation", "enableDns64", "ipv6Native",
		"enableResourceNameDnsARecordOnLaunch", "privateDnsHostnameTypeOnLaunch")
	return i.found()
}

func createSubnet(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Network.CreateSubnet(ctx, &ec2.CreateSubnetInput{
		VpcId: in.StrPtr("vpcId"), CidrBlock: in.StrPtr("cidrBlock"), AvailabilityZone: in.StrPtr("availabilityZone"),
		TagSpecifications: tagged(types.ResourceTypeSubnet, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.Subnet.SubnetId
	if err := mapPublicAddress(ctx, c, id, in); err != nil {
		return id, in, err
	}
	out, err := readSubnet(ctx, c, id, in)
	return id, out, err
}

// mapPublicAddress is always said, because the emulator has another default than AWS.
func mapPublicAddress(ctx context.Context, c *Cloud, id string, in Object) error {
	_, err := c.Network.ModifySubnetAttribute(ctx, &ec2.ModifySubnetAttributeInput{
		SubnetId: &id, MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(in.Bool("mapPublicIpOnLaunch"))},
	})
	return err
}

func findSubnet(ctx context.Context, c *Cloud, id string) (types.Subnet, error) {
	found, err := c.Network.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	if isCode(err, "InvalidSubnetID.NotFound") {
		return types.Subnet{}, ErrGone
	}
	if err != nil {
		return types.Subnet{}, err
	}
	return found.Subnets[0], nil
}

func readSubnet(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	subnet, err := findSubnet(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return withTags(state, subnet.Tags).With(Object{
		"arn": c.ARN("ec2", "subnet/"+id), "ownerId": c.Account, "vpcId": subnet.VpcId, "cidrBlock": subnet.CidrBlock,
		"availabilityZone": subnet.AvailabilityZone, "availabilityZoneId": subnet.AvailabilityZoneId,
		"mapPublicIpOnLaunch": aws.ToBool(subnet.MapPublicIpOnLaunch),
	}), nil
}

func updateSubnet(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := mapPublicAddress(ctx, c, id, in); err != nil {
		return nil, err
	}
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readSubnet(ctx, c, id, in)
}

// deleteSubnet refuses a subnet with anything in it, which the emulator lets go.
func deleteSubnet(ctx context.Context, c *Cloud, id string, _ Object) error {
	users, err := subnetUsers(ctx, c, id)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return refuse("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted: %s", id, strings.Join(users, ", "))
	}
	_, err = c.Network.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &id})
	return unless(err, "InvalidSubnetID.NotFound")
}
