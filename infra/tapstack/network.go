package tapstack

import (
	"net/netip"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/ec2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// network is the VPC and its subnets, one public and one private in each zone.
type network struct {
	vpc     *ec2.Vpc
	gateway *ec2.InternetGateway
	public  []*ec2.Subnet
	private []*ec2.Subnet
	tables  []*ec2.RouteTable // of the private subnets, in the same order
}

// slow is how long AWS may take to give back the network interfaces of a function in a VPC before its subnets and
// groups can go.
func slow() pulumi.ResourceOption {
	return pulumi.Timeouts(&pulumi.CustomTimeouts{Delete: "60m"})
}

func (s *TapStack) buildNetwork() {
	n := &s.network
	n.vpc = add(s, ec2.NewVpc, s.name("vpc"), &ec2.VpcArgs{
		CidrBlock:          pulumi.String(s.args.VpcCidr),
		EnableDnsSupport:   pulumi.Bool(true),
		EnableDnsHostnames: pulumi.Bool(true), // private names of the endpoints
	})
	// Adopted and emptied: what is started without a group of its own can talk to nobody (EC2.2). It leaves with the VPC.
	add(s, ec2.NewDefaultSecurityGroup, s.name("default-security-group"), &ec2.DefaultSecurityGroupArgs{VpcId: n.vpc.ID()})
	n.gateway = add(s, ec2.NewInternetGateway, s.name("internet-gateway"), &ec2.InternetGatewayArgs{VpcId: n.vpc.ID()})

	table := add(s, ec2.NewRouteTable, s.name("route-table-public"), &ec2.RouteTableArgs{VpcId: n.vpc.ID()})
	add(s, ec2.NewRoute, s.name("route-public"), &ec2.RouteArgs{
		RouteTableId: table.ID(), DestinationCidrBlock: pulumi.String("0.0.0.0/0"), GatewayId: n.gateway.ID(),
	})
	cidr := netip.MustParsePrefix(s.args.VpcCidr) // validated
	for i, zone := range s.zones {
		public := add(s, ec2.NewSubnet, s.numbered("subnet-public", i+1), &ec2.SubnetArgs{
			VpcId: n.vpc.ID(), AvailabilityZone: pulumi.String(zone), CidrBlock: pulumi.String(publicRange(cidr, i).String()),
			MapPublicIpOnLaunch: pulumi.Bool(false), // EC2.15: only NAT gateways live here, with addresses of their own
		}, slow())
		private := add(s, ec2.NewSubnet, s.numbered("subnet-private", i+1), &ec2.SubnetArgs{
			VpcId: n.vpc.ID(), AvailabilityZone: pulumi.String(zone), CidrBlock: pulumi.String(privateRange(cidr, i).String()),
			MapPublicIpOnLaunch: pulumi.Bool(false),
		}, slow())
		own := add(s, ec2.NewRouteTable, s.numbered("route-table-private", i+1), &ec2.RouteTableArgs{VpcId: n.vpc.ID()})
		add(s, ec2.NewRouteTableAssociation, s.numbered("route-association-public", i+1), &ec2.RouteTableAssociationArgs{SubnetId: public.ID(), RouteTableId: table.ID()})
		add(s, ec2.NewRouteTableAssociation, s.numbered("route-association-private", i+1), &ec2.RouteTableAssociationArgs{SubnetId: private.ID(), RouteTableId: own.ID()})
		n.public, n.private, n.tables = append(n.public, public), append(n.private, private), append(n.tables, own)
	}
}

// privateSubnets are the ids of the private subnets: all that runs or stores lives there.
func (s *TapStack) privateSubnets() pulumi.StringArray {
	var ids pulumi.StringArray
	for _, subnet := range s.network.private {
		ids = append(ids, subnet.ID())
	}
	return ids
}

// privateRange is a sixteenth of the network for the private subnet of zone i: the second sixteenth on, because the
// first holds all public ones. A /16 gives 4,091 addresses each.
func privateRange(vpc netip.Prefix, i int) netip.Prefix { return part(vpc, vpc.Bits()+4, i+1) }

// publicRange is a 256th of the network for the public subnet of zone i, within the first sixteenth.
func publicRange(vpc netip.Prefix, i int) netip.Prefix { return part(vpc, vpc.Bits()+8, i) }

// part is the i-th range of the given length within a network.
func part(vpc netip.Prefix, bits, i int) netip.Prefix {
	a := vpc.Addr().As4()
	n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	n += uint32(i) << (32 - bits)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), bits)
}
