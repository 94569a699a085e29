package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/simulate"
	"github.com/fastshop/pipeline/internal/sqlitestore"
)

// crashPoints are all places where a process may end between two durable steps.
var crashPoints = []string{
	"stream.append.before_commit", "stream.append.after_commit",
	"pipeline.read", "pipeline.decided", "pipeline.committed",
	"store.commit.before", "store.commit.inserted", "store.commit.after",
	"sync.decided", "sync.committed",
}

const randomKills = 50

// TestNothingIsLostAndNothingTwice kills a server under load with SIGKILL, at every named point and many times at
// random. The client behaves as a shop does: it repeats what was not acknowledged. In the end every transaction that
// was acknowledged is stored, once, nothing else is, and verify finds the state whole.
func TestNothingIsLostAndNothingTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shop := newCheckout(t, 7)
	random := rand.New(rand.NewPCG(1, 2))
	var crashes []string
	for _, point := range crashPoints {
		for _, nth := range []int{1, 2, 5} {
			crashes = append(crashes, fmt.Sprint(point, ":", nth))
		}
	}
	for range randomKills {
		crashes = append(crashes, "")
	}
	random.Shuffle(len(crashes), func(i, j int) { crashes[i], crashes[j] = crashes[j], crashes[i] })
	selfMade := 0
	for _, crash := range crashes {
		p := start(t, dir, crash)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for client := p.client(); ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
				shop.send(ctx, client) // returns when something is refused: the server is gone, or busy
			}
		}()
		if crash == "" {
			time.Sleep(time.Duration(random.IntN(80)) * time.Millisecond)
		} else {
			waitFor(t, time.Minute, p.dead)
			selfMade++
		}
		p.kill()
		cancel()
		<-done
	}
	p := start(t, dir, "")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shop.settle(ctx, p.client())
	p.stop()
	t.Logf("%d kills, %d of them at named points; %d transactions acknowledged, %d of them after a repeat",
		len(crashes), selfMade, len(shop.acked), shop.repeats.Load())
	compareStored(t, dir, shop.acked)
	verify(t, dir)
}

func waitFor(t *testing.T, limit time.Duration, ready func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ready(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited too long: the point was never passed")
		}
	}
}

// compareStored checks that the stored ids are exactly the acknowledged ones.
func compareStored(t *testing.T, dir string, acked map[string]bool) {
	t.Helper()
	store, err := sqlitestore.Open(context.Background(), filepath.Join(dir, "data", storeFile), sqlitestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	seen := map[string]int{}
	err = store.Rows(context.Background(), func(s ledger.Stored) error {
		seen[s.Transaction.ID]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range acked {
		if seen[id] == 0 {
			t.Errorf("%s was acknowledged and is not stored", id)
		}
	}
	for id, n := range seen {
		if n != 1 || !acked[id] {
			t.Errorf("%s is stored %d times, acknowledged: %v", id, n, acked[id])
		}
	}
}

// checkout sends a simulated shop's transactions on both paths and remembers what was acknowledged.
type checkout struct {
	t       *testing.T
	world   *simulate.Shop
	repeats atomic.Int64

	mu      sync.Mutex
	acked   map[string]bool
	pending []simulate.Item // sent, but not acknowledged
}

func newCheckout(t *testing.T, seed uint64) *checkout {
	t.Helper()
	now := time.Now().UTC()
	world, err := simulate.New(simulate.Config{Seed: seed, Customers: 300, Start: now.AddDate(0, 0, -20), End: now, Count: 200_000})
	if err != nil {
		t.Fatal(err)
	}
	return &checkout{t: t, world: world, acked: map[string]bool{}}
}

// take returns what to send next: what is pending first, then up to n new transactions.
func (c *checkout) take(n int) []simulate.Item {
	c.mu.Lock()
	defer c.mu.Unlock()
	items := c.pending
	c.repeats.Add(int64(len(items)))
	c.pending = nil
	for len(items) < n {
		item, ok := c.world.Next()
		if !ok {
			break
		}
		if item.Label == nil {
			items = append(items, item)
		}
	}
	return items
}

func (c *checkout) ack(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked[id] = true
}

func (c *checkout) missed(items []simulate.Item) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range items {
		if !c.acked[i.ID] {
			c.pending = append(c.pending, i)
		}
	}
}

// send sends until ctx ends or the server is gone: batches, and verdicts beside them.
func (c *checkout) send(ctx context.Context, client *load.Client) {
	for ctx.Err() == nil {
		items := c.take(40)
		half := len(items) / 2
		var both sync.WaitGroup
		var gone atomic.Bool
		both.Go(func() {
			if !c.batch(ctx, client, items[:half]) {
				gone.Store(true)
			}
		})
		for _, i := range items[half:] {
			both.Go(func() {
				if _, err := client.Decide(ctx, i.Submission); err != nil {
					gone.Store(true)
					return
				}
				c.ack(i.ID)
			})
		}
		both.Wait()
		c.missed(items)
		if gone.Load() {
			return
		}
	}
}

func (c *checkout) batch(ctx context.Context, client *load.Client, items []simulate.Item) bool {
	var body bytes.Buffer
	for _, i := range items {
		body.Write(i.Submission)
		body.WriteByte('\n')
	}
	err := client.Batch(ctx, body.Bytes(), func(l load.Line) {
		if l.Acknowledged() {
			c.ack(l.TransactionID)
		}
	})
	return err == nil
}

// settle sends what is pending until all of it is acknowledged.
func (c *checkout) settle(ctx context.Context, client *load.Client) {
	c.t.Helper()
	for {
		c.mu.Lock()
		items := c.pending
		c.pending = nil
		c.mu.Unlock()
		if len(items) == 0 {
			return
		}
		for _, i := range items {
			if _, err := client.Decide(ctx, i.Submission); err == nil {
				c.ack(i.ID)
			} else if ctx.Err() != nil {
				c.t.Fatalf("the shop cannot settle: %v", err)
			}
		}
		c.missed(items)
	}
}
