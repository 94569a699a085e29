package testenv_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/testenv"
)

// node asks one node of a cluster. Its errors are answers here: the node may send us elsewhere.
func node(t *testing.T, address string, args ...string) string {
	t.Helper()
	answer, err := testenv.Ask(address, args...)
	if err != nil {
		return err.Error()
	}
	return answer
}

// Keys whose slots are those of shard 0, 1 and 2.
var shardKeys = []string{"b", "c", "a"}

func TestRedisCluster(t *testing.T) {
	c := testenv.SharedRedisCluster(t)
	nodes := c.Nodes()
	if len(nodes) != 3 || c != testenv.SharedRedisCluster(t) {
		t.Fatalf("nodes %v, want three of one cluster", nodes)
	}
	if want := "redis://" + nodes[0] + "?shape=cluster"; c.URL() != want {
		t.Errorf("URL %s, want %s", c.URL(), want)
	}
	for i, address := range nodes {
		info := node(t, address, "CLUSTER", "INFO")
		for _, want := range []string{"cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3", "cluster_size:3"} {
			if !strings.Contains(info, want+"\r\n") {
				t.Errorf("node %d does not say %s but %s", i, want, info)
			}
		}
		if got := node(t, address, "SET", shardKeys[i], "v"); got != "OK" {
			t.Errorf("node %d does not take a key of its slots: %s", i, got)
		}
		if got := node(t, nodes[(i+1)%3], "GET", shardKeys[i]); !strings.Contains(got, "MOVED ") || !strings.HasSuffix(got, address) {
			t.Errorf("another node does not send us to node %d: %s", i, got)
		}
	}
	c.Flush(t)
	for i, address := range nodes {
		if got := node(t, address, "DBSIZE"); got != "0" {
			t.Errorf("node %d has %s keys after Flush", i, got)
		}
	}
}

func TestRedisClusterFailover(t *testing.T) {
	c := testenv.StartRedisCluster(t)
	nodes := c.Nodes()
	if len(nodes) != 6 {
		t.Fatalf("nodes %v, want six", nodes)
	}
	if got := node(t, nodes[1], "SET", shardKeys[1], "kept"); got != "OK" {
		t.Fatal(got)
	}
	c.Failover(t, 1)
	if got := node(t, nodes[4], "GET", shardKeys[1]); got != "kept" {
		t.Errorf("the replica that took over says %s", got)
	}
	if got := node(t, nodes[1], "INFO", "replication"); !strings.Contains(got, "role:slave") {
		t.Errorf("the former master is %s", got)
	}
	if got := node(t, nodes[0], "GET", shardKeys[1]); !strings.HasSuffix(got, nodes[4]) {
		t.Errorf("another node sends us to %s", got)
	}

	// Back by a death: shard 1's master is node 4 now.
	c.KillMaster(t, 1)
	if got := node(t, nodes[4], "PING"); got == "PONG" {
		t.Error("a killed node answers")
	}
	c.Start(t) // waits for the replica, which has the key
	if got := node(t, nodes[1], "GET", shardKeys[1]); got != "kept" {
		t.Errorf("the replica that took over says %s", got)
	}
	roles := make([]string, len(nodes))
	for i, address := range nodes {
		roles[i], _, _ = strings.Cut(strings.TrimPrefix(node(t, address, "INFO", "replication"), "# Replication\r\nrole:"), "\r\n")
	}
	if want := []string{"master", "master", "master", "slave", "slave", "slave"}; !slices.Equal(roles, want) {
		t.Errorf("roles %v, want %v", roles, want)
	}

	// Without its first node the cluster has another one's name, and Flush waits until it is whole.
	c.KillMaster(t, 0)
	if want := "redis://" + nodes[1] + "?shape=cluster"; c.URL() != want {
		t.Errorf("URL %s, want %s", c.URL(), want)
	}
	c.Flush(t)
	if got := node(t, nodes[3], "DBSIZE"); got != "0" {
		t.Errorf("the replica that took over has %s keys", got)
	}
}
