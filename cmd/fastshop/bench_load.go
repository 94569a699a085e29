package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/load"
	"github.com/fastshop/pipeline/internal/simulate"
)

// batches are request bodies in a file, made before the clock starts: the client must cost as little as it can, since
// it shares the machine with the server.
type batches struct {
	file  *os.File
	lines int // of a batch
	total int
	sync  [][]byte // bodies for synchronous verdicts, of the time after the batches
}

func (b *batches) Close() error { return b.file.Close() }

// prepare writes the bodies of all batches into a file.
func (c *benchCommand) prepare(ctx context.Context, dir string, p *progress) (_ *batches, err error) {
	asked := int(c.SyncRate * c.SyncFor.Seconds())
	shop, err := simulate.New(c.world(c.Transactions + asked))
	if err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(dir, "batches"))
	if err != nil {
		return nil, fmt.Errorf("write batches: %w", err)
	}
	b := &batches{file: file, lines: c.BatchLines}
	w := bufio.NewWriterSize(file, 1<<20)
	var body bytes.Buffer
	lines := 0
	flush := func() error {
		var size [4]byte
		binary.LittleEndian.PutUint32(size[:], uint32(body.Len()))
		_, err := w.Write(size[:])
		if err == nil {
			_, err = w.Write(body.Bytes())
		}
		body.Reset()
		lines = 0
		return err
	}
	for item, ok := shop.Next(); ok && err == nil && ctx.Err() == nil; item, ok = shop.Next() {
		switch {
		case item.Label != nil:
		case b.total >= c.Transactions:
			b.sync = append(b.sync, item.Submission)
		default:
			body.Write(item.Submission)
			body.WriteByte('\n')
			lines++
			b.total++
			p.show("preparing: %s of %s transactions", count(b.total), count(c.Transactions))
			if lines == b.lines || b.total == c.Transactions {
				err = flush()
			}
		}
	}
	if err = errors.Join(err, w.Flush(), ctx.Err()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return b, nil
}

// batch sends all batches and waits until the last transaction is decided and stored.
func (c *benchCommand) batch(ctx context.Context, child *child, b *batches, p *progress) (batchBench, error) {
	client := load.NewClient(child.URL, child.Key, c.Connections)
	if _, err := b.file.Seek(0, io.SeekStart); err != nil {
		return batchBench{}, err
	}
	bodies := make(chan []byte, c.Connections)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var sent atomic.Int64
	var senders sync.WaitGroup
	for range c.Connections {
		senders.Go(func() {
			for body := range bodies {
				err := load.Insist(ctx, func(ctx context.Context) error { return client.Batch(ctx, body, nil) })
				if err != nil {
					stop(err)
				}
				sent.Add(int64(bytes.Count(body, []byte{'\n'})))
			}
		})
	}
	start := time.Now()
	r := bufio.NewReaderSize(b.file, 1<<20)
	for ctx.Err() == nil {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			break // the end; a broken file would show as a missing transaction below
		}
		body := make([]byte, binary.LittleEndian.Uint32(size[:]))
		if _, err := io.ReadFull(r, body); err != nil {
			return batchBench{}, fmt.Errorf("read batches: %w", err)
		}
		select {
		case bodies <- body:
		case <-ctx.Done():
		}
		p.show("batch endpoint: %s sent, %s a second", count(sent.Load()), count(int(float64(sent.Load())/time.Since(start).Seconds())))
	}
	close(bodies)
	senders.Wait()
	acked := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return batchBench{}, fmt.Errorf("send batches: %w", err)
	}
	if err := child.stored(ctx, int64(b.total)); err != nil {
		return batchBench{}, err
	}
	took := time.Since(start)
	return batchBench{
		Transactions: b.total, Customers: c.Customers, Seconds: took.Seconds(),
		PerSecond: float64(b.total) / took.Seconds(), AckedSeconds: acked.Seconds(),
	}, nil
}

// sync asks for verdicts at fixed times.
func (c *benchCommand) sync(ctx context.Context, child *child, work [][]byte, p *progress) (syncBench, error) {
	p.print("synchronous verdicts: %.0f a second for %s", c.SyncRate, c.SyncFor)
	client := load.NewClient(child.URL, child.Key, 256)
	latency := load.NewLatencies()
	var failed atomic.Int64
	start := time.Now()
	load.OpenLoop(ctx, c.SyncRate, len(work), func(i int, due time.Time) {
		if _, err := client.Decide(ctx, work[i]); err != nil {
			failed.Add(1)
			return
		}
		latency.Add(time.Since(due))
	})
	return syncBench{
		Rate: c.SyncRate, Asked: len(work), Failed: int(failed.Load()), Latency: latency.Percentiles(),
		Achieved: float64(len(work)) / time.Since(start).Seconds(),
	}, ctx.Err()
}
