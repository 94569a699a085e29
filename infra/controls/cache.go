package controls

import "slices"

// cacheControls are about ElastiCache.
func cacheControls() []Control {
	return []Control{
		{"ElastiCache.1", []string{"CKV_AWS_134"}, FSBP, "The cache is backed up daily",
			every(cacheGroup, atLeast("snapshotRetentionLimit", 1))},
		{"ElastiCache.2", []string{"CKV_AWS_322"}, FSBP, "Minor versions are installed automatically",
			every(cacheGroup, is("autoMinorVersionUpgrade", true))},
		{"ElastiCache.3", []string{"CKV2_AWS_50"}, FSBP, "A replica takes over by itself when the primary fails",
			both(every(cacheGroup, is("automaticFailoverEnabled", true)), replicated)},
		{"ElastiCache.4", []string{"CKV_AWS_29"}, FSBP, "The cache is encrypted at rest",
			every(cacheGroup, is("atRestEncryptionEnabled", true))},
		{"ElastiCache.5", []string{"CKV_AWS_30"}, FSBP, "The cache takes encrypted connections alone",
			every(cacheGroup, is("transitEncryptionEnabled", true), is("transitEncryptionMode", "required"))},
		{"ElastiCache.7", []string{"CKV_AWS_323"}, FSBP, "The cache lies in a subnet group of ours, in private subnets", privateCache},
		{"AEC4", nil, CDKNag, "The nodes are spread over zones",
			every(cacheGroup, is("multiAzEnabled", true))},
		{"AEC5", nil, CDKNag, "The cache listens on a port other than the usual one",
			every(cacheGroup, given("port"), isNot("port", 6379.0))},
		{"AEC6", []string{"CKV_AWS_31"}, CDKNag, "The cache's clients sign in, as users with rights of their own",
			every(cacheGroup, given("userGroupIds"))},
		{"CKV_AWS_191", nil, Checkov, "The cache is encrypted with a key of ours",
			every(cacheGroup, ownKey("kmsKeyId"))},
		{"CACHE.1", nil, FastShop, "Nobody relies on ElastiCache's own notifications: it publishes to no encrypted topic, and marks one inactive without a word; alarms tell instead",
			both(every(cacheGroup, rule{"notificationTopicArn", plainTopic, "leave it unset, and watch the cache by alarms"}), cacheWatched)},
	}
}

// privateCache wants a subnet group of ours whose subnets have no way to the internet gateway.
func privateCache(in *inspection) {
	in.each(cacheGroup, func(r *Resource) {
		group := in.byID(cacheSubnets, r.Input("subnetGroupName"))
		in.want(group != nil, r, "subnetGroupName", "name a subnet group of the stack")
		if group == nil {
			return
		}
		in.look(group)
		for _, id := range group.List("subnetIds") {
			in.want(!in.public(id), group, "subnetIds", "use private subnets alone: one routes to the internet gateway")
		}
	})
}

// replicated wants one replica at least, in either shape of the cache: without it there is nothing to fail over to.
func replicated(in *inspection) {
	in.each(cacheGroup, func(r *Resource) {
		replicas, clustered := r.Input("replicasPerNodeGroup").(float64)
		nodes, _ := r.Input("numCacheClusters").(float64)
		in.want(clustered && replicas >= 1 || nodes >= 2, r, "replicasPerNodeGroup", "have one replica at least (a cache without shards: numCacheClusters of 2)")
	})
}

// plainTopic accepts no topic, or one without encryption.
func plainTopic(in *inspection, v any) bool {
	t := in.byID(topic, v)
	return empty(v) || t != nil && empty(t.Input("kmsMasterKeyId"))
}

// cacheWatched wants an alarm on a metric of ElastiCache.
func cacheWatched(in *inspection) {
	in.each(cacheGroup, func(g *Resource) {
		watched := slices.ContainsFunc(in.ofType(metricAlarm), func(a *Resource) bool { return a.Text("namespace") == "AWS/ElastiCache" })
		in.want(watched, g, "", "set an alarm on a metric of AWS/ElastiCache")
	})
}
