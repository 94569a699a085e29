package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// serverRaw is how fast a server alone does what the program asks of it.
type serverRaw struct {
	Transactions int     `json:"transactions"`
	PerSecond    float64 `json:"per_second"`
	Ratio        float64 `json:"ratio"`                     // batch rate over it
	CopyRate     float64 `json:"copy_per_second,omitempty"` // PostgreSQL: the same rows by COPY, which cannot tell what is there already
	Calls        float64 `json:"calls_per_transaction,omitempty"`
}

// rawConnections is how many connections measure a server: as many as the program has partitions.
const rawConnections = 4

// scratch is a database and a prefix of keys that a bench has for itself.
type scratch struct {
	store, velocity string
	removers        []func(context.Context) error
}

// remove takes away what the bench left on the servers.
func (s *scratch) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, remove := range s.removers {
		errs = append(errs, remove(ctx))
	}
	return errors.Join(errs...)
}

// prepareServers makes a database of the bench's own beside the named one, with the schema in it, and chooses a prefix.
func (c *benchCommand) prepareServers(ctx context.Context) (_ *scratch, err error) {
	s := &scratch{}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("draw a name: %w", err)
	}
	name := "fastshop_bench_" + hex.EncodeToString(random[:])
	if c.Store != "" {
		if s.store, err = s.database(ctx, c.Store, name); err != nil {
			return nil, errors.Join(err, s.remove())
		}
	}
	if c.Velocity != "" {
		at, err := url.Parse(c.Velocity)
		if err != nil {
			return nil, errors.Join(errors.New("--velocity is no URL"), s.remove())
		}
		q := at.Query()
		q.Set("prefix", q.Get("prefix")+name+":")
		at.RawQuery = q.Encode()
		s.velocity = at.String()
		s.removers = append(s.removers, func(ctx context.Context) error { return clearWindows(ctx, s.velocity) })
	}
	return s, nil
}

func (s *scratch) database(ctx context.Context, place, name string) (string, error) {
	at, err := url.Parse(place)
	if err != nil {
		return "", errors.New("--store is no URL")
	}
	admin, err := pgx.Connect(ctx, place)
	if err != nil {
		return "", withHint(errors.New("connect to --store: the server refuses, or cannot be reached"), "bench signs in with what the URL says; auth=iam and auth=secret are for serve")
	}
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return "", errors.Join(fmt.Errorf("make a database for the bench: %w", err), admin.Close(ctx))
	}
	s.removers = append(s.removers, func(ctx context.Context) error {
		_, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		return errors.Join(err, admin.Close(ctx))
	})
	at.Path = "/" + name
	config, err := pgstore.ParseURL(at.String())
	if err != nil {
		return "", err
	}
	_, _, err = pgstore.Migrate(ctx, pgstore.Options{Config: config})
	return at.String(), err
}

// rawPostgres stores the bench's own rows again.
func (c *benchCommand) rawPostgres(ctx context.Context, place string, batchRate float64) (*serverRaw, error) {
	config, err := pgstore.ParseURL(place)
	if err != nil {
		return nil, err
	}
	r, err := pgstore.Raw(ctx, pgstore.Options{Config: config}, min(c.Transactions, rawRows), c.BatchLines, rawConnections)
	if err != nil {
		return nil, err
	}
	return &serverRaw{Transactions: r.Rows, PerSecond: r.Insert, CopyRate: r.Copy, Ratio: batchRate / r.Insert}, nil
}

// rawRedis sends the commands that the windows of the last batches took, again and again, and nothing else.
func (c *benchCommand) rawRedis(ctx context.Context, p *places, batchRate float64) (*serverRaw, error) {
	b := newBackends(defaultSettings(p.DataDir, p.KeysDir), quiet())
	var err error
	if b.rules, err = loadRules(""); err != nil {
		return nil, err
	}
	plan, _, err := b.plan()
	if err != nil {
		return nil, err
	}
	events, err := c.lastEvents(ctx, p)
	if err != nil {
		return nil, err
	}
	at, err := redisvelocity.ParseURL(p.Velocity)
	if err != nil {
		return nil, err
	}
	w, err := redisvelocity.New(redisvelocity.Options{Server: at.Server, Plan: plan, Bounds: b.windowOptions, Now: time.Now, Random: rand.Reader, Log: quiet()})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return measureRedis(ctx, w, events, c.BatchLines, batchRate)
}

// lastEvents are those of the last few batches that were stored.
func (c *benchCommand) lastEvents(ctx context.Context, p *places) ([]velocity.Event, error) {
	var events []velocity.Event
	err := withStore(ctx, p, func(s books) error {
		rows, err := s.Recent(ctx, rawConnections*c.BatchLines)
		for i := range rows {
			events = append(events, velocity.EventOf(&rows[i].Transaction))
		}
		return err
	})
	return events, err
}

// rawTime is how long Redis is measured.
const rawTime = 3 * time.Second

func measureRedis(ctx context.Context, w *redisvelocity.Windows, events []velocity.Event, batch int, batchRate float64) (*serverRaw, error) {
	r := &serverRaw{}
	var senders sync.WaitGroup
	var mu sync.Mutex
	var failed error
	var prepared []*redisvelocity.Raw
	for from := 0; from+batch <= len(events); from += batch {
		raw, err := w.Raw(ctx, events[from:from+batch])
		if err != nil {
			return nil, fmt.Errorf("measure Redis: %w", err)
		}
		r.Calls += float64(raw.Len())
		prepared = append(prepared, raw)
	}
	if len(prepared) == 0 {
		return nil, errors.New("measure Redis: fewer transactions than a batch")
	}
	r.Calls /= float64(len(prepared) * batch)
	start := time.Now()
	for _, raw := range prepared {
		senders.Go(func() {
			sent := 0
			var err error
			for err == nil && time.Since(start) < rawTime {
				err = raw.Send(ctx)
				sent += batch
			}
			mu.Lock()
			defer mu.Unlock()
			r.Transactions += sent
			failed = errors.Join(failed, err)
		})
	}
	senders.Wait()
	r.PerSecond = float64(r.Transactions) / time.Since(start).Seconds()
	r.Ratio = batchRate / r.PerSecond
	return r, failed
}
