package kinesisstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

// Read returns up to max records after a position, oldest first, and none when there are none. It may return fewer than
// there are, but never none then. A record can be read any number of times; what is read again shares memory with what
// was read before, so do not change it. It may wait for the stream's read limit, see Options.ReadEvery.
//
// stream.ErrEnded: the shard is closed and has nothing after the position. stream.ErrTrimmed, as *TrimmedError: records
// behind the position may be lost; the zero Position goes on with the oldest that is left. stream.ErrPosition: the
// position or the shard is not of this stream. stream.ErrClosed. ctx's error. An error that wraps stream.ErrUnavailable
// may pass; any other is for a person.
func (l *Log) Read(ctx context.Context, p stream.Partition, after stream.Position, max int) ([]stream.Record, error) {
	var records []stream.Record
	err := l.at(ctx, p, after, func(ctx context.Context, c *cursor) error {
		for {
			if records = c.take(max); len(records) > 0 {
				return nil
			}
			if tip, err := c.fetch(ctx); err != nil || tip {
				return err
			}
		}
	})
	return records, err
}

// Wait returns nil as soon as the partition has a record after the position. Otherwise it returns ctx's error, or what
// Read says.
func (l *Log) Wait(ctx context.Context, p stream.Partition, after stream.Position) error {
	for {
		found := false
		err := l.at(ctx, p, after, func(ctx context.Context, c *cursor) error {
			for {
				if found = c.holds(); found {
					return nil
				}
				if tip, err := c.fetch(ctx); err != nil || tip {
					return err
				}
			}
		})
		if err != nil || found {
			return err
		}
		if err := l.rest(ctx); err != nil {
			return err
		}
	}
}

// rest waits until it is time to poll again.
func (l *Log) rest(ctx context.Context) error {
	ctx, done := l.within(ctx)
	defer done()
	if err := sleep(ctx, l.options.Poll); err != nil {
		return l.ended(ctx, err)
	}
	return nil
}

// at calls use with the partition's cursor at the position, alone with it.
func (l *Log) at(ctx context.Context, p stream.Partition, after stream.Position, use func(context.Context, *cursor) error) error {
	ctx, done := l.within(ctx)
	defer done()
	if ctx.Err() != nil {
		return l.ended(ctx, ctx.Err())
	}
	if after == stream.Ended {
		return fmt.Errorf("partition %s: %w", p, stream.ErrEnded)
	}
	c, err := l.find(ctx, p, after)
	if err != nil {
		return l.ended(ctx, err)
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return l.ended(ctx, ctx.Err())
	}
	c.seek(after)
	if err := use(ctx, c); err != nil {
		return l.ended(ctx, err)
	}
	return nil
}

// find checks partition and position, and returns the partition's cursor.
func (l *Log) find(ctx context.Context, p stream.Partition, after stream.Position) (*cursor, error) {
	if after != "" {
		if _, err := parse(after); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	c, known := l.cursors[p]
	l.mu.Unlock()
	if known {
		return c, nil
	}
	known, err := l.shards.knows(ctx, p)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, l.lost(ctx, p, after, time.Time{})
	}
	return l.cursorOf(p), nil
}

// slack is how much younger than the retention a record may look that was trimmed: clocks differ.
const slack = time.Hour

// lost says what it means that the record of a position is not there: it is too old, or it never was. Until is when the
// oldest record that is left arrived.
func (l *Log) lost(ctx context.Context, p stream.Partition, after stream.Position, until time.Time) error {
	keeps, err := l.retention(ctx)
	if err != nil {
		return err // the stream itself is gone, or out of reach
	}
	if after == "" {
		return fmt.Errorf("partition %.64q is not of stream %s: %w", string(p), l.options.Name, stream.ErrPosition)
	}
	a, err := parse(after)
	if err != nil {
		return err
	}
	arrived := time.UnixMilli(a.ms).UTC()
	if l.options.Now().Sub(arrived) < keeps-slack {
		return fmt.Errorf("partition %s has no record at the position, which is of %s, though stream %s keeps records for %s: %w",
			p, arrived.Format(time.RFC3339), l.options.Name, keeps, stream.ErrPosition)
	}
	return &TrimmedError{Partition: p, After: arrived, Until: until}
}

// within is ctx that ends with the log as well.
func (l *Log) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.life, func() { cancel(stream.ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// ended is err, or why ctx, which is of within, ended before it.
func (l *Log) ended(ctx context.Context, err error) error {
	switch {
	case l.life.Err() != nil:
		return stream.ErrClosed
	case errors.Is(err, ctx.Err()) || (ctx.Err() != nil && errors.Is(err, stream.ErrUnavailable)):
		return ctx.Err()
	}
	return err
}
