package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
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
	answers map[string]cloudVerdict // verdicts that were given; guarded by checkout.mu

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

func newCloudShop(t *testing.T, seed uint64) *cloudShop {
	t.Helper()
	now := time.Now().UTC()
	world, err := simulate.New(simulate.Config{Seed: seed, Customers: 60, Start: now.AddDate(0, 0, -20), End: now, Count: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	return &cloudShop{
		checkout: &checkout{t: t, world: world, acked: map[string]bool{}}, answers: map[string]cloudVerdict{},
		http: &http.Client{Timeout: 40 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
	}
}

// open begins to send to p, until close.
func (c *cloudShop) open(p *process) {
	ctx, stop := context.WithCancel(context.Background())
	c.target.Store(p)
	c.stop = stop
	for range 2 {
		c.working.Go(func() {
			for ctx.Err() == nil {
				pause := 5 * time.Millisecond
				if !c.round(ctx, 24) {
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

// round sends n transactions: half in a batch, the rest alone, every other one of those for a verdict. It reports whether
// all were acknowledged.
func (c *cloudShop) round(ctx context.Context, n int) bool {
	items := c.take(n)
	half := len(items) / 2
	var all sync.WaitGroup
	all.Go(func() { c.sendBatch(ctx, items[:half]) })
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
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending)
}

func (c *cloudShop) sendBatch(ctx context.Context, items []simulate.Item) {
	var body bytes.Buffer
	for _, i := range items {
		body.Write(i.Submission)
		body.WriteByte('\n')
	}
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

// reconcile mends nothing and checks everything, when the servers are whole again and p is running on them: p becomes
// ready; what was sent is acknowledged, and then stored exactly once, with the verdict that was given; nothing is put
// aside; the windows become whole and equal a recount, and verify finds all in order. It ends p.
func (c *cloudShop) reconcile(r *cloudRig, p *process) map[string]ledger.Stored {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if err := p.client().WaitReady(ctx); err != nil {
		c.t.Fatalf("the server does not become ready again: %v", err)
	}
	c.target.Store(p)
	eventually(c.t, "everything is acknowledged", func() bool {
		c.mu.Lock()
		waiting := len(c.pending)
		c.mu.Unlock()
		if waiting > 0 {
			c.round(ctx, waiting)
		}
		return waiting == 0
	})
	s := r.open()
	defer s.Close()
	eventually(c.t, "everything acknowledged is stored", func() bool {
		known, err := s.Known(ctx, slices.Collect(maps.Keys(c.acked)))
		return err == nil && len(known) == len(c.acked)
	})
	eventually(c.t, "windows are whole again", func() bool {
		waiting, _, err := s.Uncounted(ctx, 1)
		if err != nil || len(waiting) > 0 {
			return false
		}
		items := c.take(1)
		v, ok := c.ask(ctx, items[0])
		c.missed(items)
		return ok && len(v.Degraded) == 0
	})
	rows := c.compare(r)
	p.stop()
	r.verify()
	c.t.Logf("%d acknowledged, %d of them after a repeat; %d verdicts, %d of them without windows; %d refusals",
		len(c.acked), c.repeats.Load(), len(c.answers), c.degraded.Load(), c.refused.Load())
	return rows
}

// compare checks that the stored rows are what was acknowledged, once each and with the verdicts that were given.
func (c *cloudShop) compare(r *cloudRig) map[string]ledger.Stored {
	c.t.Helper()
	s := r.open()
	defer s.Close()
	rows := map[string]ledger.Stored{}
	err := s.Rows(c.t.Context(), func(row ledger.Stored) error {
		if _, twice := rows[row.Transaction.ID]; twice {
			c.t.Errorf("%s is stored twice", row.Transaction.ID)
		}
		if !c.acked[row.Transaction.ID] {
			c.t.Errorf("%s is stored and was never acknowledged", row.Transaction.ID)
		}
		rows[row.Transaction.ID] = row
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	for id := range c.acked {
		if _, ok := rows[id]; !ok {
			c.t.Errorf("%s was acknowledged and is not stored", id)
		}
	}
	for id, v := range c.answers {
		d := rows[id].Decision
		if d.Outcome.String() != v.Outcome || d.Score != v.Score || !slices.Equal(d.Degraded.Names(), v.Degraded) {
			c.t.Errorf("%s was answered %+v; stored is %s, %d, %v", id, v, d.Outcome, d.Score, d.Degraded.Names())
		}
	}
	letters, err := s.DeadLetters(c.t.Context(), 0, -1)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, l := range letters {
		c.t.Errorf("a record was put aside: %s (%s)", l.Reason, l.Detail)
	}
	paths := map[decision.Path]int{}
	for _, row := range rows {
		paths[row.Decision.Path]++
	}
	if paths[decision.Sync] == 0 || paths[decision.Async] == 0 {
		c.t.Errorf("the rows came by %v: the test needs both paths", paths)
	}
	return rows
}
