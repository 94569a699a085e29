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
	"github.com/fastshop/pipeline/internal/review"
	"github.com/fastshop/pipeline/internal/rule"
)

// server is a running program: backends, workers, API, page and metrics.
type server struct {
	*backends
	feed    *console.Feed
	keyring *httpapi.Keyring
	url     string // of API and page
	metrics string // of the metrics, or empty

	api, telemetry *http.Server
	stopWork       context.CancelFunc
	background     sync.WaitGroup
	failed         chan error
}

// serverOptions are what demo and serve do differently.
type serverOptions struct {
	demo    bool
	decided func(pipeline.Entry)
}

// startServer opens everything and takes traffic. The caller must call Stop, also when ctx has ended.
func startServer(ctx context.Context, s *Settings, log *slog.Logger, w io.Writer, o serverOptions) (_ *server, err error) {
	if s.Page == "open" && !loopback(s.Listen) {
		return nil, withHint(errors.New("refuse --page open on an address that others can reach"), "use --page session, or listen on 127.0.0.1")
	}
	if s.MetricsListen != "" && !loopback(s.MetricsListen) {
		return nil, withHint(errors.New("refuse --metrics-listen on an address that others can reach"), "metrics carry no personal data, but they tell how the shop is doing; scrape them on loopback")
	}
	v := &server{feed: console.NewFeed(time.Now), failed: make(chan error, 4)}
	v.backends, err = openBackends(ctx, s, log, w, hooks{decided: v.publish(o.decided), labeled: v.learn})
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
		return nil, err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stopWork = stop
	v.background.Go(func() {
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
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", v.backends.metrics.Handler())
	v.telemetry = httpapi.NewServer(mux, httpapi.Timeouts{}, v.log)
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
	limits := httpapi.DefaultLimits()
	limits.Rate, limits.Burst = s.KeyRate, s.KeyBurst
	limits.InFlight.Sync, limits.InFlight.Async = s.SyncInFlight, s.AsyncInFlight
	limits.Deadline = httpapi.Deadline{Sync: s.RequestTime, Async: s.RequestTime, Batch: s.RequestTime, Desk: s.RequestTime}
	texts := map[string]httpapi.Text{}
	for _, r := range v.rules.Rules() {
		if _, ok := texts[r.Code]; !ok {
			texts[r.Code] = httpapi.Text{PT: r.Text.PT, EN: r.Text.EN}
		}
	}
	api, err := httpapi.New(httpapi.Config{
		Intake: apiIntake{v.intake}, Decider: apiDecider{v.decider}, Decisions: apiDecisions{v.store},
		Labels: apiLabels{v.labeler}, Lists: v.lists, ListVault: listVault{v.intake}, Keys: v.keyring,
		Reasons: func(code string) httpapi.Text { return texts[code] },
		Checks:  []httpapi.Check{{Name: "store", Ready: v.storeReady}},
		Limits:  limits, Logger: v.log, Metrics: v.backends.metrics,
	})
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
		Feed: v.feed, Access: access, Authenticator: pageKeys{v.keyring}, Now: time.Now, Logger: v.log, Demo: o.demo, Version: version,
	})
	mux := http.NewServeMux()
	mux.Handle("/", api)
	for _, path := range []string{"/{$}", "/live/", "/login", "/logout"} {
		mux.Handle(path, page)
	}
	return mux, nil
}

func (v *server) storeReady(ctx context.Context) error {
	_, err := v.store.Known(ctx, []string{"ready"})
	return err
}

// wording is what people are told of a rule.
func (v *server) wording(id string) rule.Wording {
	for _, r := range v.rules.Rules() {
		if r.ID == id {
			return r.Text
		}
	}
	return rule.Wording{}
}

// publish shows stored decisions on the live page.
func (v *server) publish(also func(pipeline.Entry)) func(pipeline.Entry) {
	return func(e pipeline.Entry) {
		v.feed.Publish(v.event(&e))
		if also != nil {
			also(e)
		}
	}
}

func (v *server) event(e *pipeline.Entry) console.Event {
	t, d := &e.Transaction, &e.Decision
	shown := console.Event{
		ID: t.ID, At: t.OccurredAt, Centavos: t.Amount.Centavos, Method: t.Method, Channel: t.Channel, Merchant: t.Merchant,
		Outcome: d.Outcome, Score: d.Score, Path: d.Path, Latency: max(0, v.now().Sub(t.ReceivedAt)),
	}
	for _, r := range d.Reasons {
		if !r.Shadow {
			text := v.wording(r.Rule)
			shown.Reasons = append(shown.Reasons, console.Reason{Code: r.Code, Portuguese: text.PT, English: text.EN})
		}
	}
	return shown
}

func (v *server) learn(l review.Label, about pipeline.Labelled) {
	truth := console.Genuine
	if l.Verdict == review.Fraud {
		truth = console.Fraud
	}
	v.feed.Learn(l.TransactionID, about.Outcome, truth)
}

// watch keeps gauges and the stream's length up to date until ctx ends.
func (v *server) watch(ctx context.Context) {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-second.C:
			v.measure(ctx)
		case <-hour.C:
			if err := v.trim(ctx); err != nil {
				v.log.WarnContext(ctx, "stream not trimmed", slog.Any("error", err))
			}
		}
	}
}

func (v *server) measure(ctx context.Context) {
	if lag, err := v.lag(ctx); err == nil {
		v.feed.SetBacklog(lag)
	}
	st := v.windows.Stats()
	v.backends.metrics.Windows(st.Bytes(), int64(st.Entities), int64(st.Events))
}

// Stop lets requests finish, decides what waits in the stream for as long as the drain time allows, and closes
// everything. What still waits then is decided at the next start.
func (v *server) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), v.settings.DrainTime)
	defer cancel()
	errs := []error{shutdown(ctx, v.api), v.drain(ctx), shutdown(ctx, v.telemetry)}
	v.stopWork()
	v.background.Wait()
	return errors.Join(append(errs, v.backends.Close())...)
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

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
