package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/testenv"
)

// declined are transactions that open an alert each, one score apart.
func declined(score int, ids ...string) pipeline.Batch {
	b := pipeline.Batch{Chain: "sync"}
	for i, id := range ids {
		e := sample(1)
		e.Transaction.ID, e.Decision.TransactionID = id, id
		e.Decision.Outcome, e.Decision.Score = decision.Decline, score+i
		b.Entries = append(b.Entries, e)
	}
	return b
}

// gate holds a commit up at its beginning while it is shut, and counts those that went in steps.
type gate struct {
	shut     atomic.Pointer[chan struct{}]
	reached  chan struct{}
	inSteps  atomic.Int64
	inserted atomic.Pointer[func()] // called before a commit in steps goes on
}

func newGate() *gate { return &gate{reached: make(chan struct{})} }

func (g *gate) pass(point string) {
	switch point {
	case "store.commit.before":
		if held := g.shut.Swap(nil); held != nil {
			g.reached <- struct{}{}
			<-*held
		}
	case "store.commit.inserted":
		g.inSteps.Add(1)
		if fn := g.inserted.Swap(nil); fn != nil {
			(*fn)()
		}
	}
}

// together commits batches that line up behind a commit of another id, so that they share a transaction.
func (g *gate) together(t *testing.T, s *pgstore.Store, ahead string, batches []pipeline.Batch) [][]pipeline.Receipt {
	t.Helper()
	var group sync.WaitGroup
	held := make(chan struct{})
	g.shut.Store(&held)
	failed := make(chan error, 1)
	group.Go(func() { failed <- failure(s.Commit(context.Background(), declined(1, ahead))) })
	select {
	case <-g.reached:
	case err := <-failed:
		t.Fatalf("the commit ahead ended before it began: %v", err)
	}
	receipts := make([][]pipeline.Receipt, len(batches))
	for i, b := range batches {
		group.Go(func() {
			var err error
			if receipts[i], err = s.Commit(context.Background(), b); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(30 * time.Millisecond) // until it stands in line
	}
	close(held)
	group.Wait()
	if err := <-failed; err != nil {
		t.Error(err)
	}
	return receipts
}

// TestRepeatsAmongSmallCommits has ids come again: in the same batch, in another one of the same transaction, and after
// they were stored. Receipts tell the first verdict, whichever way the transaction went.
func TestRepeatsAmongSmallCommits(t *testing.T) {
	g := newGate()
	s := fresh(t, pgstore.Options{Crash: g.pass})
	if _, err := s.Commit(t.Context(), declined(100, "old")); err != nil {
		t.Fatal(err)
	}
	foreign := declined(102, "old")
	foreign.Entries[0].Transaction.MAC = [32]byte{9}
	for name, c := range map[string]struct {
		batches []pipeline.Batch
		want    string // score and whether it was stored, for each entry; then the transactions that went in steps
	}{
		"none":             {[]pipeline.Batch{declined(500, "c"), declined(510, "d", "e")}, "500 true, 510 true, 511 true, 0"},
		"in-one-batch":     {[]pipeline.Batch{declined(200, "f", "f"), declined(210, "g")}, "200 true, 200 false, 210 true, 1"},
		"in-two-batches":   {[]pipeline.Batch{declined(300, "a"), declined(310, "a")}, "300 true, 300 false, 1"},
		"stored":           {[]pipeline.Batch{declined(101, "old"), declined(400, "b")}, "100 false, 400 true, 1"},
		"stored-other-MAC": {[]pipeline.Batch{foreign, declined(420, "h")}, "100 false, 420 true, 1"},
	} {
		t.Run(name, func(t *testing.T) {
			before := verify(t, s)["sync"]
			g.inSteps.Store(0)
			var got strings.Builder
			entries := int64(1) // of the commit ahead
			for i, receipts := range g.together(t, s, "ahead-of-"+name, c.batches) {
				added := int64(0)
				for j, r := range receipts {
					e := &c.batches[i].Entries[j].Transaction
					fmt.Fprintf(&got, "%d %v, ", r.Decision.Score, r.Stored)
					if r.Stored {
						added = 1
					}
					if conflict := e.MAC == [32]byte{9}; r.Conflict(e) != conflict || r.Decision.TransactionID != e.ID {
						t.Errorf("receipt of %s is about %s, conflict %v", e.ID, r.Decision.TransactionID, !conflict)
					}
				}
				entries += added
			}
			fmt.Fprint(&got, g.inSteps.Load())
			if got.String() != c.want {
				t.Errorf("got %s; want %s", &got, c.want)
			}
			if n := verify(t, s)["sync"] - before; n != entries {
				t.Errorf("%d audit entries, want %d", n, entries)
			}
		})
	}
	if n := len(alerts(t, s)); n != 14 {
		t.Errorf("%d alerts, want one for each of 14 ids", n)
	}
}

// contents is how many rows each table has, and the heads and counts of the chains.
func contents(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	ctx := context.Background()
	var found strings.Builder
	for _, table := range tables {
		var n int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM fastshop."+table).Scan(&n); err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&found, "%s %d, ", table, n)
	}
	var heads string
	err := conn.QueryRow(ctx, "SELECT coalesce(string_agg(c::text, ' ' ORDER BY chain), '') FROM fastshop.chains c").Scan(&heads)
	if err != nil {
		t.Error(err)
	}
	return found.String() + heads
}

// TestATryThatFailsLeavesNothing looks at the database after a commit at once was refused, and before the same in steps
// is committed.
func TestATryThatFailsLeavesNothing(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	g := newGate()
	s := open(t, url, pgstore.Options{Crash: g.pass})
	beside := dial(t, url)
	for _, id := range []string{"old", "older"} {
		if _, err := s.Commit(t.Context(), declined(100, id)); err != nil {
			t.Fatal(err)
		}
	}
	before, between := contents(t, beside), ""
	look := func() { between = contents(t, beside) }
	g.inserted.Store(&look)
	receipts, err := s.Commit(t.Context(), declined(200, "a", "old", "b"))
	if err != nil || !receipts[0].Stored || receipts[1].Stored || !receipts[2].Stored {
		t.Fatalf("receipts %+v, %v", receipts, err)
	}
	if between != before {
		t.Errorf("the failed try left\n%s, there was\n%s", between, before)
	}
	after := contents(t, beside)
	if want := "transactions 4, labels 0, alerts 4, checkpoints 0, dead_letters 0, audit_entries 3, chains 1, "; !strings.HasPrefix(after, want) {
		t.Errorf("then there are %s; want %s", after, want)
	}
	refused := declined(300, "c")
	refused.Chain = "no\x00text"
	if _, err := s.Commit(t.Context(), refused); err == nil || errors.Is(err, pipeline.ErrUnavailable) {
		t.Errorf("a chain that is no text: %v, want an error about the batch", err)
	}
	if left := contents(t, beside); left != after {
		t.Errorf("a refused commit left\n%s, there was\n%s", left, after)
	}
	verify(t, s)
}

// TestASmallCommitThatIsCut has the connection end while the commit waits for its chain: at the server, which then rolls
// back, and on the way, which the server finds out when it has committed. The caller cannot tell one from the other.
func TestASmallCommitThatIsCut(t *testing.T) {
	server := testenv.SharedPostgres(t)
	url := migrated(t, server)
	proxy := testenv.Proxy(t, server.Addr())
	s := open(t, strings.Replace(url, server.Addr(), proxy.Addr(), 1), pgstore.Options{})
	holder, beside := dial(t, url), dial(t, url)
	const waiting = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	for _, c := range []struct {
		where  string
		cut    func() error
		stored bool
	}{
		{"at-the-server", func() error { return failure(beside.Exec(t.Context(), "SELECT pg_terminate_backend(pid) "+waiting)) }, false},
		{"on-the-way", func() error {
			proxy.Refuse(true) // or the driver would have the server cancel what it does
			proxy.Cut()
			return nil
		}, true},
	} {
		b := declined(100, "cut-"+c.where)
		commit(t, s, declined(1, "before-"+c.where).Entries...)
		if _, err := holder.Exec(t.Context(), "BEGIN; SELECT FROM fastshop.chains WHERE chain = 'sync' FOR UPDATE"); err != nil {
			t.Fatal(err)
		}
		answer := make(chan error)
		go func() { answer <- failure(s.Commit(context.Background(), b)) }()
		await(t, beside, 1, "SELECT count(*) "+waiting)
		if err := c.cut(); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; !errors.Is(err, pipeline.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", c.where, err)
		}
		if _, err := holder.Exec(t.Context(), "ROLLBACK"); err != nil {
			t.Fatal(err)
		}
		await(t, beside, 0, "SELECT count(*) FROM pg_locks WHERE relation = 'fastshop.transactions'::regclass AND pid <> pg_backend_pid()")
		proxy.Refuse(false)
		receipts, err := s.Commit(t.Context(), b)
		if err != nil || receipts[0].Stored == c.stored || receipts[0].Conflict(&b.Entries[0].Transaction) {
			t.Errorf("%s: %v, or the repeat is a conflict, or not the first that is stored: want %v", c.where, err, !c.stored)
		}
	}
	if n := verify(t, s)["sync"]; n != 4 {
		t.Errorf("%d audit entries, want 4", n)
	}
}

// await waits until a query counts so many.
func await(t *testing.T, conn *pgx.Conn, want int, query string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var n int
		if err := conn.QueryRow(context.Background(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d, want %d", query, n, want)
		}
	}
}

// TestCommitsAreReadCommitted has commits, large and small, wait for a chain that another one moves on: in a database
// whose default is stricter, PostgreSQL would refuse them.
func TestCommitsAreReadCommitted(t *testing.T) {
	url := migrated(t, testenv.SharedPostgres(t))
	holder := dial(t, url)
	if _, err := holder.Exec(t.Context(), "ALTER DATABASE "+parse(t, url).Database()+" SET default_transaction_isolation = 'serializable'"); err != nil {
		t.Fatal(err)
	}
	s, beside := open(t, url, pgstore.Options{}), dial(t, url)
	for name, b := range map[string]pipeline.Batch{
		"small": {Chain: "sync", Entries: samples(0, 1)}, "large": {Chain: "sync", Entries: samples(100, 100)},
	} {
		commit(t, s, declined(1, "before-"+name).Entries...)
		if _, err := holder.Exec(t.Context(), "BEGIN ISOLATION LEVEL READ COMMITTED; UPDATE fastshop.chains SET seq = seq"); err != nil {
			t.Fatal(err)
		}
		answer := make(chan error)
		go func() { answer <- failure(s.Commit(context.Background(), b)) }()
		await(t, beside, 1, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
		if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
		if err := <-answer; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	verify(t, s)
}
