package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/pipeline"
)

type replayCommand struct {
	Input     string `help:"File to replay; .gz is unpacked." required:"" type:"existingfile"`
	Format    string `help:"handbook (CSV of the Fraud Detection Handbook) or ndjson (as fastshop simulate writes)." enum:"handbook,ndjson" required:""`
	Report    string `help:"File for a JSON report." type:"path" placeholder:"FILE"`
	Decisions string `help:"File for one CSV line per input row, in input order." type:"path" placeholder:"FILE"`
	DataDir   string `help:"Folder to keep the data in; a temporary one if empty." type:"path" placeholder:"DIR"`
	Rules     string `help:"Rule file; the built-in rules if empty." type:"path" placeholder:"FILE"`
	Limit     int    `help:"Stop after this many rows; 0 takes all." default:"0"`
	BatchSize int    `help:"Rows that are taken in, and records that are decided and committed, together." default:"1000"`
	JSON      bool   `help:"Print the report as JSON on stdout."`
}

func (c *replayCommand) Help() string {
	return "Every row is validated, tokenized, sealed, appended to the stream, read back, decided and stored, as in production. Rows are decided in the order of the file, so that two runs decide alike. A label takes effect when it became known: in the handbook's file seven days after its transaction."
}

// replayReport is what a replay found.
type replayReport struct {
	Rows        int            `json:"rows"`         // of the input
	Refused     int            `json:"refused"`      // rows that validation turned away
	Repeated    int            `json:"repeated"`     // rows whose id had been there before
	Stored      int            `json:"transactions"` // stored by the end
	DeadLetters int            `json:"dead_letters"`
	Labels      int            `json:"labels"`
	Seconds     float64        `json:"seconds"` // until the last one was stored
	PerSecond   float64        `json:"per_second"`
	Latency     latencyReport  `json:"latency"`
	Outcomes    map[string]int `json:"decisions"`
	RuleSet     string         `json:"rule_set"`
	Policy      string         `json:"policy"`

	Detection *backtest.Figures            `json:"detection,omitempty"` // where the file has labels
	Months    map[string]*backtest.Figures `json:"months,omitempty"`    // the same by month of the transactions (UTC)
}

// latencyReport tells two times of a transaction.
type latencyReport struct {
	Engine load.Percentiles `json:"engine_ms"`  // the engine's own
	Stored load.Percentiles `json:"durable_ms"` // from taken in to stored; as fast as it goes, so it holds the queue
}

func (c *replayCommand) Run(ctx context.Context, out streams) error {
	dir, cleanup, err := c.folder()
	if err != nil {
		return err
	}
	defer cleanup()
	s := &Settings{
		DataDir: filepath.Join(dir, "data"), KeysDir: filepath.Join(dir, "keys"), Rules: c.Rules,
		// One partition keeps the order of the file across customers.
		Partitions: 1, BatchSize: c.BatchSize, Retention: 168 * time.Hour, StreamRoom: 64 << 30, MemoryLimit: 300,
		LogLevel: "warn", LogFormat: "text",
	}
	p := decision.DefaultPolicy()
	s.Challenge, s.Review, s.Decline = p.Challenge, p.Review, p.Decline
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	engine, durable := load.NewLatencies(), load.NewLatencies()
	var clock replayClock
	b, err := openBackends(ctx, s, log, out.err, hooks{
		everything: true, clock: clock.now,
		decided: func(e pipeline.Entry) {
			engine.Add(e.Decision.Took)
			durable.Add(time.Since(e.Transaction.ReceivedAt))
		},
	})
	if err != nil {
		return err
	}
	report, err := c.replay(ctx, b, &clock, newProgress(out.err))
	if err == nil {
		report.Latency = latencyReport{engine.Percentiles(), durable.Percentiles()}
		err = c.measure(ctx, b, report, newProgress(out.err))
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	return c.finish(out, report)
}

func (c *replayCommand) folder() (dir string, cleanup func(), err error) {
	if c.DataDir != "" {
		return c.DataDir, func() {}, nil
	}
	if dir, err = os.MkdirTemp("", "fastshop-replay-"); err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil // a temporary folder that stays is the system's to remove
}

// replay feeds the file through the pipeline and waits until all of it is stored.
func (c *replayCommand) replay(ctx context.Context, b *backends, clock *replayClock, p *progress) (*replayReport, error) {
	defer p.done()
	partitions, err := b.stream.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	if len(partitions) != 1 {
		return nil, withHint(fmt.Errorf("refuse a stream of %d partitions: rows of different customers would be decided in any order", len(partitions)),
			"choose an empty --data-dir, or leave it out")
	}
	in, err := openReplay(c.Input, c.Format)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	finished := make(chan struct{})
	work, stopWork := context.WithCancel(ctx)
	go func() {
		defer close(finished)
		if err := b.work(work); err != nil {
			stop(err)
		}
	}()
	start := time.Now()
	f := &replayFeed{command: c, backends: b, clock: clock, progress: p, start: start, report: &replayReport{Outcomes: map[string]int{}}, pending: map[string]bool{}}
	err = f.run(ctx, in)
	if err == nil {
		err = b.drain(ctx)
	}
	f.report.Seconds = time.Since(start).Seconds()
	stopWork()
	<-finished
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return f.report, err
}

func (c *replayCommand) finish(out streams, r *replayReport) error {
	if c.Report != "" {
		if err := writeReport(c.Report, r); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(out.out, r)
	}
	fmt.Fprintf(out.out, "%s rows, %s stored in %.1f s (%s a second), %s refused, %s dead letters\n",
		count(r.Rows), count(r.Stored), r.Seconds, count(int(r.PerSecond)), count(r.Refused), count(r.DeadLetters))
	fmt.Fprintf(out.out, "  approved %s, challenged %s, held for review %s, declined %s\n",
		count(r.Outcomes["approve"]), count(r.Outcomes["challenge"]), count(r.Outcomes["review"]), count(r.Outcomes["decline"]))
	fmt.Fprintf(out.out, "  engine: p50 %.3f ms, p99 %.3f ms\n", r.Latency.Engine.P50, r.Latency.Engine.P99)
	if d := r.Detection; d != nil {
		fmt.Fprintf(out.out, "  frauds caught %s of %s: precision %.3f, recall %.3f, average precision %.3f, AUC %.3f\n",
			count(d.FraudsCaught), count(d.Frauds), d.Precision, d.Recall, d.AveragePrecision, d.AUC)
	}
	for _, month := range sortedKeys(r.Months) {
		d := r.Months[month]
		fmt.Fprintf(out.out, "  %s: %s transactions, precision %.3f, recall %.3f, average precision %.3f\n",
			month, count(d.Transactions), d.Precision, d.Recall, d.AveragePrecision)
	}
	return nil
}
