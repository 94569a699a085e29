package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/simulate"
)

// historyClock maps simulated time onto real time: the history from start to now plays within span, and what comes after
// happens when it happens.
type historyClock struct {
	start, now time.Time // of the simulated history
	real       time.Time // when the play began
	span       time.Duration
}

// due is when something of the simulated world happens here.
func (c historyClock) due(at time.Time) time.Time {
	if at.After(c.now) {
		return at
	}
	share := float64(at.Sub(c.start)) / float64(c.now.Sub(c.start))
	return c.real.Add(time.Duration(share * float64(c.span)))
}

// feeder plays a simulated shop against a server: card-present payments go in batches through the stream, as a
// store's till uploads them; all others ask for a verdict.
type feeder struct {
	shop   *simulate.Shop
	client *load.Client
	ledger *demoLedger
	clock  historyClock
	count  int // transactions when their number is known: they are then spread evenly, the night as busy as the day

	calls sync.WaitGroup
	till  bytes.Buffer
	tillN int
}

const (
	tillSize = 200 // payments in a batch
	tick     = 20 * time.Millisecond
)

// run plays until the shop or ctx ends, and waits for answers until answers ends. What is still unanswered then was never
// acknowledged and does not count.
func (f *feeder) run(ctx, answers context.Context) error {
	defer f.calls.Wait()
	sent := 0
	last := time.Now()
	for item, ok := f.shop.Next(); ok; item, ok = f.shop.Next() {
		due := f.clock.due(item.At)
		switch {
		case f.count == 0:
		case item.Label == nil:
			due = f.clock.real.Add(time.Duration(float64(sent) / float64(f.count) * float64(f.clock.span)))
		default:
			due = time.Now() // between two payments, whose pace is not that of the simulated clock
		}
		if wait := time.Until(due); wait > 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
		}
		if item.Label != nil {
			f.label(answers, item.Label)
		} else {
			f.pay(answers, &item, due)
			sent++
		}
		if f.tillN >= tillSize || time.Since(last) > 10*tick && f.tillN > 0 {
			f.closeTill(answers)
			last = time.Now()
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	f.closeTill(answers)
	return nil
}

func (f *feeder) pay(ctx context.Context, item *simulate.Item, due time.Time) {
	id := item.ID
	f.ledger.send(id, item.Fraud)
	if bytes.Contains(item.Submission, []byte(`"channel":"store"`)) {
		f.till.Write(item.Submission)
		f.till.WriteByte('\n')
		f.tillN++
		return
	}
	body := item.Submission
	f.calls.Go(func() {
		err := load.Insist(ctx, func(ctx context.Context) error {
			_, err := f.client.Decide(ctx, body)
			return err
		})
		if err == nil {
			f.ledger.latency.Add(time.Since(due))
			f.ledger.ack(id)
		}
	})
}

func (f *feeder) closeTill(ctx context.Context) {
	if f.tillN == 0 {
		return
	}
	body := bytes.Clone(f.till.Bytes())
	f.till.Reset()
	f.tillN = 0
	f.calls.Go(func() {
		// An error means that nothing was acknowledged, or that time was up.
		_ = load.Insist(ctx, func(ctx context.Context) error {
			return f.client.Batch(ctx, body, func(l load.Line) {
				if l.Acknowledged() {
					f.ledger.ack(l.TransactionID)
				}
			})
		})
	})
}

// label sends what became known. A transaction that is not decided yet is unknown to the server; days of simulated
// time lie between the two, so that this is rare, and the label is then sent again a little later.
func (f *feeder) label(ctx context.Context, l *simulate.Label) {
	body, err := json.Marshal(l)
	if err != nil {
		return
	}
	f.calls.Go(func() {
		for range 20 {
			err := f.client.Label(ctx, body)
			var status *load.StatusError
			switch {
			case err == nil:
				f.ledger.labeled()
				return
			case ctx.Err() != nil, errors.As(err, &status) && status.Status != http.StatusNotFound && !status.Temporary():
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
}
