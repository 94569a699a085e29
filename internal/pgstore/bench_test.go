package pgstore_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pgstore"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/testenv"
)

// sample makes entry n of a benchmark: a card payment with all identifiers, 200 sealed bytes, 150 features, two reasons.
func sample(n int) pipeline.Entry {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond)
	token := func(kind byte, i int) (t payment.Token) {
		t[0] = 1
		copy(t[1:], fmt.Sprintf("%c%d", kind, i*2654435761))
		return t
	}
	values := make([]float64, 150)
	for i := range values {
		switch i % 5 {
		case 0, 1:
			values[i] = math.NaN()
		case 2:
			values[i] = float64(n%100*i) / 7
		case 3:
			values[i] = float64(n * i % 100_000)
		}
	}
	id := fmt.Sprintf("%08x-%04x-4000-8000-%012d", uint32(n*2654435761), n&0xffff, n)
	e := pipeline.Entry{
		Transaction: payment.Transaction{
			ID: id, OccurredAt: at, ReceivedAt: at, Amount: payment.Amount{Centavos: int64(n % 100_000), Currency: "BRL"},
			Method: payment.Card, Channel: payment.Web, Customer: token('c', n%100_000), DocumentKind: payment.CPF,
			Document: token('d', n%100_000), FiscalRegion: 8, Email: token('e', n%100_000), Phone: token('p', n%100_000),
			Card:   payment.CardDetails{Token: token('k', n%150_000), BIN: "412345", Last4: "1234", Brand: "visa"},
			Device: token('v', n%120_000), IP: token('i', n%90_000), Merchant: "shop-1", MCC: "5732",
			Address: token('a', n%100_000), UF: "SP", SealState: payment.Sealed, Sealed: make([]byte, 200),
		},
		Decision: decision.Decision{
			TransactionID: id, Outcome: decision.Approve, Score: n % 300,
			Reasons: []decision.Reason{{Code: "CARD_TESTING", Rule: "card-testing-burst", Points: 120}, {Code: "NEW_DEVICE", Rule: "new-device", Points: 60}},
			RuleSet: "default@8c2f1d0a", Policy: "policy@11aa22bb", Features: decision.Features{Plan: "plan@deadbeef", Values: values},
			Path: decision.Async, DecidedAt: at, Took: 12 * time.Microsecond,
		},
	}
	if n%100 == 0 {
		e.Decision.Outcome = decision.Decline
	}
	copy(e.Transaction.MAC[:], id)
	return e
}

func samples(from, n int) []pipeline.Entry {
	entries := make([]pipeline.Entry, n)
	for i := range entries {
		entries[i] = sample(from + i)
	}
	return entries
}

// renamed gives the entries ids that were not used before.
func renamed(entries []pipeline.Entry, round int) {
	for i := range entries {
		id := fmt.Sprintf("%08x-%08d-%06d", uint32((round*len(entries)+i)*2654435761), round, i)
		entries[i].Transaction.ID, entries[i].Decision.TransactionID = id, id
	}
}

// BenchmarkCommit commits as partition workers do, each on a connection of its own, and measures beside it how fast
// PostgreSQL stores the same rows in transactions of the same size on as many connections, and nothing else.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{500, 1000} {
		for _, workers := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("batch=%d/connections=%d", size, workers), func(b *testing.B) { benchmarkCommit(b, size, workers) })
		}
	}
}

func benchmarkCommit(b *testing.B, size, workers int) {
	url := migrated(b, testenv.SharedPostgres(b))
	store := open(b, url, pgstore.Options{MaxConns: workers})
	own := make([][]pipeline.Entry, workers)
	for w := range own {
		own[w] = samples(0, size)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for w := range workers {
		group.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				renamed(own[w], int(n))
				if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: fmt.Sprintf("partition/%d", w), Entries: own[w]}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
	rate := float64(size*b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "rows/s")
	if b.N < 20 {
		return // the benchmark is looking for its size
	}
	raw, err := pgstore.Raw(b.Context(), pgstore.Options{Config: parse(b, url)}, min(size*b.N, 100_000), size, workers)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(raw.Insert, "raw-insert/s")
	b.ReportMetric(raw.Copy, "raw-copy/s")
	b.ReportMetric(rate/raw.Insert, "ratio")
}

// BenchmarkCommitConcurrent commits single transactions from 64 goroutines, as synchronous verdicts do.
func BenchmarkCommitConcurrent(b *testing.B) {
	store := open(b, migrated(b, testenv.SharedPostgres(b)), pgstore.Options{})
	entries := samples(0, 64)
	var next atomic.Int64
	b.SetParallelism(32) // 64 callers on 2 cores
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1))
			e := []pipeline.Entry{entries[n%len(entries)]}
			renamed(e, n)
			if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: "sync", Entries: e}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCommitSmall commits single transactions of the synchronous path: from so many callers as fast as they are
// answered, and one every 2 ms, whether those before are answered or not. Beside the rate it tells how long callers
// wait, and what the server's processes spend on a commit.
func BenchmarkCommitSmall(b *testing.B) {
	for _, callers := range []int{1, 4, 16, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			benchmarkSmall(b, func(commit func(n int)) {
				var next atomic.Int64
				var group sync.WaitGroup
				for range callers {
					group.Go(func() {
						for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
							commit(int(n) - 1)
						}
					})
				}
				group.Wait()
			})
		})
	}
	b.Run("paced=500", func(b *testing.B) {
		benchmarkSmall(b, func(commit func(n int)) {
			var group sync.WaitGroup
			pace := time.NewTicker(2 * time.Millisecond)
			defer pace.Stop()
			for n := range b.N {
				<-pace.C
				group.Go(func() { commit(n) })
			}
			group.Wait()
		})
	})
}

func benchmarkSmall(b *testing.B, run func(commit func(n int))) {
	server := testenv.StartPostgres(b)
	store := open(b, migrated(b, server), pgstore.Options{})
	entries := samples(0, 256)
	const first = 20 // that make the server's plans, and do not count
	took := make([]time.Duration, first+b.N)
	commit := func(n int) {
		e := []pipeline.Entry{entries[n%len(entries)]}
		renamed(e, n)
		start := time.Now()
		if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: "sync", Entries: e}); err != nil {
			b.Error(err)
		}
		took[n] = time.Since(start)
	}
	for n := range first {
		commit(n)
	}
	b.ReportAllocs()
	before := serverTime(b, server)
	b.ResetTimer()
	run(func(n int) { commit(first + n) })
	b.StopTimer()
	spent := serverTime(b, server) - before
	took = took[first:]
	slices.SortFunc(took, cmp.Compare[time.Duration])
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "server-µs/commit")
	for _, p := range []int{50, 99} {
		b.ReportMetric(float64(took[(len(took)-1)*p/100].Microseconds())/1000, fmt.Sprintf("p%d-ms", p))
	}
}

// serverTime is the CPU time of a server's processes so far.
func serverTime(b *testing.B, server *testenv.Postgres) time.Duration {
	b.Helper()
	text, err := os.ReadFile(filepath.Join(server.Dir(), "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	parent, _, _ := strings.Cut(string(text), "\n")
	states, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	const tick = 10 * time.Millisecond // whatever the kernel's own is, it tells hundredths of a second
	var spent time.Duration
	for _, path := range states {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// Behind the program's name come state, parent, eight numbers, then ticks in user mode and in the kernel.
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if len(fields) < 13 || fields[1] != parent {
			continue
		}
		var user, kernel time.Duration
		if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &kernel); err != nil {
			b.Fatal(err)
		}
		spent += (user + kernel) * tick
	}
	return spent
}
