package tapstack

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// NameRule is one line of the table of names: what a name of this prefix must fit. A name is Before, Prefix, a number
// for the numbered ones, a hyphen, the suffix, and After.
type NameRule struct {
	Prefix string
	// Before and After surround names whose form AWS fixes, such as alias/ and /postgresql.
	Before, After string
	// Numbered names carry an index of at most two digits: subnet-private-1.
	Numbered bool
	// Limit is AWS's longest name, in characters.
	Limit int
	// Alphabet is what AWS takes.
	Alphabet *regexp.Regexp
}

// Alphabets of AWS, by where they are stated in the API references of the services.
var (
	anyTag      = regexp.MustCompile(`^[\w .:/=+\-@]+$`)
	groupNames  = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]+$`) // and never sg-…, which is for ids
	wordNames   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	roleNames   = regexp.MustCompile(`^[\w+=,.@-]+$`)
	streamNames = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)
	aliasNames  = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`)
	rdsNames    = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)
	rdsDotNames = regexp.MustCompile(`^[a-z](-?[a-z0-9.])*$`)
	cacheNames  = regexp.MustCompile(`^[a-z](-?[a-z0-9])*$`)
	logNames    = regexp.MustCompile(`^[a-zA-Z0-9_\-/.#]+$`)
	alarmNames  = regexp.MustCompile(`^[\x20-\x7e]+$`)
)

// NameRules is the table of every physical name in the stack. A name that is not in it cannot be made. Not in it are
// the names that only the engine sees: those of the rules of security groups.
func NameRules() []NameRule {
	rules := []NameRule{
		{Prefix: "kinesis-stream", Limit: 128, Alphabet: streamNames},
		{Prefix: "stream-consumer", Limit: 128, Alphabet: streamNames},
		{Prefix: "dead-letter-queue", Limit: 80, Alphabet: wordNames},
		{Prefix: "alarm-topic", Limit: 256, Alphabet: wordNames},
		{Prefix: "customer-keys", Limit: 255, Alphabet: streamNames},
		{Prefix: "rds", Limit: 63, Alphabet: rdsNames},
		{Prefix: "rds-subnet-group", Limit: 255, Alphabet: rdsDotNames},
		{Prefix: "redis", Limit: 40, Alphabet: cacheNames},
		{Prefix: "redis-subnet-group", Limit: 255, Alphabet: cacheNames},
		{Prefix: "redis-default", Limit: 40, Alphabet: cacheNames},
		{Prefix: "http-api", Limit: 128, Alphabet: anyTag},
		{Prefix: "dashboard", Limit: 255, Alphabet: wordNames},
		{Prefix: "http-api", Before: "/aws/apigateway/", Limit: 512, Alphabet: logNames},
		{Prefix: "flow-log", Before: "/aws/vpc/", Limit: 512, Alphabet: logNames},
		{Prefix: "rds", Before: "/aws/rds/instance/", After: "/postgresql", Limit: 512, Alphabet: logNames},
		{Prefix: "rds", Before: "/aws/rds/instance/", After: "/upgrade", Limit: 512, Alphabet: logNames},
		{Prefix: "redis", Before: "/aws/elasticache/", After: "/slow", Limit: 512, Alphabet: logNames},
		{Prefix: "redis", Before: "/aws/elasticache/", After: "/engine", Limit: 512, Alphabet: logNames},
	}
	many := func(limit int, alphabet *regexp.Regexp, numbered bool, before, after string, prefixes ...string) {
		for _, p := range prefixes {
			rules = append(rules, NameRule{Prefix: p, Before: before, After: after, Numbered: numbered, Limit: limit, Alphabet: alphabet})
		}
	}
	// Tags called Name, and names that only the engine knows.
	many(256, anyTag, false, "", "", "fastshop", "aws", "vpc", "internet-gateway", "default-security-group", "route-table-public", "route-public", "flow-log",
		"endpoint-dynamodb", "endpoint-kinesis-streams", "endpoint-kms", "endpoint-secretsmanager", "endpoint-sqs",
		"dead-letter-policy", "alarm-topic-policy", "alarm-email", "process-source", "ingest-integration", "ingest-route", "http-stage", "ingest-permission")
	many(256, anyTag, true, "", "", "subnet-public", "subnet-private", "route-table-private", "route-association-public", "route-association-private", "route-private", "eip", "nat-gateway")
	many(255, groupNames, false, "", "", "ingest-sg", "process-sg", "admin-sg", "database-sg", "cache-sg", "endpoint-sg")
	many(255, rdsNames, false, "", "", "rds-instance-events", "rds-parameter-events", "rds-group-events")
	for _, version := range databaseVersions() {
		many(255, rdsNames, false, "", "", "postgres"+version+"-parameter-group")
	}
	for _, engine := range []CacheEngine{CacheRedis, CacheValkey} {
		many(40, cacheNames, false, "", "", string(engine)+"-app", string(engine)+"-users")
		many(255, cacheNames, false, "", "", cacheParameterPrefix(engine, CacheCluster), cacheParameterPrefix(engine, CacheReplicated))
	}
	for _, c := range Classes() {
		many(256, aliasNames, false, "alias/", "", string(c)+"-key")
		many(256, anyTag, false, "", "", string(c)+"-key", string(c)+"-key-alias")
	}
	many(64, roleNames, false, "", "", "ingest-role", "process-role", "admin-role", "flow-log-role", "rds-monitoring-role")
	many(128, roleNames, false, "", "", "ingest-policy", "process-policy", "admin-policy", "flow-log-policy", "rds-monitoring-policy")
	many(64, wordNames, false, "", "", "ingest-function", "process-function", "admin-function")
	many(512, logNames, false, "/aws/lambda/", "", "ingest-function", "process-function", "admin-function")
	for _, t := range tasks() {
		many(64, streamNames, false, "", "", t.name+"-schedule")
		many(64, wordNames, false, "", "", t.name+"-target")
		many(100, wordNames, false, "", "", t.name+"-permission")
	}
	many(255, alarmNames, false, "", "", alarmPrefixes()...)
	many(255, alarmNames, true, "", "", cacheAlarmPrefixes()...)
	return rules
}

// Name is the name by this rule, for an environment suffix and a number (ignored unless the rule is numbered).
func (r NameRule) Name(suffix string, number int) string {
	prefix := r.Prefix
	if r.Numbered {
		prefix += "-" + strconv.Itoa(number)
	}
	return r.Before + prefix + "-" + suffix + r.After
}

// Fits reports what is wrong with the name by this rule for a suffix; nil if nothing is.
func (r NameRule) Fits(suffix string) error {
	name := r.Name(suffix, 99)
	switch {
	case len(name) > r.Limit:
		return fmt.Errorf("name %q has %d characters, AWS takes %d", name, len(name), r.Limit)
	case !r.Alphabet.MatchString(name):
		return fmt.Errorf("name %q does not match %s", name, r.Alphabet)
	case r.Alphabet == groupNames && len(name) > 2 && name[:3] == "sg-":
		return fmt.Errorf("name %q begins like an id of a security group, which AWS refuses", name)
	}
	return nil
}

// name is resource-type-{suffix} for a prefix of the table.
func (s *TapStack) name(prefix string) string { return s.named("", prefix, "", 0) }

// numbered is resource-type-{number}-{suffix}.
func (s *TapStack) numbered(prefix string, number int) string { return s.named("", prefix, "", number) }

// named looks the prefix up, so that no name escapes the table.
func (s *TapStack) named(before, prefix, after string, number int) string {
	rules := s.rules
	i := slices.IndexFunc(rules, func(r NameRule) bool {
		return r.Prefix == prefix && r.Before == before && r.After == after && r.Numbered == (number > 0)
	})
	if i < 0 {
		panic(failure{fmt.Errorf("name %s%s%s is not in the table of names", before, prefix, after)})
	}
	return rules[i].Name(s.args.EnvironmentSuffix, number)
}
