package redisvelocity_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// A server that stands still costs deadlines until the breaker opens, and next to nothing from then on. When it goes on
// again so do the windows, and what was on its way is counted once, however often it was tried.
func TestFrozen(t *testing.T) {
	server := testenv.StartRedis(t)
	plan := manyPlan(t)
	o := options(t, server.URL(), plan)
	o.Timeout, o.BatchTimeout = 50*time.Millisecond, 500*time.Millisecond
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("z", 300))
	observeAll(t, w, history[:200])
	server.Freeze(t)
	began := time.Now()
	for i := range 5 {
		if _, err := w.Observe(t.Context(), []velocity.Event{history[200+i].Event}); !errors.Is(err, velocity.ErrUnavailable) {
			t.Fatalf("a frozen server: %v", err)
		}
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("5 deadlines of 50 ms took %v", took)
	}
	if !w.Stats().Open || w.Health().Ready {
		t.Fatalf("after 5 failures: %+v, %+v", w.Stats(), w.Health())
	}
	calls := w.Stats().Calls
	for range 1000 {
		if _, err := w.Observe(t.Context(), []velocity.Event{history[0].Event}); !errors.Is(err, velocity.ErrUnavailable) {
			t.Fatalf("with an open breaker: %v", err)
		}
	}
	if tried := w.Stats().Calls - calls; tried > 3 {
		t.Errorf("an open breaker let %d of 1000 through", tried)
	}
	server.Thaw(t)
	eventually(t, "the breaker closes", func() bool {
		_, err := w.Read(t.Context(), []velocity.Event{history[0].Event})
		return err == nil
	})
	observeAll(t, w, history[200:]) // some for the second time
	agree(t, w, plan, history)
	if w.Health().Lost {
		t.Error("a pause is called a loss")
	}
}

// A killed server is empty when it comes back, and windows that start while there is none begin when there is one.
func TestKilled(t *testing.T) {
	server := testenv.StartRedis(t)
	plan := manyPlan(t)
	o := options(t, server.URL(), plan)
	o.ConnectTimeout = 200 * time.Millisecond
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("k", 300))
	observeAll(t, w, history)
	server.Kill(t)
	if _, err := w.Observe(t.Context(), []velocity.Event{history[0].Event}); !errors.Is(err, velocity.ErrUnavailable) {
		t.Fatalf("a killed server: %v", err)
	}
	if err := w.Settle(t.Context(), []velocity.Settlement{{ID: "x", Entities: history[0].Entities}}); !errors.Is(err, velocity.ErrUnavailable) {
		t.Fatalf("settle with a killed server: %v", err)
	}
	early := open(t, o)
	if err := early.Connect(t.Context()); !errors.Is(err, velocity.ErrUnavailable) {
		t.Fatalf("connect to a killed server: %v", err)
	}
	server.Start(t)
	for _, w := range []*redisvelocity.Windows{w, early} {
		eventually(t, "connected again", func() bool { return w.Connect(t.Context()) == nil })
		if !incomplete(t, w, history[0].Event) {
			t.Error("an empty server is called complete")
		}
	}
	if healed, err := early.TryHeal(t.Context(), restoring(early, history)); err != nil || !healed {
		t.Fatalf("heal: %v, %v", healed, err)
	}
	agree(t, early, plan, history)
	eventually(t, "healed everywhere", func() bool { return !incomplete(t, w, history[0].Event) })
	agree(t, w, plan, history)
}

// When the reply gets lost after the append, and the caller tries again, nothing is counted twice.
func TestLostReplies(t *testing.T) {
	server := testenv.StartRedis(t)
	proxy := testenv.Proxy(t, server.Addr())
	plan := manyPlan(t)
	o := options(t, "redis://"+proxy.Addr(), plan)
	o.Timeout, o.BatchTimeout = 100*time.Millisecond, 100*time.Millisecond
	w := open(t, o)
	eventually(t, "healed", func() bool { healed, _ := w.TryHeal(t.Context(), nothing); return healed || w.Health().Ready })
	history := remembered(payments("r", 400))
	failed := 0
	for from := 0; from < len(history); from += 20 {
		var events []velocity.Event
		for _, h := range history[from : from+20] {
			events = append(events, h.Event)
		}
		if from%60 == 0 {
			proxy.Delay(300 * time.Millisecond)
			if _, err := w.Observe(t.Context(), events); err != nil {
				failed++
			}
			proxy.Delay(0)
		}
		eventually(t, "observed", func() bool { _, err := w.Observe(t.Context(), events); return err == nil })
	}
	if failed == 0 {
		t.Error("no reply was late")
	}
	eventually(t, "readable", func() bool { return !incomplete(t, w, history[0].Event) })
	agree(t, w, plan, history)
}

// After a failover the windows go on, and what the new primary has not got is found out or still there.
func TestFailover(t *testing.T) {
	cluster := testenv.StartRedisCluster(t)
	plan := manyPlan(t)
	o := options(t, cluster.URL(), plan)
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("o", 600))
	observeAll(t, w, history[:200])
	cluster.Failover(t, 0) // in order: nothing is lost
	eventually(t, "observed after a failover", func() bool {
		_, err := w.Observe(t.Context(), []velocity.Event{history[200].Event})
		return err == nil
	})
	observeAll(t, w, history[200:400])
	agree(t, w, plan, history[:400])
	cluster.KillMaster(t, 1)
	eventually(t, "observed after a crash", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var events []velocity.Event
		for _, h := range history[400:] {
			events = append(events, h.Event)
		}
		_, err := w.Observe(ctx, events)
		return err == nil
	})
	if err := w.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Health().Lost {
		if _, err := w.TryHeal(t.Context(), restoring(w, history)); err != nil {
			t.Fatal(err)
		}
	}
	agree(t, w, plan, history)
}

// A caller's own end of patience is no failure of the server.
func TestCanceled(t *testing.T) {
	w := open(t, options(t, testenv.SharedRedis(t).URL(), manyPlan(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := w.Observe(ctx, payments("c", 1)); !errors.Is(err, context.Canceled) {
			t.Fatalf("a canceled call says %v", err)
		}
	}
	if w.Stats().Open || w.Stats().Failures != 0 {
		t.Errorf("%+v", w.Stats())
	}
	bad := payments("bad", 1)
	bad[0].Amount = -1
	if _, err := w.Observe(t.Context(), bad); !errors.Is(err, velocity.ErrEvent) {
		t.Errorf("an event that cannot be: %v", err)
	}
}

// A log that makes no sense, and a head that is none, are begun anew, and readings say that something is missing.
func TestDamagedLog(t *testing.T) {
	server := testenv.StartRedis(t)
	for i, damage := range [][]string{{"RPUSH", "\x0fnonsense"}, {"LSET", "0", "no head"}, {"LPUSH", "x"}} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			server.Flush(t)
			o := options(t, server.URL(), velocity.Plan{{Kind: 1, Aggregate: velocity.Count, Window: velocity.Day}})
			w := open(t, o)
			heal(t, w)
			events := payments("d", 1)
			observeAll(t, w, remembered(events))
			key := logKeys(t, server, o.Prefix)[0]
			server.Do(t, append([]string{damage[0], key}, damage[1:]...)...)
			again := payments("e", 1)
			again[0].Entities = events[0].Entities
			readings, err := w.Observe(t.Context(), again)
			if err != nil || !readings[0].Incomplete {
				t.Fatalf("a damaged log: %+v, %v", readings, err)
			}
			again[0].ID = "third"
			readings, err = open(t, o).Observe(t.Context(), again)
			if err != nil || readings[0].Incomplete || readings[0].Values[0] != 1 {
				t.Fatalf("a log that was begun anew: %+v, %v", readings, err)
			}
		})
	}
}
