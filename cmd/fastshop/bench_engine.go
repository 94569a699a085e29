package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/simulate"
)

// engineBench is the cost of one decision: windows read and counted, rules evaluated, outcome and record made.
type engineBench struct {
	Decisions   int     `json:"decisions"`
	Micros      float64 `json:"us_per_decision"`     // on the clock
	CPUMicros   float64 `json:"cpu_us_per_decision"` // of the processor, garbage collection and all; does not depend on who else works
	Allocations float64 `json:"allocations_per_decision"`
	Bytes       float64 `json:"bytes_per_decision"`
	Rules       int     `json:"rules"`
	Features    int     `json:"features"`
}

const (
	engineWarm = 100_000 // decisions before the clock starts, so that windows are full
	engineRuns = 100_000
)

// engine measures the engine alone, on one core, with a learned model or none.
func (c *benchCommand) engine(ctx context.Context, p *progress, model string) (e engineBench, err error) {
	p.print("engine alone: %s decisions, model %s", count(engineWarm+engineRuns), model)
	dir, err := os.MkdirTemp("", "fastshop-bench-engine-")
	if err != nil {
		return e, fmt.Errorf("make folder: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder that stays is the system's to remove
	s := defaultSettings(filepath.Join(dir, "data"), filepath.Join(dir, "keys"))
	s.Model, s.ShadowModel = model, noModel
	s.MemoryLimit = 0 // the records that wait to be judged are the benchmark's, not the engine's
	b, err := openBackends(ctx, s, slog.New(slog.DiscardHandler), p.w, hooks{})
	if err != nil {
		return e, err
	}
	defer func() {
		if closeErr := b.Close(); err == nil {
			err = closeErr
		}
	}()
	records, err := c.records(ctx, b, engineWarm+engineRuns)
	if err != nil {
		return e, err
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	_, names := b.engine.Plan()
	m := engineMeter{backends: b}
	if err := m.judge(ctx, records[:engineWarm]); err != nil {
		return e, err
	}
	runtime.GC()
	m = engineMeter{backends: b}
	err = m.judge(ctx, records[engineWarm:])
	if err == nil && c.Stored > 0 {
		c.sampled, err = m.sample(ctx, records[engineWarm:engineWarm+10*fillBatch])
	}
	return engineBench{
		Decisions: engineRuns, Rules: len(b.rules.Rules()), Features: len(names),
		Micros:      float64(m.took.Nanoseconds()) / engineRuns / 1000,
		CPUMicros:   float64(m.used.Nanoseconds()) / engineRuns / 1000,
		Allocations: float64(m.allocations) / engineRuns,
		Bytes:       float64(m.bytes) / engineRuns,
	}, err
}

// engineMeter adds up what decisions cost.
type engineMeter struct {
	*backends
	took, used         time.Duration
	allocations, bytes uint64
}

// judge decides records in the order of the stream. They are decoded in batches beside the clock, as a worker does, so
// that the heap holds what it holds in production and not a benchmark's worth of transactions.
func (m *engineMeter) judge(ctx context.Context, records [][]byte) error {
	policy := m.settings.policy()
	var before, after runtime.MemStats
	for chunk := range slices.Chunk(records, 1000) {
		batch := make([]payment.Transaction, len(chunk))
		for i := range chunk {
			var err error
			if batch[i], err = payment.DecodeTransaction(chunk[i]); err != nil {
				return err
			}
		}
		runtime.ReadMemStats(&before)
		start, processor := time.Now(), processorTime()
		for i := range batch {
			r, err := m.engine.Score(ctx, &batch[i], func(r *score.Result) bool { return policy.Asks(r) == decision.Decline })
			if err != nil {
				return err
			}
			if policy.Asks(&r) != decision.Approve {
				m.engine.Ground(&batch[i], &r)
			}
			policy.Decide(&batch[i], &r, decision.Versions{}, decision.Async, m.now())
		}
		m.took += time.Since(start)
		m.used += processorTime() - processor
		runtime.ReadMemStats(&after)
		m.allocations += after.Mallocs - before.Mallocs
		m.bytes += after.TotalAlloc - before.TotalAlloc
	}
	return nil
}

// processorTime is what this process has used of the processor; 0 where the system does not tell.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// records makes transactions of the simulated shop, as they stand in the stream.
func (c *benchCommand) records(ctx context.Context, b *backends, n int) ([][]byte, error) {
	shop, err := simulate.New(c.world(n))
	if err != nil {
		return nil, err
	}
	all := make([][]byte, 0, n)
	var batch []*ingest.Submission
	flush := func() error {
		sealed, err := b.intake.Seal(ctx, batch)
		for i := range sealed {
			all = append(all, payment.AppendTransaction(nil, &sealed[i]))
		}
		batch = batch[:0]
		return err
	}
	for item, ok := shop.Next(); ok && len(all)+len(batch) < n; item, ok = shop.Next() {
		if item.Label != nil {
			continue
		}
		s, err := ingest.Decode(item.Submission, item.At)
		if err != nil {
			return nil, err
		}
		if batch = append(batch, s); len(batch) == 1000 {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	err = flush()
	return all, err
}

// world is the shop that bench feeds from: its last payment was just now.
func (c *benchCommand) world(n int) simulate.Config {
	now := time.Now().UTC()
	return simulate.Config{
		Seed: c.Seed, Customers: c.Customers, FraudShare: c.FraudShare, Start: now.AddDate(0, 0, -30), End: now, Count: n,
	}
}
