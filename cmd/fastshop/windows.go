package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/model"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/score"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// windows are velocity as this program uses it, wherever it is.
type windows interface {
	score.Windows
	pipeline.Windows
	pipeline.Restorer
	Read(ctx context.Context, events []velocity.Event) ([]velocity.Reading, error)
}

// healEvery is how often windows that are a network away are looked after.
const healEvery = time.Second

// distant are windows in Redis as the pipeline asks for them.
type distant struct{ *redisvelocity.Windows }

// Begin implements pipeline.Batcher.
func (d distant) Begin(ctx context.Context, events []velocity.Event) (pipeline.Session, error) {
	return d.Windows.Begin(ctx, events)
}

// Lost implements pipeline.Losing.
func (d distant) Lost() bool { return d.Health().Lost }

// TryHeal implements pipeline.Healable.
func (d distant) TryHeal(ctx context.Context, restore func(context.Context, time.Time) error) error {
	_, err := d.Windows.TryHeal(ctx, restore)
	return err
}

// openWindows makes the windows, or enters those in Redis, with room for copies in MiB.
func openWindows(ctx context.Context, place string, cache int64, plan velocity.Plan, o velocity.Options, c *clouds, log *slog.Logger, now func() time.Time) (windows, func() error, error) {
	if embedded("velocity", place) {
		m, err := velocity.NewMemory(plan, o)
		return m, func() error { return nil }, err
	}
	server, err := cacheServer(ctx, place, c)
	if err != nil {
		return nil, nil, err
	}
	w, err := redisvelocity.New(redisvelocity.Options{Server: server, Plan: plan, Bounds: o, MirrorBytes: cache << 20, BatchTimeout: batchPatience, Now: now, Random: rand.Reader, Log: log})
	if err != nil {
		return nil, nil, err
	}
	if err := w.Connect(ctx); err != nil { // which is no reason not to start: decisions go on without windows
		log.WarnContext(ctx, "windows out of reach at the start", slog.Any("error", err))
	}
	return distant{w}, func() error { w.Close(); return nil }, nil
}

// batchPatience is how long a batch waits for windows before it is decided without them. Nobody waits for a batch, so this
// is long beside the few milliseconds that it takes, and short beside the age at which lag alarms.
const batchPatience = 2 * time.Second

// signInTime bounds the making of a token for a new connection.
const signInTime = 5 * time.Second

// cacheServer is where the windows' Redis is, and how to sign in there.
func cacheServer(ctx context.Context, place string, c *clouds) (redisvelocity.Server, error) {
	at, err := redisvelocity.ParseURL(place)
	if err != nil || !at.IAM {
		return at.Server, err
	}
	aws, err := c.config(ctx, cloud.Options{Region: at.Region})
	if err != nil {
		return at.Server, err
	}
	at.Credentials = func() (string, string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), signInTime)
		defer cancel()
		token, err := cloud.CacheToken(ctx, aws, at.Group, at.Username, at.Region, time.Now())
		return at.Username, token, err
	}
	return at.Server, nil
}

// zoneName is whose clock days and nights are of.
const zoneName = "America/Sao_Paulo"

// shopZone is the clock of the shop.
func shopZone() (*time.Location, error) {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return nil, fmt.Errorf("load time zone: %w", err)
	}
	return zone, nil
}

// plan is what the rules ask of the windows, and how these count.
func (b *backends) plan() (velocity.Plan, *time.Location, error) {
	zone, err := shopZone()
	if err != nil {
		return nil, nil, err
	}
	plan, err := score.PlanFor(b.rules, b.variables()...)
	b.windowOptions = velocity.Options{ProfileHorizon: profileHorizon, Location: zone}
	return plan, zone, err
}

func (b *backends) openEngine(ctx context.Context, w io.Writer, h hooks) error {
	plan, zone, err := b.plan()
	if err != nil {
		return err
	}
	var closer func() error
	if b.windows, closer, err = openWindows(ctx, b.settings.Velocity, b.settings.WindowCache, plan, b.windowOptions, &b.clouds, b.log, b.now); err != nil {
		return err
	}
	b.closers = append(b.closers, closer)
	if memory, ok := b.windows.(*velocity.Memory); ok {
		b.memory = memory
		if err := b.rebuild(ctx, w, h); err != nil {
			return err
		}
	}
	config := score.Config{Rules: b.rules, Model: b.liveModel, Shadow: b.shadowModel, Plan: plan, Windows: b.windows, Zone: zone, Now: b.now}
	if b.live != nil {
		if b.drift = model.NewWatch(b.live, b.now); b.drift != nil {
			config.Seen = b.drift.Seen
		}
	}
	b.engine, err = score.New(config)
	if err != nil {
		return err
	}
	version, names := b.engine.Plan()
	if err := b.store.PutPlan(ctx, version, names); err != nil {
		return err
	}
	return keepRules(ctx, b.store, b.rules)
}

// rebuild fills windows in memory from the store.
func (b *backends) rebuild(ctx context.Context, w io.Writer, h hooks) error {
	p := newProgress(w)
	defer p.done()
	since := b.now().Add(-profileHorizon)
	if h.everything {
		since = time.Time{}
	}
	n, err := pipeline.Rebuild(ctx, b.store, b.memory, since, func(n int) { p.show("rebuilding windows: %s transactions", count(n)) })
	if err != nil {
		return err
	}
	b.log.DebugContext(ctx, "windows rebuilt", slog.Int("count", n))
	return nil
}

// healer looks after windows that outlive the process; nil for those in memory, which begin anew with it.
func (b *backends) healer() *pipeline.Healer {
	d, ok := b.windows.(distant)
	if !ok {
		return nil
	}
	return &pipeline.Healer{Store: b.store, Fates: b.store, Windows: d, Horizon: profileHorizon, Now: b.now, Log: b.log}
}

// clearWindows removes every key under the prefix of a place.
func clearWindows(ctx context.Context, place string) error {
	server, err := cacheServer(ctx, place, new(clouds))
	if err != nil {
		return err
	}
	return redisvelocity.Clear(ctx, server)
}
