package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
	"github.com/fastshop/pipeline/internal/telemetry"
	"github.com/fastshop/pipeline/internal/vault"
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

	clouds   clouds
	maxConns int // of a database; 0 is the store's own default

	stream queue
	local  *sqlitestream.Log // stream, if it is embedded; else nil
	store  books
	vault  *vault.Vault
	judging
	drift         *model.Watch // of the live model; nil without one
	windows       windows
	memory        *velocity.Memory // windows, if they are in memory; else nil
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

// newBackends holds nothing open yet.
func newBackends(s *Settings, log *slog.Logger) *backends {
	return &backends{settings: s, log: log, metrics: telemetry.NewMetrics(), now: time.Now,
		crash: testOnlyCrashFrom(os.Getenv("FASTSHOP_TESTONLY_CRASH"))}
}

// openBackends opens all parts, in the order in which they depend on one another. The caller must close what it gets.
func openBackends(ctx context.Context, s *Settings, log *slog.Logger, progress io.Writer, h hooks) (_ *backends, err error) {
	s.limitMemory()
	b := newBackends(s, log)
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
		}
	}()
	if err := b.openFolders(); err != nil {
		return nil, err
	}
	if err := b.openVault(ctx); err != nil {
		return nil, err
	}
	if err := b.openStream(ctx); err != nil {
		return nil, err
	}
	if err := b.openSealed(ctx, progress, h, b.stream.ID()); err != nil {
		return nil, err
	}
	return b, b.openPaths(ctx, h)
}

// limitMemory tells the runtime how much the program is to take, windows from Redis included.
func (s *Settings) limitMemory() {
	if s.MemoryLimit == 0 {
		return
	}
	limit := s.MemoryLimit
	if !s.velocityEmbedded() {
		limit += s.WindowCache
	}
	debug.SetMemoryLimit(limit << 20)
}

// openFolders makes and locks the folders of the embedded parts, and refuses those that do not belong together.
func (b *backends) openFolders() error {
	s := b.settings
	s.KeysDir = keysBeside(s.DataDir, s.KeysDir)
	if err := s.keysMatch(); err != nil {
		return err
	}
	if err := s.makeDirs(); err != nil {
		return err
	}
	if !s.storeEmbedded() && !s.streamEmbedded() {
		return nil // nothing there that two processes could spoil
	}
	lock, err := sqlitefile.Lock(s.DataDir)
	if err != nil {
		return withHint(err, "one process at a time may use a data folder; stop the other one or choose another --data-dir")
	}
	b.closers = append(b.closers, lock.Unlock)
	return nil
}

// openSealed opens what judges and stores, and sees no personal data. streamID, if not empty, is the stream that the
// stored checkpoints must belong to.
func (b *backends) openSealed(ctx context.Context, progress io.Writer, h hooks, streamID string) (err error) {
	if b.judging, err = b.settings.judges.open(b.settings.DataDir); err != nil {
		return err
	}
	o := opening{places: &b.settings.places, streamID: streamID, now: b.now, crash: b.crash, cloud: &b.clouds, maxConns: b.maxConns}
	if b.store, err = openStore(ctx, o, progress); err != nil {
		return err
	}
	b.closers = append(b.closers, b.store.Close)
	if err := b.bind(ctx); err != nil {
		return err
	}
	if err := b.openEngine(ctx, progress, h); err != nil {
		return err
	}
	b.common = pipeline.Config{
		Engine: b.engine, Policy: b.settings.policy(), Windows: b.windows, Store: b.store,
		Now: b.now, Log: b.log, Metrics: b.metrics, Decided: h.decided, Crash: b.crash, Healer: b.healer(),
	}
	return nil
}

// openJudge opens only what decides and stores, for a command that is handed records: no stream and no keys.
func openJudge(ctx context.Context, s *Settings, log *slog.Logger, progress io.Writer) (_ *backends, err error) {
	b := newBackends(s, log)
	if s.storeEmbedded() {
		lock, err := lockData(s.DataDir)
		if err != nil {
			return nil, err
		}
		b.closers = append(b.closers, lock.Unlock)
	}
	if err := b.openSealed(ctx, progress, hooks{}, ""); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *backends) openPaths(ctx context.Context, h hooks) (err error) {
	if b.lists, err = openLists(ctx, b.store, !b.settings.storeEmbedded(), b.now); err != nil {
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
	b.decider = pipeline.NewDecider(b.common)
	b.labeler = &pipeline.Labeler{Store: b.store, Windows: b.windows, Now: clock, Log: b.log, Labeled: h.labeled}
	return nil
}

// work carries the stream to the store until ctx ends. It returns the first error of a worker that cannot go on, after
// stopping the others. Beside that it looks after windows that outlive the process.
func (b *backends) work(ctx context.Context) error {
	healers, stop := context.WithCancel(context.WithoutCancel(ctx)) // they leave after the last commit
	var healing sync.WaitGroup
	defer healing.Wait()
	defer stop()
	if h := b.common.Healer; h != nil {
		healing.Go(func() { b.windows.(distant).Run(healers) })
		healing.Go(func() { h.Run(healers, healEvery) })
	}
	return b.crew().Run(ctx)
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
