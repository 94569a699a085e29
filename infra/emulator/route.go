package emulator

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func routeKinds() []Kind {
	return []Kind{
		{
			Token:    "aws:ec2/routeTable:RouteTable",
			Required: []string{"vpcId"},
			Replace:  []string{"vpcId"},
			Check: func(in Object) []Fault {
				if len(in.List("routes")) > 0 {
					return []Fault{{"routes", "inline routes are not modeled: use aws:ec2/route:Route"}}
				}
				return nil
			},
			Create: createRouteTable, Read: readRouteTable, Update: updateRouteTable, Delete: deleteRouteTable,
		},
		{
			Token:    "aws:ec2/route:Route",
			Required: []string{"routeTableId", "destinationCidrBlock"},
			Replace:  []string{"routeTableId", "destinationCidrBlock"},
			Check: func(in Object) []Fault {
				return append(checkCIDR(in, "destinationCidrBlock", 0, 32), checkExactlyOne(in, "gatewayId", "natGatewayId")...)
			},
			Create: createRoute, Read: readRoute, Update: updateRoute, Delete: deleteRoute,
		},
		{
			Token:    "aws:ec2/routeTableAssociation:RouteTableAssociation",
			Required: []string{"routeTableId", "subnetId"},
			Replace:  []string{"subnetId"},
			Create:   createAssociation, Read: readAssociation, Update: updateAssociation, Delete: deleteAssociation,
		},
	}
}

func createRouteTable(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	made, err := c.Network.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{
		VpcId: in.StrPtr("vpcId"), TagSpecifications: tagged(types.ResourceTypeRouteTable, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.RouteTable.RouteTableId
	out, err := readRouteTable(ctx, c, id, in)
	return id, out, err
}

func findRouteTable(ctx context.Context, c *Cloud, id string) (types.RouteTable, error) {
	found, err := c.Network.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{id}})
	if isCode(err, "InvalidRouteTableID.NotFound") {
		return types.RouteTable{}, ErrGone
	}
	if err != nil {
		return types.RouteTable{}, err
	}
	return found.RouteTables[0], nil
}

func readRouteTable(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	table, err := findRouteTable(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return withTags(state, table.Tags).With(Object{
		"arn": c.ARN("ec2", "route-table/"+id), "ownerId": c.Account, "vpcId": table.VpcId,
	}), nil
}

func updateRouteTable(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readRouteTable(ctx, c, id, in)
}

func deleteRouteTable(ctx context.Context, c *Cloud, id string, _ Object) error {
	_, err := c.Network.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: &id})
	return unless(err, "InvalidRouteTableID.NotFound")
}

// routeID is made as the real provider makes it.
func routeID(table, destination string) string {
	return fmt.Sprintf("r-%s%d", table, crc32.ChecksumIEEE([]byte(destination)))
}

func createRoute(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	if err := checkTarget(ctx, c, in); err != nil {
		return "", nil, err
	}
	_, err := c.Network.CreateRoute(ctx, &ec2.CreateRouteInput{
		RouteTableId: in.StrPtr("routeTableId"), DestinationCidrBlock: in.StrPtr("destinationCidrBlock"),
		GatewayId: in.StrPtr("gatewayId"), NatGatewayId: in.StrPtr("natGatewayId"),
	})
	if err != nil {
		return "", nil, err
	}
	id := routeID(in.Str("routeTableId"), in.Str("destinationCidrBlock"))
	out, err := readRoute(ctx, c, id, in)
	return id, out, err
}

// checkTarget refuses a target that is not there or in another VPC; the emulator takes both.
func checkTarget(ctx context.Context, c *Cloud, in Object) error {
	table, err := findRouteTable(ctx, c, in.Str("routeTableId"))
	if err != nil {
		return fmt.Errorf("find route table %s: %w", in.Str("routeTableId"), err)
	}
	vpc, target := aws.ToString(table.VpcId), in.Str("gatewayId")
	if target == "" {
		target = in.Str("natGatewayId")
		nat, err := findNAT(ctx, c, target)
		if err != nil && !errors.Is(err, ErrGone) {
			return err
		}
		if err != nil {
			return refuse("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", target)
		}
		if aws.ToString(nat.VpcId) == vpc {
			return nil
		}
	} else {
		attached, err := gatewayOf(ctx, c, vpc)
		if err != nil || attached == target {
			return err
		}
	}
	return refuse("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", in.Str("routeTableId"), target)
}

func readRoute(ctx context.Context, c *Cloud, _ string, state Object) (Object, error) {
	table, err := findRouteTable(ctx, c, state.Str("routeTableId"))
	if err != nil {
		return nil, err
	}
	for _, route := range table.Routes {
		if aws.ToString(route.DestinationCidrBlock) == state.Str("destinationCidrBlock") {
			return state.With(Object{
				"gatewayId": route.GatewayId, "natGatewayId": route.NatGatewayId, "state": string(route.State), "origin": "CreateRoute",
			}), nil
		}
	}
	return nil, ErrGone
}

func updateRoute(ctx context.Context, c *Cloud, id string, _, in Object) (Object, error) {
	if err := checkTarget(ctx, c, in); err != nil {
		return nil, err
	}
	_, err := c.Network.ReplaceRoute(ctx, &ec2.ReplaceRouteInput{
		RouteTableId: in.StrPtr("routeTableId"), DestinationCidrBlock: in.StrPtr("destinationCidrBlock"),
		GatewayId: in.StrPtr("gatewayId"), NatGatewayId: in.StrPtr("natGatewayId"),
	})
	if err != nil {
		return nil, err
	}
	return readRoute(ctx, c, id, in)
}

func deleteRoute(ctx context.Context, c *Cloud, _ string, state Object) error {
	_, err := c.Network.DeleteRoute(ctx, &ec2.DeleteRouteInput{
		RouteTableId: state.StrPtr("routeTableId"), DestinationCidrBlock: state.StrPtr("destinationCidrBlock"),
	})
	return unless(err, "InvalidRoute.NotFound", "InvalidRouteTableID.NotFound")
}

// association is the one of a subnet, or ErrGone. It is looked for by the subnet, because its id changes with its table.
func association(ctx context.Context, c *Cloud, subnet string) (types.RouteTableAssociation, error) {
	found, err := c.Network.DescribeRouteTables(ctx, &ec2.DescribeRouteTablesInput{
		Filters: []types.Filter{filter("association.subnet-id", subnet)},
	})
	if err != nil {
		return types.RouteTableAssociation{}, err
	}
	for _, table := range found.RouteTables {
		for _, a := range table.Associations {
			if aws.ToString(a.SubnetId) == subnet {
				return a, nil
			}
		}
	}
	return types.RouteTableAssociation{}, ErrGone
}

// createAssociation refuses a second one of a subnet; the emulator answers the first.
func createAssociation(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	there, err := association(ctx, c, in.Str("subnetId"))
	if err == nil {
		return "", nil, refuse("Resource.AlreadyAssociated",
			"the specified association for route table %s conflicts with an existing association of subnet %s: %s",
			in.Str("routeTableId"), in.Str("subnetId"), aws.ToString(there.RouteTableAssociationId))
	}
	if !errors.Is(err, ErrGone) {
		return "", nil, err
	}
	made, err := c.Network.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{
		RouteTableId: in.StrPtr("routeTableId"), SubnetId: in.StrPtr("subnetId"),
	})
	if err != nil {
		return "", nil, err
	}
	return *made.AssociationId, in, nil
}

func readAssociation(ctx context.Context, c *Cloud, _ string, state Object) (Object, error) {
	found, err := association(ctx, c, state.Str("subnetId"))
	if err != nil {
		return nil, err
	}
	return state.With(Object{"routeTableId": found.RouteTableId}), nil
}

func updateAssociation(ctx context.Context, c *Cloud, _ string, state, in Object) (Object, error) {
	found, err := association(ctx, c, state.Str("subnetId"))
	if err != nil {
		return nil, err
	}
	_, err = c.Network.ReplaceRouteTableAssociation(ctx, &ec2.ReplaceRouteTableAssociationInput{
		AssociationId: found.RouteTableAssociationId, RouteTableId: in.StrPtr("routeTableId"),
	})
	return in, err
}

func deleteAssociation(ctx context.Context, c *Cloud, _ string, state Object) error {
	found, err := association(ctx, c, state.Str("subnetId"))
	if err != nil {
		return err
	}
	_, err = c.Network.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: found.RouteTableAssociationId})
	return unless(err, "InvalidAssociationID.NotFound")
}
