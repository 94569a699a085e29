package tapstacktest

import (
	"errors"
	"strings"
)

func networkKinds() map[string]kind {
	return map[string]kind{
		"aws:ec2/vpc:Vpc": {answer: numbered("vpc", "vpc", func(m *making) map[string]any {
			id := "vpc-" + m.hash("id", 17)
			return map[string]any{
				"defaultSecurityGroupId": defaultGroup(id), "defaultNetworkAclId": "acl-" + m.hash("acl", 17),
				"defaultRouteTableId": "rtb-" + m.hash("rtb", 17), "mainRouteTableId": "rtb-" + m.hash("rtb", 17),
			}
		})},
		// The resource adopts the group that came with the VPC.
		"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": {answer: func(m *making) (string, map[string]any) {
			id := defaultGroup(m.Text("vpcId"))
			return id, map[string]any{"arn": arn("ec2", "security-group/"+id), "name": "default", "ownerId": Account}
		}},
		"aws:ec2/internetGateway:InternetGateway": {answer: numbered("igw", "internet-gateway", nil)},
		"aws:ec2/subnet:Subnet": {answer: numbered("subnet", "subnet", func(m *making) map[string]any {
			for _, z := range zones() {
				if z.name == m.Text("availabilityZone") {
					return map[string]any{"availabilityZoneId": z.id}
				}
			}
			return nil
		})},
		"aws:ec2/routeTable:RouteTable": {answer: numbered("rtb", "route-table", nil)},
		"aws:ec2/route:Route": {check: oneTarget, answer: func(m *making) (string, map[string]any) {
			return "r-" + m.Text("routeTableId") + m.hash("id", 10), map[string]any{"origin": "CreateRoute", "state": "active"}
		}},
		"aws:ec2/routeTableAssociation:RouteTableAssociation": {answer: numbered("rtbassoc", "", nil)},
		"aws:ec2/eip:Eip": {answer: numbered("eipalloc", "elastic-ip", func(m *making) map[string]any {
			return map[string]any{"allocationId": "eipalloc-" + m.hash("id", 17), "publicIp": "52.0.113.7"}
		})},
		"aws:ec2/natGateway:NatGateway": {answer: numbered("nat", "natgateway", func(m *making) map[string]any {
			return map[string]any{"networkInterfaceId": "eni-" + m.hash("eni", 17), "publicIp": "52.0.113.7"}
		})},
		"aws:ec2/vpcEndpoint:VpcEndpoint":                           {answer: numbered("vpce", "vpc-endpoint", endpoint)},
		"aws:ec2/flowLog:FlowLog":                                   {answer: numbered("fl", "vpc-flow-log", nil)},
		"aws:ec2/securityGroup:SecurityGroup":                       {naming: "name", check: groupName, answer: numbered("sg", "security-group", nil)},
		"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": {check: onePeer, answer: numbered("sgr", "security-group-rule", ruleID)},
		"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":   {check: onePeer, answer: numbered("sgr", "security-group-rule", ruleID)},
	}
}

// defaultGroup is the id of the group that every VPC comes with.
func defaultGroup(vpc string) string { return "sg-" + hash(17, vpc, "default") }

func ruleID(m *making) map[string]any {
	return map[string]any{"securityGroupRuleId": "sgr-" + m.hash("id", 17)}
}

// endpoint tells gateway endpoints, which have a prefix list, from interface endpoints, which have addresses.
func endpoint(m *making) map[string]any {
	if m.Text("vpcEndpointType") != "Interface" {
		return map[string]any{"prefixListId": "pl-" + hash(8, m.Text("serviceName")), "state": "available"}
	}
	interfaces := []any{}
	for range m.List("subnetIds") {
		interfaces = append(interfaces, "eni-"+hash(17, m.Name, string(rune('a'+len(interfaces)))))
	}
	host := "vpce-" + m.hash("id", 17) + "." + strings.TrimPrefix(m.Text("serviceName"), "com.amazonaws."+Region+".") + "." + Region + ".vpce.amazonaws.com"
	return map[string]any{
		"networkInterfaceIds": interfaces, "state": "available",
		"dnsEntries": []any{map[string]any{"dnsName": host, "hostedZoneId": "Z7HUB22UULQXV"}},
	}
}

// groupName refuses the prefix that AWS keeps for ids.
func groupName(m *making) error {
	if strings.HasPrefix(m.physical, "sg-") {
		return errors.New("invalid value for name (cannot begin with sg-)")
	}
	return nil
}

// onePeer refuses a rule that names no peer or several.
func onePeer(m *making) error {
	peers := 0
	for _, key := range []string{"cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"} {
		if _, given := m.Inputs[key]; given {
			peers++
		}
	}
	// In a preview the id of a group is unknown, and so absent.
	if peers > 1 || peers == 0 && !m.cloud.run.preview {
		return errors.New("exactly one of cidrIpv4, cidrIpv6, prefixListId, referencedSecurityGroupId must be specified")
	}
	return nil
}

// oneTarget refuses a route that leads nowhere or to several targets.
func oneTarget(m *making) error {
	targets := 0
	for _, key := range []string{"gatewayId", "natGatewayId", "vpcEndpointId"} {
		if _, given := m.Inputs[key]; given {
			targets++
		}
	}
	if targets > 1 || targets == 0 && !m.cloud.run.preview {
		return errors.New("exactly one target must be specified")
	}
	return nil
}
