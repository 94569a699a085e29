package sqlitestream_test

import (
	"fmt"
	"testing"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
)

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1, 100, 500} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			l, err := sqlitestream.Open(b.Context(), b.TempDir()+"/stream.db", sqlitestream.Options{})
			if err != nil {
				b.Fatal(err)
			}
			entries := make([]stream.Entry, size)
			for i := range entries {
				entries[i] = stream.Entry{Key: fmt.Appendf(nil, "customer-token-%02d", i%97), Data: make([]byte, 700)}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Append(b.Context(), entries); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "records/s")
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkAppendConcurrent(b *testing.B) {
	l, err := sqlitestream.Open(b.Context(), b.TempDir()+"/stream.db", sqlitestream.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetParallelism(32) // callers per core
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		entries := []stream.Entry{{Key: []byte("customer-token"), Data: make([]byte, 700)}}
		for pb.Next() {
			if err := l.Append(b.Context(), entries); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkRead(b *testing.B) {
	l, err := sqlitestream.Open(b.Context(), b.TempDir()+"/stream.db", sqlitestream.Options{Partitions: 1})
	if err != nil {
		b.Fatal(err)
	}
	entries := make([]stream.Entry, 500)
	for i := range entries {
		entries[i] = stream.Entry{Key: []byte("customer-token"), Data: make([]byte, 700)}
	}
	for range 20 {
		if err := l.Append(b.Context(), entries); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	n := 0
	for after := stream.Position(""); b.Loop(); {
		records, err := l.Read(b.Context(), "0", after, 500)
		if err != nil {
			b.Fatal(err)
		}
		if n += len(records); len(records) == 0 {
			after = ""
			continue
		}
		after = records[len(records)-1].Position
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
