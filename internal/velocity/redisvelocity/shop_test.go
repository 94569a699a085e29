package redisvelocity_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
	"github.com/fastshop/pipeline/internal/velocity/velocitytest"
)

// prefixes makes each test's keys its own.
var prefixes atomic.Int64

func options(tb testing.TB, url string, plan velocity.Plan) redisvelocity.Options {
	tb.Helper()
	u, err := redisvelocity.ParseURL(url)
	if err != nil {
		tb.Fatal(err)
	}
	u.Prefix = fmt.Sprintf("fs:%d:", prefixes.Add(1))
	return redisvelocity.Options{Server: u.Server, Plan: plan, Now: time.Now, Random: rand.Reader, Log: slog.New(slog.DiscardHandler),
		Timeout: 10 * time.Second, BatchTimeout: 10 * time.Second}
}

// open makes windows with patience: the machine may be busy, and deadlines have tests of their own.
func open(tb testing.TB, o redisvelocity.Options) *redisvelocity.Windows {
	tb.Helper()
	w, err := redisvelocity.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(w.Close)
	return w
}

// nothing heals windows that never held anything.
func nothing(context.Context, time.Time) error { return nil }

func heal(tb testing.TB, w *redisvelocity.Windows) {
	tb.Helper()
	if healed, err := w.TryHeal(tb.Context(), nothing); err != nil || !healed {
		tb.Fatalf("heal: %v, %v", healed, err)
	}
}

func TestStandalone(t *testing.T) {
	url := testenv.SharedRedis(t).URL()
	velocitytest.Run(t, func(t *testing.T, plan velocity.Plan, o velocity.Options) velocitytest.Windows {
		options := options(t, url, plan)
		options.Bounds = o
		w := open(t, options)
		heal(t, w)
		return w
	})
}

func TestCluster(t *testing.T) {
	url := testenv.SharedRedisCluster(t).URL()
	velocitytest.Run(t, func(t *testing.T, plan velocity.Plan, o velocity.Options) velocitytest.Windows {
		options := options(t, url, plan)
		options.Bounds = o
		w := open(t, options)
		heal(t, w)
		return w
	})
}
