package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

const (
	vpcToken         = "aws:ec2/vpc:Vpc"
	gatewayToken     = "aws:ec2/internetGateway:InternetGateway"
	subnetToken      = "aws:ec2/subnet:Subnet"
	routeTableToken  = "aws:ec2/routeTable:RouteTable"
	routeToken       = "aws:ec2/route:Route"
	associationToken = "aws:ec2/routeTableAssociation:RouteTableAssociation"
	addressToken     = "aws:ec2/eip:Eip"
	natToken         = "aws:ec2/natGateway:NatGateway"
	endpointToken    = "aws:ec2/vpcEndpoint:VpcEndpoint"
	flowToken        = "aws:ec2/flowLog:FlowLog"
)

// tags are tags as a program gives them.
func tags(pairs ...string) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

func (e *engine) vpc(name string) *made {
	e.t.Helper()
	return e.create(vpcToken, name, Object{
		"cidrBlock": "10.20.0.0/16", "enableDnsSupport": true, "enableDnsHostnames": true, "tags": tags("Name", name),
	})
}

func (e *engine) subnet(vpc *made, block, zone string) *made {
	e.t.Helper()
	return e.create(subnetToken, "subnet-"+zone, Object{"vpcId": vpc.id, "cidrBlock": block, "availabilityZone": zone})
}

func TestVPC(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.create(vpcToken, "vpc-a", Object{"cidrBlock": "10.20.0.0/16", "tags": tags("Name", "vpc-a", "old", "yes")})
	vpc.equal(Object{
		"arn": "arn:aws:ec2:us-east-1:123456789012:vpc/" + vpc.id, "ownerId": "123456789012", "cidrBlock": "10.20.0.0/16",
		"enableDnsSupport": true, "enableDnsHostnames": false, "region": "us-east-1", "tagsAll": tags("Name", "vpc-a", "old", "yes"),
		"mainRouteTableId": vpc.out["defaultRouteTableId"],
	})
	vpc.update(Object{"enableDnsHostnames": true, "tags": tags("Name", "vpc-a", "env", "dev")})
	found, err := e.cloud.Network.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{vpc.id}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tag := range found.Vpcs[0].Tags {
		got[*tag.Key] = *tag.Value
	}
	if len(got) != 2 || got["Name"] != "vpc-a" || got["env"] != "dev" {
		t.Errorf("tags = %v, want Name and env", got)
	}
	if _, hostnames, err := readDNS(t.Context(), e.cloud, vpc.id); err != nil || !hostnames {
		t.Errorf("DNS host names = %v, %v, want true", hostnames, err)
	}
	group, err := defaultGroup(t.Context(), e.cloud, vpc.id)
	if err != nil || vpc.out.Str("defaultSecurityGroupId") != *group.GroupId {
		t.Errorf("defaultSecurityGroupId = %v, want %v", vpc.out["defaultSecurityGroupId"], aws.ToString(group.GroupId))
	}
	vpc.replaces(Object{"cidrBlock": "10.21.0.0/16"})
	vpc.delete()
}

func TestVPCIsRefusedWhileInUse(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-used")
	group := e.create(groupToken, "used", Object{"name": "used-sg", "vpcId": vpc.id})
	gateway := e.create(gatewayToken, "igw", Object{"vpcId": vpc.id})
	table := e.create(routeTableToken, "rt", Object{"vpcId": vpc.id})
	endpoint := e.create(endpointToken, "s3", Object{"vpcId": vpc.id, "serviceName": "com.amazonaws.us-east-1.s3"})
	subnet := e.subnet(vpc, "10.20.1.0/24", "us-east-1a")
	for _, user := range []*made{subnet, group, gateway, endpoint, table} {
		refused(t, vpc.tryDelete(), "DependencyViolation")
		refused(t, vpc.tryDelete(), user.id)
		user.delete()
	}
	vpc.delete()
}

func TestInternetGateway(t *testing.T) {
	e := newEngine(t, Options{})
	one, two := e.vpc("vpc-one"), e.vpc("vpc-two")
	gateway := e.create(gatewayToken, "igw", Object{"vpcId": one.id, "tags": tags("Name", "igw")})
	gateway.equal(Object{"vpcId": one.id, "arn": "arn:aws:ec2:us-east-1:123456789012:internet-gateway/" + gateway.id})

	_, err := e.try(gatewayToken, "second", Object{"vpcId": one.id})
	refused(t, err, "already has an internet gateway attached: "+gateway.id)

	gateway.update(Object{"vpcId": two.id, "tags": tags("Name", "moved")})
	if attached, err := gatewayOf(t.Context(), e.cloud, two.id); err != nil || attached != gateway.id {
		t.Errorf("gateway of the second VPC = %q, %v, want %q", attached, err, gateway.id)
	}
	gateway.delete()
}

func TestSubnet(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-subnets")
	subnet := e.subnet(vpc, "10.20.1.0/24", "us-east-1b")
	subnet.equal(Object{
		"availabilityZone": "us-east-1b", "mapPublicIpOnLaunch": false, "vpcId": vpc.id,
		"arn": "arn:aws:ec2:us-east-1:123456789012:subnet/" + subnet.id,
	})
	_, err := e.try(subnetToken, "overlap", Object{"vpcId": vpc.id, "cidrBlock": "10.20.1.128/25", "availabilityZone": "us-east-1a"})
	refused(t, err, "InvalidSubnet.Conflict")
	subnet.update(Object{"mapPublicIpOnLaunch": true, "tags": tags("Tier", "public")})
	found, err := findSubnet(t.Context(), e.cloud, subnet.id)
	if err != nil || !aws.ToBool(found.MapPublicIpOnLaunch) || *found.Tags[0].Value != "public" {
		t.Errorf("subnet = %+v, %v, want public addresses and the tag", found, err)
	}
	subnet.replaces(Object{"cidrBlock": "10.20.2.0/24", "availabilityZone": "us-east-1c", "vpcId": "vpc-2"})
	subnet.delete()
}

func TestRoutes(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-routes")
	gateway := e.create(gatewayToken, "igw", Object{"vpcId": vpc.id})
	table := e.create(routeTableToken, "rt", Object{"vpcId": vpc.id})
	table.update(Object{"tags": tags("Name", "rt")})
	table.equal(Object{"vpcId": vpc.id, "arn": "arn:aws:ec2:us-east-1:123456789012:route-table/" + table.id})

	route := e.create(routeToken, "out", Object{"routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": gateway.id})
	if want := "r-" + table.id + "1080289494"; route.id != want {
		t.Errorf("route id = %q, want %q as the real provider has it", route.id, want)
	}
	route.equal(Object{"state": "active", "gatewayId": gateway.id})
	_, err := e.try(routeToken, "again", route.in)
	refused(t, err, "RouteAlreadyExists")

	nat := e.nat(e.subnet(vpc, "10.20.1.0/24", "us-east-1a"))
	route.update(Object{"gatewayId": nil, "natGatewayId": nat.id})
	if got := defaultTarget(t, e, table.id); got != nat.id {
		t.Errorf("route leads to %q, want the NAT gateway %q", got, nat.id)
	}
	route.replaces(Object{"destinationCidrBlock": "1.0.0.0/8", "routeTableId": "rtb-2"})
	route.delete()
	table.delete()
}

// defaultTarget is where the default route of a table leads.
func defaultTarget(t *testing.T, e *engine, table string) string {
	t.Helper()
	found, err := findRouteTable(t.Context(), e.cloud, table)
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range found.Routes {
		if aws.ToString(route.DestinationCidrBlock) == "0.0.0.0/0" {
			return aws.ToString(route.GatewayId) + aws.ToString(route.NatGatewayId)
		}
	}
	return ""
}

func TestRouteToNowhereIsRefused(t *testing.T) {
	e := newEngine(t, Options{})
	here, there := e.vpc("vpc-here"), e.vpc("vpc-there")
	far := e.create(gatewayToken, "igw", Object{"vpcId": there.id})
	table := e.create(routeTableToken, "rt", Object{"vpcId": here.id})
	in := Object{"routeTableId": table.id, "destinationCidrBlock": "0.0.0.0/0"}

	_, err := e.try(routeToken, "far", in.With(Object{"gatewayId": far.id}))
	refused(t, err, "belong to different networks")
	_, err = e.try(routeToken, "none", in.With(Object{"natGatewayId": "nat-none"}))
	refused(t, err, "InvalidNatGatewayID.NotFound")
	nat := e.nat(e.subnet(there, "10.20.1.0/24", "us-east-1a"))
	_, err = e.try(routeToken, "far", in.With(Object{"natGatewayId": nat.id}))
	refused(t, err, "belong to different networks")
	_, err = e.try(routeToken, "tableless", Object{"routeTableId": "rtb-none", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": far.id})
	refused(t, err, "find route table rtb-none: resource is gone")
}

func TestRouteTableAssociation(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-associations")
	subnet := e.subnet(vpc, "10.20.1.0/24", "us-east-1a")
	one, two := e.create(routeTableToken, "one", Object{"vpcId": vpc.id}), e.create(routeTableToken, "two", Object{"vpcId": vpc.id})
	link := e.create(associationToken, "link", Object{"routeTableId": one.id, "subnetId": subnet.id})
	refused(t, one.tryDelete(), "DependencyViolation")
	_, err := e.try(associationToken, "second", Object{"routeTableId": two.id, "subnetId": subnet.id})
	refused(t, err, "Resource.AlreadyAssociated")

	link.update(Object{"routeTableId": two.id})
	found, err := association(t.Context(), e.cloud, subnet.id)
	if err != nil || *found.RouteTableId != two.id {
		t.Errorf("table of the subnet = %q, %v, want %q", aws.ToString(found.RouteTableId), err, two.id)
	}
	link.replaces(Object{"subnetId": "subnet-2"})
	link.delete()
	one.delete()
	two.delete()
}

func (e *engine) nat(subnet *made) *made {
	e.t.Helper()
	address := e.create(addressToken, "address", Object{"domain": "vpc", "tags": tags("Name", "nat")})
	return e.create(natToken, "nat", Object{"subnetId": subnet.id, "allocationId": address.id, "tags": tags("Name", "nat")})
}

func TestNATGateway(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-nat")
	subnet := e.subnet(vpc, "10.20.1.0/24", "us-east-1a")
	address := e.create(addressToken, "address", Object{"domain": "vpc"})
	address.update(Object{"tags": tags("Name", "nat")})
	address.equal(Object{
		"allocationId": address.id, "domain": "vpc", "associationId": nil,
		"arn": "arn:aws:ec2:us-east-1:123456789012:elastic-ip/" + address.id,
	})
	address.replaces(Object{"networkBorderGroup": "us-east-1"})
	in := Object{"subnetId": subnet.id, "allocationId": address.id}

	_, err := e.try(natToken, "early", in)
	refused(t, err, "Gateway.NotAttached")
	gateway := e.create(gatewayToken, "igw", Object{"vpcId": vpc.id})
	nat := e.create(natToken, "nat", in)
	nat.equal(Object{"publicIp": address.out["publicIp"], "connectivityType": "public", "subnetId": subnet.id})
	nat.update(Object{"tags": tags("Name", "nat")})
	nat.replaces(Object{"subnetId": "subnet-2", "allocationId": "eipalloc-2"})
	_, err = e.try(natToken, "second", in)
	refused(t, err, "Resource.AlreadyAssociated")

	refused(t, gateway.tryDelete(), "mapped public address(es)")
	refused(t, address.tryDelete(), "InvalidIPAddress.InUse")
	refused(t, subnet.tryDelete(), nat.out.Str("networkInterfaceId"))
	for _, m := range []*made{nat, gateway, address, subnet, vpc} {
		m.delete()
	}
}
