package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/simulate"
)

// The tests of this family run the program as a process on real servers, break one of them while a shop keeps sending on
// all paths, mend it, and then make the same check: see cloudShop.reconcile.

// cloudVerdict is a synchronous answer.
type cloudVerdict struct {
	Outcome  string   `json:"outcome"`
	Score    int      `json:"score"`
	Degraded []string `json:"degraded"`
}

// cloudShop sends a simulated shop's transactions in batches, one by one, and asking for verdicts. It repeats what was
// not acknowledged under the same id, and remembers everything that it was told.
type cloudShop struct {
	*checkout
	answers map[string]cloudVerdict // verdicts that were given; guarded by checkout.mu, as those below
	tried   map[string]bool         // what was sent at least once
	orders  [][]string              // for each sender, in order, what was acknowledged in batches at its first attempt
	buyers  map[string]string       // customers of those, by transaction

	taken    atomic.Int64 // acknowledgments without a verdict
	decided  atomic.Int64 // verdicts
	degraded atomic.Int64 // verdicts marked features_degraded
	unsealed atomic.Int64 // verdicts marked unsealed_dropped
	refused  atomic.Int64 // answers that say "later"

	target  atomic.Pointer[process]
	http    *http.Client
	working sync.WaitGroup
	stop    context.CancelFunc
}

// cloudSenders is how many tills a shop has.
const cloudSenders = 2

func newCloudShop(t *testing.T, seed uint64) *cloudShop {
	t.Helper()
	now := time.Now().UTC()
	world, err := simulate.New(simulate.Config{Seed: seed, Customers: 60, Start: now.AddDate(0, 0, -20), End: now, Count: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return &cloudShop{
		checkout: &checkout{t: t, world: world, acked: map[string]bool{}}, answers: map[string]cloudVerdict{}, tried: map[string]bool{},
		orders: make([][]string, cloudSenders), buyers: map[string]string{},
		http: &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
	}
}

// open begins to send to p, until close.
func (c *cloudShop) open(p *process) {
	ctx, stop := context.WithCancel(context.Background())
	c.target.Store(p)
	c.stop = stop
	for till := range cloudSenders {
		c.working.Go(func() {
			for ctx.Err() == nil {
				pause := 5 * time.Millisecond
				if !c.round(ctx, till, 24) {
					pause = 100 * time.Millisecond
				}
				time.Sleep(pause)
			}
		})
	}
}

// close ends what open began. What is under way is given up: its fate is unknown to the shop.
func (c *cloudShop) close() {
	c.stop()
	c.working.Wait()
}

// round sends n transactions from a till: half in a batch, the rest alone, every other one of those for a verdict. It
// reports whether all were acknowledged.
func (c *cloudShop) round(ctx context.Context, till, n int) bool {
	items := c.take(n)
	half := len(items) / 2
	var all sync.WaitGroup
	all.Go(func() { c.sendBatch(ctx, till, items[:half]) })
	for i, item := range items[half:] {
		all.Go(func() {
			if i%2 == 0 {
				c.ask(ctx, item)
			} else {
				c.hand(ctx, item)
			}
		})
	}
	all.Wait()
	return c.missed(items) == 0
}

// missed is that of checkout, and tells how many were not acknowledged.
func (c *cloudShop) missed(items []simulate.Item) int {
	c.checkout.missed(items)
	c.first(items)
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

func (c *cloudShop) sendBatch(ctx context.Context, till int, items []simulate.Item) {
	if len(items) == 0 {
		return // which the server would call malformed
	}
	var body bytes.Buffer
	for _, i := range items {
		body.Write(i.Submission)
		body.WriteByte('\n')
	}
	first := c.first(items)
	p := c.target.Load()
	err := load.NewClient(p.URL, p.Key, 1).Batch(ctx, body.Bytes(), func(l load.Line) {
		if l.Acknowledged() {
			c.ack(l.TransactionID)
			c.taken.Add(1)
		}
	})
	var status *load.StatusError
	if errors.As(err, &status) {
		c.refusal(status.Status)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if first && !slices.ContainsFunc(items, func(i simulate.Item) bool { return !c.acked[i.ID] }) {
		for _, i := range items {
			c.orders[till] = append(c.orders[till], i.ID)
			c.buyers[i.ID] = c.buyer(i)
		}
	}
}

// buyer is the shop's own id of an item's customer.
func (c *cloudShop) buyer(i simulate.Item) string {
	var s struct {
		Customer struct{ ID string }
	}
	if err := json.Unmarshal(i.Submission, &s); err != nil || s.Customer.ID == "" {
		c.t.Errorf("%s has no customer: %v", i.ID, err)
	}
	return s.Customer.ID
}

// pairs is how many transactions came from a till after another one of the same customer.
func (c *cloudShop) pairs() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, order := range c.orders {
		seen := map[string]bool{}
		for _, id := range order {
			if seen[c.buyers[id]] {
				n++
			}
			seen[c.buyers[id]] = true
		}
	}
	return n
}

// first tells whether none of the items was sent before, and notes that they are now.
func (c *cloudShop) first(items []simulate.Item) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := true
	for _, i := range items {
		first = first && !c.tried[i.ID]
		c.tried[i.ID] = true
	}
	return first
}

// hand gives a transaction in without waiting for a verdict.
func (c *cloudShop) hand(ctx context.Context, item simulate.Item) {
	if c.post(ctx, "/v1/transactions", item.Submission, http.StatusAccepted, nil) {
		c.ack(item.ID)
		c.taken.Add(1)
	}
}

// ask asks for a verdict.
func (c *cloudShop) ask(ctx context.Context, item simulate.Item) (v cloudVerdict, ok bool) {
	if !c.post(ctx, "/v1/decisions", item.Submission, http.StatusOK, &v) {
		return v, false
	}
	c.ack(item.ID)
	c.mu.Lock()
	c.answers[item.ID] = v
	c.mu.Unlock()
	c.decided.Add(1)
	if slices.Contains(v.Degraded, "features_degraded") {
		c.degraded.Add(1)
	}
	if slices.Contains(v.Degraded, "unsealed_dropped") {
		c.unsealed.Add(1)
	}
	return v, true
}

// post reports whether the answer has the wanted status. No answer at all, and one that says "later", are for a repeat;
// any other is a failure of the test.
func (c *cloudShop) post(ctx context.Context, path string, body []byte, want int, into any) bool {
	p := c.target.Load()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+path, bytes.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", p.Key)
	answer, err := c.http.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return false
	}
	if answer.StatusCode != want {
		c.refusal(answer.StatusCode)
		return false
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			c.t.Errorf("an answer of %s: %v", path, err)
			return false
		}
	}
	return true
}

func (c *cloudShop) refusal(status int) {
	if e := (&load.StatusError{Status: status}); !e.Temporary() {
		c.t.Errorf("the server answers %d, which tells the shop not to come again", status)
	}
	c.refused.Add(1)
}

// more waits until a counter has grown by n while the shop sends.
func (c *cloudShop) more(what string, counter *atomic.Int64, n int64) {
	c.t.Helper()
	until := counter.Load() + n
	eventually(c.t, fmt.Sprintf("%d more %s", n, what), func() bool { return counter.Load() >= until })
}
