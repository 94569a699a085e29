package tapstack_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/infra/tapstack"
)

// The suffixes that are hardest on a name: the longest, the shortest, and those that begin or end with a digit.
func suffixes() []string {
	return []string{"a2345678-0123456-890", "aaaaaaaaaaaaaaaaaaaa", "00000000000000000000", "a", "7", "pr-1234"}
}

func TestEveryNameFitsEverySuffix(t *testing.T) {
	t.Parallel()
	for _, rule := range tapstack.NameRules() {
		for _, suffix := range suffixes() {
			if err := rule.Fits(suffix); err != nil {
				t.Error(err)
			}
		}
	}
}

// Two rules that made one name would make two resources fight for it.
func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	taken := map[string]tapstack.NameRule{}
	for _, rule := range tapstack.NameRules() {
		name := rule.Name("dev", 1)
		if other, twice := taken[name]; twice {
			t.Errorf("%s is made by %+v and by %+v", name, other, rule)
		}
		taken[name] = rule
	}
}

func TestFormsOfNames(t *testing.T) {
	t.Parallel()
	rules := tapstack.NameRules()
	for _, c := range []struct {
		before, prefix, after string
		numbered              bool
		want                  string
	}{
		{"", "kinesis-stream", "", false, "kinesis-stream-dev"},
		{"", "subnet-private", "", true, "subnet-private-3-dev"},
		{"alias/", "pii-key", "", false, "alias/pii-key-dev"},
		{"/aws/rds/instance/", "rds", "/postgresql", false, "/aws/rds/instance/rds-dev/postgresql"},
		{"/aws/lambda/", "ingest-function", "", false, "/aws/lambda/ingest-function-dev"},
		{"", "postgres15-parameter-group", "", false, "postgres15-parameter-group-dev"},
		{"", "redis-cluster-parameter-group", "", false, "redis-cluster-parameter-group-dev"},
		{"", "valkey-replicated-parameter-group", "", false, "valkey-replicated-parameter-group-dev"},
		{"", "redis-app", "", false, "redis-app-dev"},
		{"", "valkey-users", "", false, "valkey-users-dev"},
	} {
		i := slices.IndexFunc(rules, func(r tapstack.NameRule) bool {
			return r.Before == c.before && r.Prefix == c.prefix && r.After == c.after && r.Numbered == c.numbered
		})
		if i < 0 {
			t.Errorf("%+v is not in the table", c)
			continue
		}
		if got := rules[i].Name("dev", 3); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestFits(t *testing.T) {
	t.Parallel()
	rules := tapstack.NameRules()
	group := rules[slices.IndexFunc(rules, func(r tapstack.NameRule) bool { return r.Prefix == "cache-sg" })]
	group.Prefix = "sg-cache"
	lower := regexp.MustCompile(`^[a-z-]+$`)
	for _, c := range []struct {
		rule         tapstack.NameRule
		suffix, want string
	}{
		{tapstack.NameRule{Prefix: "redis", Limit: 9, Alphabet: lower}, "dev", ""},
		{tapstack.NameRule{Prefix: "redis", Limit: 8, Alphabet: lower}, "dev", `name "redis-dev" has 9 characters, AWS takes 8`},
		// The largest number counts, too.
		{tapstack.NameRule{Prefix: "eip", Numbered: true, Limit: 9, Alphabet: regexp.MustCompile(`.`)}, "dev", `name "eip-99-dev" has 10 characters, AWS takes 9`},
		{tapstack.NameRule{Prefix: "redis", Limit: 40, Alphabet: lower}, "pr7", `name "redis-pr7" does not match ^[a-z-]+$`},
		{group, "dev", `name "sg-cache-dev" begins like an id of a security group, which AWS refuses`},
	} {
		got := ""
		if err := c.rule.Fits(c.suffix); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestNoNameEscapesTheTable(t *testing.T) {
	t.Parallel()
	if name, err := tapstack.NameOf("vpc", "dev"); name != "vpc-dev" || err != nil {
		t.Errorf("got %q, %v", name, err)
	}
	if name, err := tapstack.NameOf("bucket", "dev"); name != "" || err == nil || err.Error() != "name bucket is not in the table of names" {
		t.Errorf("got %q, %v", name, err)
	}
}

// awsName is how AWS restricts a name that is given to it.
type awsName struct {
	input    string
	limit    int
	alphabet string
}

// awsNames are the names that AWS restricts, by type: the references of its services once more, apart from NameRules.
func awsNames() map[string]awsName {
	return map[string]awsName{
		"aws:ec2/securityGroup:SecurityGroup":               {"name", 255, `^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$`},
		"aws:kms/alias:Alias":                               {"name", 256, `^alias/[a-zA-Z0-9/_-]+$`},
		"aws:iam/role:Role":                                 {"name", 64, `^[\w+=,.@-]+$`},
		"aws:iam/rolePolicy:RolePolicy":                     {"name", 128, `^[\w+=,.@-]+$`},
		"aws:kinesis/stream:Stream":                         {"name", 128, `^[a-zA-Z0-9_.-]+$`},
		"aws:kinesis/streamConsumer:StreamConsumer":         {"name", 128, `^[a-zA-Z0-9_.-]+$`},
		"aws:sqs/queue:Queue":                               {"name", 80, `^[a-zA-Z0-9_-]+$`},
		"aws:sns/topic:Topic":                               {"name", 256, `^[a-zA-Z0-9_-]+$`},
		"aws:dynamodb/table:Table":                          {"name", 255, `^[a-zA-Z0-9_.-]{3,}$`},
		"aws:rds/subnetGroup:SubnetGroup":                   {"name", 255, `^[a-z][a-z0-9-]*$`},
		"aws:rds/parameterGroup:ParameterGroup":             {"name", 255, `^[a-z](-?[a-z0-9])*$`},
		"aws:rds/instance:Instance":                         {"identifier", 63, `^[a-z](-?[a-z0-9])*$`},
		"aws:rds/eventSubscription:EventSubscription":       {"name", 255, `^[a-z](-?[a-z0-9])*$`},
		"aws:elasticache/subnetGroup:SubnetGroup":           {"name", 255, `^[a-z](-?[a-z0-9])*$`},
		"aws:elasticache/parameterGroup:ParameterGroup":     {"name", 255, `^[a-z](-?[a-z0-9])*$`},
		"aws:elasticache/user:User":                         {"userId", 40, `^[a-z](-?[a-z0-9])*$`},
		"aws:elasticache/userGroup:UserGroup":               {"userGroupId", 40, `^[a-z](-?[a-z0-9])*$`},
		"aws:elasticache/replicationGroup:ReplicationGroup": {"replicationGroupId", 40, `^[a-z](-?[a-z0-9])*$`},
		"aws:lambda/function:Function":                      {"name", 64, `^[a-zA-Z0-9_-]+$`},
		"aws:lambda/permission:Permission":                  {"statementId", 100, `^[a-zA-Z0-9_-]+$`},
		"aws:apigatewayv2/api:Api":                          {"name", 128, `^[a-zA-Z0-9-]+$`},
		"aws:cloudwatch/eventRule:EventRule":                {"name", 64, `^[a-zA-Z0-9_.-]+$`},
		"aws:cloudwatch/eventTarget:EventTarget":            {"targetId", 64, `^[a-zA-Z0-9_.-]+$`},
		"aws:cloudwatch/logGroup:LogGroup":                  {"name", 512, `^[a-zA-Z0-9_\-/.#]+$`},
		"aws:cloudwatch/metricAlarm:MetricAlarm":            {"name", 255, `^[a-z0-9-]+$`},
		"aws:cloudwatch/dashboard:Dashboard":                {"dashboardName", 255, `^[a-zA-Z0-9_-]+$`},
	}
}

// What is named outside of the table, such as the alarms of the cache's nodes, must fit as well.
func TestNamesAsGivenToAWS(t *testing.T) {
	t.Parallel()
	const suffix = "a2345678-0123456-890"
	limits := awsNames()
	seen := map[string]bool{}
	for _, d := range []deployed{
		up(t, func(a *tapstack.TapStackArgs) {
			a.EnvironmentSuffix, a.AvailabilityZones, a.EnhancedFanOut = suffix, 5, true
		}),
		up(t, func(a *tapstack.TapStackArgs) {
			a.EnvironmentSuffix, a.Egress, a.CacheShards = suffix, tapstack.EgressEndpoints, 45
		}),
		up(t, func(a *tapstack.TapStackArgs) {
			a.EnvironmentSuffix, a.CacheEngine, a.CacheShape = suffix, tapstack.CacheValkey, tapstack.CacheReplicated
		}),
	} {
		for _, r := range d.All() {
			if r.Custom && !strings.Contains(r.Name, "-"+suffix) {
				t.Errorf("%s %s does not carry the suffix", r.Type, r.Name)
			}
			rule, named := limits[r.Type]
			if !named {
				continue
			}
			seen[r.Type] = true
			name := r.Text(rule.input)
			if len(name) > rule.limit || !regexp.MustCompile(rule.alphabet).MatchString(name) || strings.HasPrefix(name, "sg-") {
				t.Errorf("%s: %q (%d characters) is not within %d of %s", r.Type, name, len(name), rule.limit, rule.alphabet)
			}
		}
	}
	for token := range limits {
		if !seen[token] {
			t.Errorf("no %s was registered", token)
		}
	}
}
