package kinesisstream

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

// Append adds the entries, each to the shard of its key. When it returns nil all are durable in Kinesis, those of a key in
// their order, behind what earlier appends of this log that have returned nil, or are still under way, hold of the key.
//
// stream.ErrTooLarge: an entry or its key (1 KiB) is too large, nothing was sent. stream.ErrFull: too much waits here
// already, nothing was sent; or Kinesis turned entries away for as long as Options.Patience. An error that wraps
// stream.ErrUnavailable: ctx or the patience ended first. After an error some of the entries may be there, or may yet
// come; the caller may append the same again.
func (l *Log) Append(ctx context.Context, entries []stream.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	c, err := newCall(entries)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("append: %w: %w", stream.ErrUnavailable, ctx.Err())
	}
	p := l.producer
	if err := p.admit(c); err != nil {
		return err
	}
	patience := time.NewTimer(l.options.Patience)
	defer patience.Stop()
	select {
	case <-c.done:
	case <-ctx.Done():
		p.abandon(c, fmt.Errorf("append: %w: %w", stream.ErrUnavailable, ctx.Err()))
	case <-patience.C:
		p.abandon(c, nil)
	}
	return c.err
}

// call is one Append on its way. Its entries belong to the caller and are not touched once the call has ended.
type call struct {
	entries []stream.Entry
	keys    []laneKey // of each entry
	bytes   int
	done    chan struct{} // closed when the call ends

	// The rest is guarded by the producer's mu until done is closed.
	left  int      // entries that are not acknowledged
	worst *failure // why entries had to be sent again, most recently
	ended bool
	err   error
}

func newCall(entries []stream.Entry) (*call, error) {
	c := &call{entries: entries, keys: make([]laneKey, len(entries)), left: len(entries), done: make(chan struct{})}
	for i := range entries {
		e := &entries[i]
		if len(e.Data) > stream.MaxData || len(e.Key) > maxKey {
			return nil, fmt.Errorf("append entry %d of %d: %w", i+1, len(entries), stream.ErrTooLarge)
		}
		c.keys[i].name, c.keys[i].inside = partitionKey(e.Key)
		c.bytes += len(e.Key) + len(e.Data)
	}
	return c, nil
}

// tired is why the call's patience ended.
func (c *call) tired(patience time.Duration) error {
	doing := fmt.Sprintf("append: %d of %d entries not acknowledged within %s", c.left, len(c.entries), patience)
	switch {
	case c.worst == nil:
		return fmt.Errorf("%s: %w: no answer", doing, stream.ErrUnavailable)
	case c.worst.throttled():
		return fmt.Errorf("%s: %w: Kinesis answers %s", doing, stream.ErrFull, c.worst.code)
	}
	return fmt.Errorf("%s: %w", doing, c.worst)
}
