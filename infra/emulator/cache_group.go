package emulator

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
)

// cachePort is the port of a cache that names none.
const cachePort = 6379

func checkCache(in Object) []Fault {
	i := inspect(in)
	i.unmodeled("globalReplicationGroupId", "nodeGroupConfigurations", "snapshotArns", "snapshotName", "securityGroupNames")
	i.name("replicationGroupId", cacheNameLimit, hyphenName)
	i.given("nodeType")
	if in.Known("description") && in.Str("description") == "" {
		i.fault("description", "InvalidParameterValue: write one")
	}
	i.oneOf("engine", "redis", "valkey")
	i.oneOf("clusterMode", "enabled", "disabled", "compatible")
	i.oneOf("transitEncryptionMode", "preferred", "required")
	i.between("port", 1, 65535)
	i.between("snapshotRetentionLimit", 0, 35)
	i.window("snapshotWindow", false, 60)
	i.window("maintenanceWindow", true, 60)
	checkCacheShape(i)
	checkCacheAccess(i)
	checkCacheLogs(i)
	return i.found()
}

// clustered tells whether the group has shards, by the one thing the emulator looks at, too.
func clustered(in Object) bool { return in.Str("clusterMode") == string(types.ClusterModeEnabled) }

func checkCacheShape(i *inspection) {
	i.exclusive("numCacheClusters", "numNodeGroups", "replicasPerNodeGroup")
	i.between("numCacheClusters", 1, 6)
	i.between("numNodeGroups", 1, 500)
	i.between("replicasPerNodeGroup", 0, 5)
	if i.in.Has("replicasPerNodeGroup") && !i.in.Has("numNodeGroups") {
		i.fault("numNodeGroups", "InvalidParameterCombination: set it beside replicasPerNodeGroup")
	}
	if i.in.Int("numNodeGroups") > 1 && !clustered(i.in) {
		i.fault("clusterMode", "InvalidParameterCombination: set enabled: there are %d shards", i.in.Int("numNodeGroups"))
	}
	failover := i.in.Bool("automaticFailoverEnabled")
	if clustered(i.in) && !failover {
		i.fault("automaticFailoverEnabled", "InvalidParameterCombination: set true: cluster mode needs it")
	}
	if i.in.Bool("multiAzEnabled") && !failover {
		i.fault("multiAzEnabled", "InvalidParameterCombination: set automaticFailoverEnabled to true too")
	}
	counted := i.in.Known("numCacheClusters") || i.in.Known("replicasPerNodeGroup") ||
		!i.in.Has("numCacheClusters") && !i.in.Has("replicasPerNodeGroup")
	// A clustered group can fail over without a replica, though it loses the shard's data; the stack wants more.
	if counted && (failover && !clustered(i.in) || i.in.Bool("multiAzEnabled")) && nodesPerShard(i.in) < 2 {
		i.fault("automaticFailoverEnabled", "InvalidParameterCombination: add a replica: there is none to fail over to")
	}
}

// nodesPerShard counts the primary and its replicas.
func nodesPerShard(o Object) int {
	if !o.Has("replicasPerNodeGroup") && o.Has("numCacheClusters") {
		return o.Int("numCacheClusters")
	}
	return 1 + o.Int("replicasPerNodeGroup")
}

func checkCacheAccess(i *inspection) {
	i.exclusive("authToken", "userGroupIds")
	if len(i.in.List("userGroupIds")) > 1 {
		i.fault("userGroupIds", "InvalidParameterCombination: give one group")
	}
	stated := i.in.Has("transitEncryptionEnabled")
	off := !stated || i.in.Known("transitEncryptionEnabled") && !i.in.Bool("transitEncryptionEnabled")
	switch {
	case !stated && i.in.Str("engine") == "valkey":
		i.fault("transitEncryptionEnabled", "InvalidParameterCombination: state it: valkey wants to be told")
	case off && (i.in.Has("authToken") || i.in.Has("userGroupIds") || i.in.Has("transitEncryptionMode")):
		i.fault("transitEncryptionEnabled", "InvalidParameterCombination: set true: authToken, userGroupIds and transitEncryptionMode need it")
	}
	if i.in.Known("authToken") && (len(i.in.Str("authToken")) < 16 || len(i.in.Str("authToken")) > 128) {
		i.fault("authToken", "InvalidParameterValue: give 16 to 128 characters")
	}
	atRestOff := !i.in.Has("atRestEncryptionEnabled") && i.in.Str("engine") != "valkey" ||
		i.in.Known("atRestEncryptionEnabled") && !i.in.Bool("atRestEncryptionEnabled")
	if i.in.Has("kmsKeyId") && atRestOff {
		i.fault("atRestEncryptionEnabled", "InvalidParameterCombination: set true: kmsKeyId is given")
	}
}

func checkCacheLogs(i *inspection) {
	logs := i.each("logDeliveryConfigurations")
	seen := map[string]bool{}
	for _, l := range logs {
		l.given("destination", "destinationType", "logFormat", "logType")
		l.oneOf("destinationType", "cloudwatch-logs", "kinesis-firehose")
		l.oneOf("logFormat", "json", "text")
		l.oneOf("logType", "slow-log", "engine-log")
		if kind := l.in.Str("logType"); seen[kind] {
			l.fault("logType", "InvalidParameterCombination: deliver the %s once only", kind)
		}
		seen[l.in.Str("logType")] = true
	}
}

func createCache(ctx context.Context, c *Cloud, in Object) (string, Object, error) {
	id := strings.ToLower(in.Str("replicationGroupId"))
	out, err := c.makeCache(ctx, id, in)
	if err != nil {
		return "", nil, fmt.Errorf("create replication group %s: %w", id, err)
	}
	return id, out, nil
}

// makeCache leaves to the state what the emulator takes and never tells: the parameter and subnet groups, the security
// groups, windows and log deliveries.
func (c *Cloud) makeCache(ctx context.Context, id string, in Object) (Object, error) {
	input := &elasticache.CreateReplicationGroupInput{
		ReplicationGroupDescription: in.StrPtr("description"), Engine: aws.String(orElse(in.Str("engine"), "redis")),
		EngineVersion: in.StrPtr("engineVersion"), CacheNodeType: in.StrPtr("nodeType"), CacheParameterGroupName: in.StrPtr("parameterGroupName"),
		CacheSubnetGroupName: in.StrPtr("subnetGroupName"), SecurityGroupIds: in.Strings("securityGroupIds"), Port: in.Int32Ptr("port"),
		ClusterMode: types.ClusterMode(in.Str("clusterMode")), NumCacheClusters: in.Int32Ptr("numCacheClusters"),
		NumNodeGroups: in.Int32Ptr("numNodeGroups"), ReplicasPerNodeGroup: in.Int32Ptr("replicasPerNodeGroup"),
		AutomaticFailoverEnabled: in.BoolPtr("automaticFailoverEnabled"), MultiAZEnabled: in.BoolPtr("multiAzEnabled"),
		AtRestEncryptionEnabled: aws.Bool(in.BoolOr("atRestEncryptionEnabled", in.Str("engine") == "valkey")), KmsKeyId: in.StrPtr("kmsKeyId"),
		TransitEncryptionEnabled: in.BoolPtr("transitEncryptionEnabled"), TransitEncryptionMode: types.TransitEncryptionMode(in.Str("transitEncryptionMode")),
		AuthToken: in.StrPtr("authToken"), UserGroupIds: in.Strings("userGroupIds"), SnapshotRetentionLimit: in.Int32Ptr("snapshotRetentionLimit"),
		SnapshotWindow: in.StrPtr("snapshotWindow"), PreferredMaintenanceWindow: in.StrPtr("maintenanceWindow"),
		AutoMinorVersionUpgrade: aws.Bool(in.BoolOr("autoMinorVersionUpgrade", true)), NotificationTopicArn: in.StrPtr("notificationTopicArn"),
		LogDeliveryConfigurations: logDeliveries(in), Tags: tagList(in.Tags(), cacheTag),
	}
	// The emulator never forgets a deleted group, and refuses its id for ever. Ids that differ in case only are one group
	// to AWS, which stores them in lower case, and another to the emulator: a group that comes back takes the next
	// spelling. It is known by its lower-case id everywhere else.
	for n := range 1 << len(id) {
		input.ReplicationGroupId = aws.String(spelling(id, n))
		_, err := c.Cache.CreateReplicationGroup(ctx, input)
		if err == nil {
			return readCache(ctx, c, id, in)
		}
		if _, lives := readCache(ctx, c, id, in); lives == nil || !isCode(err, cacheTaken) {
			return nil, err
		}
	}
	return nil, refuse(cacheTaken, "the emulator must be restarted: every spelling of %s is used up", id)
}

// spelling is the n-th way to write id: a set bit of n makes the letter at its place a capital.
func spelling(id string, n int) string {
	out := []byte(id)
	for place := range out {
		if n&(1<<place) != 0 {
			out[place] = strings.ToUpper(id[place : place+1])[0]
		}
	}
	return string(out)
}

func logDeliveries(in Object) []types.LogDeliveryConfigurationRequest {
	var out []types.LogDeliveryConfigurationRequest
	for _, l := range in.Objects("logDeliveryConfigurations") {
		details := &types.DestinationDetails{CloudWatchLogsDetails: &types.CloudWatchLogsDestinationDetails{LogGroup: l.StrPtr("destination")}}
		if l.Str("destinationType") == string(types.DestinationTypeKinesisFirehose) {
			details = &types.DestinationDetails{KinesisFirehoseDetails: &types.KinesisFirehoseDestinationDetails{DeliveryStream: l.StrPtr("destination")}}
		}
		out = append(out, types.LogDeliveryConfigurationRequest{
			DestinationType: types.DestinationType(l.Str("destinationType")), DestinationDetails: details,
			LogFormat: types.LogFormat(l.Str("logFormat")), LogType: types.LogType(l.Str("logType")), Enabled: aws.Bool(true),
		})
	}
	return out
}

// liveCache is the group as it lives in the emulator, whatever its spelling, or ErrGone.
func (c *Cloud) liveCache(ctx context.Context, id string) (types.ReplicationGroup, error) {
	live, err := c.caches(ctx)
	if err != nil {
		return types.ReplicationGroup{}, err
	}
	n := slices.IndexFunc(live, func(g types.ReplicationGroup) bool { return strings.EqualFold(*g.ReplicationGroupId, id) })
	if n < 0 {
		return types.ReplicationGroup{}, ErrGone
	}
	return live[n], nil
}

func readCache(ctx context.Context, c *Cloud, id string, state Object) (Object, error) {
	g, err := c.liveCache(ctx, id)
	if err != nil {
		return nil, err
	}
	return cacheOutputs(c, id, g, state), nil
}

// cacheOutputs fills the endpoints as AWS and the real provider do: a clustered group has a configuration endpoint and
// neither of the others, any other has a primary and a reader endpoint and no configuration endpoint. The emulator has
// no reader endpoint, and one member where a group without shards has several: both are made up from the primary's
// address and the numbers asked for. What can change in place is believed to the state, since the emulator cannot follow.
func cacheOutputs(c *Cloud, id string, g types.ReplicationGroup, state Object) Object {
	port := cachePort
	if state.Has("port") {
		port = state.Int("port")
	}
	out := state.With(Object{
		"arn": c.ARN("elasticache", "replicationgroup:"+id), "replicationGroupId": id, "port": port,
		"clusterEnabled": aws.ToBool(g.ClusterEnabled), "clusterMode": orElse(state.Str("clusterMode"), string(types.ClusterModeDisabled)),
		"engine": orElse(state.Str("engine"), "redis"), "engineVersionActual": versionActual(state), "memberClusters": members(id, state),
		"atRestEncryptionEnabled": aws.ToBool(g.AtRestEncryptionEnabled), "transitEncryptionEnabled": state.Bool("transitEncryptionEnabled"),
		"automaticFailoverEnabled": state.Bool("automaticFailoverEnabled"), "multiAzEnabled": state.Bool("multiAzEnabled"),
		"numNodeGroups": max(1, state.Int("numNodeGroups")), "replicasPerNodeGroup": nodesPerShard(state) - 1,
		"numCacheClusters":             len(members(id, state)),
		"configurationEndpointAddress": "", "primaryEndpointAddress": "", "readerEndpointAddress": "",
	})
	if e := g.ConfigurationEndpoint; e != nil {
		out["configurationEndpointAddress"] = strings.ToLower(aws.ToString(e.Address))
		return out
	}
	primary := strings.ToLower(aws.ToString(g.NodeGroups[0].PrimaryEndpoint.Address))
	out["primaryEndpointAddress"] = primary
	out["readerEndpointAddress"] = "replica." + strings.TrimPrefix(primary, "master.")
	return out
}

// versionActual is the version that runs for a wanted one such as 7.1: ElastiCache adds a patch number.
func versionActual(in Object) string {
	version := orElse(in.Str("engineVersion"), "7.1")
	if strings.Count(version, ".") < 2 {
		version += ".0"
	}
	return version
}

// members are the ids of all nodes, in the order of ElastiCache.
func members(id string, in Object) []any {
	var out []any
	for shard := 1; shard <= max(1, in.Int("numNodeGroups")); shard++ {
		prefix := id
		if clustered(in) {
			prefix = fmt.Sprintf("%s-%04d", id, shard)
		}
		for node := 1; node <= nodesPerShard(in); node++ {
			out = append(out, prefix+"-"+fmt.Sprintf("%03d", node))
		}
	}
	return out
}

// updateCache keeps the change in the state, but for the tags: the emulator answers 500 to ModifyReplicationGroup and to
// every change of shards and replicas. What AWS would refuse is refused.
func updateCache(ctx context.Context, c *Cloud, id string, state, in Object) (Object, error) {
	if older(in.Str("engineVersion"), state.Str("engineVersion")) && in.Str("engine") == state.Str("engine") {
		return nil, refuse("InvalidParameterCombination", "update replication group %s: the engine cannot go back to %s; replace the group", id, in.Str("engineVersion"))
	}
	if clustered(state) != clustered(in) {
		return nil, refuse("InvalidParameterCombination", "update replication group %s: cluster mode cannot be switched from %s to %s; replace the group",
			id, state.Str("clusterMode"), in.Str("clusterMode"))
	}
	g, err := c.liveCache(ctx, id)
	if err != nil {
		return nil, err
	}
	err = changeTags("replication group "+id, state.Tags(), in.Tags(),
		func(set map[string]string) error {
			_, err := c.Cache.AddTagsToResource(ctx, &elasticache.AddTagsToResourceInput{ResourceName: g.ARN, Tags: tagList(set, cacheTag)})
			return err
		},
		func(remove []string) error {
			_, err := c.Cache.RemoveTagsFromResource(ctx, &elasticache.RemoveTagsFromResourceInput{ResourceName: g.ARN, TagKeys: remove})
			return err
		})
	if err != nil {
		return nil, err
	}
	return cacheOutputs(c, id, g, in), nil
}

// older tells whether version a is before b, part by part; an unset one is not.
func older(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for n := range min(len(left), len(right)) {
		x, errX := strconv.Atoi(left[n])
		y, errY := strconv.Atoi(right[n])
		if errX != nil || errY != nil {
			return false
		}
		if x != y {
			return x < y
		}
	}
	return false
}

func deleteCache(ctx context.Context, c *Cloud, id string, state Object) error {
	g, err := c.liveCache(ctx, id)
	if err != nil {
		return err
	}
	_, err = c.Cache.DeleteReplicationGroup(ctx, &elasticache.DeleteReplicationGroupInput{
		ReplicationGroupId: g.ReplicationGroupId, FinalSnapshotIdentifier: state.StrPtr("finalSnapshotIdentifier"),
	})
	return wrap(unless(err, cacheGone), "delete replication group %s", id)
}
