package tapstack_test

import (
	"slices"
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
		"parameterGroupName": "redis-cluster-parameter-group-dev", "port": 6380, "subnetGroupName": "redis-subnet-group-dev", "securityGroupIds": d.ids("cache-sg-dev"),
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

// cacheForm is an engine in a shape, and what follows from the two.
type cacheForm struct {
	engine  tapstack.CacheEngine
	shape   tapstack.CacheShape
	version string
	// group is the parameter group, family and parameters are what is in it.
	group, family string
	parameters    []inputs
	app, users    string
	members       []string // of the user group
	kind, host    string   // of the endpoint
}

// cacheForms are all that an operator may choose. None drops a window to make room for another.
func cacheForms() []cacheForm {
	full, sharded := inputs{"name": "maxmemory-policy", "value": "noeviction"}, inputs{"name": "cluster-enabled", "value": "yes"}
	return []cacheForm{
		{tapstack.CacheRedis, tapstack.CacheCluster, "7.1", "redis-cluster-parameter-group-dev", "redis7", []inputs{full, sharded},
			"redis-app-dev", "redis-users-dev", list("redis-app-dev", "redis-default-dev"), "configuration", "clustercfg."},
		{tapstack.CacheRedis, tapstack.CacheReplicated, "7.1", "redis-replicated-parameter-group-dev", "redis7", []inputs{full},
			"redis-app-dev", "redis-users-dev", list("redis-app-dev", "redis-default-dev"), "primary", "master."},
		{tapstack.CacheValkey, tapstack.CacheCluster, "8.2", "valkey-cluster-parameter-group-dev", "valkey8", []inputs{full, sharded},
			"valkey-app-dev", "valkey-users-dev", list("valkey-app-dev"), "configuration", "clustercfg."},
		{tapstack.CacheValkey, tapstack.CacheReplicated, "8.2", "valkey-replicated-parameter-group-dev", "valkey8", []inputs{full},
			"valkey-app-dev", "valkey-users-dev", list("valkey-app-dev"), "primary", "master."},
	}
}

// up brings the stack up with a cache of this form.
func (c cacheForm) up(t *testing.T, options ...tapstacktest.Option) deployed {
	t.Helper()
	return up(t, func(a *tapstack.TapStackArgs) { a.CacheEngine, a.CacheShape, a.CacheReplicas = c.engine, c.shape, 2 }, options...)
}

// The shape decides which address there is, what kind of client wants it, and the engine which family the parameters are.
func TestShapesAndEnginesOfTheCache(t *testing.T) {
	t.Parallel()
	for _, c := range cacheForms() {
		d := c.up(t)
		want := d.defaultCache()
		want["engine"], want["engineVersion"], want["replicasPerNodeGroup"] = string(c.engine), c.version, 2
		want["parameterGroupName"], want["userGroupIds"] = c.group, list(c.users)
		if c.shape == tapstack.CacheReplicated {
			want["clusterMode"], want["numCacheClusters"] = "disabled", 3
			delete(want, "numNodeGroups")
			delete(want, "replicasPerNodeGroup")
		}
		d.expect(replicationGroup, "redis-dev", want)
		const group = "aws:elasticache/parameterGroup:ParameterGroup"
		d.expectNames(group, c.group)
		d.expect(group, c.group, inputs{"name": c.group, "description": "FastShop cache", "family": c.family, "parameters": c.parameters})

		endpoint, _ := d.Outputs["redis_endpoint"].(string)
		if !strings.HasPrefix(endpoint, c.host+"redis-dev.") || d.Outputs["redis_endpoint_kind"] != c.kind {
			t.Errorf("%s, %s: endpoint %q of kind %v, want %s… of kind %s", c.engine, c.shape, endpoint, d.Outputs["redis_endpoint_kind"], c.host, c.kind)
		}
		velocity := d.get("process-function-dev").Text("environment.variables.FASTSHOP_VELOCITY")
		if want := "rediss://" + c.app + "@" + endpoint + ":6380?shape=" + string(c.shape) + "&auth=iam&group=redis-dev&region=us-east-1&prefix=fs:"; velocity != want {
			t.Errorf("process is told %s, want %s", velocity, want)
		}
	}
}

// Another engine or shape is another cache: AWS goes back on neither in place. A minor version that ElastiCache has installed
// stays.
func TestWhatMakesTheCacheAnew(t *testing.T) {
	t.Parallel()
	for _, c := range cacheForms() {
		r := c.up(t).get("redis-dev")
		if diff := cmp.Diff(list("clusterMode", "engine"), r.ReplaceOnChanges); diff != "" {
			t.Errorf("%s, %s: replaced on changes of (-want +got):\n%s", c.engine, c.shape, diff)
		}
		if diff := cmp.Diff(list("engineVersion"), r.IgnoreChanges); diff != "" {
			t.Errorf("%s, %s: ignores changes of (-want +got):\n%s", c.engine, c.shape, diff)
		}
	}
}

// A group in use can be neither deleted nor changed into another: no two forms of the cache may have one of a name, except
// for users, which the shape does not concern.
func TestNothingOfACacheIsInTheWayOfTheNext(t *testing.T) {
	t.Parallel()
	groups, users := map[string]tapstack.CacheShape{}, map[string]tapstack.CacheEngine{}
	for _, c := range cacheForms() {
		d := c.up(t)
		name := d.get("redis-dev").Text("parameterGroupName")
		if shape, taken := groups[name]; taken {
			t.Errorf("%s, %s has the parameter group %s of another, %s one", c.engine, c.shape, name, shape)
		}
		groups[name] = c.shape
		for _, r := range slices.Concat(d.OfType(cacheUser), d.OfType(cacheUserGroup)) {
			if engine, taken := users[r.Name]; taken && engine != c.engine {
				t.Errorf("%s is there for %s and for %s", r.Name, engine, c.engine)
			}
			users[r.Name] = c.engine
		}
	}
	if len(groups) != 4 || len(users) != 5 {
		t.Errorf("%d parameter groups, %d users and groups of them; want 4 and 5", len(groups), len(users))
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

const cacheUser, cacheUserGroup = "aws:elasticache/user:User", "aws:elasticache/userGroup:UserGroup"

// The functions sign in by IAM and touch our keys alone; whoever names no user may do nothing.
func TestCacheUsers(t *testing.T) {
	t.Parallel()
	for _, c := range cacheForms() {
		for _, d := range []deployed{c.up(t), c.up(t, tapstacktest.Preview())} {
			d.expectNames(cacheUser, c.members...)
			d.expect(cacheUser, c.app, inputs{
				"userId": c.app, "userName": c.app, "engine": string(c.engine), "authenticationMode": inputs{"type": "iam"},
				"accessString": "on ~fs:* resetchannels -@all +@read +@write +@scripting +@transaction +@connection -@dangerous +info +cluster|slots +cluster|shards +cluster|nodes"})
			if c.engine == tapstack.CacheRedis { // Valkey takes nobody without a password
				d.expect(cacheUser, "redis-default-dev", inputs{
					"userId": "redis-default-dev", "userName": "default", "engine": "redis", "noPasswordRequired": true, "accessString": "off ~* resetchannels -@all"})
			}
			d.expectNames(cacheUserGroup, c.users)
			d.expect(cacheUserGroup, c.users, inputs{"userGroupId": c.users, "engine": string(c.engine), "userIds": c.members})
		}
	}
}

// Every function may sign in as the user that its settings name, and as no other.
func TestFunctionsMaySignInAsTheCacheUser(t *testing.T) {
	t.Parallel()
	for _, c := range cacheForms() {
		d := c.up(t)
		for _, name := range list("ingest", "process", "admin") {
			var granted []string
			for _, s := range d.policy(name+"-policy-dev", "policy") {
				if slices.Contains(s.Action, "elasticache:Connect") {
					granted = append(granted, s.Resource...)
				}
			}
			if diff := cmp.Diff(list(arn("elasticache", "replicationgroup:redis-dev"), arn("elasticache", "user:"+c.app)), granted); diff != "" {
				t.Errorf("%s, %s: %s (-want +got):\n%s", c.engine, c.shape, name, diff)
			}
		}
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
		for _, metric := range []string{"EngineCPUUtilization", "DatabaseMemoryUsagePercentage", "ReplicationLag"} {
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
