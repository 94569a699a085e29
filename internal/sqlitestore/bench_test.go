package sqlitestore_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitestore"
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

// fresh gives the entries ids that were not used before.
func fresh(entries []pipeline.Entry, round int) {
	for i := range entries {
		id := fmt.Sprintf("%08x-%08d-%06d", uint32((round*len(entries)+i)*2654435761), round, i)
		entries[i].Transaction.ID, entries[i].Decision.TransactionID = id, id
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{100, 500, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			store := open(b, b.TempDir(), sqlitestore.Options{})
			entries := samples(0, size)
			b.ReportAllocs()
			round := 0
			for b.Loop() {
				b.StopTimer()
				fresh(entries, round)
				round++
				b.StartTimer()
				if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: "partition/0", Entries: entries}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkCommitPartitions commits as eight partition workers do: batches of 500 at once, each worker one at a time.
func BenchmarkCommitPartitions(b *testing.B) {
	store := open(b, b.TempDir(), sqlitestore.Options{})
	const workers, size = 8, 500
	b.ReportAllocs()
	var next atomic.Int64
	var group sync.WaitGroup
	for w := range workers {
		entries := samples(0, size)
		group.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				fresh(entries, int(n))
				if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: fmt.Sprintf("partition/%d", w), Entries: entries}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkCommitConcurrent(b *testing.B) {
	store := open(b, b.TempDir(), sqlitestore.Options{})
	entries := samples(0, 64)
	next := make(chan int, 1)
	next <- 0
	b.SetParallelism(32) // 64 callers on 2 cores
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := <-next
			next <- n + 1
			e := []pipeline.Entry{entries[n%len(entries)]}
			fresh(e, n)
			if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: "sync", Entries: e}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkRawDriver writes the same columns through the bare driver, one prepared insert a row and one transaction a
// batch, without audit, receipts or codecs: the yardstick for BenchmarkCommit.
func BenchmarkRawDriver(b *testing.B) {
	const size = 500
	conn, err := (&sqlite.Driver{}).Open(filepath.Join(b.TempDir(), "raw.db"))
	if err != nil {
		b.Fatal(err)
	}
	exec := func(sql string) driver.Stmt {
		stmt, err := conn.Prepare(sql)
		if err != nil {
			b.Fatal(err)
		}
		return stmt
	}
	run := func(stmt driver.Stmt, args ...driver.Value) {
		named := make([]driver.NamedValue, len(args))
		for i, a := range args {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
		}
		if _, err := stmt.(driver.StmtExecContext).ExecContext(context.Background(), named); err != nil {
			b.Fatal(err)
		}
	}
	for _, sql := range []string{
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 4096",
		`CREATE TABLE transactions (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, occurred_at INTEGER NOT NULL, outcome INTEGER NOT NULL,
			flags INTEGER NOT NULL, customer BLOB NOT NULL, payload BLOB NOT NULL, decision BLOB NOT NULL, mac BLOB, sealed BLOB) STRICT`,
		"CREATE UNIQUE INDEX transactions_id ON transactions (id)",
	} {
		run(exec(sql))
	}
	begin, commit := exec("BEGIN IMMEDIATE"), exec("COMMIT")
	insert := exec("INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
	entries := samples(0, size)
	payload, decided := payment.AppendTransaction(nil, &entries[1].Transaction), make([]byte, 560)
	payload = payload[:len(payload)-200-2-34] // without seal and MAC
	b.ReportAllocs()
	round := 0
	for b.Loop() {
		b.StopTimer()
		fresh(entries, round)
		b.StartTimer()
		run(begin)
		for i := range entries {
			t := &entries[i].Transaction
			run(insert, int64(round*size+i+1), t.ID, t.OccurredAt.UnixMilli(), int64(2), int64(0), t.Customer[:], payload, decided, t.MAC[:], t.Sealed)
		}
		run(commit)
		round++
	}
	b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
	if err := conn.Close(); err != nil {
		b.Fatal(err)
	}
}

// filled is a store with n rows.
func filled(b *testing.B, n int) *sqlitestore.Store {
	store := open(b, b.TempDir(), sqlitestore.Options{})
	for from := 0; from < n; from += 1000 {
		if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: "partition/0", Entries: samples(from, 1000)}); err != nil {
			b.Fatal(err)
		}
	}
	return store
}

func BenchmarkKnown(b *testing.B) {
	store := filled(b, 100_000)
	for name, from := range map[string]int{"stored": 50_000, "unknown": 1_000_000} {
		ids := make([]string, 500)
		for i := range ids {
			ids[i] = sample(from + i).Transaction.ID
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := store.Known(b.Context(), ids); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(500*b.N), "ns/id")
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	const rows = 100_000
	store := filled(b, rows)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := store.Replay(b.Context(), time.Time{}, func(pipeline.Labeled) error { n++; return nil }); err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	store := open(b, dir, sqlitestore.Options{})
	for from := 0; from < 100_000; from += 1000 {
		if _, err := store.Commit(b.Context(), pipeline.Batch{Chain: "partition/0", Entries: samples(from, 1000)}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := open(b, dir, sqlitestore.Options{}).Close(); err != nil {
			b.Fatal(err)
		}
	}
}
