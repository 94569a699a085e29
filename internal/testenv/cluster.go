package testenv

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	masters = 3
	slots   = 16384
	// nodeTimeout is after how many milliseconds without a sign of life the nodes hold one of them dead.
	nodeTimeout = "1000"
)

// RedisCluster is a Redis cluster of three masters, each with a third of the slots, and perhaps a replica each. Node i and
// its replica, node i+3, are shard i, whoever of them is the master. Faults are for one goroutine at a time.
type RedisCluster struct {
	nodes []*Redis
}

// sharedCluster is for all tests of this process.
var sharedCluster = sync.OnceValues(func() (*RedisCluster, error) { return startCluster(masters) })

// SharedRedisCluster is one cluster of three masters for all tests of the process, started at first use. It has nothing to
// fail over to: use StartRedisCluster for faults.
func SharedRedisCluster(t T) *RedisCluster {
	t.Helper()
	c, err := sharedCluster()
	must(t, err)
	return c
}

// StartRedisCluster runs a cluster of three masters and three replicas for this test alone, which may make it fail.
func StartRedisCluster(t T) *RedisCluster {
	t.Helper()
	c, err := startCluster(2 * masters)
	must(t, err)
	t.Cleanup(func() { c.remove(t) })
	return c
}

func startCluster(size int) (*RedisCluster, error) {
	c := &RedisCluster{}
	err := c.start(size)
	if err != nil {
		for _, node := range c.nodes {
			if node.process != nil {
				node.process.kill()
			}
		}
		return nil, fmt.Errorf("start a Redis cluster: %w", err)
	}
	return c, nil
}

func (c *RedisCluster) start(size int) error {
	for range size {
		node := &Redis{}
		if err := node.prepare(); err != nil {
			return err
		}
		err := settle(func(port int) error {
			bus, err := freePort()
			if err != nil {
				return err
			}
			node.port = port
			node.args = []string{
				"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", nodeTimeout,
				"--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0",
			}
			return node.launch()
		})
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, node)
	}
	return c.join()
}

// join makes a cluster of nodes that do not know one another.
func (c *RedisCluster) join() error {
	for i, node := range c.nodes {
		if _, err := ask(node.Addr(), askLimit, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1)); err != nil {
			return err
		}
		if i < masters {
			first, next := i*slots/masters, (i+1)*slots/masters
			if _, err := ask(node.Addr(), askLimit, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(next-1)); err != nil {
				return err
			}
		}
		// Everybody tells all that he knows: who knows the first one will know them all.
		port, bus := strconv.Itoa(c.nodes[0].port), c.nodes[0].args[3]
		if _, err := ask(node.Addr(), askLimit, "CLUSTER", "MEET", "127.0.0.1", port, bus); i > 0 && err != nil {
			return err
		}
	}
	if err := c.await("know one another", func(n *Redis) bool { return clusterSays(n, "cluster_known_nodes", strconv.Itoa(len(c.nodes))) }); err != nil {
		return err
	}
	for i, node := range c.nodes[masters:] {
		id, err := ask(c.nodes[i].Addr(), askLimit, "CLUSTER", "MYID")
		if err != nil {
			return err
		}
		if _, err := ask(node.Addr(), askLimit, "CLUSTER", "REPLICATE", id); err != nil {
			return err
		}
	}
	return c.settled()
}

// settled waits until each node that runs finds all slots served, and each replica follows its master.
func (c *RedisCluster) settled() error {
	return c.await("agree", func(n *Redis) bool {
		if !clusterSays(n, "cluster_state", "ok") {
			return false
		}
		replication, err := ask(n.Addr(), askLimit, "INFO", "replication")
		return err == nil && (strings.Contains(replication, "\r\nrole:master") || strings.Contains(replication, "\r\nmaster_link_status:up"))
	})
}

// await polls until all nodes that run fulfill something.
func (c *RedisCluster) await(what string, ready func(*Redis) bool) error {
	for deadline := time.Now().Add(startLimit); ; time.Sleep(pollEvery) {
		waiting := slices.IndexFunc(c.nodes, func(n *Redis) bool { return n.process.running() && !ready(n) })
		if waiting < 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the nodes of a Redis cluster did not %s within %v\n%s", what, startLimit, c.nodes[waiting].process.tail())
		}
	}
}

// clusterSays tells whether a line of a node's CLUSTER INFO has the value.
func clusterSays(n *Redis, name, value string) bool {
	info, err := ask(n.Addr(), askLimit, "CLUSTER", "INFO")
	return err == nil && strings.Contains("\n"+info, "\n"+name+":"+value+"\r\n")
}

func (c *RedisCluster) remove(t T) {
	t.Helper()
	for _, node := range c.nodes {
		node.remove(t)
	}
}

// URL names the cluster by one node that runs: redis://127.0.0.1:port?shape=cluster.
func (c *RedisCluster) URL() string {
	known := max(0, slices.IndexFunc(c.nodes, func(n *Redis) bool { return n.process.running() }))
	return c.nodes[known].URL() + "?shape=cluster"
}

// Nodes are the addresses, host:port, of the three masters as started, then of their replicas.
func (c *RedisCluster) Nodes() []string {
	addresses := make([]string, len(c.nodes))
	for i, node := range c.nodes {
		addresses[i] = node.Addr()
	}
	return addresses
}

// Flush removes all keys of all shards.
func (c *RedisCluster) Flush(t T) {
	t.Helper()
	for i := range masters {
		c.master(t, i).Flush(t)
	}
}

// Failover has shard i's replica take over in order, without loss, and returns when all nodes know.
func (c *RedisCluster) Failover(t T, i int) {
	t.Helper()
	before := c.master(t, i)
	if len(c.nodes) == masters {
		t.Fatalf("fail over: the cluster has no replicas")
	}
	replica := c.nodes[i]
	if replica == before {
		replica = c.nodes[i+masters]
	}
	replica.Do(t, "CLUSTER", "FAILOVER")
	id := replica.Do(t, "CLUSTER", "MYID")
	must(t, c.await("see the failover", func(n *Redis) bool {
		known, err := ask(n.Addr(), askLimit, "CLUSTER", "NODES")
		return err == nil && slices.ContainsFunc(strings.Split(known, "\n"), func(line string) bool {
			return strings.HasPrefix(line, id) && strings.Contains(line, "master") && strings.Contains(line, "-")
		})
	}))
	must(t, c.settled())
}

// KillMaster ends shard i's master with SIGKILL and returns at once: what the replica has not got is lost, and until it
// takes over, after a second or two, the shard does not answer.
func (c *RedisCluster) KillMaster(t T, i int) {
	t.Helper()
	c.master(t, i).Kill(t)
}

// Start runs the nodes again that were killed, empty, and returns when all agree. It waits for replicas to take over first:
// a master that comes back earlier has them as empty as itself.
func (c *RedisCluster) Start(t T) {
	t.Helper()
	for i := range masters {
		if c.lives(i) {
			c.master(t, i)
		}
	}
	for _, node := range c.nodes {
		if !node.process.running() {
			node.Start(t)
		}
	}
	must(t, c.settled())
}

// lives tells whether any node of shard i runs.
func (c *RedisCluster) lives(i int) bool {
	for n := i; n < len(c.nodes); n += masters {
		if c.nodes[n].process.running() {
			return true
		}
	}
	return false
}

// master is the node that serves shard i. After a death it waits for the replica to take over.
func (c *RedisCluster) master(t T, i int) *Redis {
	t.Helper()
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(pollEvery) {
		for n := i; n < len(c.nodes); n += masters {
			if !c.nodes[n].process.running() {
				continue
			}
			if answer, err := ask(c.nodes[n].Addr(), askLimit, "INFO", "replication"); err == nil && strings.Contains(answer, "\r\nrole:master") {
				return c.nodes[n]
			}
		}
	}
	t.Fatalf("shard %d of the Redis cluster has no master", i)
	return nil
}
