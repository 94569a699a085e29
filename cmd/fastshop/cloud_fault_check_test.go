package main

import (
	"context"
	"maps"
	"slices"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
)

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
	eventually(c.t, "there is something to tell an order by", func() bool {
		enough := c.pairs() >= orderedPairs
		if !enough { // a slow machine has not sent much
			c.round(ctx, 0, 24)
		}
		return enough
	})
	eventually(c.t, "everything is acknowledged", func() bool {
		c.mu.Lock()
		waiting := len(c.pending)
		c.mu.Unlock()
		if waiting > 0 {
			c.round(ctx, 0, waiting)
		}
		return waiting == 0
	})
	s := r.open()
	defer s.Close()
	c.awaitStored(ctx, s)
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

// awaitStored waits until everything acknowledged is stored. The shop must be closed.
func (c *cloudShop) awaitStored(ctx context.Context, s *pgstore.Store) {
	c.t.Helper()
	eventually(c.t, "everything acknowledged is stored", func() bool {
		known, err := s.Known(ctx, slices.Collect(maps.Keys(c.acked)))
		return err == nil && len(known) == len(c.acked)
	})
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
	c.compareOrder(rows)
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

// orderedPairs is how many pairs of transactions are enough to tell whether their order was kept.
const orderedPairs = 10

// compareOrder checks that what a till handed in one after the other was stored in that order, customer by customer.
func (c *cloudShop) compareOrder(rows map[string]ledger.Stored) {
	c.t.Helper()
	compared := 0
	for _, order := range c.orders {
		last := map[payment.Token]ledger.Stored{}
		for _, id := range order {
			row := rows[id]
			before, ok := last[row.Transaction.Customer]
			if ok && before.Seq >= row.Seq {
				c.t.Errorf("%s was acknowledged before %s of the same customer, and stored after it", before.Transaction.ID, id)
			}
			if ok {
				compared++
			}
			last[row.Transaction.Customer] = row
		}
	}
	if compared < orderedPairs {
		c.t.Errorf("the order of %d pairs was compared: too few to tell", compared)
	}
}
