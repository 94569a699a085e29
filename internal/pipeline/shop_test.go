package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
	"github.com/fastshop/pipeline/internal/velocity"
)

const rules = `
name: test
version: "1"
rules:
  - id: burst
    code: BURST
    when: customer.count_1h >= 3
    points: 900
    text: {pt: "muitos", en: "many"}
  - id: after-decline
    code: AFTER_DECLINE
    when: customer.declines_1h >= 1
    points: 100
    text: {pt: "depois", en: "after"}
`

// shop is a pipeline over the real embedded stream and store, with faults put in between.
type shop struct {
	t       *testing.T
	dir     string
	log     *sqlitestream.Log
	stored  *sqlitestore.Store
	store   *faultyStore
	windows *faultyWindows
	config  pipeline.Config

	mu      sync.Mutex
	decided []pipeline.Entry
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir()}
	s.open()
	t.Cleanup(s.close)
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// open opens the files and rebuilds the windows, as a start does.
func (s *shop) open() {
	s.t.Helper()
	ctx := context.Background()
	var err error
	s.log, err = sqlitestream.Open(ctx, filepath.Join(s.dir, "stream.db"), sqlitestream.Options{Partitions: 1})
	s.must(err)
	s.stored, err = sqlitestore.Open(ctx, filepath.Join(s.dir, "store.db"), sqlitestore.Options{})
	s.must(err)
	set, err := rule.Compile([]byte(rules), score.Schema())
	s.must(err)
	plan, err := score.PlanFor(set)
	s.must(err)
	memory, err := velocity.NewMemory(plan, velocity.Options{})
	s.must(err)
	_, err = pipeline.Rebuild(ctx, s.stored, memory, time.Time{}, func(int) {})
	s.must(err)
	s.store, s.windows = &faultyStore{Store: s.stored}, &faultyWindows{Memory: memory}
	engine, err := score.New(score.Config{Rules: set, Plan: plan, Windows: s.windows, Zone: time.UTC, Now: time.Now})
	s.must(err)
	s.config = pipeline.Config{
		Engine: engine, Policy: decision.DefaultPolicy(), Windows: s.windows, Store: s.store, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Decided: func(e pipeline.Entry) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.decided = append(s.decided, e)
		},
	}
}

func (s *shop) close() {
	s.must(errors.Join(s.log.Close(), s.stored.Close()))
}

func (s *shop) restart() {
	s.t.Helper()
	s.close()
	s.open()
}

var noon = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)

// pay makes a payment of a customer; the MAC stands for the body.
func pay(id string, customer byte, minute int, body byte) payment.Transaction {
	return payment.Transaction{
		ID: id, OccurredAt: noon.Add(time.Duration(minute) * time.Minute), ReceivedAt: noon, Method: payment.Card,
		Amount: payment.Amount{Centavos: 1000, Currency: "BRL"}, Customer: payment.Token{1, customer},
		FiscalRegion: payment.NoRegion, MAC: [32]byte{1, body},
	}
}

func (s *shop) append(transactions ...payment.Transaction) {
	s.t.Helper()
	for i := range transactions {
		t := &transactions[i]
		s.must(s.log.Append(context.Background(), []stream.Entry{{Key: t.Customer[:], Data: payment.AppendTransaction(nil, t)}}))
	}
}

// work runs a worker until everything appended is handled, and returns what Run returned.
func (s *shop) work(batch int) error {
	s.t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	partitions, err := s.log.Partitions(ctx)
	s.must(err)
	w := pipeline.NewWorker(pipeline.WorkerConfig{Config: s.config, Source: s.log, Partition: partitions[0], BatchSize: batch})
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	end, _, err := s.log.End(ctx, partitions[0])
	s.must(err)
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(2 * time.Millisecond):
		}
		if c, _, err := s.stored.Checkpoint(ctx, partitions[0]); err == nil && c.Position == end {
			stop()
			return <-done
		}
	}
}

func (s *shop) outcome(id string) decision.Outcome {
	s.t.Helper()
	d, err := s.stored.Decision(context.Background(), id)
	if errors.Is(err, ledger.ErrNotFound) {
		return decision.Invalid
	}
	s.must(err)
	return d.Decision.Outcome
}

func (s *shop) dead() map[string]pipeline.DeadLetterReason {
	s.t.Helper()
	letters, err := s.stored.DeadLetters(context.Background(), 0, -1)
	s.must(err)
	found := map[string]pipeline.DeadLetterReason{}
	for _, l := range letters {
		found[string(l.Position)] = l.Reason
	}
	return found
}

// faultyStore fails as it is told.
type faultyStore struct {
	pipeline.Store
	mu     sync.Mutex
	before func(pipeline.Batch) error // an error keeps the commit from happening
	after  func(pipeline.Batch) error // an error hides that it happened
	known  func() error
}

func (f *faultyStore) Commit(ctx context.Context, b pipeline.Batch) ([]pipeline.Receipt, error) {
	f.mu.Lock()
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(b); err != nil {
			return nil, err
		}
	}
	receipts, err := f.Store.Commit(ctx, b)
	if err == nil && after != nil {
		if err := after(b); err != nil {
			return nil, err
		}
	}
	return receipts, err
}

func (f *faultyStore) Known(ctx context.Context, ids []string) (map[string]pipeline.Receipt, error) {
	if f.known != nil {
		if err := f.known(); err != nil {
			return nil, err
		}
	}
	return f.Store.Known(ctx, ids)
}

// faultyWindows fail as they are told.
type faultyWindows struct {
	*velocity.Memory
	panicAt string
	broken  error // of Settle, Retract and Label
}

func (f *faultyWindows) Observe(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error) {
	if events[0].ID == f.panicAt {
		panic("the value of a panic may quote 111.444.777-35")
	}
	return f.Memory.Observe(ctx, events)
}

func (f *faultyWindows) Settle(ctx context.Context, settled []velocity.Settlement) error {
	return errors.Join(f.broken, f.Memory.Settle(ctx, settled))
}

func (f *faultyWindows) Retract(ctx context.Context, events []velocity.Event) error {
	return errors.Join(f.broken, f.Memory.Retract(ctx, events))
}

func (f *faultyWindows) Label(ctx context.Context, labels []velocity.Label) error {
	return errors.Join(f.broken, f.Memory.Label(ctx, labels))
}

// times returns an error for the first n calls.
func times(n int, err error) func(pipeline.Batch) error {
	return func(pipeline.Batch) error {
		if n--; n >= 0 {
			return err
		}
		return nil
	}
}

var errAway = fmt.Errorf("connection lost: %w", pipeline.ErrUnavailable)

// approved is an entry as the engine makes it of an ordinary payment.
func (s *shop) approved(t payment.Transaction) pipeline.Entry {
	return pipeline.Entry{Transaction: t, Decision: decision.Decision{TransactionID: t.ID, Outcome: decision.Approve, DecidedAt: noon, Path: decision.Sync}}
}
