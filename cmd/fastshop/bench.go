package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/pipeline"
)

type benchCommand struct {
	Seed         uint64        `help:"Seed of the simulated shop." default:"1"`
	Customers    int           `help:"Customers of the simulated shop." default:"100000"`
	FraudShare   float64       `help:"Share of frauds." default:"0.01"`
	Transactions int           `help:"Transactions through the batch endpoint." default:"1000000" short:"n"`
	BatchLines   int           `help:"Lines of a batch." default:"1000"`
	Connections  int           `help:"Batches under way at once." default:"4"`
	SyncRate     float64       `help:"Synchronous verdicts a second, sent at fixed times." default:"1000"`
	SyncFor      time.Duration `help:"How long." default:"20s"`
	Store        string        `help:"A PostgreSQL server to measure with, postgres://…; the bench makes a database of its own there and drops it at the end." placeholder:"URL"`
	Velocity     string        `help:"A Redis to measure with, redis://…; the bench's keys have a prefix of their own and are removed at the end." placeholder:"URL"`
	Stored       int           `help:"Transactions that are in the --store before the clock starts, out of every window's reach."`
	Report       string        `help:"File for a JSON report." type:"path" placeholder:"FILE"`
	JSON         bool          `help:"Print the report as JSON on stdout."`

	sampled []pipeline.Entry // of the engine's run
}

func (c *benchCommand) Help() string {
	return "Measures on this machine: the engine alone; ingest through the batch endpoint of a server in a process of its own, until everything is stored; synchronous verdicts at a fixed rate, each timed from the moment it was due; and how fast SQLite (or PostgreSQL, and Redis) alone does the very same work. Needs about 3 GiB of disk for a million transactions."
}

// benchReport is what a bench found.
type benchReport struct {
	Machine struct {
		Cores int    `json:"cores"`
		Go    string `json:"go"`
		OS    string `json:"os"`
	} `json:"machine"`
	Engine    engineBench `json:"engine"`
	Learned   engineBench `json:"engine_with_model"` // the built-in one
	Stored    *fillBench  `json:"stored_before,omitempty"`
	Batch     batchBench  `json:"batch"`
	Sync      syncBench   `json:"sync"`
	Raw       *rawBench   `json:"sqlite_raw,omitempty"`
	RatioRaw  float64     `json:"ratio_to_raw,omitempty"` // batch rate over SQLite's own
	Postgres  *serverRaw  `json:"postgres_raw,omitempty"`
	Redis     *serverRaw  `json:"redis_raw,omitempty"`
	MemoryMiB struct {
		Peak float64 `json:"peak_rss"`
		End  float64 `json:"end_rss"`
	} `json:"server_memory_mib"`
}

type batchBench struct {
	Transactions int     `json:"transactions"`
	Customers    int     `json:"customers"`
	Seconds      float64 `json:"seconds"` // from the first request until the last transaction was decided and stored
	PerSecond    float64 `json:"per_second"`
	AckedSeconds float64 `json:"acknowledged_seconds"`
}

type syncBench struct {
	Rate     float64          `json:"rate"`
	Asked    int              `json:"asked"`
	Failed   int              `json:"failed"`
	Latency  load.Percentiles `json:"latency_ms"`
	Achieved float64          `json:"achieved_per_second"`
}

func (c *benchCommand) Run(ctx context.Context, out streams) (err error) {
	if err := c.validateFill(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fastshop-bench-")
	if err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	r := &benchReport{}
	r.Machine.Cores, r.Machine.Go, r.Machine.OS = runtime.NumCPU(), runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	p := newProgress(out.err)
	work, err := c.prepare(ctx, dir, p)
	if err != nil {
		return err
	}
	defer work.Close()
	if r.Engine, err = c.engine(ctx, p, noModel); err != nil {
		return err
	}
	if r.Learned, err = c.engine(ctx, p, builtInModel); err != nil {
		return err
	}
	servers, err := c.prepareServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.remove()) }()
	if c.Stored > 0 {
		filled, err := c.fill(ctx, servers, p)
		if err != nil {
			return err
		}
		r.Stored = &filled
	}
	if err := c.served(ctx, dir, servers, work, r, p); err != nil {
		return err
	}
	if err := c.raw(ctx, dir, servers, r, p); err != nil {
		return err
	}
	p.done()
	return c.finish(out, r)
}

// raw measures the parts alone, with what the server under test asked of them.
func (c *benchCommand) raw(ctx context.Context, dir string, servers *scratch, r *benchReport, p *progress) error {
	at := embeddedPlaces(filepath.Join(dir, "data"), filepath.Join(dir, "keys"))
	var err error
	if servers.store == "" {
		p.print("SQLite alone: the same rows, tables, files and batches")
		raw, err := rawSQLite(ctx, at.DataDir, filepath.Join(dir, "raw"), c.BatchLines, c.Transactions)
		if err != nil {
			return err
		}
		r.Raw, r.RatioRaw = &raw, r.Batch.PerSecond/raw.PerSecond
	} else {
		at.Store = servers.store
		p.print("PostgreSQL alone: the same rows, table and batches")
		if r.Postgres, err = c.rawPostgres(ctx, servers.store, r.Batch.PerSecond); err != nil {
			return err
		}
	}
	if servers.velocity != "" {
		at.Velocity = servers.velocity
		p.print("Redis alone: the same commands")
		r.Redis, err = c.rawRedis(ctx, &at, r.Batch.PerSecond)
	}
	return err
}

// flags are those of a server that stores and counts elsewhere.
func (s *scratch) flags() []string {
	var flags []string
	if s.store != "" {
		flags = append(flags, "--store", s.store)
	}
	if s.velocity != "" {
		flags = append(flags, "--velocity", s.velocity)
	}
	return flags
}

// served measures a server in a process of its own.
func (c *benchCommand) served(ctx context.Context, dir string, servers *scratch, work *batches, r *benchReport, p *progress) error {
	child, err := startChild(ctx, dir, servers.flags()...)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = child.stop() // only after an earlier error, which is the one to tell
		}
	}()
	if r.Batch, err = c.batch(ctx, child, work, p); err != nil {
		return err
	}
	if r.Sync, err = c.sync(ctx, child, work.sync, p); err != nil {
		return err
	}
	r.MemoryMiB.Peak, r.MemoryMiB.End = child.memory()
	stopped = true
	return child.stop()
}

func (c *benchCommand) finish(out streams, r *benchReport) error {
	if c.Report != "" {
		if err := writeReport(c.Report, r); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(out.out, r)
	}
	w := out.out
	fmt.Fprintf(w, "engine alone         %8.2f µs a decision (%.2f of the processor), %.1f allocations, %.0f bytes (one core, %d rules)\n", r.Engine.Micros, r.Engine.CPUMicros, r.Engine.Allocations, r.Engine.Bytes, r.Engine.Rules)
	fmt.Fprintf(w, "  with a model       %8.2f µs a decision (%.2f of the processor), %.1f allocations, explanations of what is not approved included\n", r.Learned.Micros, r.Learned.CPUMicros, r.Learned.Allocations)
	if f := r.Stored; f != nil {
		fmt.Fprintf(w, "store filled before  %8s transactions, %s a second\n", count(f.Transactions), count(int(f.PerSecond)))
	}
	fmt.Fprintf(w, "batch endpoint       %8s transactions a second decided and stored (%s in %.1f s)\n", count(int(r.Batch.PerSecond)), count(r.Batch.Transactions), r.Batch.Seconds)
	fmt.Fprintf(w, "synchronous verdicts %8.2f ms p99 at %.0f a second (p50 %.2f, p99.9 %.2f, max %.1f; %d failed)\n", r.Sync.Latency.P99, r.Sync.Rate, r.Sync.Latency.P50, r.Sync.Latency.P999, r.Sync.Latency.Max, r.Sync.Failed)
	fmt.Fprintf(w, "server memory        %8.0f MiB at its peak\n", r.MemoryMiB.Peak)
	if r.Raw != nil {
		fmt.Fprintf(w, "SQLite alone         %8s a second for the same rows; ratio %.2f\n", count(int(r.Raw.PerSecond)), r.RatioRaw)
	}
	if raw := r.Postgres; raw != nil {
		fmt.Fprintf(w, "PostgreSQL alone     %8s a second for the same rows (%s by COPY); ratio %.2f\n", count(int(raw.PerSecond)), count(int(raw.CopyRate)), raw.Ratio)
	}
	if raw := r.Redis; raw != nil {
		fmt.Fprintf(w, "Redis alone          %8s a second for the same commands (%.1f calls each); ratio %.2f\n", count(int(raw.PerSecond)), raw.Calls, raw.Ratio)
	}
	return nil
}
