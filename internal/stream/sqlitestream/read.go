package sqlitestream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/stream"
)

const (
	// selectChunks reads a partition from the chunk that holds a position on.
	selectChunks = `SELECT place, count, appended_at, data FROM chunks
		WHERE place >= coalesce((SELECT max(place) FROM chunks WHERE place BETWEEN ?1 AND ?2), ?2) AND place < ?3
		ORDER BY place`
	// selectOld lists the chunks at the front of a partition.
	selectOld = `SELECT place, count, appended_at, length(data) FROM chunks WHERE place BETWEEN ?1 AND ?2 ORDER BY place LIMIT 1024`

	deleteOld  = "DELETE FROM chunks WHERE place BETWEEN ?1 AND ?2"
	setTrimmed = "UPDATE partitions SET trimmed = ?2 WHERE partition = ?1"
)

// readBytes bounds the data that one Read returns beyond its first record.
const readBytes = 8 << 20

// errEnough ends a query early.
var errEnough = errors.New("enough")

// Read returns up to max records after a position, oldest first, and none when the position is the end. It may return
// fewer than there are, but never none then. A record can be read any number of times. The records are the caller's.
//
// It returns stream.ErrPosition for a position that this log never gave, and stream.ErrTrimmed when the record after the
// position is gone.
func (l *Log) Read(ctx context.Context, p stream.Partition, after stream.Position, max int) ([]stream.Record, error) {
	i, n, last, _, err := l.locate(p, after)
	if err != nil || n == last {
		return nil, err
	}
	if max < 1 {
		max = 1
	}
	var records []stream.Record
	bytes := 0
	collect := func(r sqlitefile.Row) (err error) {
		c := chunk{partition: i, first: positionOf(r.Int(0)), count: int(r.Int(1)), at: r.Int(2), data: r.Blob(3)}
		if c.first > last {
			return errEnough // appended after locate; a later Read returns it
		}
		if records, err = c.records(records, p, n, max); err != nil {
			return err
		}
		if bytes += len(c.data); len(records) >= max || bytes >= readBytes {
			return errEnough
		}
		return nil
	}
	err = l.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectChunks, collect, place(i, 0), place(i, n+1), place(i+1, 0))
	})
	switch {
	case errors.Is(err, sqlitefile.ErrClosed):
		return nil, stream.ErrClosed
	case err != nil && !errors.Is(err, errEnough):
		return nil, fmt.Errorf("read partition %s: %w", p, err)
	case len(records) == 0 || records[0].Position != format(n+1):
		return nil, fmt.Errorf("partition %s: %w", p, stream.ErrTrimmed) // trimmed since locate
	}
	return records, nil
}

// Wait returns nil as soon as the partition has a record after the position: at once, or when an append brings one.
// Otherwise it returns ctx's error, or stream.ErrClosed, or what Read says of the position.
func (l *Log) Wait(ctx context.Context, p stream.Partition, after stream.Position) error {
	for {
		_, n, last, grown, err := l.locate(p, after)
		if err != nil || n < last {
			return err
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.closed:
			return stream.ErrClosed
		}
	}
}

// locate checks a position against what the partition holds now.
func (l *Log) locate(p stream.Partition, after stream.Position) (i int, n, last int64, grown <-chan struct{}, err error) {
	if i, err = l.index(p); err != nil {
		return 0, 0, 0, nil, err
	}
	if n, err = parse(after); err != nil {
		return 0, 0, 0, nil, err
	}
	l.state.Lock()
	s := l.partitions[i]
	l.state.Unlock()
	switch {
	case n > s.last:
		err = fmt.Errorf("partition %s ends at %d, not at %d or later: %w", p, s.last, n, stream.ErrPosition)
	case n < s.trimmed:
		err = fmt.Errorf("partition %s begins after %d, not after %d: %w", p, s.trimmed, n, stream.ErrTrimmed)
	}
	return i, n, s.last, s.grown, err
}

// Trim removes records that are older than before, older than the log's retention, and past the checkpoint of their
// partition, and returns how many. A partition without a checkpoint keeps everything. Records go in rows, so a few that
// might go may stay for the next time. A checkpoint past the end is stream.ErrPosition: it is another log's.
func (l *Log) Trim(ctx context.Context, before time.Time, checkpoints map[stream.Partition]stream.Position) (int64, error) {
	if limit := l.options.Now().Add(-l.options.Retention); before.After(limit) {
		before = limit
	}
	var removed int64
	for p, checkpoint := range checkpoints {
		for {
			n, more, err := l.trim(ctx, p, checkpoint, before.UnixMilli())
			removed += n
			if err != nil {
				return removed, fmt.Errorf("trim partition %s: %w", p, err)
			}
			if !more {
				break
			}
		}
	}
	return removed, nil
}

// trim removes what may go of one partition, up to a bounded number of rows, so that appends wait only briefly.
func (l *Log) trim(ctx context.Context, p stream.Partition, checkpoint stream.Position, before int64) (removed int64, more bool, err error) {
	if err := ctx.Err(); err != nil {
		return 0, false, err
	}
	i, handled, _, _, err := l.locate(p, checkpoint)
	if errors.Is(err, stream.ErrTrimmed) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.broken != nil {
		return 0, false, l.broken
	}
	var end, bytes, rows int64 // what goes: up to position end
	w := l.file.Writer()
	err = w.Query(selectOld, func(r sqlitefile.Row) error {
		last := positionOf(r.Int(0)) + r.Int(1) - 1
		if r.Int(2) >= before || last > handled {
			return errEnough
		}
		end, bytes, rows = last, bytes+r.Int(3), rows+1
		return nil
	}, place(i, 0), place(i, handled))
	if err != nil && !errors.Is(err, errEnough) {
		return 0, false, l.failed("look for old records", err)
	}
	if rows == 0 {
		return 0, false, nil
	}
	if err := l.remove(i, end); err != nil {
		return 0, false, err
	}
	l.state.Lock()
	defer l.state.Unlock()
	s := &l.partitions[i]
	removed, s.trimmed = end-s.trimmed, end
	l.bytes -= bytes
	return removed, rows == 1024, nil
}

// remove deletes a partition's records up to a position, and says so, in one transaction.
func (l *Log) remove(i int, end int64) error {
	w := l.file.Writer()
	if err := w.BeginWrite(); err != nil {
		return l.failed("begin trim", err)
	}
	_, err := w.Exec(deleteOld, place(i, 0), place(i, end))
	if err == nil {
		_, err = w.Exec(setTrimmed, int64(i), end)
	}
	if err != nil {
		return l.failed("trim", errors.Join(err, w.Rollback()))
	}
	return l.commit(w)
}
