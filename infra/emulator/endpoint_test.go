package emulator

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

func TestGatewayEndpoint(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-gateway-endpoint")
	one, two := e.create(routeTableToken, "one", Object{"vpcId": vpc.id}), e.create(routeTableToken, "two", Object{"vpcId": vpc.id})
	in := Object{"vpcId": vpc.id, "serviceName": "com.amazonaws.us-east-1.dynamodb", "routeTableIds": []any{one.id}, "tags": tags("Name", "ddb")}
	endpoint := e.create(endpointToken, "ddb", in)
	list, err := prefixList(t.Context(), e.cloud, Object{"name": "com.amazonaws.us-east-1.dynamodb"})
	if err != nil {
		t.Fatal(err)
	}
	endpoint.equal(Object{"vpcEndpointType": "Gateway", "state": "available", "prefixListId": list["prefixListId"], "cidrBlocks": list["cidrBlocks"]})
	_, err = e.try(endpointToken, "again", in)
	refused(t, err, "RouteAlreadyExists")

	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"dynamodb:GetItem","Resource":"*"}]}`
	endpoint.update(Object{"routeTableIds": []any{two.id, one.id}, "policy": policy, "tags": tags("Name", "keys")})
	endpoint.update(Object{"routeTableIds": []any{two.id}})
	for table, want := range map[string]int{one.id: 0, two.id: 1} {
		found, err := findRouteTable(t.Context(), e.cloud, table)
		if err != nil {
			t.Fatal(err)
		}
		if got := routesTo(found, endpoint.id); got != want {
			t.Errorf("table %s has %d routes to the endpoint, want %d", table, got, want)
		}
	}
	endpoint.replaces(Object{"serviceName": "com.amazonaws.us-east-1.s3", "vpcEndpointType": "Interface", "vpcId": "vpc-2"})
	endpoint.delete()
}

func routesTo(table types.RouteTable, target string) int {
	n := 0
	for _, route := range table.Routes {
		if aws.ToString(route.GatewayId) == target {
			n++
		}
	}
	return n
}

func TestInterfaceEndpoint(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-interface-endpoint")
	a, b := e.subnet(vpc, "10.20.1.0/24", "us-east-1a"), e.subnet(vpc, "10.20.2.0/24", "us-east-1b")
	again := e.subnet(vpc, "10.20.3.0/24", "us-east-1a")
	group := e.create(groupToken, "sg", Object{"name": "endpoint-sg", "vpcId": vpc.id})
	in := Object{
		"vpcId": vpc.id, "serviceName": "com.amazonaws.us-east-1.kms", "vpcEndpointType": "Interface", "privateDnsEnabled": true,
		"subnetIds": []any{b.id, a.id}, "securityGroupIds": []any{group.id},
	}
	_, err := e.try(endpointToken, "twice", in.With(Object{"subnetIds": []any{a.id, again.id}}))
	refused(t, err, "DuplicateSubnetsInSameZone")

	endpoint := e.create(endpointToken, "kms", in)
	if cards := endpoint.out.Strings("networkInterfaceIds"); len(cards) != 2 {
		t.Errorf("networkInterfaceIds = %q, want one a subnet", cards)
	}
	endpoint.equal(Object{"subnetIds": in["subnetIds"], "securityGroupIds": in["securityGroupIds"], "prefixListId": nil})
	_, err = e.try(endpointToken, "conflict", in)
	refused(t, err, "conflicting DNS domain")
	refused(t, group.tryDelete(), endpoint.id)
	refused(t, a.tryDelete(), "DependencyViolation")

	endpoint.update(Object{"subnetIds": []any{b.id}})
	a.delete()
	endpoint.update(Object{"subnetIds": []any{b.id, again.id}, "privateDnsEnabled": false})
	refused(t, again.tryDelete(), "DependencyViolation")
	endpoint.delete()
	for _, m := range []*made{group, again, b, vpc} {
		m.delete()
	}
}

func TestPrivateNamesNeedAVPCThatResolvesThem(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.create(vpcToken, "vpc-nameless", Object{"cidrBlock": "10.20.0.0/16"})
	subnet := e.subnet(vpc, "10.20.1.0/24", "us-east-1a")
	_, err := e.try(endpointToken, "kms", Object{
		"vpcId": vpc.id, "serviceName": "com.amazonaws.us-east-1.kms", "vpcEndpointType": "Interface", "privateDnsEnabled": true,
		"subnetIds": []any{subnet.id},
	})
	refused(t, err, "requires both enableDnsSupport and enableDnsHostnames")
}

func TestFlowLog(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("vpc-flow")
	group := e.create(logToken, "flow", Object{"name": "/vpc/flow-test"})
	in := Object{
		"vpcId": vpc.id, "trafficType": "ALL", "logDestination": group.out["arn"], "logDestinationType": "cloud-watch-logs",
		"iamRoleArn": "arn:aws:iam::123456789012:role/flow", "maxAggregationInterval": 60,
	}
	flow := e.create(flowToken, "flow", in)
	flow.update(Object{"tags": tags("Name", "flow")})
	found, err := e.cloud.Network.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{
		Filter: []types.Filter{filter("resource-id", vpc.id)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.FlowLogs) != 1 || *found.FlowLogs[0].LogGroupName != "/vpc/flow-test" || *found.FlowLogs[0].MaxAggregationInterval != 60 {
		t.Errorf("flow logs = %+v, want one to the group, every minute", found.FlowLogs)
	}
	_, err = e.try(flowToken, "again", in)
	refused(t, err, "FlowLogAlreadyExists")
	_, err = e.try(flowToken, "bucket", in.With(Object{"logDestination": "arn:aws:s3:::bucket"}))
	refused(t, err, "is not the ARN of a log group")
	flow.replaces(Object{"trafficType": "REJECT", "maxAggregationInterval": 600, "iamRoleArn": "arn:aws:iam::123456789012:role/x"})
	flow.delete()
}

func TestFlowLogOfASubnet(t *testing.T) {
	e := newEngine(t, Options{})
	subnet := e.subnet(e.vpc("vpc-flow-subnet"), "10.20.1.0/24", "us-east-1a")
	group := e.create(logToken, "flow", Object{"name": "/vpc/flow-subnet-test"})
	flow := e.create(flowToken, "flow", Object{
		"subnetId": subnet.id, "trafficType": "REJECT", "logDestination": group.out.Str("arn") + ":*",
		"iamRoleArn": "arn:aws:iam::123456789012:role/flow",
	})
	flow.equal(Object{"trafficType": "REJECT", "maxAggregationInterval": 600, "logDestinationType": "cloud-watch-logs"})
	flow.delete()
}
