package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fastshop/pipeline/internal/backtest"
	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/pipeline"
)

type replayCommand struct {
	Input     string `help:"File to replay; .gz is unpacked." required:"" type:"existingfile"`
	Format    string `help:"handbook (CSV of the Fraud Detection Handbook) or ndjson (as fastshop simulate writes)." enum:"handbook,ndjson" required:""`
	Report    string `help:"File for a JSON report." type:"path" placeholder:"FILE"`
	Decisions string `help:"File for one CSV line per input row, in input order." type:"path" placeholder:"FILE"`
	DataDir   string `help:"Folder to keep the data in; a temporary one if empty." type:"path" placeholder:"DIR"`
	KeysDir   string `help:"Folder of keys; the data folder's name with -keys behind it if empty." type:"path" placeholder:"DIR"`
	Rules     string `help:"Rule file; the built-in rules if empty." type:"path" placeholder:"FILE"`
	Model     string `help:"Learned model beside the rules: none, built-in, or a file." default:"none" placeholder:"MODEL"`
	policyFlags
	Limit     int  `help:"Stop after this many rows; 0 takes all." default:"0"`
	BatchSize int  `help:"Rows that are taken in, and records that are decided and committed, together." default:"1000"`
	JSON      bool `help:"Print the report as JSON on stdout."`
}

func (c *replayCommand) Help() string {
	return "Every row is validated, tokenized, sealed, appended to the stream, read back, decided and stored, as in production. Rows are decided in the order of the file, so that two runs decide alike. A label takes effect when it became known: in the handbook's file seven days after its transaction."
}

// Validate refuses what makes no sense; kong calls it.
func (c *replayCommand) Validate() error {
	var faults []error
	if c.BatchSize < 1 {
		faults = append(faults, errors.New("--batch-size must be at least 1"))
	}
	if c.Limit < 0 {
		faults = append(faults, errors.New("--limit must not be negative"))
	}
	return errors.Join(append(faults, c.policy().Validate())...)
}

// replayReport is what a replay found.
type replayReport struct {
	Rows        int            `json:"rows"`         // of the input
	Refused     int            `json:"refused"`      // rows that validation turned away
	Refusals    map[string]int `json:"refusals"`     // the same by code of the fault; a row counts under each that it has
	Repeated    int            `json:"repeated"`     // rows that had been there before
	Conflicting int            `json:"conflicting"`  // rows whose id another transaction had taken
	Stored      int            `json:"stored"`       // by this run
	Total       int            `json:"transactions"` // stored by the end, by earlier runs too
	DeadLetters int            `json:"dead_letters"` // open by the end
	Labels      int            `json:"labels"`
	Seconds     float64        `json:"seconds"`    // until the last one was stored
	PerSecond   float64        `json:"per_second"` // of those that this run stored
	Latency     latencyReport  `json:"latency"`
	Outcomes    map[string]int `json:"decisions"` // of all that is stored by the end
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
	dataDir, keysDir, cleanup, err := c.folders()
	if err != nil {
		return err
	}
	defer cleanup()
	s := defaultSettings(dataDir, keysDir)
	s.judges, s.policyFlags, s.BatchSize, s.StreamRoom = judges{Rules: c.Rules, Model: c.Model, ShadowModel: noModel}, c.policyFlags, c.BatchSize, 64<<30
	s.Partitions = 1 // keeps the order of the file across customers
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

func (c *replayCommand) folders() (dataDir, keysDir string, cleanup func(), err error) {
	if c.DataDir != "" {
		return c.DataDir, c.KeysDir, func() {}, nil
	}
	return temporary("replay")
}

// temporary makes folders for data and keys that cleanup removes again.
func temporary(name string) (dataDir, keysDir string, cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "fastshop-"+name+"-")
	if err != nil {
		return "", "", nil, fmt.Errorf("make folder: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(dir) } // a temporary folder that stays is the system's to remove
	return filepath.Join(dir, "data"), filepath.Join(dir, "keys"), cleanup, nil
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
	report, err := c.feed(ctx, b, clock, p, in)
	stopWork()
	<-finished
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return report, err
}

// feed takes the file in and waits until the workers have stored it.
func (c *replayCommand) feed(ctx context.Context, b *backends, clock *replayClock, p *progress, in replayInput) (*replayReport, error) {
	if err := b.drain(ctx); err != nil { // what an interrupted run left in the stream is not this one's
		return nil, err
	}
	before, err := b.store.Totals(ctx)
	if err != nil {
		return nil, err
	}
	f := newReplayFeed(c, b, clock, p)
	if err = f.run(ctx, in); err == nil {
		err = b.drain(ctx)
	}
	f.report.Seconds = time.Since(f.start).Seconds()
	if err != nil {
		return nil, err
	}
	after, err := b.store.Totals(ctx)
	f.report.Stored = int(after.Transactions() - before.Transactions())
	f.report.PerSecond = float64(f.report.Stored) / f.report.Seconds
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
	fmt.Fprintf(out.out, "%s rows, %s stored in %.1f s (%s a second), %s refused%s%s, %s dead letters\n",
		count(r.Rows), count(r.Stored), r.Seconds, count(int(r.PerSecond)), count(r.Refused),
		some(", %s repeated", r.Repeated), some(", %s conflicting", r.Conflicting), count(r.DeadLetters))
	for _, code := range sortedKeys(r.Refusals) {
		fmt.Fprintf(out.out, "  refused as %s: %s\n", code, count(r.Refusals[code]))
	}
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

// some is text about n, or nothing if n is 0.
func some(text string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(text, count(n))
}
