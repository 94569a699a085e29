package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

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

// Run works until ctx ends, or until the partition has ended and its last record is committed (the checkpoint is then
// stream.Ended), and returns nil with everything that was decided committed or left for the next start. It returns an
// error when it cannot go on: the checkpoint is fenced, or not of this stream.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("start partition %s: %w", w.Partition, err)
	}
	if w.commit.Position == stream.Ended {
		return nil
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
		if failed == nil {
			if failed = w.commitAll(inner, b, w.commitOnce); failed != nil {
				stop(failed)
			}
		}
		if errors.Is(failed, ErrFenced) {
			w.disown(ctx, b.entries)
		}
	}
	if (ctx.Err() != nil && !errors.Is(failed, ErrFenced)) || (failed == nil && w.commit.Position == stream.Ended) {
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

// readAll reads and decides until ctx ends, or the partition does, or the stream cannot be read any more.
func (w *Worker) readAll(ctx context.Context, out chan<- work) error {
	for try := 0; ; {
		b, err := w.readOnce(ctx)
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
		if b.idle {
			continue
		}
		w.crash("pipeline.decided")
		w.read.Position = b.last
		select {
		case out <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.last == stream.Ended {
			return nil
		}
	}
}

// readOnce reads and decides one batch.
func (w *Worker) readOnce(ctx context.Context) (work, error) {
	records, err := w.Source.Read(ctx, w.Partition, w.read.Position, w.BatchSize)
	switch {
	case errors.Is(err, stream.ErrEnded):
		return work{last: stream.Ended}, nil
	case errors.Is(err, stream.ErrTrimmed):
		return w.gap(ctx, err)
	case err != nil:
		return work{}, err
	case len(records) == 0:
		if err := w.Source.Wait(ctx, w.Partition, w.read.Position); !errors.Is(err, stream.ErrEnded) {
			return work{idle: true}, err
		}
		return work{last: stream.Ended}, nil
	}
	w.crash("pipeline.read")
	return w.decideAll(ctx, records)
}

// Gapped is a source that lets go of records by age alone, whether they were read or not.
type Gapped interface {
	// Horizon is a position after which everything that is kept can be read; it may be the zero Position.
	Horizon(ctx context.Context, p stream.Partition) (stream.Position, error)
}

// gap goes on behind records that were lost to the stream's retention. What is missing is put aside as a dead letter
// without data, so that it is on record and somebody is called; it cannot be had any more.
func (w *Worker) gap(ctx context.Context, trimmed error) (work, error) {
	source, ok := w.Source.(Gapped)
	if !ok {
		return work{}, trimmed
	}
	horizon, err := source.Horizon(ctx, w.Partition)
	if err != nil {
		return work{}, err
	}
	w.Log.ErrorContext(ctx, "RECORDS LOST: the stream let go of records before they were read",
		slog.String("partition", string(w.Partition)), slog.String("after", string(w.read.Position)))
	lost := &stream.Record{Partition: w.Partition, Position: w.read.Position}
	return work{last: horizon, dead: []DeadLetter{w.letter(lost, Trimmed, trimmed)}}, nil
}
