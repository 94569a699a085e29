package emulator

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/elasticache"
)

const (
	cacheSubnetsToken    = "aws:elasticache/subnetGroup:SubnetGroup"
	cacheParametersToken = "aws:elasticache/parameterGroup:ParameterGroup"
	cacheUserToken       = "aws:elasticache/user:User"
	userGroupToken       = "aws:elasticache/userGroup:UserGroup"
	cacheToken           = "aws:elasticache/replicationGroup:ReplicationGroup"
)

func cacheUser(id, name, access, login string) Object {
	return Object{"userId": id, "userName": name, "engine": "redis", "accessString": access, "authenticationMode": map[string]any{"type": login}}
}

func TestCacheGroups(t *testing.T) {
	e := newEngine(t, Options{})
	vpc := e.vpc("cache-groups")
	a := e.subnet(vpc, "10.20.1.0/24", "us-east-1a")
	subnets := e.create(cacheSubnetsToken, "subnets", Object{"name": "redis-subnets", "subnetIds": []any{a.id}})
	subnets.equal(Object{"arn": "arn:aws:elasticache:us-east-1:123456789012:subnetgroup:redis-subnets", "vpcId": vpc.id, "description": "Managed by Pulumi"})
	b := e.subnet(vpc, "10.20.2.0/24", "us-east-1b")
	subnets.update(Object{"subnetIds": []any{a.id, b.id}})
	subnets.replaces(Object{"name": "x"})
	_, err := e.try(cacheSubnetsToken, "nowhere", Object{"name": "nowhere", "subnetIds": []any{"subnet-00000000"}})
	refused(t, err, "InvalidSubnetID.NotFound")

	parameters := e.create(cacheParametersToken, "parameters", Object{
		"name": "redis-parameters", "family": "redis7", "parameters": []any{map[string]any{"name": "cluster-enabled", "value": "yes"}},
	})
	parameters.equal(Object{"arn": "arn:aws:elasticache:us-east-1:123456789012:parametergroup:redis-parameters"})
	parameters.update(Object{"parameters": []any{map[string]any{"name": "maxmemory-policy", "value": "volatile-ttl"}}})
	parameters.replaces(Object{"name": "x", "family": "valkey8", "description": "x"})
	for _, m := range []*made{subnets, parameters} {
		if err := m.tryDelete(); err != nil {
			t.Error(err)
		}
	}
	// They are in the state only: the emulator must not keep what it could not delete.
	got, err := e.cloud.Cache.DescribeCacheSubnetGroups(t.Context(), &elasticache.DescribeCacheSubnetGroupsInput{})
	if err != nil || len(got.CacheSubnetGroups) != 0 {
		t.Errorf("subnet groups in the emulator = %v, %v, want none", got, err)
	}
}

func TestCacheUsers(t *testing.T) {
	e := newEngine(t, Options{})
	user := e.create(cacheUserToken, "user", cacheUser("ingest-test", "ingest-test", "on ~* +@read", "iam").With(Object{"tags": tags("a", "1")}))
	user.equal(Object{
		"arn":                "arn:aws:elasticache:us-east-1:123456789012:user:ingest-test",
		"authenticationMode": map[string]any{"type": "iam", "passwordCount": 0},
	})
	access := func() string {
		got, err := e.cloud.Cache.DescribeUsers(t.Context(), &elasticache.DescribeUsersInput{})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range got.Users {
			if *u.UserId == user.id {
				return *u.AccessString
			}
		}
		return ""
	}
	user.update(Object{"accessString": "on ~* +@write"})
	if got := access(); got != "on ~* +@write" {
		t.Errorf("access = %q, want the new one", got)
	}
	user.replaces(Object{"userId": "x", "userName": "x"})
	off := e.create(cacheUserToken, "off", Object{
		"userId": "off-test", "userName": "default", "engine": "redis", "accessString": "off ~* -@all", "noPasswordRequired": true,
	})

	group := e.create(userGroupToken, "group", Object{"userGroupId": "group-test", "engine": "redis", "userIds": []any{off.id, user.id}})
	group.equal(Object{"arn": "arn:aws:elasticache:us-east-1:123456789012:usergroup:group-test"})
	group.update(Object{"userIds": []any{off.id}})
	group.replaces(Object{"userGroupId": "x"})
	for want, ids := range map[string][]any{
		"DefaultUserRequired: keep user group x: add a user of the name default":                  {user.id},
		"UserNotFound: keep user group x: there is no user nobody":                                {off.id, "nobody"},
		"DuplicateUserName: keep user group x: users default and off-test are both named default": {"default", off.id},
	} {
		_, err := e.try(userGroupToken, "bad", Object{"userGroupId": "x", "engine": "redis", "userIds": ids})
		refused(t, err, want)
	}
	_, err := e.try(userGroupToken, "bad", Object{"userGroupId": "x", "engine": "valkey", "userIds": []any{off.id, user.id}})
	refused(t, err, "user off-test needs a password or IAM")
	if err := group.tryDelete(); err != nil {
		t.Error(err)
	}
	off.delete()
	user.delete()
	if got := access(); got != "" {
		t.Errorf("a deleted user has access %q", got)
	}
}

// clustered1x1 is the cache of the stack: one shard with a replica.
func clustered1x1(id string) Object {
	return Object{
		"replicationGroupId": id, "description": "features", "engine": "redis", "engineVersion": "7.1", "nodeType": "cache.t4g.small",
		"clusterMode": "enabled", "numNodeGroups": 1, "replicasPerNodeGroup": 1, "automaticFailoverEnabled": true, "multiAzEnabled": true,
		"transitEncryptionEnabled": true, "transitEncryptionMode": "required", "port": 6380, "snapshotRetentionLimit": 1,
		"snapshotWindow": "03:00-04:00", "maintenanceWindow": "sun:05:00-sun:06:00", "atRestEncryptionEnabled": true,
		"logDeliveryConfigurations": []any{
			map[string]any{"destination": "slow", "destinationType": "cloudwatch-logs", "logFormat": "json", "logType": "slow-log"},
			map[string]any{"destination": "engine", "destinationType": "kinesis-firehose", "logFormat": "text", "logType": "engine-log"},
		},
	}
}

func TestClusteredCache(t *testing.T) {
	e := newEngine(t, Options{})
	key := e.create(keyToken, "cache-key", Object{})
	cache := e.create(cacheToken, "redis", clustered1x1("redis-test").With(Object{"kmsKeyId": key.out["arn"], "userGroupIds": []any{"users-test"}, "tags": tags("a", "1")}))
	address := cache.out.Str("configurationEndpointAddress")
	if !strings.HasPrefix(address, "clustercfg.redis-test.") {
		t.Errorf("configuration endpoint = %q, want one of redis-test", address)
	}
	cache.equal(Object{
		"primaryEndpointAddress": "", "readerEndpointAddress": "", "clusterEnabled": true, "port": 6380, "engineVersionActual": "7.1.0",
		"arn":            "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:redis-test",
		"memberClusters": []any{"redis-test-0001-001", "redis-test-0001-002"}, "numCacheClusters": 2,
	})
	live, err := e.cloud.liveCache(t.Context(), "redis-test")
	if err != nil || !*live.AtRestEncryptionEnabled || !*live.TransitEncryptionEnabled || *live.KmsKeyId != key.out["arn"] || live.AutomaticFailover != "enabled" {
		t.Errorf("cache = %+v, %v, want it encrypted and failing over", live, err)
	}
	refused(t, deleteUserGroup(t.Context(), e.cloud, "users-test", nil), "InvalidUserGroupState: delete user group users-test: cache redis-test uses it")
	cache.update(Object{"numNodeGroups": 2, "snapshotRetentionLimit": 7, "tags": tags("b", "2")})
	cache.equal(Object{"numCacheClusters": 4, "memberClusters": []any{"redis-test-0001-001", "redis-test-0001-002", "redis-test-0002-001", "redis-test-0002-002"}})
	found, err := e.cloud.Cache.ListTagsForResource(t.Context(), &elasticache.ListTagsForResourceInput{ResourceName: live.ARN})
	if err != nil || len(found.TagList) != 1 || *found.TagList[0].Key != "b" {
		t.Errorf("tags = %v, %v, want b only", found, err)
	}
	refused(t, cache.tryUpdate(cache.in.With(Object{"engineVersion": "6.2"})), "the engine cannot go back to 6.2")
	refused(t, cache.tryUpdate(cache.in.With(Object{"clusterMode": "disabled"})), "cluster mode cannot be switched from enabled to disabled")
	cache.replaces(Object{"port": 1, "kmsKeyId": "x", "replicationGroupId": "x", "subnetGroupName": "x", "atRestEncryptionEnabled": false})
	cache.delete()
	refused(t, cache.tryUpdate(cache.in), "gone")

	again := e.create(cacheToken, "again", clustered1x1("redis-test"))
	if again.id != "redis-test" || !strings.HasPrefix(again.out.Str("configurationEndpointAddress"), "clustercfg.redis-test.") {
		t.Errorf("a cache that comes back = %s at %s, want the same name", again.id, again.out.Str("configurationEndpointAddress"))
	}
	_, err = e.try(cacheToken, "twin", clustered1x1("redis-test"))
	refused(t, err, "ReplicationGroupAlreadyExists")
	again.delete()
	third := e.create(cacheToken, "third", clustered1x1("redis-test"))
	third.delete()
}

func TestPlainCache(t *testing.T) {
	e := newEngine(t, Options{})
	cache := e.create(cacheToken, "plain", Object{
		"replicationGroupId": "plain-test", "description": "features", "nodeType": "cache.t4g.small", "numCacheClusters": 2,
		"automaticFailoverEnabled": true,
	})
	primary := cache.out.Str("primaryEndpointAddress")
	if !strings.HasPrefix(primary, "master.plain-test.") {
		t.Errorf("primary endpoint = %q, want one of plain-test", primary)
	}
	cache.equal(Object{
		"configurationEndpointAddress": "", "readerEndpointAddress": "replica." + strings.TrimPrefix(primary, "master."), "clusterEnabled": false,
		"port": 6379, "memberClusters": []any{"plain-test-001", "plain-test-002"}, "clusterMode": "disabled", "engine": "redis",
	})
	cache.delete()
}

func TestSpelling(t *testing.T) {
	var got []string
	for n := range 8 {
		got = append(got, spelling("a-b", n))
	}
	if want := []string{"a-b", "A-b", "a-b", "A-b", "a-B", "A-B", "a-B", "A-B"}; !slices.Equal(got, want) {
		t.Errorf("spellings = %q, want %q", got, want)
	}
}

func TestCacheRefusals(t *testing.T) {
	refusesAll(t, cacheToken, clustered1x1(strings.Repeat("r", 40)), map[string]refusal{
		"long":       {Object{"replicationGroupId": strings.Repeat("r", 41)}, `replicationGroupId: ValidationError: "` + strings.Repeat("r", 41) + `" has 41 characters; at most 40 are allowed`},
		"digit":      {Object{"replicationGroupId": "1a"}, `replicationGroupId: ValidationError: "1a" does not match ^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$`},
		"hyphens":    {Object{"replicationGroupId": "a--b"}, `replicationGroupId: ValidationError: "a--b" does not match ^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$`},
		"empty":      {Object{"description": ""}, "description: InvalidParameterValue: write one"},
		"shape":      {Object{"replicasPerNodeGroup": nil, "numCacheClusters": 2}, "numNodeGroups: InvalidParameterCombination: give either numCacheClusters or numNodeGroups, not both"},
		"shards":     {Object{"clusterMode": "disabled", "numNodeGroups": 2}, "clusterMode: InvalidParameterCombination: set enabled: there are 2 shards"},
		"failover":   {Object{"automaticFailoverEnabled": false, "multiAzEnabled": false}, "automaticFailoverEnabled: InvalidParameterCombination: set true: cluster mode needs it"},
		"zones":      {Object{"automaticFailoverEnabled": false, "clusterMode": "disabled"}, "multiAzEnabled: InvalidParameterCombination: set automaticFailoverEnabled to true too"},
		"replica":    {Object{"replicasPerNodeGroup": 0}, "automaticFailoverEnabled: InvalidParameterCombination: add a replica: there is none to fail over to"},
		"lone count": {Object{"numNodeGroups": nil}, "numNodeGroups: InvalidParameterCombination: set it beside replicasPerNodeGroup"},
		"tokens":     {Object{"authToken": "sixteen-letters-", "userGroupIds": []any{"g"}}, "userGroupIds: InvalidParameterCombination: give either authToken or userGroupIds, not both"},
		"groups":     {Object{"userGroupIds": []any{"g", "h"}}, "userGroupIds: InvalidParameterCombination: give one group"},
		"plain":      {Object{"transitEncryptionEnabled": false}, "transitEncryptionEnabled: InvalidParameterCombination: set true: authToken, userGroupIds and transitEncryptionMode need it"},
		"valkey":     {Object{"engine": "valkey", "transitEncryptionEnabled": nil, "transitEncryptionMode": nil}, "transitEncryptionEnabled: InvalidParameterCombination: state it: valkey wants to be told"},
		"token":      {Object{"authToken": "short"}, "authToken: InvalidParameterValue: give 16 to 128 characters"},
		"key":        {Object{"atRestEncryptionEnabled": nil, "kmsKeyId": "k"}, "atRestEncryptionEnabled: InvalidParameterCombination: set true: kmsKeyId is given"},
		"snapshot":   {Object{"snapshotWindow": "03:00-03:59"}, "snapshotWindow: InvalidParameterValue: lengthen 03:00-03:59: it must last at least 60 minutes"},
		"mode":       {Object{"transitEncryptionMode": "maybe"}, `transitEncryptionMode: InvalidParameterValue: "maybe" is none of ["preferred" "required"]`},
		"log": {
			Object{"logDeliveryConfigurations": []any{
				map[string]any{"destination": "a", "destinationType": "cloudwatch-logs", "logFormat": "json", "logType": "slow-log"},
				map[string]any{"destination": "b", "destinationType": "cloudwatch-logs", "logFormat": "json", "logType": "slow-log"},
			}},
			"logDeliveryConfigurations[1].logType: InvalidParameterCombination: deliver the slow-log once only",
		},
	})
	refusesAll(t, cacheUserToken, cacheUser("a", "a", "on", "iam"), map[string]refusal{
		"capital": {Object{"userId": "A", "userName": "A"}, `userId: ValidationError: "A" does not match ^[a-z][a-z0-9]*(-[a-z0-9]+)*$`},
		"names":   {Object{"userName": "b"}, "userName: InvalidParameterValue: name it like userId: IAM wants both to be the same"},
		"ways":    {Object{"noPasswordRequired": true}, "authenticationMode: InvalidParameterCombination: say in exactly one way how the user logs in, not in 2"},
		"forever": {Object{"authenticationMode": map[string]any{"type": "no-password-required"}}, "authenticationMode: say noPasswordRequired instead: the type is read back as no-password, and would be changed for ever"},
		"short":   {Object{"authenticationMode": nil, "passwords": []any{"short"}}, "passwords: InvalidParameterValue: give one or two passwords of 16 to 128 characters"},
	})
	refusesAll(t, userGroupToken, Object{"userGroupId": "a", "engine": "redis", "userIds": []any{"x"}}, map[string]refusal{
		"users":  {Object{"userIds": nil}, "userIds: DefaultUserRequired: add a user of the name default"},
		"engine": {Object{"engine": "memcached"}, `engine: InvalidParameterValue: "memcached" is none of ["redis" "valkey"]`},
	})
	refusesAll(t, cacheSubnetsToken, Object{"name": "a", "subnetIds": []any{"x"}}, map[string]refusal{
		"default": {Object{"name": "default"}, "name: InvalidParameterValue: choose another name: default is taken"},
		"none":    {Object{"subnetIds": []any{}}, "subnetIds: InvalidParameterValue: give at least one subnet"},
	})
	two := []any{map[string]any{"name": "a", "value": "1"}, map[string]any{"name": "a", "value": "2"}}
	refusesAll(t, cacheParametersToken, Object{"name": "a", "family": "valkey8"}, map[string]refusal{
		"family": {Object{"family": "postgres16"}, `family: InvalidParameterValue: "postgres16" is no family such as redis7 or valkey8`},
		"twice":  {Object{"parameters": two}, "parameters[1].name: InvalidParameterValue: remove one of the two values of a"},
	})
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"6.2", "7.1", true}, {"7.0", "7.1", true}, {"7.1", "7.1", false}, {"8.0", "7.1", false}, {"10.0", "9.1", false}, {"", "7.1", false}, {"6.x", "6.2", false}} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%q, %q) = %t, want %t", c.a, c.b, got, c.want)
		}
	}
}
