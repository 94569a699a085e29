package tapstack_test

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/infra/tapstack"
)

func zonesOf(n int) argsChange {
	return func(a *tapstack.TapStackArgs) { a.AvailabilityZones = n }
}

func TestVpc(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames("aws:ec2/vpc:Vpc", "vpc-dev")
	d.expect("aws:ec2/vpc:Vpc", "vpc-dev", inputs{"cidrBlock": "10.40.0.0/16", "enableDnsSupport": true, "enableDnsHostnames": true})
	// No rule of its own: what has no group can talk to nobody.
	d.expectNames("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default-security-group-dev")
	d.expect("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "default-security-group-dev", inputs{"vpcId": d.id("vpc-dev")})
	d.expectNames("aws:ec2/internetGateway:InternetGateway", "internet-gateway-dev")
	d.expect("aws:ec2/internetGateway:InternetGateway", "internet-gateway-dev", inputs{"vpcId": d.id("vpc-dev")})
}

// For every number of zones: one public and one private subnet in each, a table for all public ones, and one for each
// private one.
func TestSubnetsAndTables(t *testing.T) {
	t.Parallel()
	for zones := 2; zones <= 5; zones++ {
		t.Run(fmt.Sprint(zones), func(t *testing.T) {
			t.Parallel()
			d := up(t, zonesOf(zones))
			vpc := d.id("vpc-dev")
			var private, public, tables, associations []string
			for i, zone := range []string{"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"}[:zones] {
				n := i + 1
				name := func(prefix string) string { return fmt.Sprintf("%s-%d-dev", prefix, n) }
				public, private = append(public, name("subnet-public")), append(private, name("subnet-private"))
				tables, associations = append(tables, name("route-table-private")), append(associations, name("route-association-private"))
				d.expect("aws:ec2/subnet:Subnet", name("subnet-public"), inputs{
					"vpcId": vpc, "availabilityZone": zone, "cidrBlock": fmt.Sprintf("10.40.%d.0/24", i), "mapPublicIpOnLaunch": false})
				d.expect("aws:ec2/subnet:Subnet", name("subnet-private"), inputs{
					"vpcId": vpc, "availabilityZone": zone, "cidrBlock": fmt.Sprintf("10.40.%d.0/20", 16*n), "mapPublicIpOnLaunch": false})
				d.expect("aws:ec2/routeTable:RouteTable", name("route-table-private"), inputs{"vpcId": vpc})
				d.expect("aws:ec2/routeTableAssociation:RouteTableAssociation", name("route-association-public"), inputs{
					"subnetId": d.id(name("subnet-public")), "routeTableId": d.id("route-table-public-dev")})
				d.expect("aws:ec2/routeTableAssociation:RouteTableAssociation", name("route-association-private"), inputs{
					"subnetId": d.id(name("subnet-private")), "routeTableId": d.id(name("route-table-private"))})
			}
			d.expectNames("aws:ec2/subnet:Subnet", append(private, public...)...)
			d.expectNames("aws:ec2/routeTable:RouteTable", append(tables, "route-table-public-dev")...)
			for i := range zones {
				associations = append(associations, fmt.Sprintf("route-association-public-%d-dev", i+1))
			}
			d.expectNames("aws:ec2/routeTableAssociation:RouteTableAssociation", associations...)
			d.expect("aws:ec2/route:Route", "route-public-dev", inputs{
				"routeTableId": d.id("route-table-public-dev"), "destinationCidrBlock": "0.0.0.0/0", "gatewayId": d.id("internet-gateway-dev")})
		})
	}
}

func TestSubnetsFollowTheNetwork(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) { a.VpcCidr = "192.168.16.0/20" })
	for name, want := range map[string]string{
		"vpc-dev":             "192.168.16.0/20",
		"subnet-public-1-dev": "192.168.16.0/28", "subnet-public-2-dev": "192.168.16.16/28",
		"subnet-private-1-dev": "192.168.17.0/24", "subnet-private-2-dev": "192.168.18.0/24",
	} {
		if got := d.get(name).Text("cidrBlock"); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// In every permitted network and with every number of zones the subnets lie inside, apart from each other, and within
// the sizes that AWS permits, /16 to /28.
func TestSubnetsNeverOverlap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(16, 20).Draw(t, "bits")
		base := rapid.SampledFrom([]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}).Draw(t, "range")
		private := netip.MustParsePrefix(base)
		a := private.Addr().As4()
		free := rapid.Uint32Range(0, 1<<(32-private.Bits())-1).Draw(t, "address")
		n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3]) | free
		vpc := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), bits).Masked()

		var subnets []netip.Prefix
		for i := range rapid.IntRange(2, 5).Draw(t, "zones") {
			subnets = append(subnets, tapstack.PublicRange(vpc, i), tapstack.PrivateRange(vpc, i))
		}
		for i, s := range subnets {
			if s.Masked() != s || !vpc.Contains(s.Addr()) || s.Bits() <= vpc.Bits() {
				t.Fatalf("%s does not lie in %s", s, vpc)
			}
			if s.Bits() < 16 || s.Bits() > 28 {
				t.Fatalf("%s is of a size that AWS refuses", s)
			}
			for _, other := range subnets[:i] {
				if s.Overlaps(other) {
					t.Fatalf("%s and %s of %s overlap", s, other, vpc)
				}
			}
		}
	})
}
