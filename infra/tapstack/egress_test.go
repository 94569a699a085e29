package tapstack_test

import (
	"fmt"
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

func throughEndpoints(a *tapstack.TapStackArgs) { a.Egress = tapstack.EgressEndpoints }

const natGateway, route, endpoint = "aws:ec2/natGateway:NatGateway", "aws:ec2/route:Route", "aws:ec2/vpcEndpoint:VpcEndpoint"

// A failed zone takes only its own egress: each has a gateway, and each private table leads to the one of its zone.
func TestNatGatewayInEachZone(t *testing.T) {
	t.Parallel()
	for zones := 2; zones <= 5; zones++ {
		d := up(t, zonesOf(zones))
		var gateways, addresses, routes []string
		for n := 1; n <= zones; n++ {
			name := func(prefix string) string { return fmt.Sprintf("%s-%d-dev", prefix, n) }
			gateways, addresses, routes = append(gateways, name("nat-gateway")), append(addresses, name("eip")), append(routes, name("route-private"))
			d.expect("aws:ec2/eip:Eip", name("eip"), inputs{"domain": "vpc"})
			d.expect(natGateway, name("nat-gateway"), inputs{
				"allocationId": d.id(name("eip")), "subnetId": d.id(name("subnet-public")), "connectivityType": "public"})
			d.expect(route, name("route-private"), inputs{
				"routeTableId": d.id(name("route-table-private")), "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": d.id(name("nat-gateway"))})
			// An address that is still mapped keeps the internet gateway from leaving.
			for _, r := range []string{name("eip"), name("nat-gateway")} {
				if !d.get(r).DependsOn("internet-gateway-dev") {
					t.Errorf("%s does not wait for the internet gateway", r)
				}
			}
		}
		d.expectNames(natGateway, gateways...)
		d.expectNames("aws:ec2/eip:Eip", addresses...)
		d.expectNames(route, append(routes, "route-public-dev")...)
	}
}

func TestSingleNatGateway(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) { a.AvailabilityZones, a.SingleNatGateway = 3, true })
	d.expectNames(natGateway, "nat-gateway-1-dev")
	d.expectNames("aws:ec2/eip:Eip", "eip-1-dev")
	d.expectNames(route, "route-private-1-dev", "route-private-2-dev", "route-private-3-dev", "route-public-dev")
	for n := 1; n <= 3; n++ {
		d.expect(route, fmt.Sprintf("route-private-%d-dev", n), inputs{
			"routeTableId": d.id(fmt.Sprintf("route-table-private-%d-dev", n)), "destinationCidrBlock": "0.0.0.0/0", "natGatewayId": d.id("nat-gateway-1-dev")})
	}
}

// The table of wrapped keys is reached through a gateway endpoint in either case.
func TestGatewayEndpoint(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]argsChange{
		"nat":       zonesOf(3),
		"endpoints": func(a *tapstack.TapStackArgs) { throughEndpoints(a); a.AvailabilityZones = 3 },
	} {
		d := up(t, change)
		d.expect(endpoint, "endpoint-dynamodb-dev", inputs{
			"vpcId": d.id("vpc-dev"), "vpcEndpointType": "Gateway", "serviceName": "com.amazonaws.us-east-1.dynamodb",
			"routeTableIds": d.ids("route-table-private-1-dev", "route-table-private-2-dev", "route-table-private-3-dev"),
			"policy":        d.get("endpoint-dynamodb-dev").Text("policy"),
		})
		d.expectPolicy("endpoint-dynamodb-dev", "policy", statement{
			Sid: "OwnAccountOnly", Effect: "Allow", Principal: "*", Action: list("*"), Resource: list("*"),
			Condition: conditions{"StringEquals": {"aws:PrincipalAccount": list(account)}}})
		if name == "nat" {
			d.expectNames(endpoint, "endpoint-dynamodb-dev")
		}
	}
}

// With endpoints nothing in the VPC reaches the internet: no NAT, no address, no route but that of the public subnets,
// where nothing runs.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	d := up(t, throughEndpoints)
	d.expectNames(natGateway)
	d.expectNames("aws:ec2/eip:Eip")
	d.expectNames(route, "route-public-dev")
	d.expectNames(endpoint, "endpoint-dynamodb-dev", "endpoint-kinesis-streams-dev", "endpoint-kms-dev",
		"endpoint-secretsmanager-dev", "endpoint-sqs-dev")
	for _, service := range []string{"kinesis-streams", "kms", "secretsmanager", "sqs"} {
		name := "endpoint-" + service + "-dev"
		d.expect(endpoint, name, inputs{
			"vpcId": d.id("vpc-dev"), "vpcEndpointType": "Interface", "serviceName": "com.amazonaws.us-east-1." + service, "privateDnsEnabled": true,
			"subnetIds": d.ids("subnet-private-1-dev", "subnet-private-2-dev"), "securityGroupIds": d.ids("endpoint-sg-dev"),
			"policy": d.get(name).Text("policy"),
		})
		d.expectPolicy(name, "policy", statement{
			Sid: "OwnAccountOnly", Effect: "Allow", Principal: root(), Action: list("*"), Resource: list("*"),
			Condition: conditions{"StringEquals": {"aws:PrincipalAccount": list(account)}}})
	}
}
