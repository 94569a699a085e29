package ingest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/stream"
)

// batchSize is how many submissions the benchmarks take at once: a batch request of moderate size.
const batchSize = 250

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"card_full", "least"} {
		b.Run(name, func(b *testing.B) {
			data := bodies(b, "accepted")[name]
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ingest.Decode(data, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	s := decode(b, bodies(b, "accepted")["card_full"])
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendCanonical(b *testing.B) {
	s := decode(b, bodies(b, "accepted")["card_full"])
	buf := s.AppendCanonical(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendCanonical(buf[:0])
	}
}

// fullBatch are full submissions of as many customers, whose keys the vault has by then.
func fullBatch(b *testing.B, s *shop) (bodies [][]byte, subs []*ingest.Submission) {
	for i := range batchSize {
		data := body(b, "id", fmt.Sprint("id-", i), "customer/id", fmt.Sprint("customer-", i))
		bodies = append(bodies, data)
		subs = append(subs, decode(b, data))
	}
	if _, err := s.Seal(b.Context(), subs); err != nil {
		b.Fatal(err)
	}
	return bodies, subs
}

// perSubmission reports the time of one submission of a batch.
func perSubmission(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSize, "ns/submission")
}

func BenchmarkSeal(b *testing.B) {
	s := newShop(b)
	_, subs := fullBatch(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Seal(b.Context(), subs); err != nil {
			b.Fatal(err)
		}
	}
	perSubmission(b)
}

// nowhere is a stream that takes everything.
type nowhere struct{}

func (nowhere) Append(context.Context, []stream.Entry) error { return nil }

func BenchmarkAccept(b *testing.B) {
	s := newShop(b)
	s.use(b, nowhere{}, s.lists)
	_, subs := fullBatch(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Accept(b.Context(), subs); err != nil {
			b.Fatal(err)
		}
	}
	perSubmission(b)
}

// BenchmarkDecodeAccept is the whole way in, without HTTP and without disks.
func BenchmarkDecodeAccept(b *testing.B) {
	s := newShop(b)
	s.use(b, nowhere{}, s.lists)
	data, subs := fullBatch(b, s)
	b.ReportAllocs()
	for b.Loop() {
		for i := range data {
			sub, err := ingest.Decode(data[i], now)
			if err != nil {
				b.Fatal(err)
			}
			subs[i] = sub
		}
		if _, err := s.Accept(b.Context(), subs); err != nil {
			b.Fatal(err)
		}
	}
	perSubmission(b)
}
