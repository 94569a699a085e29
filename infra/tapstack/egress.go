package tapstack

import (
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// interfaceServices are the services that functions in the VPC call: the stream and the keys (ingest, admin), the master
// secret and the queue (admin). RDS and ElastiCache sign-in needs none: those tokens are made locally. Logs leave through
// Lambda itself.
func interfaceServices() []string {
	return []string{"kinesis-streams", "kms", "secretsmanager", "sqs"}
}

// buildEgress gives the private subnets their way to AWS services. The table of wrapped keys is reached through a
// gateway endpoint in either case: it is free and keeps that traffic off the NAT gateways.
func (s *TapStack) buildEgress() {
	var tables pulumi.StringArray
	for _, t := range s.network.tables {
		tables = append(tables, t.ID())
	}
	add(s, ec2.NewVpcEndpoint, s.name("endpoint-dynamodb"), &ec2.VpcEndpointArgs{
		VpcId: s.network.vpc.ID(), VpcEndpointType: pulumi.String("Gateway"),
		ServiceName: pulumi.String("com.amazonaws." + Region + ".dynamodb"), RouteTableIds: tables,
		Policy: s.document(s.ownAccountOnly("*")), // AWS takes no other principal here, the condition narrows it
	})
	if s.args.Egress == EgressEndpoints {
		s.buildEndpoints()
	} else {
		s.buildNAT()
	}
}

// buildNAT makes a NAT gateway in each zone, so that a failed zone takes only its own egress, or one for all.
func (s *TapStack) buildNAT() {
	var gateways []*ec2.NatGateway
	for i := range s.zones {
		if i > 0 && s.args.SingleNatGateway {
			break
		}
		ip := add(s, ec2.NewEip, s.numbered("eip", i+1), &ec2.EipArgs{Domain: pulumi.String("vpc")}, pulumi.DependsOn([]pulumi.Resource{s.network.gateway}))
		gateways = append(gateways, add(s, ec2.NewNatGateway, s.numbered("nat-gateway", i+1), &ec2.NatGatewayArgs{
			AllocationId: ip.ID(), SubnetId: s.network.public[i].ID(), ConnectivityType: pulumi.String("public"),
		}, pulumi.DependsOn([]pulumi.Resource{s.network.gateway}))) // an address that is still mapped keeps the gateway from leaving
	}
	for i, table := range s.network.tables {
		add(s, ec2.NewRoute, s.numbered("route-private", i+1), &ec2.RouteArgs{
			RouteTableId: table.ID(), DestinationCidrBlock: pulumi.String("0.0.0.0/0"), NatGatewayId: gateways[min(i, len(gateways)-1)].ID(),
		})
	}
}

// buildEndpoints makes an interface endpoint for every service, with a policy that lets this account's principals
// through and nobody else's: a stolen program could not carry data to another account's stream.
func (s *TapStack) buildEndpoints() {
	for _, service := range interfaceServices() {
		add(s, ec2.NewVpcEndpoint, s.name("endpoint-"+service), &ec2.VpcEndpointArgs{
			VpcId: s.network.vpc.ID(), VpcEndpointType: pulumi.String("Interface"),
			ServiceName: pulumi.String("com.amazonaws." + Region + "." + service), PrivateDnsEnabled: pulumi.Bool(true),
			SubnetIds: s.privateSubnets(), SecurityGroupIds: pulumi.StringArray{s.groups.endpoint.ID()},
			Policy: s.document(s.ownAccountOnly(s.root())),
		})
	}
}

// ownAccountOnly lets the principals of this account use an endpoint. What they may do there their own policies say.
func (s *TapStack) ownAccountOnly(principal string) statement {
	return statement{
		sid: "OwnAccountOnly", aws: []string{principal}, actions: []string{"*"}, resources: everything(),
		conditions: conditions{"StringEquals": {"aws:PrincipalAccount": {s.account}}},
	}
}
