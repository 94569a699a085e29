package emulator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const (
	gatewayEndpoint   = "Gateway"
	interfaceEndpoint = "Interface"
)

func endpointKinds() []Kind {
	return []Kind{{
		Token:    "aws:ec2/vpcEndpoint:VpcEndpoint",
		Required: []string{"vpcId", "serviceName"},
		Replace:  []string{"vpcId", "serviceName", "vpcEndpointType"},
		Check:    checkEndpoint,
		Create:   createEndpoint, Read: readEndpoint, Update: updateEndpoint, Delete: deleteEndpoint,
	}}
}

func checkEndpoint(in Object) []Fault {
	i := inspect(in)
	i.oneOf("vpcEndpointType", gatewayEndpoint, interfaceEndpoint)
	i.document("policy")
	i.unmodeled("autoAccept", "dnsOptions", "ipAddressType", "serviceRegion", "subnetConfigurations")
	if name := in.Str("serviceName"); in.Known("serviceName") && !strings.HasPrefix(name, "com.amazonaws."+Region+".") {
		i.fault("serviceName", "InvalidServiceName: The Vpc Endpoint Service '%s' does not exist", name)
	}
	if in.Has("vpcEndpointType") && !in.Known("vpcEndpointType") {
		return i.found()
	}
	wrong := []string{"subnetIds", "securityGroupIds", "privateDnsEnabled"}
	if in.Str("vpcEndpointType") == interfaceEndpoint {
		wrong = []string{"routeTableIds"}
		if !in.Has("subnetIds") || in.Known("subnetIds") && len(in.Strings("subnetIds")) == 0 {
			i.fault("subnetIds", "MissingParameter: an interface endpoint without subnets has no address")
		}
	}
	for _, key := range wrong {
		if in.Has(key) {
			i.fault(key, "InvalidParameter: %s does not go with this type of endpoint", key)
		}
	}
	return i.found()
}

func createEndpoint(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	kind := in.Str("vpcEndpointType")
	if kind == "" {
		kind = gatewayEndpoint
	}
	refused := refuseGateway
	if kind == interfaceEndpoint {
		refused = refuseInterface
	}
	if err := refused(ctx, c, in); err != nil {
		return "", nil, err
	}
	made, err := c.Network.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcId: in.StrPtr("vpcId"), ServiceName: in.StrPtr("serviceName"), VpcEndpointType: types.VpcEndpointType(kind),
		PolicyDocument: in.StrPtr("policy"), PrivateDnsEnabled: in.BoolPtr("privateDnsEnabled"), RouteTableIds: in.Strings("routeTableIds"),
		SubnetIds: in.Strings("subnetIds"), SecurityGroupIds: in.Strings("securityGroupIds"),
		TagSpecifications: tagged(types.ResourceTypeVpcEndpoint, in),
	})
	if err != nil {
		return "", nil, err
	}
	id := *made.VpcEndpoint.VpcEndpointId
	out, err := readEndpoint(ctx, c, id, in)
	return id, out, err
}

// refuseGateway refuses a route table that has a way to the service already; the emulator writes over it.
func refuseGateway(ctx context.Context, c *Cloud, in Object) error {
	others, err := endpointsOf(ctx, c, in.Str("vpcId"))
	if err != nil {
		return err
	}
	for _, other := range others {
		if aws.ToString(other.ServiceName) != in.Str("serviceName") {
			continue
		}
		for _, table := range in.Strings("routeTableIds") {
			if slices.Contains(other.RouteTableIds, table) {
				return refuse("RouteAlreadyExists", "route table %s already has a route to %s by %s",
					table, in.Str("serviceName"), aws.ToString(other.VpcEndpointId))
			}
		}
	}
	return nil
}

// refuseInterface refuses two subnets in one zone, and private names that the VPC does not resolve or that another
// endpoint has.
func refuseInterface(ctx context.Context, c *Cloud, in Object) error {
	zones := map[string]string{}
	for _, id := range in.Strings("subnetIds") {
		subnet, err := findSubnet(ctx, c, id)
		if err != nil {
			return fmt.Errorf("find subnet %s: %w", id, err)
		}
		zone := aws.ToString(subnet.AvailabilityZone)
		if other, taken := zones[zone]; taken {
			return refuse("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone %s: %s and %s", zone, other, id)
		}
		zones[zone] = id
	}
	if !in.Bool("privateDnsEnabled") {
		return nil
	}
	support, hostnames, err := readDNS(ctx, c, in.Str("vpcId"))
	if err != nil {
		return err
	}
	if !support || !hostnames {
		return refuse("InvalidParameter", "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s",
			in.Str("vpcId"))
	}
	others, err := endpointsOf(ctx, c, in.Str("vpcId"))
	if err != nil {
		return err
	}
	for _, other := range others {
		if aws.ToString(other.ServiceName) == in.Str("serviceName") && aws.ToBool(other.PrivateDnsEnabled) {
			return refuse("InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain for %s in the VPC %s",
				in.Str("serviceName"), in.Str("vpcId"))
		}
	}
	return nil
}

// endpointsOf are the endpoints of a VPC, or all when vpc is empty, without the deleted ones that are still listed.
func endpointsOf(ctx context.Context, c *Cloud, vpc string) ([]types.VpcEndpoint, error) {
	request := &ec2.DescribeVpcEndpointsInput{}
	if vpc != "" {
		request.Filters = []types.Filter{filter("vpc-id", vpc)}
	}
	found, err := c.Network.DescribeVpcEndpoints(ctx, request)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found.VpcEndpoints, func(e types.VpcEndpoint) bool {
		return strings.EqualFold(string(e.State), "deleted")
	}), nil
}

func findEndpoint(ctx context.Context, c *Cloud, id string) (types.VpcEndpoint, error) {
	all, err := endpointsOf(ctx, c, "")
	if err != nil {
		return types.VpcEndpoint{}, err
	}
	at := slices.IndexFunc(all, func(e types.VpcEndpoint) bool { return aws.ToString(e.VpcEndpointId) == id })
	if at < 0 {
		return types.VpcEndpoint{}, ErrGone
	}
	return all[at], nil
}

func readEndpoint(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	endpoint, err := findEndpoint(ctx, c, id)
	if err != nil {
		return nil, err
	}
	out := withTags(state, endpoint.Tags).With(Object{
		"arn": c.ARN("ec2", "vpc-endpoint/"+id), "ownerId": c.Account, "vpcId": endpoint.VpcId, "serviceName": endpoint.ServiceName,
		"state": string(endpoint.State), "vpcEndpointType": string(endpoint.VpcEndpointType), "requesterManaged": false,
		"policy":            asWritten(state.Str("policy"), aws.ToString(endpoint.PolicyDocument)),
		"privateDnsEnabled": state.Bool("privateDnsEnabled"), // the emulator cannot change it
	})
	if string(endpoint.VpcEndpointType) == interfaceEndpoint {
		return withInterface(out, endpoint), nil
	}
	list, err := prefixList(ctx, c, Object{"name": aws.ToString(endpoint.ServiceName)})
	if err != nil {
		return nil, err
	}
	return out.With(Object{
		"routeTableIds": sameOrder(state.Strings("routeTableIds"), endpoint.RouteTableIds),
		"prefixListId":  list["prefixListId"], "cidrBlocks": list["cidrBlocks"],
	}), nil
}

func withInterface(out Object, endpoint types.VpcEndpoint) Object {
	var groups []string
	for _, g := range endpoint.Groups {
		groups = append(groups, aws.ToString(g.GroupId))
	}
	entries := []any{}
	for _, e := range endpoint.DnsEntries {
		entries = append(entries, map[string]any{"dnsName": aws.ToString(e.DnsName), "hostedZoneId": aws.ToString(e.HostedZoneId)})
	}
	return out.With(Object{
		"subnetIds":           sameOrder(out.Strings("subnetIds"), endpoint.SubnetIds),
		"securityGroupIds":    sameOrder(out.Strings("securityGroupIds"), groups),
		"networkInterfaceIds": endpoint.NetworkInterfaceIds, "dnsEntries": entries,
	})
}

func updateEndpoint(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	change := &ec2.ModifyVpcEndpointInput{
		VpcEndpointId: &id, PrivateDnsEnabled: in.BoolPtr("privateDnsEnabled"),
		AddRouteTableIds:       missingFrom(state.Strings("routeTableIds"), in.Strings("routeTableIds")),
		RemoveRouteTableIds:    missingFrom(in.Strings("routeTableIds"), state.Strings("routeTableIds")),
		AddSubnetIds:           missingFrom(state.Strings("subnetIds"), in.Strings("subnetIds")),
		RemoveSubnetIds:        missingFrom(in.Strings("subnetIds"), state.Strings("subnetIds")),
		AddSecurityGroupIds:    missingFrom(state.Strings("securityGroupIds"), in.Strings("securityGroupIds")),
		RemoveSecurityGroupIds: missingFrom(in.Strings("securityGroupIds"), state.Strings("securityGroupIds")),
	}
	if in.Str("policy") != state.Str("policy") {
		change.PolicyDocument = in.StrPtr("policy")
	}
	if _, err := c.Network.ModifyVpcEndpoint(ctx, change); err != nil {
		return nil, err
	}
	if err := followEndpoint(ctx, c, id, state.Str("prefixListId"), change); err != nil {
		return nil, err
	}
	if err := retag(ctx, c, id, state, in); err != nil {
		return nil, err
	}
	return readEndpoint(ctx, c, id, in)
}

// followEndpoint does what a change of an endpoint brings with it and the emulator leaves out: the routes of added and
// removed tables, the network interfaces of added and removed subnets.
func followEndpoint(ctx context.Context, c *Cloud, id, prefixes string, change *ec2.ModifyVpcEndpointInput) error {
	for _, table := range change.AddRouteTableIds {
		_, err := c.Network.CreateRoute(ctx, &ec2.CreateRouteInput{RouteTableId: &table, GatewayId: &id, DestinationPrefixListId: &prefixes})
		if err != nil {
			return err
		}
	}
	for _, table := range change.RemoveRouteTableIds {
		_, err := c.Network.DeleteRoute(ctx, &ec2.DeleteRouteInput{RouteTableId: &table, DestinationPrefixListId: &prefixes})
		if err := unless(err, "InvalidRoute.NotFound"); err != nil {
			return err
		}
	}
	for _, subnet := range change.AddSubnetIds {
		_, err := c.Network.CreateNetworkInterface(ctx, &ec2.CreateNetworkInterfaceInput{SubnetId: &subnet, Description: cardOf(id)})
		if err != nil {
			return err
		}
	}
	if len(change.RemoveSubnetIds) == 0 {
		return nil
	}
	endpoint, err := findEndpoint(ctx, c, id)
	if err != nil {
		return err
	}
	return deleteCards(ctx, c, filter("subnet-id", change.RemoveSubnetIds...), endpoint)
}

// cardOf is how AWS describes the network interface of an endpoint.
func cardOf(id string) *string { return aws.String("VPC Endpoint Interface " + id) }

// deleteCards deletes those network interfaces of an endpoint that match.
func deleteCards(ctx context.Context, c *Cloud, which types.Filter, endpoint types.VpcEndpoint) error {
	found, err := c.Network.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{which}})
	if err != nil {
		return err
	}
	for _, card := range found.NetworkInterfaces {
		own := slices.Contains(endpoint.NetworkInterfaceIds, aws.ToString(card.NetworkInterfaceId)) ||
			aws.ToString(card.Description) == *cardOf(aws.ToString(endpoint.VpcEndpointId))
		if !own {
			continue
		}
		_, err := c.Network.DeleteNetworkInterface(ctx, &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: card.NetworkInterfaceId})
		if err := unless(err, "InvalidNetworkInterfaceID.NotFound"); err != nil {
			return err
		}
	}
	return nil
}

func deleteEndpoint(ctx context.Context, c *Cloud, id string, _ Object) error {
	endpoint, err := findEndpoint(ctx, c, id)
	if err != nil {
		return err
	}
	if err := deleteCards(ctx, c, filter("vpc-id", aws.ToString(endpoint.VpcId)), endpoint); err != nil {
		return err
	}
	gone, err := c.Network.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
	if err != nil {
		return err
	}
	for _, failed := range gone.Unsuccessful {
		return fmt.Errorf("delete endpoint %s: %s", id, aws.ToString(failed.Error.Message))
	}
	return nil
}
