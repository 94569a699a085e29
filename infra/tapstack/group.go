package tapstack

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/vpc"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Ports that are not the usual ones (RDS.23, AEC5): a scan for the usual ones finds nothing.
const (
	databasePort = 6432
	cachePort    = 6380
	tlsPort      = 443
)

// groups are the security groups. Nobody is named by address: a rule refers to the group at its other end.
type groups struct {
	ingest, process, admin *ec2.SecurityGroup
	database, cache        *ec2.SecurityGroup
	endpoint               *ec2.SecurityGroup // nil with NAT
}

// passage is one permitted way: a rule out of one group and a rule into the other.
type passage struct {
	from, to         *ec2.SecurityGroup
	fromName, toName string
	port             int
}

func (s *TapStack) buildGroups() {
	g := &s.groups
	g.ingest = s.group("ingest-sg", "Function ingest: takes payments in and seals them")
	g.process = s.group("process-sg", "Function process: judges what is on the stream; reaches database and cache, nothing else")
	g.admin = s.group("admin-sg", "Function admin: migrations, checks, healing of windows, what failed")
	g.database = s.group("database-sg", "RDS PostgreSQL: only the functions come in, nothing goes out")
	g.cache = s.group("cache-sg", "ElastiCache: only the functions come in, nothing goes out")

	functions := map[string]*ec2.SecurityGroup{"ingest": g.ingest, "process": g.process, "admin": g.admin}
	for _, from := range []string{"ingest", "process", "admin"} {
		s.open(passage{functions[from], g.database, from, "database", databasePort})
		s.open(passage{functions[from], g.cache, from, "cache", cachePort})
	}
	// process is not here: its events come from Lambda itself, and signing in to database and cache is done locally.
	callers := []string{"ingest", "admin"}
	if s.args.Egress == EgressEndpoints {
		g.endpoint = s.group("endpoint-sg", "Interface endpoints of AWS services")
		for _, from := range callers {
			s.open(passage{functions[from], g.endpoint, from, "endpoint", tlsPort})
			s.leave(functions[from], from, "dynamodb", &vpc.SecurityGroupEgressRuleArgs{
				PrefixListId: pulumi.String(s.dynamoPrefixes()), Description: pulumi.String("Table of wrapped customer keys, through its gateway endpoint"),
			})
		}
		return
	}
	for _, from := range callers {
		s.leave(functions[from], from, "aws", &vpc.SecurityGroupEgressRuleArgs{
			CidrIpv4: pulumi.String("0.0.0.0/0"), Description: pulumi.String("AWS services, over TLS through NAT"),
		})
	}
}

// group makes a security group without rules.
func (s *TapStack) group(prefix, description string) *ec2.SecurityGroup {
	return add(s, ec2.NewSecurityGroup, s.name(prefix), &ec2.SecurityGroupArgs{
		Name: pulumi.String(s.name(prefix)), Description: pulumi.String(description), VpcId: s.network.vpc.ID(),
		RevokeRulesOnDelete: pulumi.Bool(true), // groups that refer to each other can then leave in any order
	}, slow())
}

// open permits a passage at both of its ends.
func (s *TapStack) open(p passage) {
	add(s, vpc.NewSecurityGroupEgressRule, fmt.Sprintf("%s-to-%s-%s", p.fromName, p.toName, s.args.EnvironmentSuffix), &vpc.SecurityGroupEgressRuleArgs{
		SecurityGroupId: p.from.ID(), ReferencedSecurityGroupId: p.to.ID(), IpProtocol: pulumi.String("tcp"),
		FromPort: pulumi.Int(p.port), ToPort: pulumi.Int(p.port), Description: pulumi.String("To " + p.toName),
	})
	add(s, vpc.NewSecurityGroupIngressRule, fmt.Sprintf("%s-from-%s-%s", p.toName, p.fromName, s.args.EnvironmentSuffix), &vpc.SecurityGroupIngressRuleArgs{
		SecurityGroupId: p.to.ID(), ReferencedSecurityGroupId: p.from.ID(), IpProtocol: pulumi.String("tcp"),
		FromPort: pulumi.Int(p.port), ToPort: pulumi.Int(p.port), Description: pulumi.String("From " + p.fromName),
	})
}

// leave permits a way out over TLS to what is not a group of ours.
func (s *TapStack) leave(from *ec2.SecurityGroup, fromName, toName string, rule *vpc.SecurityGroupEgressRuleArgs) {
	rule.SecurityGroupId, rule.IpProtocol = from.ID(), pulumi.String("tcp")
	rule.FromPort, rule.ToPort = pulumi.Int(tlsPort), pulumi.Int(tlsPort)
	add(s, vpc.NewSecurityGroupEgressRule, fmt.Sprintf("%s-to-%s-%s", fromName, toName, s.args.EnvironmentSuffix), rule)
}

// dynamoPrefixes is AWS's list of DynamoDB's addresses in the region.
func (s *TapStack) dynamoPrefixes() string {
	name := "com.amazonaws." + Region + ".dynamodb"
	list, err := ec2.GetPrefixList(s.ctx, &ec2.GetPrefixListArgs{Name: &name}, s.invoke()...)
	s.must("ask AWS for the addresses of DynamoDB", err)
	return list.Id
}
