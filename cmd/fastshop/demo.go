package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/simulate"
)

type demoCommand struct {
	worldFlags
	For     time.Duration `help:"Stop by itself after this time; the simulated history then ends now. 0 goes on until Ctrl-C." default:"0s"`
	Model   string        `help:"Learned model beside the rules: built-in, none, or a file." default:"built-in" placeholder:"MODEL"`
	Rate    float64       `help:"Transactions a second while the simulated history catches up with now." default:"500"`
	Days    int           `help:"Days of history." default:"45"`
	Report  string        `help:"File for a JSON report." type:"path" placeholder:"FILE"`
	Listen  string        `help:"Address of API and live page." default:"127.0.0.1:8080"`
	DataDir string        `help:"Folder to keep the demo's data in; a temporary one if empty." type:"path" placeholder:"DIR"`
	JSON    bool          `help:"Print the final report as JSON on stdout."`
}

func (c *demoCommand) Help() string {
	return "Runs the whole program on 127.0.0.1 and a simulated shop that feeds it over HTTP: verdicts are asked for on the synchronous path, card-present payments come in batches, and labels arrive days later. Open the printed address to watch. All people are made up."
}

// Validate implements kong's hook.
func (c *demoCommand) Validate() error {
	if c.Rate <= 0 || c.Days < 1 || c.For < 0 {
		return errors.New("--rate and --days must be above 0, and --for must not be negative")
	}
	return nil
}

// catchUp is how long an endless demo takes for its history.
const catchUp = 4 * time.Minute

func (c *demoCommand) Run(ctx context.Context, out streams) error {
	s, cleanup, err := c.settings()
	if err != nil {
		return err
	}
	defer cleanup()
	log, err := s.logger(out.err)
	if err != nil {
		return err
	}
	ledger := newLedger()
	v, err := startServer(ctx, s, log, out.err, serverOptions{
		demo: true, decided: func(e pipeline.Entry) { ledger.decided(&e.Decision) }, truth: ledger.truth,
	})
	if err != nil {
		return err
	}
	report, err := c.play(ctx, out, v, ledger)
	if err == nil {
		err = c.conclude(v, ledger, report)
	}
	if stopErr := v.Stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	return c.finish(out, report)
}

// answerTime is how long the demo waits for answers to what it has sent when its time is up.
const answerTime = 10 * time.Second

// tellTime is how long a worker may take to tell of a batch that it has stored.
const tellTime = 5 * time.Second

// conclude waits until all that was acknowledged is decided, and compares what was said with what is stored.
func (c *demoCommand) conclude(v *server, ledger *demoLedger, report *demoReport) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := v.drain(ctx); err != nil {
		return err
	}
	ledger.await(tellTime)
	return ledger.reconcile(ctx, v.store, report)
}

// settings are those of serve, for one machine and one person who looks on.
func (c *demoCommand) settings() (_ *Settings, cleanup func(), err error) {
	dataDir, keysDir, cleanup := c.DataDir, "", func() {}
	if dataDir == "" {
		if dataDir, keysDir, cleanup, err = temporary("demo"); err != nil {
			return nil, nil, err
		}
	}
	s := defaultSettings(dataDir, keysDir)
	s.Listen, s.Page, s.DrainTime = freeAddress(c.Listen), "open", 30*time.Second
	s.KeyRate, s.KeyBurst, s.BatchSize = 1e6, 1e6, 500
	s.Model, s.ShadowModel = c.Model, noModel
	return s, cleanup, nil
}

// freeAddress is the wanted address, or any free port of its host if somebody has that one.
func freeAddress(want string) string {
	l, err := net.Listen("tcp", want)
	if err == nil {
		_ = l.Close()
		return want
	}
	host, _, err := net.SplitHostPort(want)
	if err != nil {
		return want
	}
	return net.JoinHostPort(host, "0")
}

// world is the shop that the demo plays, from start to now, and how long its history takes to play.
func (c *demoCommand) world(now time.Time) (world simulate.Config, span time.Duration) {
	span = catchUp
	if c.For > 0 {
		// The history plays in all of the time but a little, so that its last verdicts are in when time is up.
		span = c.For * 19 / 20
	}
	payments := max(1, int(c.Rate*span.Seconds()))
	world = simulate.Config{
		Seed: c.Seed, Customers: c.customers(payments), FraudShare: c.FraudShare, Start: now.AddDate(0, 0, -c.Days),
	}
	if c.For > 0 {
		world.End, world.Count = now, payments
	} else {
		world.PerDay = float64(payments) / float64(c.Days)
	}
	return world, span
}

// play feeds the server and prints how it goes, until time is up or ctx ends.
func (c *demoCommand) play(ctx context.Context, out streams, v *server, ledger *demoLedger) (*demoReport, error) {
	key, _, err := v.keyring.Add(httpapi.Key{Name: "demo", Scopes: httpapi.Scopes(), ExpiresAt: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	world, span := c.world(now)
	shop, err := simulate.New(world)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out.err, "FastShop demo: a simulated shop with %s customers, %d days of history at %.0f payments a second.\n", count(world.Customers), c.Days, c.Rate)
	fmt.Fprintf(out.err, "Watch it live:  %s/\n", v.url)
	if c.For == 0 {
		fmt.Fprintln(out.err, "The history catches up with now in about four minutes and goes on in real time. Ctrl-C stops.")
	}
	feeder := &feeder{
		shop: shop, client: load.NewClient(v.url, key, 64), ledger: ledger,
		clock: historyClock{start: world.Start, real: time.Now(), now: now, span: span}, count: world.Count,
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if c.For > 0 {
		ctx, stop = context.WithTimeout(ctx, c.For)
		defer stop()
	}
	return c.follow(ctx, stop, out, v, feeder)
}

// follow runs the feeder and prints every second how it goes.
func (c *demoCommand) follow(ctx context.Context, stop func(), out streams, v *server, f *feeder) (*demoReport, error) {
	ticker := newProgress(out.err)
	ticker.every = time.Second
	defer ticker.done()
	start := time.Now()
	done := make(chan error, 1)
	answers, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(answerTime, giveUp) })()
	go func() { done <- f.run(ctx, answers) }()
	for {
		select {
		case err := <-done:
			return f.ledger.report(time.Since(start)), err
		case err := <-v.failed:
			stop()
			giveUp()
			<-done
			return nil, err
		case <-time.After(time.Second):
			r := f.ledger.report(time.Since(start))
			ticker.show("%5s  %s decided  %5.0f/s  p50 %.1f ms  p99 %.1f ms  frauds caught %d of %d  false alarms %d",
				time.Since(start).Round(time.Second), count(r.Transactions), r.PerSecond, r.Latency.P50, r.Latency.P99, r.FraudsCaught, r.Frauds, r.FalseAlarms)
		}
	}
}

func (c *demoCommand) finish(out streams, r *demoReport) error {
	if c.Report != "" {
		if err := writeReport(c.Report, r); err != nil {
			return err
		}
	}
	if c.JSON {
		return printJSON(out.out, r)
	}
	fmt.Fprintf(out.out, "\n%s payments judged in %.1f s (%.0f a second)\n", count(r.Transactions), r.Seconds, r.PerSecond)
	fmt.Fprintf(out.out, "  approved %s, challenged %s, held for review %s, declined %s\n",
		count(r.Decisions["approve"]), count(r.Decisions["challenge"]), count(r.Decisions["review"]), count(r.Decisions["decline"]))
	fmt.Fprintf(out.out, "  verdict latency: p50 %.1f ms, p99 %.1f ms, p99.9 %.1f ms\n", r.Latency.P50, r.Latency.P99, r.Latency.P999)
	fmt.Fprintf(out.out, "  frauds caught: %d of %d; false alarms: %d of %s genuine\n", r.FraudsCaught, r.Frauds, r.FalseAlarms, count(r.Transactions-r.Frauds))
	fmt.Fprintf(out.out, "  lost: %d, duplicated: %d\n", r.Lost, r.Duplicated)
	if c.Report != "" {
		fmt.Fprintf(out.out, "  report: %s\n", c.Report)
	}
	return nil
}
