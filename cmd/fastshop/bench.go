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
	Store        string        `help:"A PostgreSQL store to measure with, postgres://…; it must hold no transactions." placeholder:"URL"`
	Velocity     string        `help:"A Redis to measure with, redis://…; its keys begin with a prefix of their own and are removed at the end." placeholder:"URL"`
	Report       string        `help:"File for a JSON report." type:"path" placeholder:"FILE"`
	JSON         bool          `help:"Print the report as JSON on stdout."`
}

func (c *benchCommand) Help() string {
	return "Measures on this machine: the engine alone; ingest through the batch endpoint of a server in a process of its own, until everything is stored; synchronous verdicts at a fixed rate, each timed from the moment it was due; and how fast SQLite alone stores the very same rows. Needs about 3 GiB of disk for a million transactions."
}

// benchReport is what a bench found.
type benchReport struct {
	Machine struct {
		Cores int    `json:"cores"`
		Go    string `json:"go"`
		OS    string `json:"os"`
	} `json:"machine"`
	Engine    engineBench `json:"engine"`
	Batch     batchBench  `json:"batch"`
	Sync      syncBench   `json:"sync"`
	Raw       rawBench    `json:"sqlite_raw"`
	RatioRaw  float64     `json:"ratio_to_raw"` // batch rate over SQLite's own
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
	if r.Engine, err = c.engine(ctx, p); err != nil {
		return err
	}
	if err := c.served(ctx, dir, work, r, p); err != nil {
		return err
	}
	p.print("SQLite alone: the same rows, tables, files and batches")
	if r.Raw, err = rawSQLite(ctx, filepath.Join(dir, "data"), filepath.Join(dir, "raw"), c.BatchLines, c.Transactions); err != nil {
		return err
	}
	p.done()
	r.RatioRaw = r.Batch.PerSecond / r.Raw.PerSecond
	return c.finish(out, r)
}

// places are the flags of a server that stores and counts elsewhere.
func (c *benchCommand) places() []string {
	var flags []string
	if c.Store != "" {
		flags = append(flags, "--store", c.Store)
	}
	if c.Velocity != "" {
		flags = append(flags, "--velocity", c.Velocity)
	}
	return flags
}

// served measures a server in a process of its own.
func (c *benchCommand) served(ctx context.Context, dir string, work *batches, r *benchReport, p *progress) error {
	child, err := startChild(ctx, dir, c.places()...)
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
	fmt.Fprintf(w, "batch endpoint       %8s transactions a second decided and stored (%s in %.1f s)\n", count(int(r.Batch.PerSecond)), count(r.Batch.Transactions), r.Batch.Seconds)
	fmt.Fprintf(w, "synchronous verdicts %8.2f ms p99 at %.0f a second (p50 %.2f, p99.9 %.2f, max %.1f; %d failed)\n", r.Sync.Latency.P99, r.Sync.Rate, r.Sync.Latency.P50, r.Sync.Latency.P999, r.Sync.Latency.Max, r.Sync.Failed)
	fmt.Fprintf(w, "server memory        %8.0f MiB at its peak\n", r.MemoryMiB.Peak)
	fmt.Fprintf(w, "SQLite alone         %8s a second for the same rows; ratio %.2f\n", count(int(r.Raw.PerSecond)), r.RatioRaw)
	return nil
}
