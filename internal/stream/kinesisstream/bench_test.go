package kinesisstream_test

import (
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
)

const (
	benchCalls = 32 // at once
	benchBatch = 100
)

// customer is one of 100,000: nearly every record of a batch has a key of its own.
func customer(n int) []byte { return fmt.Appendf(nil, "customer-token-%05d", n*7919%100_000) }

// BenchmarkAppend appends batches of 100 from 32 places. The raw case sends the same records with the client alone, 500 to
// a call, 8 calls at once, and has neither order nor repeats to care for.
func BenchmarkAppend(b *testing.B) {
	data := make([]byte, 700)
	b.Run("log", func(b *testing.B) {
		c := newCloud(b, 8)
		c.clock = nil
		o := c.options()
		o.Linger = 0 // as in production
		l := c.open(b, o)
		b.ReportAllocs()
		spread(b, benchCalls, func(n int) error {
			entries := make([]stream.Entry, benchBatch)
			for i := range entries {
				entries[i] = stream.Entry{Key: customer(n*benchBatch + i), Data: data}
			}
			return l.Append(b.Context(), entries)
		})
		b.ReportMetric(float64(benchBatch*b.N)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("raw", func(b *testing.B) {
		c := newCloud(b, 8)
		const batch = 500
		b.ReportAllocs()
		spread(b, 8, func(n int) error {
			records := make([]types.PutRecordsRequestEntry, batch)
			for i := range records {
				records[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(base64.RawURLEncoding.EncodeToString(customer(n*batch + i))), Data: data}
			}
			_, err := c.client.PutRecords(b.Context(), &kinesis.PutRecordsInput{StreamName: &c.name, Records: records})
			return err
		})
		b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "records/s")
	})
}

// spread does b.N of something from several places.
func spread(b *testing.B, places int, do func(n int) error) {
	next := make(chan int)
	var group sync.WaitGroup
	for range places {
		group.Go(func() {
			for n := range next {
				if err := do(n); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for n := range b.N {
		next <- n
	}
	close(next)
	group.Wait()
}

// BenchmarkRead reads 20,000 records of a shard over and over, 500 at a time; the raw case with the client alone, 2,000 at
// a time.
func BenchmarkRead(b *testing.B) {
	c := newCloud(b, 1)
	o := c.options()
	o.Patience = time.Minute
	l := c.open(b, o)
	entries := make([]stream.Entry, 20_000)
	for i := range entries {
		entries[i] = stream.Entry{Key: customer(i), Data: make([]byte, 700)}
	}
	appendAll(b, l, entries...)
	p := only(b, l)
	b.Run("log", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			fresh := c.open(b, c.options2(func(o *kinesisstream.Options) { o.ReadEvery = time.Nanosecond }))
			for after := stream.Position(""); ; {
				records, err := fresh.Read(b.Context(), p, after, 500)
				if err != nil {
					b.Fatal(err)
				}
				if n += len(records); len(records) == 0 {
					break
				}
				after = records[len(records)-1].Position
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	})
	b.Run("raw", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			first, err := c.client.GetShardIterator(b.Context(), &kinesis.GetShardIteratorInput{
				StreamName: &c.name, ShardId: aws.String(string(p)), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
			})
			if err != nil {
				b.Fatal(err)
			}
			for iterator := first.ShardIterator; ; {
				out, err := c.client.GetRecords(b.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(2000)})
				if err != nil {
					b.Fatal(err)
				}
				if n += len(out.Records); len(out.Records) == 0 {
					break
				}
				iterator = out.NextShardIterator
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
	})
}
