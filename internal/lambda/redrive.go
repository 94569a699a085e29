package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/fastshop/pipeline/internal/stream"
)

// Message is a message of a queue.
type Message struct {
	ID     string // the same each time the message is received
	Handle string // of this receipt
	Body   []byte
}

// Queue is where messages wait. Delivery is at least once and in any order. A received message is hidden from others for
// a while, and comes again if it was not deleted by then. No method tries again by itself.
type Queue interface {
	// Receive returns one message, or false when none is waiting.
	Receive(ctx context.Context) (Message, bool, error)
	// Delete removes a received message for good; one that is gone already is no error.
	Delete(ctx context.Context, m Message) error
	// Release lets others receive the message at once.
	Release(ctx context.Context, m Message) error
}

// Range is what a stream has from one sequence number to another, both included, in order.
type Range struct {
	Records []stream.Record
	Found   int // Kinesis records that hold them; each holds one or more
}

// ReadRange reads a range of a partition. Records that the stream keeps no longer are left out, and the error then wraps
// [stream.ErrTrimmed] beside what is left.
type ReadRange func(ctx context.Context, p stream.Partition, from, to string) (Range, error)

// RedriveOptions are what a redrive takes.
type RedriveOptions struct {
	Stream string // name of the Kinesis stream that is read; messages of others stay
	// ForgetGaps deletes a message also when records of it are gone from the stream, once they have been reported.
	ForgetGaps bool
	// Limit is how many messages are received at most; 10,000 if zero.
	Limit int
	Log   *slog.Logger // nil logs nothing
}

// Redriven is what a redrive has done.
type Redriven struct {
	Batches int   `json:"batches"`         // carried whole, and deleted
	Records int   `json:"records"`         // carried, in all batches
	Gaps    []Gap `json:"gaps,omitempty"`  // of which records are gone
	Stay    int   `json:"stay"`            // messages that stay: gaps that are not to be forgotten, failures, and others
	Other   int   `json:"other,omitempty"` // of those, messages that are not of a batch of this stream
}

// Gap is a range of records of which some are no longer in the stream. The queue's message was all that told of them.
type Gap struct {
	Partition stream.Partition `json:"partition"`
	From      string           `json:"from"`    // sequence number, included
	To        string           `json:"to"`      // sequence number, included
	Missing   int              `json:"missing"` // how many Kinesis records, of those that the batch had; at least one
}

// Redrive carries the batches that the messages of a queue name, one after the other, and deletes each message once all
// its records are carried. Whatever stays is released at the end, so that the next redrive finds it; to run it twice, or
// after a crash, changes nothing. Failures of single messages do not stop it; the error joins them, beside what was done.
func Redrive(ctx context.Context, q Queue, read ReadRange, carry Carry, o RedriveOptions) (Redriven, error) {
	if o.Limit <= 0 {
		o.Limit = 10_000
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &redrive{queue: q, read: read, carry: carry, RedriveOptions: o, seen: map[string]bool{}}
	err := d.all(ctx)
	// Those that stay are released also when ctx has ended: hidden, nobody would see them for a quarter of an hour.
	for _, m := range d.held {
		if releaseErr := q.Release(context.WithoutCancel(ctx), m); releaseErr != nil {
			err = errors.Join(err, fmt.Errorf("release message: %w", releaseErr))
		}
	}
	d.done.Stay = len(d.held)
	return d.done, err
}

type redrive struct {
	RedriveOptions
	queue Queue
	read  ReadRange
	carry Carry
	seen  map[string]bool // by the ids of messages
	held  []Message       // received, and to stay
	done  Redriven
}

func (d *redrive) all(ctx context.Context) error {
	var failed []error
	for range d.Limit {
		m, ok, err := d.queue.Receive(ctx)
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("receive message: %w", err))...)
		}
		if !ok {
			break
		}
		if d.seen[m.ID] {
			continue // it came again before its time; what is to become of it is decided
		}
		d.seen[m.ID] = true
		if err := d.one(ctx, m); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			return errors.Join(append(failed, ctx.Err())...)
		}
	}
	return errors.Join(failed...)
}

// one carries the batch of a message.
func (d *redrive) one(ctx context.Context, m Message) error {
	f, err := ParseFailed(m.Body)
	switch {
	case errors.Is(err, ErrNotBatch), err == nil && f.Stream != d.Stream:
		d.done.Other++
		d.held = append(d.held, m)
		return nil
	case err != nil:
		d.held = append(d.held, m)
		return fmt.Errorf("read message: %w", err)
	}
	missing, err := d.batch(ctx, &f)
	if err != nil {
		d.held = append(d.held, m)
		return fmt.Errorf("redrive batch of partition %s from %s: %w", f.Partition, f.From, err)
	}
	if missing > 0 {
		d.Log.ErrorContext(ctx, "records are gone from the stream", slog.String("partition", string(f.Partition)),
			slog.String("from", f.From), slog.String("to", f.To), slog.Int("missing", missing))
		d.done.Gaps = append(d.done.Gaps, Gap{f.Partition, f.From, f.To, missing})
		if !d.ForgetGaps {
			d.held = append(d.held, m)
			return nil
		}
	}
	if err := d.queue.Delete(ctx, m); err != nil {
		d.held = append(d.held, m)
		return fmt.Errorf("delete message: %w", err)
	}
	if missing == 0 {
		d.done.Batches++
	}
	return nil
}

// batch carries what the stream still has of a batch and returns how many of its records are gone.
func (d *redrive) batch(ctx context.Context, f *Failed) (missing int, err error) {
	found, err := d.read(ctx, f.Partition, f.From, f.To)
	if err != nil && !errors.Is(err, stream.ErrTrimmed) {
		return 0, fmt.Errorf("read: %w", err)
	}
	// More than there were is right: with a parallelization factor, the range has records of other batches as well.
	missing = max(0, f.Records-found.Found)
	if err != nil {
		missing = max(1, missing)
	}
	records := found.Records
	if len(records) == 0 {
		return missing, nil
	}
	done := 0
	err = contained(func() (err error) {
		done, err = d.carry(ctx, f.Partition, records)
		return err
	})
	d.done.Records += min(max(done, 0), len(records))
	switch {
	case done >= len(records):
		return missing, nil
	case err == nil:
		return missing, errShort
	}
	return missing, err
}
