package redisvelocity_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
)

// Processes that come new after a server was set back, and look first and often, hide nothing from one that was there.
func TestNewcomersHideNothing(t *testing.T) {
	server := testenv.StartRedis(t)
	o := options(t, server.URL(), manyPlan(t))
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("n", 300))
	observeAll(t, w, history[:150])
	for _, known := range []string{"was there when it was saved", "came after that"} {
		server.Do(t, "SAVE")
		saved := time.Now()
		if known == "came after that" {
			w = open(t, o) // its field is missing from what was saved
		}
		for range 2 {
			time.Sleep(20 * time.Millisecond)
			if err := w.Connect(t.Context()); err != nil { // the markers move on
				t.Fatal(err)
			}
		}
		observeAll(t, w, history[150:])
		server.Kill(t)
		server.Start(t)
		late := open(t, o)
		for range 3 {
			if err := late.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if late.Health().Lost {
			t.Fatalf("%s: a new process knows what it cannot know", known)
		}
		eventually(t, "connected again", func() bool { return w.Connect(t.Context()) == nil })
		if h := w.Health(); !h.Lost || h.LostSince.IsZero() || h.LostSince.After(saved) || saved.Sub(h.LostSince) > 15*time.Minute {
			t.Fatalf("%s: %+v, saved at %v", known, h, saved)
		}
		if !incomplete(t, open(t, o), history[0].Event) {
			t.Errorf("%s: who comes later does not know of the loss", known)
		}
		if healed, err := late.TryHeal(t.Context(), restoring(late, history)); err != nil || !healed {
			t.Fatalf("%s: heal: %v, %v", known, healed, err)
		}
		eventually(t, "asked after the heal", func() bool { return w.Connect(t.Context()) == nil })
		if w.Health().Lost {
			t.Fatalf("%s: healed, but %+v", known, w.Health())
		}
	}
}

// A log that lost writes while the markers say that all is well has its slots healed, once.
func TestShortLogIsHealed(t *testing.T) {
	for _, damage := range [][]string{{"DEL"}, {"LTRIM", "0", "1"}} {
		t.Run(damage[0], func(t *testing.T) {
			server := testenv.StartRedis(t)
			o := options(t, server.URL(), velocity.Plan{{Kind: payment.KindCustomer, Aggregate: velocity.Count, Window: velocity.Day}})
			w := open(t, o)
			heal(t, w)
			events := payments("s", 4)
			for i := range events {
				events[i].Entities = events[0].Entities
				observeAll(t, w, remembered(events[i:i+1]))
			}
			for _, key := range allKeys(t, server) {
				if strings.Contains(key, ":m:") {
					server.Do(t, "HSET", key, "e", "1") // it was healed long ago
				}
			}
			key := logKeys(t, server, o.Prefix)[0]
			server.Do(t, append([]string{damage[0], key}, damage[1:]...)...)
			probe := payments("p", 1)
			probe[0].Entities = events[0].Entities
			readings, err := w.Observe(t.Context(), probe)
			if err != nil || !readings[0].Incomplete {
				t.Fatalf("a short log: %+v, %v", readings, err)
			}
			if h := w.Health(); !h.Lost || time.Since(h.LostSince) < time.Minute || time.Since(h.LostSince) > 10*time.Minute {
				t.Fatalf("after a short log: %+v", h)
			}
			if !incomplete(t, open(t, o), probe[0]) {
				t.Error("who comes later does not know of the loss")
			}
			healed, err := w.TryHeal(t.Context(), func(ctx context.Context, _ time.Time) error { return w.Restore(ctx, remembered(events)) })
			if err != nil || !healed || w.Health().Lost {
				t.Fatalf("heal: %v, %v, %+v", healed, err, w.Health())
			}
		})
	}
}
