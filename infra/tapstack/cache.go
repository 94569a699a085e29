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
const access = "on ~" + keyPrefix + "* -@all +@read +@write +@scripting +@transaction +@connection -@dangerous +info +cluster|slots +cluster|shards +cluster|nodes"

func (s *TapStack) buildCache() {
	subnets := add(s, elasticache.NewSubnetGroup, s.name("redis-subnet-group"), &elasticache.SubnetGroupArgs{
		Name: pulumi.String(s.name("redis-subnet-group")), Description: pulumi.String("Private subnets of the FastShop cache"), SubnetIds: s.privateSubnets(),
	})
	family, version := "redis7", "7.1"
	if s.args.CacheEngine == CacheValkey {
		family, version = "valkey8", "8.0"
	}
	clustered := s.args.CacheShape == CacheCluster
	parameters := add(s, elasticache.NewParameterGroup, s.name("redis-parameter-group"), &elasticache.ParameterGroupArgs{
		Name: pulumi.String(s.name("redis-parameter-group")), Description: pulumi.String("FastShop cache"), Family: pulumi.String(family),
		Parameters: elasticache.ParameterGroupParameterArray{
			&elasticache.ParameterGroupParameterArgs{Name: pulumi.String("cluster-enabled"), Value: pulumi.String(yesNo(clustered))},
			// Windows expire; what expires first goes first when memory is short, never a key at random.
			&elasticache.ParameterGroupParameterArgs{Name: pulumi.String("maxmemory-policy"), Value: pulumi.String("volatile-ttl")},
		},
	})
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
	group := add(s, elasticache.NewReplicationGroup, s.name("redis"), args, s.afterLogs("redis"))
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

// cacheUsers makes the functions' user, who signs in with an IAM token instead of a password, and takes all rights from
// the one called default, whom every client is that names nobody.
func (s *TapStack) cacheUsers() pulumi.StringOutput {
	engine := pulumi.String(string(s.args.CacheEngine))
	app := add(s, elasticache.NewUser, s.name("redis-app"), &elasticache.UserArgs{
		UserId: pulumi.String(s.name("redis-app")), UserName: pulumi.String(s.name("redis-app")), // IAM wants them equal
		Engine: engine, AccessString: pulumi.String(access),
		AuthenticationMode: &elasticache.UserAuthenticationModeArgs{Type: pulumi.String("iam")},
	})
	nobody := add(s, elasticache.NewUser, s.name("redis-default"), &elasticache.UserArgs{
		UserId: pulumi.String(s.name("redis-default")), UserName: pulumi.String("default"),
		Engine: engine, AccessString: pulumi.String("off ~* -@all"),
		AuthenticationMode: &elasticache.UserAuthenticationModeArgs{Type: pulumi.String("no-password-required")},
	})
	group := add(s, elasticache.NewUserGroup, s.name("redis-users"), &elasticache.UserGroupArgs{
		UserGroupId: pulumi.String(s.name("redis-users")), Engine: engine, UserIds: pulumi.StringArray{app.UserId, nobody.UserId},
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

// yesNo is how a parameter group writes a flag.
func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}
