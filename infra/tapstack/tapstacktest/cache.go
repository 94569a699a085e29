package tapstacktest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func cacheKinds() map[string]kind {
	return map[string]kind{
		"aws:elasticache/subnetGroup:SubnetGroup":           {naming: "name", answer: named("elasticache", "subnetgroup:", nil)},
		"aws:elasticache/parameterGroup:ParameterGroup":     {naming: "name", answer: named("elasticache", "parametergroup:", nil)},
		"aws:elasticache/user:User":                         {naming: "userId", answer: named("elasticache", "user:", nil)},
		"aws:elasticache/userGroup:UserGroup":               {naming: "userGroupId", check: checkUsers, answer: named("elasticache", "usergroup:", nil)},
		"aws:elasticache/replicationGroup:ReplicationGroup": {naming: "replicationGroupId", check: checkCache, answer: named("elasticache", "replicationgroup:", answerCache)},
	}
}

// answerCache has the endpoints of one shape only. A cluster-mode-enabled group has a configuration endpoint; any other has
// a primary and a reader endpoint. AWS never fills both.
func answerCache(m *making) map[string]any {
	port, given := m.Input("port").(float64)
	if !given {
		port = 6379
	}
	enabled := clustered(m)
	computed := map[string]any{"clusterEnabled": enabled, "port": port, "engineVersionActual": m.Text("engineVersion") + ".0", "memberClusters": members(m, enabled)}
	zone := m.physical + "." + m.hash("host", 6) + ".use1.cache.amazonaws.com"
	switch {
	case m.cloud.run.emptyEndpoints:
	case enabled:
		computed["configurationEndpointAddress"] = "clustercfg." + zone
	default:
		computed["primaryEndpointAddress"] = "master." + zone
		computed["readerEndpointAddress"] = "replica." + zone
	}
	return computed
}

// clustered tells the shape: as stated, or as the parameter group and the node groups imply.
func clustered(m *making) bool {
	switch m.Text("clusterMode") {
	case "enabled":
		return true
	case "disabled", "compatible":
		return false
	}
	return m.Input("numNodeGroups") != nil || strings.HasSuffix(m.Text("parameterGroupName"), ".cluster.on")
}

// members are the nodes: group, shard, node for a clustered group, group and node for any other.
func members(m *making, clustered bool) []any {
	number := func(input string, fallback int) int {
		if n, given := m.Input(input).(float64); given {
			return int(n)
		}
		return fallback
	}
	names := []any{}
	if !clustered {
		for node := range number("numCacheClusters", 1) {
			names = append(names, fmt.Sprintf("%s-%03d", m.physical, node+1))
		}
		return names
	}
	for shard := range number("numNodeGroups", 1) {
		for node := range number("replicasPerNodeGroup", 0) + 1 {
			names = append(names, fmt.Sprintf("%s-%04d-%03d", m.physical, shard+1, node+1))
		}
	}
	return names
}

// checkCache refuses combinations that ElastiCache or its provider refuses.
func checkCache(m *making) error {
	_, nodes := m.Inputs["numCacheClusters"]
	_, groups := m.Inputs["numNodeGroups"]
	_, token := m.Inputs["authToken"]
	switch {
	case nodes && groups:
		return errors.New("numNodeGroups conflicts with numCacheClusters")
	case token && len(m.List("userGroupIds")) > 0:
		return errors.New("authToken conflicts with userGroupIds")
	case m.Input("multiAzEnabled") == true && m.Input("automaticFailoverEnabled") != true:
		return errors.New("multiAzEnabled needs automaticFailoverEnabled")
	case clustered(m) && m.Input("automaticFailoverEnabled") != true:
		return errors.New("a cluster-mode-enabled group needs automaticFailoverEnabled")
	case m.Text("clusterMode") == "enabled" && !clusterParameter(m):
		return fmt.Errorf("parameter group %q must set cluster-enabled to yes", m.Text("parameterGroupName"))
	}
	return nil
}

// clusterParameter looks at the group's own parameter group; AWS's default ones tell by their names.
func clusterParameter(m *making) bool {
	name := m.Text("parameterGroupName")
	own := m.cloud.find("aws:elasticache/parameterGroup:ParameterGroup", name)
	if own == nil {
		return name == "" || strings.HasSuffix(name, ".cluster.on")
	}
	for _, p := range own.List("parameters") {
		if at(p, "name") == "cluster-enabled" && at(p, "value") == "yes" {
			return true
		}
	}
	return false
}

// checkUsers refuses a Redis user group without a user named default (DefaultUserRequired), and a Valkey one with a user
// who needs no password (InvalidParameterCombination). A preview knows ids that AWS gives only later: it is let pass.
func checkUsers(m *making) error {
	if m.cloud.run.preview {
		return nil
	}
	var names []string
	for _, id := range m.List("userIds") {
		text, _ := id.(string)
		user := m.cloud.find("aws:elasticache/user:User", text)
		if user == nil {
			continue
		}
		if m.Text("engine") == "valkey" && !authenticated(user) {
			return fmt.Errorf("InvalidParameterCombination: a valkey user group takes only users with a password or IAM authentication: %s", text)
		}
		names = append(names, user.Text("userName"))
	}
	if m.Text("engine") == "redis" && !slices.Contains(names, "default") {
		return errors.New("DefaultUserRequired: a redis user group must contain a user named default")
	}
	return nil
}

// authenticated tells whether a user must prove who it is.
func authenticated(user *Resource) bool {
	mode := user.Text("authenticationMode.type")
	return user.Input("noPasswordRequired") != true && (mode == "iam" || mode == "password" || len(user.List("passwords")) > 0)
}
