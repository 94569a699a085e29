package main

import (
	"context"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/console"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/pipeline"
)

// demoReport is what a demo found. A caught fraud is one whose outcome is not approve.
type demoReport struct {
	Seconds      float64          `json:"seconds"`
	Transactions int              `json:"transactions"` // acknowledged by the server
	Decisions    map[string]int   `json:"decisions"`    // of those, by outcome
	PerSecond    float64          `json:"per_second"`
	Latency      load.Percentiles `json:"latency_ms"` // of synchronous verdicts, from the moment each was due
	Frauds       int              `json:"frauds"`
	FraudsCaught int              `json:"frauds_caught"`
	FalseAlarms  int              `json:"false_alarms"`
	Labels       int              `json:"labels"`
	Lost         int              `json:"lost"`       // acknowledged but not stored
	Duplicated   int              `json:"duplicated"` // stored or decided more than once
}

// demoLedger remembers what the feeder sent and what the server said, to compare both at the end. It is safe for
// concurrent use.
type demoLedger struct {
	latency *load.Latencies

	mu         sync.Mutex
	sent       map[string]*entryInLedger
	acked      int
	labels     int
	outcomes   [decision.Decline + 1]int
	frauds     int
	caught     int
	alarms     int
	duplicated int
}

// entryInLedger is one transaction.
type entryInLedger struct {
	fraud, acked bool
	outcome      decision.Outcome // Invalid until decided
}

func newLedger() *demoLedger {
	return &demoLedger{latency: load.NewLatencies(), sent: map[string]*entryInLedger{}}
}

// send notes the truth about a transaction before it leaves.
func (l *demoLedger) send(id string, fraud bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[id] = &entryInLedger{fraud: fraud}
}

// truth is what the simulator knows of a transaction.
func (l *demoLedger) truth(id string) console.Truth {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e := l.sent[id]; {
	case e == nil:
		return console.Unknown
	case e.fraud:
		return console.Fraud
	default:
		return console.Genuine
	}
}

// ack notes that the server took the transaction.
func (l *demoLedger) ack(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.sent[id]; e != nil && !e.acked {
		e.acked = true
		l.acked++
		l.tally(e)
	}
}

// labeled notes that a label was stored.
func (l *demoLedger) labeled() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.labels++
}

// decided notes a stored decision.
func (l *demoLedger) decided(d *decision.Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.sent[d.TransactionID]
	if e == nil {
		return
	}
	if e.outcome.Valid() {
		l.duplicated++
		return
	}
	e.outcome = d.Outcome
	l.tally(e)
}

// tally counts what was both acknowledged and decided. The server may well have decided what it could no longer answer in
// time: nobody was told of that.
func (l *demoLedger) tally(e *entryInLedger) {
	if !e.acked || !e.outcome.Valid() {
		return
	}
	l.outcomes[e.outcome]++
	stopped := e.outcome != decision.Approve
	switch {
	case e.fraud && stopped:
		l.frauds++
		l.caught++
	case e.fraud:
		l.frauds++
	case stopped:
		l.alarms++
	}
}

// await returns when every acknowledged transaction has been told of, or after a while: a commit is there before those who
// want to know hear of it.
func (l *demoLedger) await(patience time.Duration) {
	for began := time.Now(); l.untold() > 0 && time.Since(began) < patience; {
		time.Sleep(5 * time.Millisecond)
	}
}

func (l *demoLedger) untold() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.sent {
		if e.acked && !e.outcome.Valid() {
			n++
		}
	}
	return n
}

// report is the state after a while.
func (l *demoLedger) report(elapsed time.Duration) *demoReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &demoReport{
		Seconds: elapsed.Seconds(), Transactions: l.acked, Decisions: map[string]int{}, Latency: l.latency.Percentiles(),
		PerSecond: float64(l.acked) / elapsed.Seconds(), Frauds: l.frauds, FraudsCaught: l.caught, FalseAlarms: l.alarms,
		Labels: l.labels, Duplicated: l.duplicated,
	}
	for _, o := range decision.Outcomes() {
		r.Decisions[o.String()] = l.outcomes[o]
	}
	return r
}

// reconcile asks the store about every acknowledged transaction and completes the report.
func (l *demoLedger) reconcile(ctx context.Context, s pipeline.Store, r *demoReport) error {
	elapsed := time.Duration(r.Seconds * float64(time.Second))
	*r = *l.report(elapsed)
	l.mu.Lock()
	defer l.mu.Unlock()
	chunk := make([]string, 0, 500)
	look := func() error {
		known, err := s.Known(ctx, chunk)
		r.Lost += len(chunk) - len(known)
		chunk = chunk[:0]
		return err
	}
	for id, e := range l.sent {
		if !e.acked {
			continue
		}
		if chunk = append(chunk, id); len(chunk) == cap(chunk) {
			if err := look(); err != nil {
				return err
			}
		}
	}
	return look()
}
