package sqlitestream

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"path/filepath"

	"github.com/fastshop/pipeline/internal/group"
	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/stream"
)

// insertChunk adds one row of records.
const insertChunk = "INSERT INTO chunks (place, count, appended_at, data) VALUES (?, ?, ?, ?)"

// appendCall is one Append on its way to the writer.
type appendCall struct {
	entries    []stream.Entry
	partitions []int // of each entry
	bytes      int
	err        error // set by the writer
}

func (c *appendCall) size() int { return c.bytes }

// Append adds the entries, each to the partition of its key, in their order. When it returns nil they are durable; on
// any error of this package's or of package stream nothing was added. If ctx ends before the writer takes the call,
// nothing is added either; from then on ctx has no effect.
func (l *Log) Append(ctx context.Context, entries []stream.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	c := &appendCall{entries: entries, partitions: make([]int, len(entries))}
	for i := range entries {
		e := &entries[i]
		if len(e.Data) > stream.MaxData || len(e.Key) > maxKey {
			return fmt.Errorf("append entry %d of %d: %w", i+1, len(entries), stream.ErrTooLarge)
		}
		c.partitions[i] = l.partitionOf(e.Key)
		c.bytes += len(e.Key) + len(e.Data)
	}
	if err := l.appends.Do(ctx, c); err != nil {
		if errors.Is(err, group.ErrClosed) {
			return stream.ErrClosed
		}
		return err
	}
	return c.err
}

// partitionOf is FNV-1a (64 bit) of the key, modulo the number of partitions. It never changes: a key that moved would
// lose its order.
func (l *Log) partitionOf(key []byte) int {
	h := fnv.New64a()
	h.Write(key) // a hash never fails to write
	return int(h.Sum64() % uint64(len(l.partitions)))
}

// write is the group's run: it writes all calls that there is room for in one transaction.
func (l *Log) write(calls []*appendCall) {
	l.writing.Lock()
	defer l.writing.Unlock()
	calls = l.admit(calls)
	if len(calls) == 0 {
		return
	}
	chunks, bytes := l.chunk(calls)
	err := l.store(chunks)
	for _, c := range calls {
		c.err = err
	}
	if err == nil {
		l.publish(chunks, bytes)
	}
}

// breakDown stops appending for good: until the file is opened again nobody knows what it holds.
func (l *Log) breakDown(err error) {
	l.broken = err
	l.fault.Store(&err)
}

// room returns why nothing may be appended now because of the disk, or nil.
func (l *Log) room() error {
	free, err := sqlitefile.Free(filepath.Dir(l.path))
	if err != nil {
		return fmt.Errorf("%w: %w", stream.ErrUnavailable, err)
	}
	if free < l.options.MinFree {
		return fmt.Errorf("disk has %d bytes left, %d must stay free: %w", free, l.options.MinFree, stream.ErrFull)
	}
	return nil
}

// Fault returns why appending broke down for good, or nil. Only opening the file again helps.
func (l *Log) Fault() error {
	if fault := l.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// Ready returns why appends would fail now, or nil: appending broke down and waits for a restart, or there is no room.
func (l *Log) Ready(context.Context) error {
	if fault := l.Fault(); fault != nil {
		return fault
	}
	if held, room := l.Bytes(); held >= room {
		return fmt.Errorf("stream holds %d of %d bytes: %w", held, room, stream.ErrFull)
	}
	return l.room()
}

// admit refuses the calls for which there is no room.
func (l *Log) admit(calls []*appendCall) []*appendCall {
	var refusal error
	if l.broken != nil {
		refusal = l.broken
	} else {
		refusal = l.room()
	}
	held, room := l.Bytes()
	admitted := calls[:0]
	for _, c := range calls {
		switch {
		case refusal != nil:
			c.err = refusal
		case held+int64(c.bytes) > room:
			c.err = fmt.Errorf("stream holds %d of %d bytes: %w", held, room, stream.ErrFull)
		default:
			held += int64(c.bytes)
			admitted = append(admitted, c)
		}
	}
	return admitted
}

// chunk gathers the calls' entries by partition, in order, and gives each its position.
func (l *Log) chunk(calls []*appendCall) (chunks []*chunk, bytes int64) {
	now := l.options.Now().UnixMilli()
	open := make([]*chunk, len(l.partitions)) // the one that the partition's next record goes to
	next := make([]int64, len(l.partitions))
	l.state.Lock()
	for i := range next {
		next[i] = l.partitions[i].last + 1
	}
	l.state.Unlock()
	for _, c := range calls {
		for i := range c.entries {
			p := c.partitions[i]
			if open[p] == nil || open[p].full() {
				open[p] = newChunk(p, next[p], now)
				chunks = append(chunks, open[p])
			}
			open[p].add(&c.entries[i])
			next[p]++
		}
	}
	for _, c := range chunks {
		c.seal()
		bytes += int64(len(c.data))
	}
	return chunks, bytes
}

// store writes the chunks in one transaction.
func (l *Log) store(chunks []*chunk) error {
	w := l.file.Writer()
	if err := w.BeginWrite(); err != nil {
		return l.failed("begin append", err)
	}
	for _, c := range chunks {
		if _, err := w.Exec(insertChunk, place(c.partition, c.first), int64(c.count), c.at, c.data); err != nil {
			return l.failed("append", errors.Join(err, w.Rollback()))
		}
	}
	l.options.Crash("stream.append.before_commit")
	if err := l.commit(w); err != nil {
		return err
	}
	l.options.Crash("stream.append.after_commit")
	return nil
}

// commit ends a transaction. When the disk is full the log could not grow, so nothing was committed; after any other
// error nobody knows.
func (l *Log) commit(w *sqlitefile.Conn) error {
	err := w.Commit()
	switch {
	case err == nil:
		return nil
	case sqlitefile.NoRoom(err):
		return l.failed("commit", errors.Join(err, w.Rollback()))
	}
	l.breakDown(fmt.Errorf("%w: %w", ErrBroken, err))
	return l.broken
}

// failed turns SQLite's error into one that a caller can act on, and stops the log if its state is unknown.
func (l *Log) failed(doing string, err error) error {
	switch {
	case sqlitefile.NoRoom(err):
		return fmt.Errorf("%s: %w: %w", doing, stream.ErrFull, err)
	case sqlitefile.Broken(err):
		l.breakDown(fmt.Errorf("%w: %w", ErrBroken, err))
		return l.broken
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// publish makes committed chunks visible to readers.
func (l *Log) publish(chunks []*chunk, bytes int64) {
	l.state.Lock()
	defer l.state.Unlock()
	l.bytes += bytes
	for _, c := range chunks {
		p := &l.partitions[c.partition]
		p.last = c.first + int64(c.count) - 1
		close(p.grown)
		p.grown = make(chan struct{})
	}
}
