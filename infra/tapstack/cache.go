package tapstack

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v7/go/aws/elasticache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// cache is ElastiCache: the sliding windows. It can always be made anew from the store.
type cache struct {
	group *elasticache.ReplicationGroup
	// endpoint is the address to connect to, kind what it is: configuration (cluster-aware client) or primary.
	endpoint pulumi.StringOutput
	kind     string
}

// keyPrefix begins every key of the cache; the user may touch no other.
const keyPrefix = "fs:"

// access is what the functions may do in the cache: read, write and run scripts on our keys, and what a client needs
// to find its way about a cluster. No administration, no flush, no keys of anybody else.
const access = "on ~" + keyPrefix + "* resetchannels -@all +@read +@write +@scripting +@transaction +@connection -@dangerous +info +cluster|slots +cluster|shards +cluster|nodes"

func (s *TapStack) buildCache() {
	subnets := add(s, elasticache.NewSubnetGroup, s.name("redis-subnet-group"), &elasticache.SubnetGroupArgs{
		Name: pulumi.String(s.name("redis-subnet-group")), Description: pulumi.String("Private subnets of the FastShop cache"), SubnetIds: s.privateSubnets(),
	})
	version := "7.1"
	if s.args.CacheEngine == CacheValkey {
		version = "8.2"
	}
	clustered := s.args.CacheShape == CacheCluster
	parameters := s.cacheParameters()
	args := &elasticache.ReplicationGroupArgs{
		ReplicationGroupId: pulumi.String(s.name("redis")), Description: pulumi.String("FastShop sliding windows"),
		Engine: pulumi.String(string(s.args.CacheEngine)), EngineVersion: pulumi.String(version), NodeType: pulumi.String(s.args.CacheNodeType),
		ParameterGroupName: parameters.Name, Port: pulumi.Int(cachePort),
		SubnetGroupName: subnets.Name, SecurityGroupIds: pulumi.StringArray{s.groups.cache.ID()},

		AutomaticFailoverEnabled: pulumi.Bool(true), MultiAzEnabled: pulumi.Bool(true),
		AtRestEncryptionEnabled: pulumi.Bool(true), KmsKeyId: s.keys[ClassCache].Arn,
		TransitEncryptionEnabled: pulumi.Bool(true), TransitEncryptionMode: pulumi.String("required"),
		UserGroupIds: pulumi.StringArray{s.cacheUsers()},

		SnapshotRetentionLimit: pulumi.Int(1), SnapshotWindow: pulumi.String(s.args.CacheSnapshotWindow), // no FinalSnapshotIdentifier: it would outlive the stack
		MaintenanceWindow: pulumi.String(s.args.CacheMaintenanceWindow), AutoMinorVersionUpgrade: pulumi.Bool(true),
		LogDeliveryConfigurations: s.cacheLogs(),
	}
	if clustered {
		args.ClusterMode = pulumi.String("enabled")
		args.NumNodeGroups, args.ReplicasPerNodeGroup = pulumi.Int(s.args.CacheShards), pulumi.Int(s.args.CacheReplicas)
	} else {
		args.ClusterMode = pulumi.String("disabled")
		args.NumCacheClusters = pulumi.Int(1 + s.args.CacheReplicas)
	}
	group := add(s, elasticache.NewReplicationGroup, s.name("redis"), args, s.afterLogs("redis"),
		// AWS changes neither in place, at least not back; the windows are filled from the store.
		pulumi.ReplaceOnChanges([]string{"clusterMode", "engine"}),
		// ElastiCache installs minor versions by itself, and to go back to the one named here would make the cache anew.
		pulumi.IgnoreChanges([]string{"engineVersion"}))
	s.cache = cache{group: group, endpoint: s.cacheEndpoint(group), kind: "primary"}
	if clustered {
		s.cache.kind = "configuration"
	}
}

// cacheEndpoint is the one address of the group that its shape has: AWS gives a cluster a configuration endpoint and
// nothing else, and a replicated cache a primary endpoint and no configuration endpoint. Publishing one of them
// unasked would publish an empty string for the other shape.
func (s *TapStack) cacheEndpoint(group *elasticache.ReplicationGroup) pulumi.StringOutput {
	return pulumi.All(group.ClusterEnabled, group.ConfigurationEndpointAddress, group.PrimaryEndpointAddress).ApplyT(func(v []any) (string, error) {
		clustered, configuration, primary := v[0].(bool), v[1].(string), v[2].(string)
		endpoint := primary
		if clustered {
			endpoint = configuration
		}
		if endpoint == "" && !s.ctx.DryRun() {
			return "", errors.New("ElastiCache returned no endpoint for the cache: run pulumi refresh, then up again")
		}
		return endpoint, nil
	}).(pulumi.StringOutput)
}

// cacheParameters makes the parameter group of an engine and a shape. Both are in its name: a group in use can be neither
// deleted nor given another family, so a change makes the next one beside it.
func (s *TapStack) cacheParameters() *elasticache.ParameterGroup {
	family := "redis7"
	if s.args.CacheEngine == CacheValkey {
		family = "valkey8"
	}
	parameters := elasticache.ParameterGroupParameterArray{
		// A window that vanishes unseen is a fraud that is not seen either, and what expires first would be the very markers
		// and locks by which a loss is noticed and healed. A full cache refuses to count instead: decisions go on, marked, and
		// what was not counted is restored from the store once there is room. The alarm on memory comes long before.
		&elasticache.ParameterGroupParameterArgs{Name: pulumi.String("maxmemory-policy"), Value: pulumi.String("noeviction")},
	}
	if s.args.CacheShape == CacheCluster {
		parameters = append(parameters, &elasticache.ParameterGroupParameterArgs{Name: pulumi.String("cluster-enabled"), Value: pulumi.String("yes")})
	}
	name := s.name(cacheParameterPrefix(s.args.CacheEngine, s.args.CacheShape))
	return add(s, elasticache.NewParameterGroup, name, &elasticache.ParameterGroupArgs{
		Name: pulumi.String(name), Description: pulumi.String("FastShop cache"), Family: pulumi.String(family), Parameters: parameters,
	})
}

// cacheParameterPrefix begins the name of a parameter group.
func cacheParameterPrefix(engine CacheEngine, shape CacheShape) string {
	return string(engine) + "-" + string(shape) + "-parameter-group"
}

// cacheUser is the id, and so the name, of the user that the functions are.
func (s *TapStack) cacheUser() string { return s.name(string(s.args.CacheEngine) + "-app") }

// cacheUsers makes the functions' user, who signs in with an IAM token instead of a password. Redis also demands a user
// called default, whom every client is that names nobody; ours has no right at all. Valkey demands none, and takes none
// without a password.
func (s *TapStack) cacheUsers() pulumi.StringOutput {
	engine := string(s.args.CacheEngine)
	app := add(s, elasticache.NewUser, s.cacheUser(), &elasticache.UserArgs{
		UserId: pulumi.String(s.cacheUser()), UserName: pulumi.String(s.cacheUser()), // IAM wants them equal
		Engine: pulumi.String(engine), AccessString: pulumi.String(access),
		AuthenticationMode: &elasticache.UserAuthenticationModeArgs{Type: pulumi.String("iam")},
	})
	users := pulumi.StringArray{app.UserId}
	if s.args.CacheEngine == CacheRedis {
		nobody := add(s, elasticache.NewUser, s.name("redis-default"), &elasticache.UserArgs{
			UserId: pulumi.String(s.name("redis-default")), UserName: pulumi.String("default"),
			Engine: pulumi.String(engine), AccessString: pulumi.String("off ~* resetchannels -@all"), NoPasswordRequired: pulumi.Bool(true),
		})
		users = append(users, nobody.UserId)
	}
	group := add(s, elasticache.NewUserGroup, s.name(engine+"-users"), &elasticache.UserGroupArgs{
		UserGroupId: pulumi.String(s.name(engine + "-users")), Engine: pulumi.String(engine), UserIds: users,
	})
	return group.UserGroupId
}

// cacheLogs sends the cache's two logs to their groups.
func (s *TapStack) cacheLogs() elasticache.ReplicationGroupLogDeliveryConfigurationArray {
	var list elasticache.ReplicationGroupLogDeliveryConfigurationArray
	for _, kind := range []string{"slow", "engine"} {
		list = append(list, &elasticache.ReplicationGroupLogDeliveryConfigurationArgs{
			Destination:     pulumi.String(s.named("/aws/elasticache/", "redis", "/"+kind, 0)),
			DestinationType: pulumi.String("cloudwatch-logs"), LogFormat: pulumi.String("json"), LogType: pulumi.String(kind + "-log"),
		})
	}
	return list
}

// cacheNodes are the nodes' ids as ElastiCache forms them, for alarms: a metric belongs to a node.
func (s *TapStack) cacheNodes() []string {
	var nodes []string
	for shard := 1; shard <= s.args.CacheShards; shard++ {
		for node := 1; node <= 1+s.args.CacheReplicas; node++ {
			if s.args.CacheShape == CacheCluster {
				nodes = append(nodes, fmt.Sprintf("%s-%04d-%03d", s.name("redis"), shard, node))
			} else {
				nodes = append(nodes, fmt.Sprintf("%s-%03d", s.name("redis"), node))
			}
		}
	}
	return nodes
}
