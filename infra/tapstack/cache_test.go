package tapstack_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/fastshop/pipeline/infra/tapstack/tapstacktest"
)

const replicationGroup = "aws:elasticache/replicationGroup:ReplicationGroup"

// defaultCache is what ElastiCache is given with the default arguments: a cluster of one shard and one replica.
func (d deployed) defaultCache() inputs {
	log := func(kind string) inputs {
		return inputs{"destination": "/aws/elasticache/redis-dev/" + kind, "destinationType": "cloudwatch-logs", "logFormat": "json", "logType": kind + "-log"}
	}
	return inputs{
		"replicationGroupId": "redis-dev", "description": "FastShop sliding windows", "engine": "redis", "engineVersion": "7.1", "nodeType": "cache.t4g.small",
		"clusterMode": "enabled", "numNodeGroups": 1, "replicasPerNodeGroup": 1, "automaticFailoverEnabled": true, "multiAzEnabled": true,
		"parameterGroupName": "redis-parameter-group-dev", "port": 6380, "subnetGroupName": "redis-subnet-group-dev", "securityGroupIds": d.ids("cache-sg-dev"),
		"atRestEncryptionEnabled": true, "kmsKeyId": d.arn("cache-key-dev"), "transitEncryptionEnabled": true, "transitEncryptionMode": "required",
		"userGroupIds": list("redis-users-dev"),
		// No final snapshot: it would outlive the stack.
		"snapshotRetentionLimit": 1, "snapshotWindow": "02:00-03:00", "maintenanceWindow": "sun:06:00-sun:07:00", "autoMinorVersionUpgrade": true,
		"logDeliveryConfigurations": []inputs{log("slow"), log("engine")},
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	d := up(t, nil)
	d.expectNames(replicationGroup, "redis-dev")
	d.expect(replicationGroup, "redis-dev", d.defaultCache())
	d.expectNames("aws:elasticache/subnetGroup:SubnetGroup", "redis-subnet-group-dev")
	d.expect("aws:elasticache/subnetGroup:SubnetGroup", "redis-subnet-group-dev", inputs{
		"name": "redis-subnet-group-dev", "description": "Private subnets of the FastShop cache", "subnetIds": d.ids("subnet-private-1-dev", "subnet-private-2-dev")})
	for _, log := range []string{"/aws/elasticache/redis-dev/slow", "/aws/elasticache/redis-dev/engine"} {
		if !d.get("redis-dev").DependsOn(log) {
			t.Errorf("the cache does not wait for %s", log)
		}
	}
}

func TestCacheAsTheOperatorSays(t *testing.T) {
	t.Parallel()
	d := up(t, func(a *tapstack.TapStackArgs) {
		a.CacheNodeType, a.CacheShards, a.CacheReplicas = "cache.r7g.large", 3, 2
		a.CacheSnapshotWindow, a.CacheMaintenanceWindow = "00:00-01:00", "tue:01:00-tue:02:00"
	})
	want := d.defaultCache()
	for input, value := range (inputs{"nodeType": "cache.r7g.large", "numNodeGroups": 3, "replicasPerNodeGroup": 2,
		"snapshotWindow": "00:00-01:00", "maintenanceWindow": "tue:01:00-tue:02:00"}) {
		want[input] = value
	}
	d.expect(replicationGroup, "redis-dev", want)
}

// The shape decides which address there is, what kind of client wants it, and the engine which family the parameters are.
func TestShapesAndEnginesOfTheCache(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine          tapstack.CacheEngine
		shape           tapstack.CacheShape
		version, family string
		kind, host      string
	}{
		{tapstack.CacheRedis, tapstack.CacheCluster, "7.1", "redis7", "configuration", "clustercfg."},
		{tapstack.CacheRedis, tapstack.CacheReplicated, "7.1", "redis7", "primary", "master."},
		{tapstack.CacheValkey, tapstack.CacheCluster, "8.0", "valkey8", "configuration", "clustercfg."},
		{tapstack.CacheValkey, tapstack.CacheReplicated, "8.0", "valkey8", "primary", "master."},
	} {
		d := up(t, func(a *tapstack.TapStackArgs) { a.CacheEngine, a.CacheShape, a.CacheReplicas = c.engine, c.shape, 2 })
		want, clustered := d.defaultCache(), "yes"
		want["engine"], want["engineVersion"], want["replicasPerNodeGroup"] = string(c.engine), c.version, 2
		if c.shape == tapstack.CacheReplicated {
			clustered = "no"
			want["clusterMode"], want["numCacheClusters"] = "disabled", 3
			delete(want, "numNodeGroups")
			delete(want, "replicasPerNodeGroup")
		}
		d.expect(replicationGroup, "redis-dev", want)
		d.expect("aws:elasticache/parameterGroup:ParameterGroup", "redis-parameter-group-dev", inputs{
			"name": "redis-parameter-group-dev", "description": "FastShop cache", "family": c.family, "parameters": []inputs{
				{"name": "cluster-enabled", "value": clustered}, {"name": "maxmemory-policy", "value": "volatile-ttl"}}})

		endpoint, _ := d.Outputs["redis_endpoint"].(string)
		if !strings.HasPrefix(endpoint, c.host+"redis-dev.") || d.Outputs["redis_endpoint_kind"] != c.kind {
			t.Errorf("%s, %s: endpoint %q of kind %v, want %s… of kind %s", c.engine, c.shape, endpoint, d.Outputs["redis_endpoint_kind"], c.host, c.kind)
		}
		velocity := d.get("process-function-dev").Text("environment.variables.FASTSHOP_VELOCITY")
		if want := "rediss://redis-app-dev@" + endpoint + ":6380?shape=" + string(c.shape) + "&"; !strings.HasPrefix(velocity, want) {
			t.Errorf("process is told %s, want %s…", velocity, want)
		}
	}
}

// An empty address would be published for good: it must fail instead.
func TestCacheWithoutEndpoint(t *testing.T) {
	t.Parallel()
	for _, shape := range []tapstack.CacheShape{tapstack.CacheCluster, tapstack.CacheReplicated} {
		_, err := try(argsOf(t, func(a *tapstack.TapStackArgs) { a.CacheShape = shape }), nil, tapstacktest.EmptyEndpoints())
		if err == nil || !strings.Contains(err.Error(), "ElastiCache returned no endpoint for the cache: run pulumi refresh, then up again") {
			t.Errorf("%s: got %v", shape, err)
		}
	}
}

// The functions sign in by IAM and touch our keys alone; whoever names no user may do nothing.
func TestCacheUsers(t *testing.T) {
	t.Parallel()
	for _, engine := range []tapstack.CacheEngine{tapstack.CacheRedis, tapstack.CacheValkey} {
		d := up(t, func(a *tapstack.TapStackArgs) { a.CacheEngine = engine })
		const user, users = "aws:elasticache/user:User", "aws:elasticache/userGroup:UserGroup"
		d.expectNames(user, "redis-app-dev", "redis-default-dev")
		d.expect(user, "redis-app-dev", inputs{
			"userId": "redis-app-dev", "userName": "redis-app-dev", "engine": string(engine), "authenticationMode": inputs{"type": "iam"},
			"accessString": "on ~fs:* -@all +@read +@write +@scripting +@transaction +@connection -@dangerous +info +cluster|slots +cluster|shards +cluster|nodes"})
		d.expect(user, "redis-default-dev", inputs{
			"userId": "redis-default-dev", "userName": "default", "engine": string(engine), "authenticationMode": inputs{"type": "no-password-required"},
			"accessString": "off ~* -@all"})
		d.expectNames(users, "redis-users-dev")
		d.expect(users, "redis-users-dev", inputs{"userGroupId": "redis-users-dev", "engine": string(engine), "userIds": list("redis-app-dev", "redis-default-dev")})
	}
}

// Metrics belong to nodes, which ElastiCache names by its own rule; the mocks answer them as memberClusters.
func TestAlarmsWatchEveryNode(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]argsChange{
		"redis-dev-0001-001 redis-dev-0001-002": nil,
		"redis-dev-0001-001 redis-dev-0001-002 redis-dev-0001-003 redis-dev-0002-001 redis-dev-0002-002 redis-dev-0002-003": func(a *tapstack.TapStackArgs) {
			a.CacheShards, a.CacheReplicas = 2, 2
		},
		"redis-dev-001 redis-dev-002 redis-dev-003": func(a *tapstack.TapStackArgs) { a.CacheShape, a.CacheReplicas = tapstack.CacheReplicated, 2 },
	} {
		d := up(t, change)
		members, _ := d.get("redis-dev").Output("memberClusters").([]any)
		if diff := cmp.Diff(plain(t, strings.Fields(want)), any(members)); diff != "" {
			t.Errorf("nodes (-want +got):\n%s", diff)
		}
		for _, metric := range []string{"EngineCPUUtilization", "DatabaseMemoryUsagePercentage", "Evictions", "ReplicationLag"} {
			var watched []any
			for _, r := range d.OfType(alarm) {
				if r.Text("namespace") == "AWS/ElastiCache" && r.Text("metricName") == metric {
					watched = append(watched, r.Text("dimensions.CacheClusterId"))
				}
			}
			if diff := cmp.Diff(members, watched); diff != "" {
				t.Errorf("%s (-nodes +watched):\n%s", metric, diff)
			}
		}
	}
}
