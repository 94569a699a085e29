package main

import (
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
)

// cloudFault breaks something while a shop sends, and mends it. What must hold meanwhile it checks itself.
type cloudFault struct {
	name string
	with func(t *testing.T, r *cloudRig, shop *cloudShop)
}

// run makes one test of each fault: the program is started on a rig of its own, runs for a moment, suffers, and is then
// checked.
func (f cloudFault) run(t *testing.T, parts cloudParts, seed uint64) {
	t.Run(f.name, func(t *testing.T) {
		r := newCloudRig(t, parts)
		shop := newCloudShop(t, seed)
		p := r.start("")
		shop.open(p)
		shop.more("verdicts", &shop.decided, 20)
		f.with(t, r, shop)
		shop.more("verdicts", &shop.decided, 20)
		shop.close()
		if p.dead() {
			t.Fatalf("the server has ended:\n%s", r.log(r.dir))
		}
		shop.reconcile(r, p)
	})
}

// TestCloudStoreFaults has PostgreSQL fail in every way. Nobody gets a verdict meanwhile, but what needs none is taken in.
func TestCloudStoreFaults(t *testing.T) {
	t.Parallel()
	server := testenv.StartPostgres(t)
	way := testenv.Proxy(t, server.Addr())
	away := func(shop *cloudShop) {
		shop.more("acknowledgments while the store is away", &shop.taken, 30)
		shop.more("refusals while the store is away", &shop.refused, 3)
	}
	for i, f := range []cloudFault{
		{"stopped", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			server.Stop(t)
			away(shop)
			server.Start(t)
		}},
		{"killed", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			for range 2 {
				shop.more("verdicts", &shop.decided, 10)
				server.Kill(t)
				server.Start(t)
			}
		}},
		{"frozen", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			server.Freeze(t)
			defer server.Thaw(t)
			shop.more("refusals", &shop.refused, 1)
		}},
		{"read-only", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			server.ReadOnly(t, true)
			away(shop)
			server.ReadOnly(t, false)
		}},
		{"connections cut", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			for range 20 {
				shop.more("verdicts", &shop.decided, 2)
				server.Cut(t)
			}
		}},
		{"answers lost", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			way.Delay(3 * time.Millisecond) // so that some commits are under way when the network breaks
			for range 40 {
				shop.more("verdicts", &shop.decided, 2)
				way.Cut()
			}
			way.Delay(0)
		}},
		{"out of reach", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			way.Blackhole(true)
			shop.more("refusals", &shop.refused, 1)
			way.Blackhole(false)
		}},
	} {
		f.run(t, cloudParts{postgres: server, way: way}, uint64(100+i))
	}
}

// windowsFound is what the program says when it finds its windows whole again.
const windowsFound = `msg="what redis holds" lost=false`

// TestCloudDoubleFaults has Redis lose everything while PostgreSQL is away, so that what was counted before the loss is
// committed after the windows are healed.
func TestCloudDoubleFaults(t *testing.T) {
	t.Parallel()
	store, cache := testenv.StartPostgres(t), testenv.StartRedis(t)
	for i, f := range []cloudFault{
		{"flushed while nothing can be stored", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			store.ReadOnly(t, true) // what was decided waits to be committed
			shop.more("acknowledgments", &shop.taken, 60)
			shop.more("refusals", &shop.refused, 10)
			healed := strings.Count(r.log(r.dir), windowsFound)
			cache.Flush(t)
			eventually(t, "windows are healed from what is stored", func() bool { return strings.Count(r.log(r.dir), windowsFound) > healed })
			store.ReadOnly(t, false)
		}},
		{"flushed while the store is frozen", func(t *testing.T, r *cloudRig, shop *cloudShop) {
			store.Freeze(t)
			cache.Flush(t)
			shop.more("refusals while the store is away", &shop.refused, 1)
			store.Thaw(t)
		}},
	} {
		f.run(t, cloudParts{postgres: store, redis: cache.URL()}, uint64(800+i))
	}
}
