package main

import (
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
)

// TestCloudWindowFaults has Redis fail in every way. Decisions go on meanwhile and say that they were made without
// windows; nobody is refused.
func TestCloudWindowFaults(t *testing.T) {
	t.Parallel()
	server := testenv.StartRedis(t)
	way := testenv.Proxy(t, server.Addr())
	without := func(shop *cloudShop) { shop.more("verdicts without windows", &shop.degraded, 20) }
	for i, f := range []cloudFault{
		{"stopped and started empty", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			server.Stop(t)
			without(shop)
			server.Start(t)
		}},
		{"killed", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			server.Kill(t)
			server.Start(t)
			shop.more("verdicts without windows", &shop.degraded, 1)
		}},
		{"flushed", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			for range 3 {
				server.Flush(t)
				shop.more("verdicts without windows", &shop.degraded, 1)
				shop.more("verdicts", &shop.decided, 20)
			}
		}},
		{"frozen", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			server.Freeze(t)
			without(shop)
			server.Thaw(t)
		}},
		{"slow", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			way.Delay(200 * time.Millisecond)
			without(shop)
			way.Delay(0)
		}},
		{"connections cut", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			for range 30 {
				shop.more("verdicts", &shop.decided, 2)
				way.Cut()
			}
		}},
		{"out of reach", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			way.Blackhole(true)
			without(shop)
			way.Blackhole(false)
		}},
	} {
		f.run(t, cloudParts{redis: "redis://" + way.Addr()}, uint64(200+i))
	}
}

// TestCloudWindowClusterFaults fails over in a cluster of Redis.
func TestCloudWindowClusterFaults(t *testing.T) {
	t.Parallel()
	cluster := testenv.StartRedisCluster(t)
	for i, f := range []cloudFault{
		{"failed over in order", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			for shard := range 3 {
				cluster.Failover(t, shard)
				shop.more("verdicts", &shop.decided, 20)
			}
		}},
		{"master killed", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			cluster.KillMaster(t, 1)
			shop.more("verdicts without windows", &shop.degraded, 1)
			cluster.Start(t)
		}},
		{"flushed", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			cluster.Flush(t)
			shop.more("verdicts without windows", &shop.degraded, 1)
		}},
	} {
		f.run(t, cloudParts{redis: cluster.URL()}, uint64(300+i))
	}
}
