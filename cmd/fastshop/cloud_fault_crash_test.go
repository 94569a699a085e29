package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// cloudCrashPoints are all places where a process on other people's servers may end between two durable steps.
var cloudCrashPoints = []string{
	"pipeline.read", "pipeline.decided", "pipeline.committed",
	"store.commit.before", "store.commit.inserted", "store.commit.after",
	"sync.decided", "sync.committed",
}

const cloudRandomKills = 16

// TestCloudKills kills the process with SIGKILL at every named point, and many times at random.
func TestCloudKills(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := newCloudRig(t, cloudParts{table: true})
	shop := newCloudShop(t, seed)
	p := r.start("")
	shop.open(p)
	shop.more("verdicts", &shop.decided, 100) // until most customers have keys
	p.kill()
	shop.close()
	crashes := make([]string, cloudRandomKills)
	for _, point := range cloudCrashPoints {
		for _, nth := range []int{1, 4} {
			crashes = append(crashes, fmt.Sprint(point, ":", nth))
		}
	}
	random.Shuffle(len(crashes), func(i, j int) { crashes[i], crashes[j] = crashes[j], crashes[i] })
	for _, crash := range crashes {
		if p = r.start(crash); p.URL == "" {
			t.Fatalf("the server ended on its way up:\n%s", r.log(r.dir))
		}
		shop.open(p)
		if crash == "" {
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		} else {
			eventually(t, "the process dies at "+crash, p.dead)
		}
		p.kill()
		shop.close()
	}
	shop.reconcile(r, r.start(""))
}
