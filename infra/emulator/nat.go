package emulator

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func natKinds() []Kind {
	return []Kind{
		{
			Token:   "aws:ec2/eip:Eip",
			Replace: []string{"domain", "address", "publicIpv4Pool", "networkBorderGroup"},
			Check:   func(in Object) []Fault { return checkOneOf(in, "domain", "vpc") },
			Create:  createAddress, Read: readAddress, Update: updateAddress, Delete: deleteAddress,
		},
		{
			Token:    "aws:ec2/natGateway:NatGateway",
			Required: []string{"subnetId", "allocationId"},
			Replace:  []string{"subnetId", "allocationId", "connectivityType", "privateIp"},
			Check:    func(in Object) []Fault { return checkOneOf(in, "connectivityType", "public") },
			Create:   createNAT, Read: readNAT, Update: updateNAT, Delete: deleteNAT,
		},
	}
}

func createAddress(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Network.AllocateAddress(ctx, &ec2.AllocateAddressInput{
		Domain: types.DomainTypeVpc, TagSpecifications: tagged(types.ResourceTypeElasticIp, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.AllocationId
	out, err := readAddress(ctx, c, id, in)
	return id, out, err
}

func findAddress(ctx context.Context, c *Cloud, id string) (types.Address, error) {
	found, err := c.Network.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{
		Filters: []types.Filter{filter("allocation-id", id)},
	})
	if err != nil {
		return types.Address{}, err
	}
	if len(found.Addresses) == 0 {
		return types.Address{}, ErrGone
	}
	return found.Addresses[0], nil
}

func readAddress(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	address, err := findAddress(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return withTags(state, address.Tags).With(Object{
		"arn": c.ARN("ec2", "elastic-ip/"+id), "allocationId": id, "publicIp": address.PublicIp, "domain": string(address.Domain),
		"associationId": address.AssociationId, "networkInterface": address.NetworkInterfaceId, "privateIp": address.PrivateIpAddress,
	}), nil
}

func updateAddress(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readAddress(ctx, c, id, in)
}

// deleteAddress refuses one that is in use; the emulator takes it away from its user.
func deleteAddress(ctx context.Context, c *Cloud, id string, _ Object) error {
	address, err := findAddress(ctx, c, id)
	if err != nil {
		return err
	}
	if aws.ToString(address.AssociationId) != "" {
		return refuse("InvalidIPAddress.InUse", "The address %s is in use by %s",
			aws.ToString(address.PublicIp), aws.ToString(address.NetworkInterfaceId))
	}
	_, err = c.Network.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: &id})
	return unless(err, "InvalidAllocationID.NotFound")
}

// createNAT refuses a VPC without an internet gateway, where a NAT gateway of AWS ends as failed.
func createNAT(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	subnet, err := findSubnet(ctx, c, in.Str("subnetId"))
	if err != nil {
		return "", nil, fmt.Errorf("find subnet %s: %w", in.Str("subnetId"), err)
	}
	gateway, err := gatewayOf(ctx, c, aws.ToString(subnet.VpcId))
	if err != nil {
		return "", nil, err
	}
	if gateway == "" {
		return "", nil, refuse("Gateway.NotAttached", "Network of subnet %s has no Internet gateway attached", in.Str("subnetId"))
	}
	// The emulator refuses an address in use only after it has made a network interface, which stays.
	address, err := findAddress(ctx, c, in.Str("allocationId"))
	if err != nil {
		return "", nil, fmt.Errorf("find address %s: %w", in.Str("allocationId"), err)
	}
	if address.AssociationId != nil {
		return "", nil, refuse("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", in.Str("allocationId"))
	}
	made, err := c.Network.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{
		SubnetId: in.StrPtr("subnetId"), AllocationId: in.StrPtr("allocationId"),
		ConnectivityType: types.ConnectivityTypePublic, TagSpecifications: tagged(types.ResourceTypeNatgateway, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.NatGateway.NatGatewayId
	out, err := readNAT(ctx, c, id, in)
	return id, out, err
}

// findNAT is a gateway that is not deleted; deleted ones are still listed, as AWS does for an hour.
func findNAT(ctx context.Context, c *Cloud, id string) (types.NatGateway, error) {
	found, err := c.Network.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
	if err != nil {
		return types.NatGateway{}, err
	}
	for _, nat := range found.NatGateways {
		if nat.State != types.NatGatewayStateDeleted {
			return nat, nil
		}
	}
	return types.NatGateway{}, ErrGone
}

// natsOf are the gateways of a VPC that are not deleted.
func natsOf(ctx context.Context, c *Cloud, vpc string) ([]types.NatGateway, error) {
	found, err := c.Network.DescribeNatGateways(ctx, &ec2.DescribeNatGatewaysInput{
		Filter: []types.Filter{filter("vpc-id", vpc), filter("state", string(types.NatGatewayStateAvailable))},
	})
	if err != nil {
		return nil, err
	}
	return found.NatGateways, nil
}

func readNAT(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	nat, err := findNAT(ctx, c, id)
	if err != nil {
		return nil, err
	}
	out := withTags(state, nat.Tags).With(Object{"subnetId": nat.SubnetId, "connectivityType": string(nat.ConnectivityType)})
	for _, address := range nat.NatGatewayAddresses {
		out = out.With(Object{
			"allocationId": address.AllocationId, "associationId": address.AssociationId, "publicIp": address.PublicIp,
			"privateIp": address.PrivateIp, "networkInterfaceId": address.NetworkInterfaceId,
		})
	}
	return out, nil
}

func updateNAT(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readNAT(ctx, c, id, in)
}

// deleteNAT gives back the address and removes the network interface first, because the emulator forgets both; in this
// order a deletion that broke half-way can be repeated.
func deleteNAT(ctx context.Context, c *Cloud, id string, _ Object) error {
	nat, err := findNAT(ctx, c, id)
	if err != nil {
		return err
	}
	for _, address := range nat.NatGatewayAddresses {
		if address.AssociationId != nil {
			_, err := c.Network.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: address.AssociationId})
			if err := unless(err, "InvalidAssociationID.NotFound"); err != nil {
				return err
			}
		}
		_, err := c.Network.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: address.NetworkInterfaceId})
		if err := unless(err, "InvalidNetworkInterfaceID.NotFound"); err != nil {
			return err
		}
	}
	_, err = c.Network.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: &id})
	return err
}
