package emulator

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// kindOf finds a kind of the package by its token.
func kindOf(t *testing.T, token string) Kind {
	t.Helper()
	for _, k := range Kinds() {
		if k.Token == token {
			return k
		}
	}
	t.Fatalf("no kind %s", token)
	return Kind{}
}

// fineInputs are inputs that AWS takes, one set a kind.
func fineInputs() map[string]Object {
	return map[string]Object{
		vpcToken:         {"cidrBlock": "10.0.0.0/16"},
		gatewayToken:     {"vpcId": "vpc-1"},
		subnetToken:      {"vpcId": "vpc-1", "cidrBlock": "10.0.1.0/24", "availabilityZone": "us-east-1a"},
		routeTableToken:  {"vpcId": "vpc-1"},
		routeToken:       {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0", "gatewayId": "igw-1"},
		associationToken: {"routeTableId": "rtb-1", "subnetId": "subnet-1"},
		addressToken:     {"domain": "vpc"},
		natToken:         {"subnetId": "subnet-1", "allocationId": "eipalloc-1"},
		endpointToken:    {"vpcId": "vpc-1", "serviceName": "com.amazonaws.us-east-1.s3", "routeTableIds": list("rtb-1")},
		flowToken: {
			"vpcId": "vpc-1", "trafficType": "ALL", "iamRoleArn": "arn:aws:iam::1:role/r", "logDestination": "arn:aws:logs:us-east-1:1:log-group:/a",
		},
		groupToken:        {"name": "redis-sg-dev", "vpcId": "vpc-1"},
		defaultGroupToken: {"vpcId": "vpc-1"},
		ingressToken:      {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 1, "toPort": 2, "cidrIpv4": "10.0.0.0/8"},
		egressToken:       {"securityGroupId": "sg-1", "ipProtocol": "-1", "prefixListId": "pl-1"},
		roleToken:         {"name": "role", "assumeRolePolicy": "{}"},
		rolePolicyToken:   {"name": "policy", "role": "role", "policy": "{}"},
		logToken:          {"name": "/a", "retentionInDays": 30},
	}
}

// spoiled is a change to fine inputs that makes one property wrong.
type spoiled struct {
	token, property string
	spoil           Object
	reason          string
}

func spoiledInputs() []spoiled {
	return []spoiled{
		{vpcToken, "cidrBlock", Object{"cidrBlock": "10.0.0.1/16"}, "has host bits set; write 10.0.0.0/16"},
		{vpcToken, "cidrBlock", Object{"cidrBlock": "10.0.0.0/8"}, "is not between /16 and /28"},
		{vpcToken, "cidrBlock", Object{"cidrBlock": "fd00::/16"}, "is not an IPv4 CIDR block"},
		{vpcToken, "cidrBlock", Object{"cidrBlock": nil}, "missing required argument"},
		{vpcToken, "instanceTenancy", Object{"instanceTenancy": "dedicated"}, "InvalidParameterValue"},
		{vpcToken, "ipv6CidrBlock", Object{"ipv6CidrBlock": "fd00::/56"}, "does not model this input"},
		{gatewayToken, "vpcId", Object{"vpcId": nil}, "missing required argument"},
		{subnetToken, "cidrBlock", Object{"cidrBlock": "10.0.1.0/29"}, "is not between /16 and /28"},
		{subnetToken, "availabilityZoneId", Object{"availabilityZoneId": "use1-az1"}, "does not model this input"},
		{routeTableToken, "routes", Object{"routes": list("r")}, "use aws:ec2/route:Route"},
		{routeToken, "natGatewayId", Object{"natGatewayId": "nat-1"}, "exclude each other"},
		{routeToken, "gatewayId", Object{"gatewayId": nil}, "give exactly one of"},
		{routeToken, "destinationCidrBlock", Object{"destinationCidrBlock": "everywhere"}, "is not an IPv4 CIDR block"},
		{associationToken, "subnetId", Object{"subnetId": nil}, "missing required argument"},
		{addressToken, "domain", Object{"domain": "standard"}, "InvalidParameterValue"},
		{natToken, "connectivityType", Object{"connectivityType": "private"}, "InvalidParameterValue"},
		{endpointToken, "serviceName", Object{"serviceName": "com.amazonaws.eu-west-1.s3"}, "InvalidServiceName"},
		{endpointToken, "policy", Object{"policy": "[]"}, "MalformedPolicyDocument"},
		{endpointToken, "subnetIds", Object{"subnetIds": list("subnet-1")}, "does not go with this type"},
		{endpointToken, "subnetIds", Object{"vpcEndpointType": "Interface", "routeTableIds": nil}, "without subnets has no address"},
		{endpointToken, "routeTableIds", Object{"vpcEndpointType": "Interface", "subnetIds": list("subnet-1")}, "does not go with this type"},
		{flowToken, "subnetId", Object{"subnetId": "subnet-1"}, "exclude each other"},
		{flowToken, "trafficType", Object{"trafficType": "SOME"}, `"SOME" is none of`},
		{flowToken, "logDestinationType", Object{"logDestinationType": "s3"}, "InvalidParameterValue"},
		{flowToken, "maxAggregationInterval", Object{"maxAggregationInterval": 300}, "300 is neither 60 nor 600 seconds"},
		{groupToken, "name", Object{"name": "sg-redis-dev"}, "may not start with sg-"},
		{groupToken, "name", Object{"name": "default"}, "reserved security group name"},
		{groupToken, "name", Object{"name": strings.Repeat("a", 256)}, "has 256 characters; at most 255"},
		{groupToken, "name", Object{"name": ""}, "the name is empty"},
		{groupToken, "description", Object{"description": "nodes — cache"}, "does not match"},
		{groupToken, "ingress", Object{"ingress": list("rule")}, "inline rules are not modeled"},
		{groupToken, "namePrefix", Object{"namePrefix": "x"}, "does not model this input"},
		{defaultGroupToken, "egress", Object{"egress": list("rule")}, "inline rules are not modeled"},
		{ingressToken, "referencedSecurityGroupId", Object{"referencedSecurityGroupId": "sg-2"}, "exclude each other"},
		{ingressToken, "cidrIpv4", Object{"cidrIpv4": nil}, "give exactly one of"},
		{ingressToken, "cidrIpv4", Object{"cidrIpv4": "10.1.0.0/8"}, "write 10.0.0.0/8"},
		{ingressToken, "cidrIpv6", Object{"cidrIpv6": "::/0"}, "does not model this input"},
		{ingressToken, "fromPort", Object{"fromPort": 3}, "port range 3-2 is reversed"},
		{ingressToken, "toPort", Object{"toPort": 65536}, "from 0 to 65535"},
		{ingressToken, "toPort", Object{"toPort": nil}, "MissingParameter"},
		{ingressToken, "ipProtocol", Object{"ipProtocol": "icmp"}, "InvalidParameterValue"},
		{ingressToken, "ipProtocol", Object{"ipProtocol": "-1"}, "leave fromPort and toPort out"},
		{ingressToken, "description", Object{"description": "ação"}, "does not match"},
		{roleToken, "name", Object{"name": strings.Repeat("r", 65)}, "at most 64"},
		{roleToken, "name", Object{"name": "a role"}, "does not match"},
		{roleToken, "assumeRolePolicy", Object{"assumeRolePolicy": "allow"}, "MalformedPolicyDocument"},
		{roleToken, "maxSessionDuration", Object{"maxSessionDuration": 60}, "from 3600 to 43200"},
		{roleToken, "managedPolicyArns", Object{"managedPolicyArns": list("arn:x")}, "does not model this input"},
		{rolePolicyToken, "name", Object{"name": strings.Repeat("p", 129)}, "at most 128"},
		{rolePolicyToken, "policy", Object{"policy": ""}, "MalformedPolicyDocument"},
		{logToken, "name", Object{"name": "/a b"}, "does not match"},
		{logToken, "retentionInDays", Object{"retentionInDays": 31}, "31 is none of"},
		{logToken, "logGroupClass", Object{"logGroupClass": "COLD"}, "InvalidParameterValue"},
	}
}

// TestInputsThatAWSRefuses starts from inputs that are fine and spoils one thing a time; the fault must be on that
// property and say so in the words of AWS.
func TestInputsThatAWSRefuses(t *testing.T) {
	fine := fineInputs()
	for token, in := range fine {
		if faults := kindOf(t, token).check(seen(in)); len(faults) > 0 {
			t.Errorf("%s: fine inputs are refused: %v", token, faults)
		}
	}
	for _, test := range spoiledInputs() {
		faults := kindOf(t, test.token).check(seen(fine[test.token].With(test.spoil)))
		if len(faults) != 1 || faults[0].Property != test.property || !strings.Contains(faults[0].Reason, test.reason) {
			t.Errorf("%s with %v: faults %v, want one of %s: …%s…", test.token, test.spoil, faults, test.property, test.reason)
		}
	}
}

// TestUnknownNetworkInputsAreNotJudged gives every input of the stack as a preview may have it.
func TestUnknownNetworkInputsAreNotJudged(t *testing.T) {
	for token, in := range map[string]Object{
		vpcToken:      {"cidrBlock": 1, "instanceTenancy": 1},
		routeToken:    {"routeTableId": 1, "destinationCidrBlock": 1, "natGatewayId": 1},
		endpointToken: {"vpcId": 1, "serviceName": 1, "vpcEndpointType": 1, "policy": 1, "subnetIds": 1, "routeTableIds": 1},
		flowToken:     {"vpcId": 1, "trafficType": 1, "logDestination": 1, "iamRoleArn": 1, "maxAggregationInterval": 1},
		groupToken:    {"name": 1, "vpcId": 1, "description": 1},
		ingressToken:  {"securityGroupId": 1, "ipProtocol": 1, "fromPort": 1, "toPort": 1, "referencedSecurityGroupId": 1, "description": 1},
		roleToken:     {"name": 1, "assumeRolePolicy": 1, "maxSessionDuration": 1},
		logToken:      {"name": 1, "retentionInDays": 1, "kmsKeyId": 1},
	} {
		for key := range in {
			in[key] = resource.MakeComputed(resource.NewProperty(""))
		}
		if faults := kindOf(t, token).check(seen(in)); len(faults) > 0 {
			t.Errorf("%s: unknown inputs are refused: %v", token, faults)
		}
	}
}

// seen are inputs as they come out of the protocol.
func seen(in Object) Object { return toObject(toProperties(in)) }

func list(elements ...any) []any { return elements }
