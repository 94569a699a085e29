package controls

import (
	"fmt"
	"slices"
)

// networkControls are about the VPC, its subnets, endpoints and security groups.
func networkControls() []Control {
	controls := []Control{
		{"EC2.2", []string{"CKV2_AWS_12"}, FSBP, "The VPC's default security group lets nothing in or out", closedDefaultGroup},
		{"EC2.6", []string{"VPC7", "CKV2_AWS_11"}, FSBP, "The VPC's traffic is logged, what was refused at least", flowLogged},
		{"EC2.15", []string{"CKV_AWS_130"}, FSBP, "No subnet hands out public addresses, the public ones neither",
			every(subnet, isNot("mapPublicIpOnLaunch", true))},
		{"EC2.18", nil, FSBP, "What the whole internet may reach is 80 and 443 at most",
			openIngress(func(from, to int) bool { return from == to && (to == 80 || to == 443) })},
		{"EC2.19", nil, FSBP, "The internet reaches no port of high risk",
			openIngress(func(from, to int) bool {
				return !slices.ContainsFunc(riskyPorts(), func(p int) bool { return from <= p && p <= to })
			})},
		{"EC23", nil, CDKNag, "Nothing comes in from the whole internet at all",
			openIngress(func(int, int) bool { return false })},
		{"EC27", []string{"CKV_AWS_23"}, CDKNag, "Every security group and every rule says what it is for", described},
		{"CKV2_AWS_5", nil, Checkov, "Every security group is used", groupsUsed},
		{"NET.1", nil, FastShop, "Who may call the internet may do so over TLS alone, and rules inside name groups, not addresses", narrowEgress},
		{"NET.2", nil, FastShop, "Everything is in us-east-1, by a provider that says so",
			every(providerOfAWS, is("region", "us-east-1"))},
		{"NET.3", nil, FastShop, "Endpoints let this account's principals through and no others, so nobody carries data to an account of his own", ownAccountEndpoints},
	}
	for _, e := range []struct{ id, service, what string }{
		{"EC2.10", "ec2", "the EC2 API"}, {"EC2.55", "ecr.api", "the container registry's API"}, {"EC2.56", "ecr.dkr", "the container registry"},
		{"EC2.57", "ssm", "Systems Manager"}, {"EC2.58", "ssm-contacts", "Incident Manager's contacts"}, {"EC2.60", "ssm-incidents", "Incident Manager"},
	} {
		controls = append(controls, Control{e.id, nil, FSBP, "The VPC has an interface endpoint for " + e.what, hasEndpoint(e.service)})
	}
	return controls
}

// riskyPorts are those that EC2.19 lists.
func riskyPorts() []int {
	return []int{20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601, 8080, 8088, 8888, 9200, 9300}
}

func closedDefaultGroup(in *inspection) {
	in.each(vpc, func(v *Resource) {
		adopted := slices.ContainsFunc(in.ofType(defaultGroup), func(g *Resource) bool { return g.Input("vpcId") == v.ID })
		in.want(adopted, v, "", "adopt the VPC's default security group, without rules")
	})
	in.each(defaultGroup, func(g *Resource) {
		in.want(empty(g.Input("ingress")), g, "ingress", "leave it without rules")
		in.want(empty(g.Input("egress")), g, "egress", "leave it without rules")
	})
}

func flowLogged(in *inspection) {
	in.each(vpc, func(v *Resource) {
		logged := slices.ContainsFunc(in.ofType(flowLog), func(l *Resource) bool {
			return l.Input("vpcId") == v.ID && slices.Contains([]string{"ALL", "REJECT"}, l.Text("trafficType"))
		})
		in.want(logged, v, "", "add a flow log of the VPC with traffic type ALL or REJECT")
	})
}

// world tells whether a rule's peer is the whole internet.
func world(rule *Resource) bool {
	return rule.Text("cidrIpv4") == "0.0.0.0/0" || rule.Text("cidrIpv6") == "::/0"
}

// ports is a rule's range. All protocols, or no range, is every port.
func ports(rule *Resource) (from, to int) {
	first, ranged := rule.Input("fromPort").(float64)
	last, closed := rule.Input("toPort").(float64)
	if !ranged || !closed || rule.Text("ipProtocol") == "-1" || first < 0 {
		return 0, 65535
	}
	return int(first), int(last)
}

// openIngress judges the ports that the whole internet may reach, rules inside a group included.
func openIngress(fine func(from, to int) bool) func(*inspection) {
	return func(in *inspection) {
		in.each(ingressRule, func(r *Resource) {
			if world(r) {
				from, to := ports(r)
				in.want(fine(from, to), r, "cidrIpv4", fmt.Sprintf("name a security group as the peer instead of the internet (ports %d to %d)", from, to))
			}
		})
		// Inline rules would escape the check above, so a group must have none.
		in.each(securityGroup, func(g *Resource) {
			in.want(empty(g.Input("ingress")), g, "ingress", "write each rule as a resource of its own")
		})
	}
}

func described(in *inspection) {
	for _, token := range []string{securityGroup, ingressRule, egressRule} {
		in.each(token, func(r *Resource) {
			in.want(r.Text("description") != "" && r.Text("description") != "Managed by Pulumi", r, "description", "say what it is for")
		})
	}
}

func groupsUsed(in *inspection) {
	used := map[string]bool{}
	for token, field := range map[string]string{
		function: "vpcConfig.securityGroupIds", dbInstance: "vpcSecurityGroupIds", cacheGroup: "securityGroupIds", vpcEndpoint: "securityGroupIds",
	} {
		for _, r := range in.ofType(token) {
			for _, id := range texts(r.Input(field)) {
				used[id] = true
			}
		}
	}
	in.each(securityGroup, func(g *Resource) { in.want(used[g.ID], g, "", "attach it to something, or remove it") })
}

func narrowEgress(in *inspection) {
	in.each(egressRule, func(r *Resource) {
		from, to := ports(r)
		tls := r.Text("ipProtocol") == "tcp" && from == 443 && to == 443
		in.want(!world(r) || tls, r, "fromPort", "let only 443 out to the internet")
		byGroup := r.Text("referencedSecurityGroupId") != "" || r.Text("prefixListId") != ""
		in.want(world(r) || byGroup, r, "cidrIpv4", "name a security group or a prefix list as the peer")
	})
	in.each(ingressRule, func(r *Resource) {
		in.want(r.Text("referencedSecurityGroupId") != "", r, "referencedSecurityGroupId", "name a security group as the peer")
	})
}

// hasEndpoint wants an interface endpoint for the service in each VPC.
func hasEndpoint(service string) func(*inspection) {
	return func(in *inspection) {
		in.each(vpc, func(v *Resource) {
			found := slices.ContainsFunc(in.ofType(vpcEndpoint), func(e *Resource) bool {
				return e.Input("vpcId") == v.ID && e.Text("vpcEndpointType") == "Interface" && e.Text("serviceName") == serviceNamePrefix+service
			})
			in.want(found, v, "", "add an interface endpoint for "+serviceNamePrefix+service)
		})
	}
}

func ownAccountEndpoints(in *inspection) {
	in.each(vpcEndpoint, func(e *Resource) {
		in.want(e.Text("policy") != "", e, "policy", "write one: AWS's own lets everybody through")
		for _, d := range documentsOf(e) {
			for _, s := range d.allows() {
				in.want(len(s.under("aws:PrincipalAccount")) > 0, e, "policy", s.name()+": add the condition aws:PrincipalAccount")
			}
		}
	})
}

// public tells whether a subnet's route table leads to an internet gateway. A subnet without a table of its own uses the
// VPC's main table, in which the stack writes no routes.
func (in *inspection) public(subnetID any) bool {
	for _, a := range in.ofType(routeAssociation) {
		if a.Input("subnetId") != subnetID {
			continue
		}
		for _, r := range in.ofType(route) {
			if r.Input("routeTableId") == a.Input("routeTableId") && in.byID(internetGateway, r.Input("gatewayId")) != nil {
				return true
			}
		}
	}
	return false
}
