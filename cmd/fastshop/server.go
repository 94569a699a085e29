package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/console"
	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/velocity"
)

// server is a running program: backends, workers, API, page and metrics.
type server struct {
	*backends
	feed    *console.Feed
	keyring *httpapi.Keyring
	url     string // of API and page
	metrics string // of the metrics, or empty

	api, telemetry *http.Server
	closing        context.Context // ends when the server is to stop
	close          context.CancelFunc
	stopWork       context.CancelFunc
	workEnded      chan struct{} // closed when no worker works any more
	background     sync.WaitGroup
	failed         chan error
}

// serverOptions are what demo and serve do differently.
type serverOptions struct {
	demo    bool
	decided func(pipeline.Entry)
	// truth is what a demo knows of a transaction from its simulator, so that the page counts what the report counts;
	// nil waits for labels.
	truth func(id string) console.Truth
}

// startServer opens everything and takes traffic. The caller must call Stop, also when ctx has ended.
func startServer(ctx context.Context, s *Settings, log *slog.Logger, w io.Writer, o serverOptions) (_ *server, err error) {
	v := &server{feed: console.NewFeed(time.Now), failed: make(chan error, 4), workEnded: make(chan struct{})}
	v.closing, v.close = context.WithCancel(context.WithoutCancel(ctx))
	v.backends, err = openBackends(ctx, s, log, w, hooks{decided: v.publish(o), labeled: v.learn(o)})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.backends.Close())
		}
	}()
	if v.keyring, err = httpapi.LoadKeyring(filepath.Join(s.DataDir, keyringAPI), time.Now); err != nil {
		return nil, err
	}
	if err := v.listen(s, o); err != nil {
		if v.api != nil { // it took the port before the metrics failed to
			err = errors.Join(err, v.api.Close())
		}
		return nil, err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stopWork = stop
	v.background.Go(func() {
		defer close(v.workEnded)
		if err := v.work(work); err != nil {
			v.failed <- err
		}
	})
	v.background.Go(func() { v.watch(work) })
	return v, nil
}

// listen opens the listeners and serves them.
func (v *server) listen(s *Settings, o serverOptions) error {
	handler, err := v.handler(s, o)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return withHint(fmt.Errorf("listen: %w", err), "choose another --listen, such as 127.0.0.1:0 for any free port")
	}
	v.url = "http://" + listener.Addr().String()
	v.api = httpapi.NewServer(handler, httpapi.Timeouts{}, v.log)
	go v.serve(v.api, listener)
	if s.MetricsListen == "" {
		return nil
	}
	if listener, err = net.Listen("tcp", s.MetricsListen); err != nil {
		return withHint(fmt.Errorf("listen for metrics: %w", err), "choose another --metrics-listen, or turn metrics off with an empty one")
	}
	v.metrics = "http://" + listener.Addr().String() + "/metrics"
	v.telemetry = httpapi.NewServer(httpapi.MetricsHandler(v.backends.metrics), httpapi.Timeouts{}, v.log)
	go v.serve(v.telemetry, listener)
	return nil
}

func (v *server) serve(s *http.Server, l net.Listener) {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		v.failed <- fmt.Errorf("serve: %w", err)
	}
}

// handler puts the live page beside the API.
func (v *server) handler(s *Settings, o serverOptions) (http.Handler, error) {
	config, err := v.apiConfig(v.keyring)
	if err != nil {
		return nil, err
	}
	config.Checks = append(v.checks(), httpapi.Check{Name: "pipeline", Ready: v.working},
		httpapi.Check{Name: "api_keys", Ready: func(context.Context) error { return v.keyring.Check() }})
	api, err := httpapi.New(config)
	if err != nil {
		return nil, err
	}
	if s.Page == "off" {
		return api, nil
	}
	access := console.Session
	if s.Page == "open" {
		access = console.Open
	}
	page := console.Page(console.Config{
		Feed: v.feed, Access: access, Secure: s.Secure, Authenticator: pageKeys{v.keyring}, Now: time.Now, Logger: v.log, Demo: o.demo, Version: version,
	})
	return beside(api, v.untilClosing(page)), nil
}

// checks say whether the parts that every request needs are there.
func (b *backends) checks() []httpapi.Check {
	return []httpapi.Check{
		{Name: "store", Ready: b.store.Ready}, {Name: "stream", Ready: b.stream.Ready}, {Name: "keys", Ready: b.vault.Ready},
	}
}

// apiConfig is the API over the open parts, for those whom keys lets in.
func (b *backends) apiConfig(keys httpapi.Authenticator) (httpapi.Config, error) {
	s, limits := b.settings, httpapi.DefaultLimits()
	limits.Rate, limits.Burst = s.KeyRate, s.KeyBurst
	limits.InFlight.Sync, limits.InFlight.Async, limits.InFlight.Batch = s.SyncInFlight, s.AsyncInFlight, s.BatchInFlight
	why := newExplainers(&b.judging, s.registry(s.DataDir))
	words, err := why.words()
	if err != nil {
		return httpapi.Config{}, err
	}
	return httpapi.Config{
		Intake: apiIntake{b.intake}, Decider: apiDecider{b.decider}, Decisions: apiDecisions{b.store}, Explanations: apiExplanations{why, b.store},
		Labels: apiLabels{b.labeler}, Lists: b.lists, ListVault: listVault{b.intake}, Keys: keys,
		Reasons: words, Limits: limits, Logger: b.log, Metrics: b.metrics,
	}, nil
}

// working reports whether the stream is being carried to the store.
func (v *server) working(context.Context) error {
	select {
	case <-v.workEnded:
		return errors.New("a worker has stopped; the log says why")
	default:
		return nil
	}
}

// watch keeps gauges and the stream's length up to date until ctx ends.
func (v *server) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	quarter := time.NewTicker(15 * time.Second) // as often as Prometheus usually looks
	defer quarter.Stop()
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	v.trimOnce(ctx)
	v.weigh()
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			v.measure(ctx)
			if err := v.lists.refresh(ctx); err != nil && ctx.Err() == nil {
				v.log.WarnContext(ctx, "block and allow lists not refreshed", slog.Any("error", err))
			}
		case <-quarter.C:
			v.weigh()
		case <-hour.C:
			v.trimOnce(ctx)
		}
	}
}

func (v *server) trimOnce(ctx context.Context) {
	if err := v.trim(ctx); err != nil && ctx.Err() == nil {
		v.log.WarnContext(ctx, "stream not trimmed", slog.Any("error", err))
	}
}

func (v *server) measure(ctx context.Context) {
	if fault := v.fault(); fault != nil {
		select {
		case v.failed <- withHint(fault, "the disk failed under the data; the next start finds out what was written and goes on from there"):
		default: // said already
		}
	}
	if v.local == nil {
		v.measureRemote(ctx)
		return
	}
	all, err := v.standings(ctx)
	if err != nil {
		return // closing
	}
	var waiting int64
	for i := range all {
		p := &all[i]
		var age time.Duration
		if p.waiting() > 0 {
			waiting += p.waiting()
			if next, err := v.stream.Read(ctx, p.partition, p.checkpoint.Position, 1); err == nil && len(next) > 0 {
				age = max(0, v.now().Sub(next[0].AppendedAt))
			}
		}
		v.backends.metrics.Lag(i, p.waiting(), age)
	}
	v.feed.SetBacklog(waiting)
	held, room := v.local.Bytes()
	v.backends.metrics.Stream(held, room)
}

// measureRemote tells how far reading is behind a stream that does not count its records.
func (v *server) measureRemote(ctx context.Context) {
	log, ok := v.stream.(interface {
		Behind(p stream.Partition) time.Duration
	})
	if !ok {
		return
	}
	partitions, err := v.stream.Partitions(ctx)
	if err != nil {
		return // the worker says so
	}
	for i, p := range partitions {
		v.backends.metrics.Lag(i, 0, log.Behind(p))
	}
}

// weigh tells the metrics how large the windows are: those in memory, or what is held in memory of those elsewhere. It
// looks at every entity, so it is not for every second.
func (v *server) weigh() {
	switch w := v.windows.(type) {
	case *velocity.Memory:
		st := w.Stats()
		v.backends.metrics.Windows(st.Bytes(), int64(st.Entities), int64(st.Events))
	case distant:
		st := w.Stats().Mirror
		v.backends.metrics.Windows(st.Bytes, int64(st.Entities), int64(st.Events))
	}
	if v.drift != nil {
		v.backends.metrics.Drift(v.drift.Drift())
	}
}

// Stop lets requests finish, decides what waits in the stream for as long as the drain time allows, and closes
// everything. What still waits then is decided at the next start.
func (v *server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), v.settings.DrainTime)
	defer cancel()
	v.close()
	errs := []error{shutdown(ctx, v.api), v.drainWorking(ctx)}
	v.stopWork()
	v.background.Wait()
	last, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	return errors.Join(append(errs, shutdown(last, v.telemetry), v.backends.Close())...)
}

// drainWorking drains for as long as anybody works: workers that have failed decide nothing any more.
func (v *server) drainWorking(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-v.workEnded:
			cancel()
		case <-ctx.Done():
		}
	}()
	return v.drain(ctx)
}

func shutdown(ctx context.Context, s *http.Server) error {
	if s == nil {
		return nil
	}
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}
