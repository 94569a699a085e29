package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/stream"
)

// WorkerConfig is what a worker needs beside the common parts.
type WorkerConfig struct {
	Config
	Source    Source
	Partition stream.Partition
	BatchSize int // records read and committed together; 500 if zero
}

// Worker carries one partition. Run it once; one worker at a time may own a partition.
type Worker struct {
	WorkerConfig
	// reading and committing run side by side; each of the two owns the fields of its name.
	read   Checkpoint // position of the last record that was decided
	commit Checkpoint // position of the last record that was committed
}

// NewWorker makes a worker that starts after the stored checkpoint.
func NewWorker(c WorkerConfig) *Worker {
	if c.BatchSize <= 0 {
		c.BatchSize = 500
	}
	return &Worker{WorkerConfig: c}
}

// work is a batch on its way from decide to commit.
type work struct {
	entries []Entry
	ordinal []int64 // of each entry's record in the batch, from 1
	dead    []DeadLetter
	before  int64 // records of the batch that are committed already
	records int64
	last    stream.Position
}

// Run works until ctx ends, and then returns nil with everything that was decided committed or left for the next
// start. It returns an error when it cannot go on: the checkpoint is fenced, or not of this stream.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("start partition %s: %w", w.Partition, err)
	}
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// One batch is decided while the one before it is committed: the store's disk and the engine's processor do not
	// wait for each other.
	decided := make(chan work)
	go func() {
		defer close(decided)
		if err := w.readAll(inner, decided); err != nil {
			stop(err)
		}
	}()
	var failed error
	for b := range decided {
		if failed != nil {
			continue
		}
		if failed = w.commitAll(inner, b); failed != nil {
			stop(failed)
		}
	}
	if ctx.Err() != nil && !errors.Is(failed, ErrFenced) {
		return nil
	}
	return fmt.Errorf("work on partition %s: %w", w.Partition, context.Cause(inner))
}

func (w *Worker) start(ctx context.Context) error {
	for try := 0; ; try++ {
		c, found, err := w.Store.Checkpoint(ctx, w.Partition)
		switch {
		case err == nil && !found:
			w.read = Checkpoint{Stream: w.Source.ID(), Partition: w.Partition}
			w.commit = w.read
			return nil
		case err == nil && c.Stream != w.Source.ID():
			return fmt.Errorf("%w: the store's checkpoint is of stream %s, this is stream %s", stream.ErrPosition, c.Stream, w.Source.ID())
		case err == nil:
			w.read, w.commit = c, c
			return nil
		case !retryable(err):
			return fmt.Errorf("read checkpoint: %w", err)
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// patience is how often reading is tried again after an error that nobody calls passing. What then still fails is
// damaged, and a worker that says so and stops is better than one that pretends to work.
const patience = 5

// readAll reads and decides until ctx ends or the stream cannot be read any more.
func (w *Worker) readAll(ctx context.Context, out chan<- work) error {
	for try := 0; ; {
		records, err := w.Source.Read(ctx, w.Partition, w.read.Position, w.BatchSize)
		if err == nil && len(records) == 0 {
			err = w.Source.Wait(ctx, w.Partition, w.read.Position)
			if err == nil {
				continue
			}
		}
		var b work
		if err == nil {
			w.crash("pipeline.read")
			b, err = w.decideAll(ctx, records)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			try = 0
		case errors.Is(err, stream.ErrPosition), errors.Is(err, stream.ErrTrimmed), errors.Is(err, stream.ErrClosed):
			return err
		case !retryable(err) && try >= patience:
			return fmt.Errorf("read partition %s: %w", w.Partition, err)
		default:
			w.Metrics.Retried("read")
			w.Log.WarnContext(ctx, "reading stalled, trying again", slog.String("partition", string(w.Partition)), slog.Any("error", err))
			if err := pause(ctx, try); err != nil {
				return err
			}
			try++
			continue
		}
		w.crash("pipeline.decided")
		w.read.Position = b.last
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// decideAll turns records into entries and dead letters. It leaves out what the store has already.
func (w *Worker) decideAll(ctx context.Context, records []stream.Record) (work, error) {
	b := work{records: int64(len(records)), last: records[len(records)-1].Position}
	transactions := make([]payment.Transaction, 0, len(records))
	origins := make([]*stream.Record, 0, len(records))
	ordinals := make([]int64, 0, len(records))
	ids := make([]string, 0, len(records))
	for i := range records {
		t, err := payment.DecodeTransaction(records[i].Data)
		if err != nil {
			b.dead = append(b.dead, w.letter(&records[i], Undecodable, err))
			continue
		}
		transactions = append(transactions, t)
		origins = append(origins, &records[i])
		ordinals = append(ordinals, int64(i)+1)
		ids = append(ids, t.ID)
	}
	known, err := w.Store.Known(ctx, ids)
	if err != nil {
		return work{}, fmt.Errorf("look up ids: %w", err)
	}
	b.entries = make([]Entry, 0, len(transactions))
	for i := range transactions {
		t := &transactions[i]
		if k, ok := known[t.ID]; ok {
			if k.Conflict(t) {
				b.dead = append(b.dead, w.letter(origins[i], IDConflict, nil))
			}
			continue
		}
		d, err := w.decide(ctx, t, decision.Async)
		if ctx.Err() != nil {
			return work{}, ctx.Err()
		}
		if err != nil {
			b.dead = append(b.dead, w.letter(origins[i], Undecidable, err))
			w.retract(ctx, t)
			continue
		}
		b.entries = append(b.entries, Entry{Transaction: *t, Decision: d, Origin: origins[i]})
		b.ordinal = append(b.ordinal, ordinals[i])
	}
	return b, nil
}

func (w *Worker) letter(r *stream.Record, reason DeadLetterReason, cause error) DeadLetter {
	detail := "the id was taken by another transaction"
	if cause != nil {
		detail = cause.Error()
	}
	return DeadLetter{
		DeadLetterKey: DeadLetterKey{r.Partition, r.Position},
		Key:           r.Key, Data: r.Data, Reason: reason, Detail: detail, At: w.Now(),
	}
}
