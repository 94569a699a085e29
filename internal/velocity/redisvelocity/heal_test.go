package redisvelocity_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// restoring is a healer that brings a whole history back.
func restoring(w *redisvelocity.Windows, history []velocity.Remembered) func(context.Context, time.Time) error {
	return func(ctx context.Context, _ time.Time) error { return w.Restore(ctx, history) }
}

func observeAll(t *testing.T, w *redisvelocity.Windows, history []velocity.Remembered) {
	t.Helper()
	for from := 0; from < len(history); from += 100 {
		var events []velocity.Event
		for _, h := range history[from:min(from+100, len(history))] {
			events = append(events, h.Event)
		}
		if _, err := w.Observe(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
}

// incomplete is what a reading of the first event says.
func incomplete(t *testing.T, w *redisvelocity.Windows, e velocity.Event) bool {
	t.Helper()
	readings, err := w.Read(t.Context(), []velocity.Event{e})
	if err != nil {
		t.Fatal(err)
	}
	return readings[0].Incomplete
}

// eventually waits for what another process must notice within its next look at the markers.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

// A server that never held anything is healed by one of two processes; after a flush both know at once that
// something is missing, also one that starts just then, until it has been brought back.
func TestFlushIsHealed(t *testing.T) {
	for _, shape := range []string{"standalone", "cluster"} {
		t.Run(shape, func(t *testing.T) {
			var url string
			var flush func()
			if shape == "cluster" {
				c := testenv.StartRedisCluster(t)
				url, flush = c.URL(), func() { c.Flush(t) }
			} else {
				r := testenv.StartRedis(t)
				url, flush = r.URL(), func() { r.Flush(t) }
			}
			plan := manyPlan(t)
			o := options(t, url, plan)
			one, other := open(t, o), open(t, o)
			history := remembered(payments("f", 600))
			if !incomplete(t, one, history[0].Event) || one.Health().Ready {
				t.Fatal("windows that were never filled are called complete")
			}
			heal(t, one)
			observeAll(t, one, history[:400])
			observeAll(t, other, history[400:])
			agree(t, other, plan, history)
			flush()
			third := open(t, o)
			for i, w := range []*redisvelocity.Windows{one, other, third} {
				if !incomplete(t, w, history[0].Event) || !w.Health().Lost || !w.Health().LostSince.IsZero() {
					t.Fatalf("process %d after a flush: %+v", i, w.Health())
				}
			}
			if healed, err := other.TryHeal(t.Context(), restoring(other, history)); err != nil || !healed {
				t.Fatalf("heal: %v, %v", healed, err)
			}
			if healed, err := other.TryHeal(t.Context(), nothing); err != nil || healed {
				t.Fatalf("heal what is whole: %v, %v", healed, err)
			}
			for _, w := range []*redisvelocity.Windows{one, other, third} {
				eventually(t, "healed everywhere", func() bool { return !incomplete(t, w, history[0].Event) })
				agree(t, w, plan, history)
			}
		})
	}
}

// Of many that try to heal one does, and while it is at it nobody calls the windows complete.
func TestOneHeals(t *testing.T) {
	o := options(t, testenv.SharedRedis(t).URL(), manyPlan(t))
	var group sync.WaitGroup
	var mu sync.Mutex
	running, healers := 0, 0
	history := remembered(payments("h", 200))
	for range 5 {
		w := open(t, o)
		group.Go(func() {
			for {
				healed, err := w.TryHeal(t.Context(), func(ctx context.Context, since time.Time) error {
					mu.Lock()
					running++
					if running > 1 || !since.IsZero() {
						t.Errorf("%d heal at once, since %v", running, since)
					}
					mu.Unlock()
					err := w.Restore(ctx, history)
					if !incomplete(t, w, history[0].Event) {
						t.Error("windows are called complete while they are healed")
					}
					mu.Lock()
					running--
					mu.Unlock()
					return err
				})
				if err != nil {
					t.Error(err)
				}
				if healed {
					mu.Lock()
					healers++
					mu.Unlock()
				}
				if h := w.Health(); h.Known && !h.Lost {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	group.Wait()
	if healers != 1 {
		t.Errorf("%d of 5 healed", healers)
	}
}

// What is lost while it is being healed is not forgotten, and a healer that fails leaves the rest to the next.
func TestLostWhileHealing(t *testing.T) {
	server := testenv.StartRedis(t)
	w := open(t, options(t, server.URL(), manyPlan(t)))
	history := remembered(payments("l", 100))
	_, err := w.TryHeal(t.Context(), func(ctx context.Context, _ time.Time) error {
		server.Flush(t)
		return w.Restore(ctx, history)
	})
	if !errors.Is(err, redisvelocity.ErrLostAgain) {
		t.Errorf("a flush while healing: %v", err)
	}
	broken := errors.New("store is gone")
	if healed, err := w.TryHeal(t.Context(), func(context.Context, time.Time) error { return broken }); healed || !errors.Is(err, broken) {
		t.Errorf("a healer that failed: %v, %v", healed, err)
	}
	if !w.Health().Lost {
		t.Errorf("after two that failed: %+v", w.Health())
	}
	heal(t, w)
	if w.Health().Lost || !w.Health().Ready {
		t.Errorf("after one that did not: %+v", w.Health())
	}
}

// A server that comes back with an older state is found out, with the moment from which on writes are lost.
func TestSetBack(t *testing.T) {
	server := testenv.StartRedis(t)
	plan := manyPlan(t)
	o := options(t, server.URL(), plan)
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("b", 300))
	observeAll(t, w, history[:150])
	server.Do(t, "SAVE") // what a restart finds
	time.Sleep(1100 * time.Millisecond)
	saved := time.Now()
	if err := w.Connect(t.Context()); err != nil { // the markers move on
		t.Fatal(err)
	}
	observeAll(t, w, history[150:])
	server.Kill(t)
	server.Start(t)
	eventually(t, "the loss is known", func() bool {
		_, err := w.Read(t.Context(), []velocity.Event{history[0].Event})
		return err == nil && w.Health().Lost
	})
	if since := w.Health().LostSince; since.IsZero() || since.After(saved) || saved.Sub(since) > time.Minute {
		t.Errorf("lost since %v, saved before %v", since, saved)
	}
	late := open(t, o) // the loss is in the server, not in one process's memory
	if !incomplete(t, late, history[0].Event) {
		t.Error("a process that comes later does not know of the loss")
	}
	var since time.Time
	healed, err := late.TryHeal(t.Context(), func(ctx context.Context, from time.Time) error {
		since = from
		return late.Restore(ctx, history[100:])
	})
	if err != nil || !healed || !since.Equal(late.Health().LostSince) && since.IsZero() {
		t.Fatalf("heal: %v, %v since %v", healed, err, since)
	}
	agree(t, late, plan, history)
	eventually(t, "healed everywhere", func() bool { return !incomplete(t, w, history[0].Event) })
	agree(t, w, plan, history)
}
