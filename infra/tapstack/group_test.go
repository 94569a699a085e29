package tapstack_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	group   = "aws:ec2/securityGroup:SecurityGroup"
	ingress = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
	egress  = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
)

// passages are all that the rules permit, as "ingest → database tcp 6432" for a rule out of the first group and
// "database ← ingest tcp 6432" for a rule into the first.
func (d deployed) passages() []string {
	groups := map[any]string{}
	for _, g := range d.OfType(group) {
		groups[g.ID] = strings.TrimSuffix(g.Name, "-sg-dev")
	}
	var all []string
	for token, arrow := range map[string]string{egress: "→", ingress: "←"} {
		for _, r := range d.OfType(token) {
			peer := "?"
			switch {
			case r.Input("referencedSecurityGroupId") != nil:
				peer = groups[r.Input("referencedSecurityGroupId")]
			case r.Input("cidrIpv4") != nil:
				peer = r.Text("cidrIpv4")
			case r.Input("prefixListId") != nil:
				peer = r.Text("prefixListId")
			}
			ports := fmt.Sprint(r.Input("fromPort"))
			if r.Input("toPort") != r.Input("fromPort") {
				ports += fmt.Sprint("-", r.Input("toPort"))
			}
			all = append(all, fmt.Sprintf("%s %s %s %s %s", groups[r.Input("securityGroupId")], arrow, peer, r.Text("ipProtocol"), ports))
		}
	}
	slices.Sort(all)
	return all
}

// inside are the passages between our own groups, the same with NAT and with endpoints.
func inside() []string {
	return []string{
		"admin → cache tcp 6380", "admin → database tcp 6432",
		"cache ← admin tcp 6380", "cache ← ingest tcp 6380", "cache ← process tcp 6380",
		"database ← admin tcp 6432", "database ← ingest tcp 6432", "database ← process tcp 6432",
		"ingest → cache tcp 6380", "ingest → database tcp 6432",
		"process → cache tcp 6380", "process → database tcp 6432",
	}
}

// The whole of what may pass with NAT: ingest and admin reach AWS services, process reaches database and cache and
// nothing else, and nothing comes in from outside.
func TestPassagesWithNat(t *testing.T) {
	t.Parallel()
	want := append(inside(), "admin → 0.0.0.0/0 tcp 443", "ingest → 0.0.0.0/0 tcp 443")
	slices.Sort(want)
	d := up(t, nil)
	if diff := cmp.Diff(want, d.passages()); diff != "" {
		t.Errorf("passages (-want +got):\n%s", diff)
	}
	d.expectNames(group, "admin-sg-dev", "cache-sg-dev", "database-sg-dev", "ingest-sg-dev", "process-sg-dev")
}

// With endpoints no address is named at all but DynamoDB's own list.
func TestPassagesWithEndpoints(t *testing.T) {
	t.Parallel()
	d := up(t, throughEndpoints)
	dynamo, _ := d.get("endpoint-dynamodb-dev").Output("prefixListId").(string)
	want := append(inside(),
		"admin → endpoint tcp 443", "ingest → endpoint tcp 443", "endpoint ← admin tcp 443", "endpoint ← ingest tcp 443",
		"admin → "+dynamo+" tcp 443", "ingest → "+dynamo+" tcp 443")
	slices.Sort(want)
	if diff := cmp.Diff(want, d.passages()); diff != "" || dynamo == "" {
		t.Errorf("passages (-want +got):\n%s", diff)
	}
	d.expectNames(group, "admin-sg-dev", "cache-sg-dev", "database-sg-dev", "endpoint-sg-dev", "ingest-sg-dev", "process-sg-dev")
}

// Groups have no rules of their own, which would fight with those above, and can leave in any order.
func TestGroups(t *testing.T) {
	t.Parallel()
	d := up(t, throughEndpoints)
	for name, description := range map[string]string{
		"ingest-sg-dev":   "Function ingest: takes payments in and seals them",
		"process-sg-dev":  "Function process: judges what is on the stream; reaches database and cache, nothing else",
		"admin-sg-dev":    "Function admin: migrations, checks, healing of windows, what failed",
		"database-sg-dev": "RDS PostgreSQL: only the functions come in, nothing goes out",
		"cache-sg-dev":    "ElastiCache: only the functions come in, nothing goes out",
		"endpoint-sg-dev": "Interface endpoints of AWS services",
	} {
		d.expect(group, name, inputs{"name": name, "description": description, "vpcId": d.id("vpc-dev"), "revokeRulesOnDelete": true})
	}
}

func TestRulesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"admin-to-aws-dev": "AWS services, over TLS through NAT", "ingest-to-aws-dev": "AWS services, over TLS through NAT",
		"admin-to-cache-dev": "To cache", "admin-to-database-dev": "To database", "ingest-to-cache-dev": "To cache", "ingest-to-database-dev": "To database",
		"process-to-cache-dev": "To cache", "process-to-database-dev": "To database",
		"cache-from-admin-dev": "From admin", "cache-from-ingest-dev": "From ingest", "cache-from-process-dev": "From process",
		"database-from-admin-dev": "From admin", "database-from-ingest-dev": "From ingest", "database-from-process-dev": "From process",
	}
	got := map[string]string{}
	d := up(t, nil)
	for _, r := range append(d.OfType(ingress), d.OfType(egress)...) {
		got[r.Name] = r.Text("description")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	d = up(t, throughEndpoints)
	for _, name := range []string{"admin-to-dynamodb-dev", "ingest-to-dynamodb-dev"} {
		if got := d.get(name).Text("description"); got != "Table of wrapped customer keys, through its gateway endpoint" {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// EC2 refuses letters in descriptions that other services take.
func TestDescriptionsAreOfEC2sAlphabet(t *testing.T) {
	t.Parallel()
	alphabet := regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)
	for variant, d := range variants(t) {
		for _, r := range slices.Concat(d.OfType(group), d.OfType(ingress), d.OfType(egress)) {
			if !alphabet.MatchString(r.Text("description")) {
				t.Errorf("%s: %s is described as %q", variant, r.Name, r.Text("description"))
			}
		}
	}
}
