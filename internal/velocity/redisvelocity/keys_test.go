package redisvelocity_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/fastshop/pipeline/internal/velocity/redisvelocity"
)

// allKeys asks for every key by a script, since the answer of KEYS is no single value.
func allKeys(t *testing.T, server *testenv.Redis) []string {
	t.Helper()
	text := server.Do(t, "EVAL", "return table.concat(redis.call('KEYS', '*'), ' ')", "0")
	keys := strings.Fields(text)
	slices.Sort(keys)
	return keys
}

func logKeys(t *testing.T, server *testenv.Redis, prefix string) []string {
	t.Helper()
	return slices.DeleteFunc(allKeys(t, server), func(key string) bool {
		return !strings.HasPrefix(key, prefix) || strings.Contains(key, ":m:")
	})
}

const day = 24 * time.Hour

func TestKeys(t *testing.T) {
	server := testenv.StartRedis(t)
	windows := velocity.Plan{{Kind: payment.KindCustomer, Aggregate: velocity.Count, Window: velocity.Month}}
	for _, c := range []struct {
		plan  velocity.Plan
		kinds string
		reach map[byte]time.Duration // of logs, by the letter of their kind
	}{
		{windows, "c", map[byte]time.Duration{'c': 38 * day}},
		{velocity.Plan{{Kind: payment.KindMerchant, Aggregate: velocity.FirstSeenSeconds}}, "cm", map[byte]time.Duration{'c': 38 * day, 'm': 180 * day}},
		{velocity.Plan{
			{Kind: payment.KindMerchant, Aggregate: velocity.Count, Window: velocity.Hour},
			{Kind: payment.KindDevice, Aggregate: velocity.Sum, Window: velocity.Week, Delayed: true},
		}, "cmv", map[byte]time.Duration{'c': 38 * day, 'm': day + 2*time.Hour, 'v': 15*day + time.Hour}},
		{manyPlan(t), "cmv", map[byte]time.Duration{'c': 180 * day, 'm': 180 * day, 'v': 180 * day}},
	} {
		server.Flush(t)
		o := options(t, server.URL(), c.plan)
		w := open(t, o)
		if healed, err := w.TryHeal(t.Context(), restoring(w, remembered(payments("restored", 40)))); err != nil || !healed {
			t.Fatal(healed, err)
		}
		observeAll(t, w, remembered(payments("k", 150)))
		kinds := map[byte]bool{}
		logs := 0
		for _, key := range allKeys(t, server) {
			if !strings.HasPrefix(key, o.Prefix) {
				t.Errorf("key %s is outside of the prefix", key)
			}
			ttl, err := strconv.ParseInt(server.Do(t, "PTTL", key), 10, 64)
			reach := 180 * day
			if _, rest, ok := strings.Cut(key, ":{"); ok && !strings.Contains(key, ":m:") {
				kinds[rest[0]] = true
				reach = c.reach[rest[0]]
				logs++
			}
			if life := time.Duration(ttl) * time.Millisecond; err != nil || life <= 0 || life > reach {
				t.Errorf("key %s lives for %v, may for %v", key, life, reach)
			}
		}
		for _, letter := range c.kinds {
			if !kinds[byte(letter)] {
				t.Errorf("no log of kind %c", letter)
			}
		}
		if len(kinds) != len(c.kinds) || logs == 0 {
			t.Errorf("logs of kinds %v, want %s", kinds, c.kinds)
		}
	}
}

// Plans that keep other things of an event do not share logs, and to a new one everything is lost.
func TestAnotherPlan(t *testing.T) {
	server := testenv.SharedRedis(t)
	o := options(t, server.URL(), manyPlan(t))
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("p", 100))
	observeAll(t, w, history)
	o.Plan = o.Plan[:3]
	other := open(t, o)
	if !incomplete(t, other, history[0].Event) {
		t.Error("windows of a new plan are called complete")
	}
	if incomplete(t, w, history[0].Event) {
		t.Error("a new plan makes the windows of the old one incomplete")
	}
	if healed, err := other.TryHeal(t.Context(), restoring(other, history)); err != nil || !healed {
		t.Fatal(healed, err)
	}
	agree(t, other, o.Plan, history)
}

// What production allows the user is enough for all of it, and Check says what is missing of less.
func TestPermissions(t *testing.T) {
	server := testenv.StartRedis(t)
	server.Do(t, "ACL", "SETUSER", "app", "on", ">secret", "~fs:*", "resetchannels", "-@all", "+@read", "+@write", "+@scripting",
		"+@transaction", "+@connection", "-@dangerous", "+info", "+cluster|slots", "+cluster|shards", "+cluster|nodes")
	plan := manyPlan(t)
	o := options(t, server.URL(), plan)
	o.Credentials = func() (string, string, error) { return "app", "secret", nil }
	w := open(t, o)
	heal(t, w)
	history := remembered(payments("u", 600))
	observeAll(t, w, history)
	if err := w.Settle(t.Context(), []velocity.Settlement{{ID: history[0].ID, Entities: history[0].Entities}}); err != nil {
		t.Fatal(err)
	}
	agree(t, w, plan, history)
	report, err := w.Check(t.Context())
	if err != nil || len(report.Problems) != 0 || report.Nodes != 1 || !strings.Contains(report.Server, " ") || report.Policy != "noeviction" {
		t.Errorf("check says %+v, %v", report, err)
	}
	eventually(t, "a snapshot is made", func() bool { return w.Stats().Snapshots > 0 })

	server.Do(t, "ACL", "SETUSER", "app", "-lindex", "-info")
	server.Do(t, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	report, err = w.Check(t.Context())
	if err != nil || len(report.Problems) < 2 || !strings.Contains(strings.Join(report.Problems, "\n"), "LINDEX") {
		t.Errorf("check of one who may not do all says %+v, %v", report, err)
	}
	server.Do(t, "ACL", "SETUSER", "app", "+lindex", "+info")
	if report, err = w.Check(t.Context()); err != nil || len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "allkeys-lru") {
		t.Errorf("check of a server that evicts at will says %+v, %v", report, err)
	}
}

func TestCheckShape(t *testing.T) {
	single, cluster := testenv.SharedRedis(t), testenv.SharedRedisCluster(t)
	for url, want := range map[string]string{
		single.URL() + "?shape=cluster": "not in cluster mode",
		"redis://" + cluster.Nodes()[0]: "say shape=cluster",
	} {
		w := open(t, options(t, url, manyPlan(t)))
		report, err := w.Check(t.Context())
		if err != nil || !strings.Contains(strings.Join(report.Problems, "\n"), want) {
			t.Errorf("check of %s says %+v, %v", url, report, err)
		}
	}
}

// Logs are replaced by snapshots while others append to them, and nothing gets lost.
func TestSnapshotsMeanwhile(t *testing.T) {
	server := testenv.SharedRedis(t)
	plan := manyPlan(t)
	o := options(t, server.URL(), plan)
	ws := []*redisvelocity.Windows{open(t, o), open(t, o), open(t, o)}
	heal(t, ws[0])
	history := remembered(payments("m", 3000))
	var group sync.WaitGroup
	for i, w := range ws {
		group.Go(func() {
			for from := i * 1000; from < (i+1)*1000; from += 10 {
				if err := judge(context.Background(), w, history[from:from+10]); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	group.Wait()
	snapshots := int64(0)
	for _, w := range ws {
		agree(t, w, plan, history)
		snapshots += w.Stats().Snapshots
		if w.Stats().Vanished != 0 || w.Stats().Mirror.Damaged != 0 {
			t.Errorf("%+v", w.Stats())
		}
	}
	if snapshots < 10 {
		t.Errorf("%d snapshots", snapshots)
	}
	agree(t, open(t, o), plan, history)
}

// Old events go when a snapshot is made: a log is bounded by what an entity keeps.
func TestLogsAreBounded(t *testing.T) {
	server := testenv.StartRedis(t)
	plan := velocity.Plan{{Kind: payment.KindCustomer, Aggregate: velocity.Count, Window: velocity.Month}}
	o := options(t, server.URL(), plan)
	o.Bounds.MaxEvents = 200
	w := open(t, o)
	heal(t, w)
	const n = 20_000
	history := make([]velocity.Remembered, n)
	for i := range history {
		history[i].Event = velocity.Event{ID: fmt.Sprint(i), At: start.Add(time.Duration(i) * time.Second), Amount: 1}
		history[i].Entities[payment.KindCustomer] = tokenOf(payment.KindCustomer, 1)
	}
	observeAll(t, w, history)
	eventually(t, "the log is short again", func() bool {
		if err := judge(t.Context(), w, history[n-1:]); err != nil {
			t.Fatal(err)
		}
		size, err := strconv.Atoi(server.Do(t, "MEMORY", "USAGE", logKeys(t, server, o.Prefix)[0], "SAMPLES", "0"))
		if err != nil {
			t.Fatal(err)
		}
		return size < 4*200*25
	})
	readings, err := open(t, o).Read(t.Context(), []velocity.Event{{ID: "probe", At: history[n-1].At, Entities: history[0].Entities}})
	if err != nil || readings[0].Values[0] != 200 || !readings[0].Saturated {
		t.Errorf("%+v, %v", readings, err)
	}
}

// What an event takes in the server is what the package comment says.
func TestServerMemory(t *testing.T) {
	server := testenv.StartRedis(t)
	used := func() float64 {
		for line := range strings.Lines(server.Do(t, "INFO", "memory")) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
				n, err := strconv.ParseFloat(text, 64)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		t.Fatal("INFO says nothing of used_memory")
		return 0
	}
	w := open(t, options(t, server.URL(), defaultPlan(t)))
	heal(t, w)
	s := newShop("memory", 5_000)
	before := used()
	const n = 50_000
	for range n / 500 {
		session(t, w, s.batch(500))
	}
	taken := used() - before
	keys, err := strconv.ParseFloat(server.Do(t, "DBSIZE"), 64)
	if err != nil {
		t.Fatal(err)
	}
	perKey, perEvent := taken/keys, taken/n
	t.Logf("%.0f bytes an entity with %.1f events, %.0f bytes an event in all its entities", perKey, 9*n/keys, perEvent)
	if perEvent > 9*90 {
		t.Errorf("an event takes %.0f bytes", perEvent)
	}
}
