package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/rule"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
	"github.com/fastshop/pipeline/internal/telemetry"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/localkey"
	"github.com/fastshop/pipeline/internal/vault/sqlitekeys"
	"github.com/fastshop/pipeline/internal/velocity"
)

// The files of a data folder and of a key folder.
const (
	streamFile = "stream.db"
	storeFile  = "store.db"
	keyringAPI = "apikeys.json"
	keysFile   = "keys.db"
	personal   = "personal.key"
	tokens     = "tokens.key"
)

// profileHorizon is how far back stored transactions shape windows and profiles.
const profileHorizon = 180 * 24 * time.Hour

// backends are the open parts of one program.
type backends struct {
	settings *Settings
	log      *slog.Logger
	metrics  *telemetry.Metrics
	now      func() time.Time
	crash    func(point string) // see crash.go

	stream        *sqlitestream.Log
	store         *sqlitestore.Store
	keys          *sqlitekeys.Store
	vault         *vault.Vault
	rules         *rule.Set
	windows       *velocity.Memory
	windowOptions velocity.Options
	engine        *score.Engine
	lists         *lists
	intake        *ingest.Intake
	common        pipeline.Config
	decider       *pipeline.Decider
	labeler       *pipeline.Labeler

	closers []func() error // in the order of opening
}

// hooks are what a command wants to be told of.
type hooks struct {
	decided func(pipeline.Entry)
	labeled func(review.Label, pipeline.Labeled)
	// clock is the time of the transactions, for a replay of the past; nil is the clock on the wall.
	clock func() time.Time
	// everything rebuilds windows from all that is stored, however old.
	everything bool
}

// openBackends opens all parts, in the order in which they depend on one another. The caller must close what it gets.
func openBackends(ctx context.Context, s *Settings, log *slog.Logger, progress io.Writer, h hooks) (_ *backends, err error) {
	if s.MemoryLimit > 0 {
		debug.SetMemoryLimit(s.MemoryLimit << 20)
	}
	b := &backends{settings: s, log: log, metrics: telemetry.NewMetrics(), now: time.Now,
		crash: testOnlyCrashFrom(os.Getenv("FASTSHOP_TESTONLY_CRASH"))}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	s.KeysDir = keysBeside(s.DataDir, s.KeysDir)
	if err := s.keysMatch(); err != nil {
		return nil, err
	}
	if err := s.makeDirs(); err != nil {
		return nil, err
	}
	lock, err := sqlitefile.Lock(s.DataDir)
	if err != nil {
		return nil, withHint(err, "one process at a time may use a data folder; stop the other one or choose another --data-dir")
	}
	b.closers = append(b.closers, lock.Unlock)
	if b.rules, err = loadRules(s.Rules); err != nil {
		return nil, err
	}
	if err := b.openVault(ctx); err != nil {
		return nil, err
	}
	if err := b.openFiles(ctx, progress); err != nil {
		return nil, err
	}
	if err := b.bind(ctx); err != nil {
		return nil, err
	}
	if err := b.openEngine(ctx, progress, h); err != nil {
		return nil, err
	}
	return b, b.openPaths(ctx, h)
}

func (b *backends) openVault(ctx context.Context) error {
	dir := b.settings.KeysDir
	var err error
	if b.keys, err = sqlitekeys.Open(filepath.Join(dir, keysFile)); err != nil {
		return err
	}
	b.closers = append(b.closers, b.keys.Close)
	own, err := localkey.Open(filepath.Join(dir, personal), rand.Reader)
	if err != nil {
		return err
	}
	ring, err := localkey.Open(filepath.Join(dir, tokens), rand.Reader)
	if err != nil {
		return err
	}
	b.vault, err = vault.New(ctx, vault.Config{
		Keys: b.keys, Secrets: b.keys, Personal: own, Tokens: ring, Env: "local", Now: b.now,
	})
	return err
}

func (b *backends) openFiles(ctx context.Context, w io.Writer) (err error) {
	p := newProgress(w)
	defer p.done()
	dir := b.settings.DataDir
	partitions := b.settings.Partitions
	if _, err := os.Stat(filepath.Join(dir, streamFile)); err == nil {
		partitions = 0 // an existing stream keeps its own
	}
	b.stream, err = sqlitestream.Open(ctx, filepath.Join(dir, streamFile), sqlitestream.Options{
		Partitions: partitions, Retention: b.settings.Retention, MaxBytes: b.settings.StreamRoom,
		Now: b.now, Crash: b.crash,
	})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, b.stream.Close)
	b.store, err = sqlitestore.Open(ctx, filepath.Join(dir, storeFile), sqlitestore.Options{
		StreamID: b.stream.ID(), Now: b.now, Crash: b.crash,
		Progress: func(done, total int64) { p.show("opening store: %s of %s ids", count(done), count(total)) },
	})
	const hint = "stream.db and store.db of --data-dir do not belong together; restore both from the same moment"
	if errors.Is(err, sqlitestore.ErrStream) {
		return withHint(err, hint)
	}
	if err != nil {
		return err
	}
	b.closers = append(b.closers, b.store.Close)
	if err := b.store.Bind(ctx, "stream", b.stream.ID()); errors.Is(err, sqlitestore.ErrForeign) {
		return withHint(err, hint)
	} else if err != nil {
		return err
	}
	return b.behind(ctx)
}

func (b *backends) openEngine(ctx context.Context, w io.Writer, h hooks) error {
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		return fmt.Errorf("load time zone: %w", err)
	}
	plan, err := score.PlanFor(b.rules)
	if err != nil {
		return err
	}
	b.windowOptions = velocity.Options{ProfileHorizon: profileHorizon, Location: zone}
	if b.windows, err = velocity.NewMemory(plan, b.windowOptions); err != nil {
		return err
	}
	p := newProgress(w)
	defer p.done()
	since := b.now().Add(-profileHorizon)
	if h.everything {
		since = time.Time{}
	}
	n, err := pipeline.Rebuild(ctx, b.store, b.windows, since, func(n int) { p.show("rebuilding windows: %s transactions", count(n)) })
	if err != nil {
		return err
	}
	b.log.DebugContext(ctx, "windows rebuilt", slog.Int("count", n))
	b.engine, err = score.New(score.Config{Rules: b.rules, Plan: plan, Windows: b.windows, Zone: zone, Now: b.now})
	if err != nil {
		return err
	}
	version, names := b.engine.Plan()
	return b.store.PutPlan(ctx, version, names)
}

func (b *backends) openPaths(ctx context.Context, h hooks) (err error) {
	if b.lists, err = openLists(ctx, b.store, b.now); err != nil {
		return err
	}
	clock := b.now
	if h.clock != nil {
		clock = h.clock
	}
	b.intake, err = ingest.NewIntake(ingest.Config{
		Vault: b.vault, Appender: b.stream, Stored: stored{b.store}, Lists: b.lists, Now: b.now,
	})
	if err != nil {
		return err
	}
	b.common = pipeline.Config{
		Engine: b.engine, Policy: b.settings.policy(), Windows: b.windows, Store: b.store,
		Now: b.now, Log: b.log, Metrics: b.metrics, Decided: h.decided, Crash: b.crash,
	}
	b.decider = pipeline.NewDecider(b.common)
	b.labeler = &pipeline.Labeler{Store: b.store, Windows: b.windows, Now: clock, Log: b.log, Labeled: h.labeled}
	return nil
}

// work runs a worker for every partition until ctx ends. It returns the first error of a worker that cannot go on,
// after stopping the others.
func (b *backends) work(ctx context.Context) error {
	partitions, err := b.stream.Partitions(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	failures := make(chan error, len(partitions))
	for _, p := range partitions {
		w := pipeline.NewWorker(pipeline.WorkerConfig{Config: b.common, Source: b.stream, Partition: p, BatchSize: b.settings.BatchSize})
		wg.Go(func() {
			if err := w.Run(ctx); err != nil {
				failures <- err
				stop()
			}
		})
	}
	wg.Wait()
	close(failures)
	return <-failures
}

// standing is how far one partition has been carried.
type standing struct {
	partition  stream.Partition
	end        int64 // records ever appended
	checkpoint pipeline.Checkpoint
}

// waiting is how many records are appended but not yet decided.
func (p *standing) waiting() int64 { return max(0, p.end-p.checkpoint.Records) }

// standings returns how far every partition has been carried.
func (b *backends) standings(ctx context.Context) ([]standing, error) {
	partitions, err := b.stream.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]standing, len(partitions))
	for i, p := range partitions {
		_, end, err := b.stream.End(ctx, p)
		if err != nil {
			return nil, err
		}
		c, _, err := b.store.Checkpoint(ctx, p)
		if err != nil {
			return nil, err
		}
		all[i] = standing{p, end, c}
	}
	return all, nil
}

// lag is how many records of the stream wait to be decided.
func (b *backends) lag(ctx context.Context) (int64, error) {
	all, err := b.standings(ctx)
	var lag int64
	for i := range all {
		lag += all[i].waiting()
	}
	return lag, err
}

// drain waits until every record that was appended is decided, or ctx ends.
func (b *backends) drain(ctx context.Context) error {
	for {
		lag, err := b.lag(context.WithoutCancel(ctx)) // that time is up does not matter when nothing waits
		if err != nil || lag <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("drain: %s records still wait in the stream and will be decided at the next start: %w", count(lag), ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// trim lets go of old records of the stream, now and then.
func (b *backends) trim(ctx context.Context) error {
	all, err := b.standings(ctx)
	if err != nil {
		return err
	}
	positions := make(map[stream.Partition]stream.Position, len(all))
	for i := range all {
		positions[all[i].partition] = all[i].checkpoint.Position
	}
	_, err = b.stream.Trim(ctx, b.now().Add(-b.settings.Retention), positions)
	return err
}

// Close closes what was opened, the latest first.
func (b *backends) Close() error {
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	b.closers = nil
	return errors.Join(errs...)
}
