package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/testenv"
)

const streamID = "0123456789abcdef0123456789abcdef"

// step is batch n of a partition: rows transactions and the checkpoint after them.
func step(partition string, n, rows int) pipeline.Batch {
	entries := samples(n*rows, rows)
	for i := range entries {
		id := fmt.Sprintf("p%s-%d-%d", partition, n, i)
		entries[i].Transaction.ID, entries[i].Decision.TransactionID = id, id
	}
	next := &pipeline.Checkpoint{
		Stream: streamID, Partition: stream.Partition(partition), Position: stream.Position(fmt.Sprint(n + 1)), Records: int64((n + 1) * rows),
	}
	if n > 0 {
		next.After = stream.Position(fmt.Sprint(n))
	}
	return pipeline.Batch{Chain: "partition/" + partition, Entries: entries, Checkpoint: next}
}

// work commits steps as a worker does: what is unavailable is tried again, and a repeat that is fenced may have been done
// by the attempt whose answer was lost.
func work(t *testing.T, s *pgstore.Store, partition string, steps, rows int, done *atomic.Int64) {
	for n := range steps {
		b := step(partition, n, rows)
		for try := 0; ; try++ {
			_, err := s.Commit(t.Context(), b)
			if errors.Is(err, pipeline.ErrFenced) && try > 0 {
				var c pipeline.Checkpoint
				if c, _, err = s.Checkpoint(t.Context(), stream.Partition(partition)); err == nil && c.Position != b.Checkpoint.Position {
					t.Errorf("partition %s stands at %q, its only worker at %q", partition, c.Position, b.Checkpoint.Position)
					return
				}
			}
			if err == nil {
				done.Add(1)
				break
			}
			if !errors.Is(err, pipeline.ErrUnavailable) || try > 1000 {
				t.Errorf("partition %s, step %d, attempt %d: %v", partition, n, try, err)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// workers runs four workers and calls fault after every so many of their commits until they are done.
func workers(t *testing.T, url string, every int64, fault func()) {
	t.Helper()
	s := open(t, url, pgstore.Options{})
	const partitions, steps, rows = 4, 40, 20
	var done atomic.Int64
	var group sync.WaitGroup
	for p := range partitions {
		group.Go(func() { work(t, s, fmt.Sprint(p), steps, rows, &done) })
	}
	faults := 0
	for before := int64(0); done.Load() < partitions*steps && !t.Failed(); time.Sleep(time.Millisecond) {
		if now := done.Load(); now >= before+every {
			before = now
			fault()
			faults++
		}
	}
	group.Wait()
	if faults < 2 {
		t.Errorf("%d faults: the workers were done too early", faults)
	}
	s = open(t, url, pgstore.Options{}) // connections that were cut while they rested are found out when they are used
	entries := verify(t, s)
	totals, err := s.Totals(t.Context())
	if err != nil || totals.Transactions() != partitions*steps*rows {
		t.Errorf("%d transactions, %v; want %d: nothing lost, nothing twice", totals.Transactions(), err, partitions*steps*rows)
	}
	for p := range partitions {
		if n := entries[fmt.Sprintf("partition/%d", p)]; n != steps {
			t.Errorf("chain of partition %d has %d entries, want %d", p, n, steps)
		}
		c, _, err := s.Checkpoint(t.Context(), stream.Partition(fmt.Sprint(p)))
		if err != nil || c.Position != stream.Position(fmt.Sprint(steps)) || c.Records != steps*rows {
			t.Errorf("partition %d stands at %+v, %v", p, c, err)
		}
	}
}

func TestAServerThatIsKilledLosesNothing(t *testing.T) {
	server := testenv.StartPostgres(t)
	workers(t, migrated(t, server), 40, func() {
		server.Kill(t)
		time.Sleep(50 * time.Millisecond)
		server.Start(t)
	})
}

func TestConnectionsThatAreCutLoseNothing(t *testing.T) {
	server := testenv.SharedPostgres(t)
	url := migrated(t, server)
	conn := dial(t, server.URL("postgres", "postgres"))
	workers(t, url, 10, func() { // without waiting, so that they are cut wherever they are
		_, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", parse(t, url).Database())
		if err != nil {
			t.Error(err)
		}
	})
}

func TestAStoreOutlivesItsServer(t *testing.T) {
	server := testenv.StartPostgres(t)
	s := open(t, migrated(t, server), pgstore.Options{Timeout: 3 * time.Second})
	commit(t, s, samples(0, 3)...)
	for name, fault := range map[string]struct{ begin, end func() }{
		"stopped":   {func() { server.Stop(t) }, func() { server.Start(t) }},
		"read-only": {func() { server.ReadOnly(t, true) }, func() { server.ReadOnly(t, false) }},
		"frozen":    {func() { server.Freeze(t) }, func() { server.Thaw(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			fault.begin()
			b := pipeline.Batch{Chain: "sync", Entries: samples(100, 3)}
			large := step(name, 0, 100)
			start := time.Now()
			for what, err := range map[string]error{
				"small commit": failure(s.Commit(t.Context(), b)),
				"large commit": failure(s.Commit(t.Context(), large)),
				"ready":        s.Ready(t.Context()),
				"bind":         s.Bind(t.Context(), name, "x"),
			} {
				if !errors.Is(err, pipeline.ErrUnavailable) {
					t.Errorf("%s: %v, want ErrUnavailable", what, err)
				}
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("it took %v to find out", took)
			}
			fault.end()
			for deadline := time.Now().Add(20 * time.Second); s.Ready(t.Context()) != nil && time.Now().Before(deadline); {
				time.Sleep(20 * time.Millisecond)
			}
			if _, err := s.Commit(t.Context(), b); err != nil {
				t.Errorf("commit afterwards: %v", err)
			}
			if _, err := s.Commit(t.Context(), large); err != nil && !errors.Is(err, pipeline.ErrFenced) {
				t.Errorf("commit afterwards: %v", err) // a frozen server may have committed after all
			}
			for i := range b.Entries { // other ids for the next fault
				b.Entries[i].Transaction.ID += name
			}
			verify(t, s)
		})
	}
}

func failure[T any](_ T, err error) error { return err }

func TestALockThatIsHeldIsUnavailable(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	s := open(t, url, pgstore.Options{Timeout: time.Second})
	commit(t, s, samples(0, 1)...)
	other := dial(t, url)
	if _, err := other.Exec(t.Context(), "BEGIN; SELECT FROM fastshop.chains WHERE chain = 'sync' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	b := pipeline.Batch{Chain: "sync", Entries: samples(10, 2)}
	if _, err := s.Commit(t.Context(), b); !errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("commit: %v, want ErrUnavailable", err)
	}
	b.Chain = "partition/0"
	if _, err := s.Commit(t.Context(), b); err != nil {
		t.Errorf("another chain waits as well: %v", err)
	}
	if _, err := other.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	commit(t, s, samples(20, 1)...)
	verify(t, s)
}

// TestAZombieCommitsNothing has two workers that believe to own a partition, each with a store of its own. Of every step
// one of the two commits, and whatever a fenced one brought is not there.
func TestAZombieCommitsNothing(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	stores := []*pgstore.Store{open(t, url, pgstore.Options{}), open(t, url, pgstore.Options{})}
	const steps, rows = 25, 10
	for n := range steps {
		var won, fenced atomic.Int64
		var group sync.WaitGroup
		for w, s := range stores {
			group.Go(func() {
				b := step("0", n, rows)
				for i := range b.Entries {
					b.Entries[i].Transaction.ID += fmt.Sprintf("-worker%d", w)
				}
				switch _, err := s.Commit(t.Context(), b); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, pipeline.ErrFenced):
					fenced.Add(1)
				default:
					t.Errorf("step %d: %v", n, err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || fenced.Load() != 1 {
			t.Fatalf("step %d: %d committed, %d were fenced", n, won.Load(), fenced.Load())
		}
	}
	totals, err := stores[0].Totals(t.Context())
	if err != nil || totals.Transactions() != steps*rows {
		t.Errorf("%d transactions, %v; want %d", totals.Transactions(), err, steps*rows)
	}
	if n := verify(t, stores[1])["partition/0"]; n != steps {
		t.Errorf("%d audit entries, want %d", n, steps)
	}
}

// TestOverlappingCommitsAgree has eight committers in three processes' worth of stores bring the same ids in other orders,
// with other verdicts: each id is stored once, and every receipt tells the verdict that is.
func TestOverlappingCommitsAgree(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	stores := []*pgstore.Store{open(t, url, pgstore.Options{}), open(t, url, pgstore.Options{}), open(t, url, pgstore.Options{})}
	const committers, rounds, ids = 8, 12, 120
	var mu sync.Mutex
	verdict, stored := make(map[string]int), make(map[string]int)
	var group sync.WaitGroup
	for c := range committers {
		group.Go(func() {
			for round := range rounds {
				size := []int{3, 40, 90}[(c+round)%3] // some of them are gathered, some not
				b := pipeline.Batch{Chain: fmt.Sprintf("partition/%d", c%3), Entries: samples(0, size)}
				for i := range b.Entries {
					id := fmt.Sprintf("tx-%d-%d", round, (i*7+c*31)%ids) // an order of its own, with repeats
					b.Entries[i].Transaction.ID, b.Entries[i].Decision.TransactionID = id, id
					b.Entries[i].Transaction.MAC = [32]byte{1}
					b.Entries[i].Decision.Score = 100*c + round
				}
				receipts, err := stores[c%len(stores)].Commit(t.Context(), b)
				if err != nil {
					t.Errorf("committer %d, round %d: %v", c, round, err)
					return
				}
				mu.Lock()
				for i, r := range receipts {
					id := b.Entries[i].Transaction.ID
					if r.Stored {
						stored[id]++
					}
					if first, ok := verdict[id]; ok && first != r.Decision.Score || r.Decision.TransactionID != id {
						t.Errorf("%s has score %d and %d", id, first, r.Decision.Score)
					}
					verdict[id] = r.Decision.Score
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for id := range verdict {
		if stored[id] != 1 {
			t.Errorf("%s was stored by %d commits", id, stored[id])
		}
	}
	totals, err := stores[0].Totals(t.Context())
	if err != nil || totals.Transactions() != int64(len(verdict)) {
		t.Errorf("%d transactions, %v; want %d", totals.Transactions(), err, len(verdict))
	}
	verify(t, stores[0])
}

// TestWhatPostgreSQLRefusesFailsAlone has commits share a transaction with one whose chain cannot be a text.
func TestWhatPostgreSQLRefusesFailsAlone(t *testing.T) {
	var once sync.Once
	entered, release := make(chan struct{}), make(chan struct{})
	s := fresh(t, pgstore.Options{Crash: func(point string) {
		if point == "store.commit.before" {
			once.Do(func() { close(entered); <-release })
		}
	}})
	var group sync.WaitGroup
	run := func(n int, chain string, fails bool) {
		group.Go(func() {
			_, err := s.Commit(context.Background(), pipeline.Batch{Chain: chain, Entries: samples(n, 1)})
			if (err != nil) != fails || errors.Is(err, pipeline.ErrUnavailable) {
				t.Errorf("commit %d to chain %q: %v", n, chain, err)
			}
		})
	}
	run(0, "sync", false)
	<-entered // what comes now gathers
	run(1, "sync", false)
	run(2, "no\x00text", true)
	run(3, "sync", false)
	time.Sleep(50 * time.Millisecond) // let them line up; should one come late, the outcome is the same
	close(release)
	group.Wait()
	if n := verify(t, s)["sync"]; n != 3 {
		t.Errorf("%d audit entries, want 3", n)
	}
}
