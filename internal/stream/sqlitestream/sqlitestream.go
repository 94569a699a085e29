// Package sqlitestream keeps a partitioned log in one SQLite file.
//
// # Layout
//
// An append writes one row per partition that it touches, holding all of its
// records for that partition with a checksum. Positions count 1, 2, 3 … in each
// partition, without gaps, and are never used again.
//
// # Group commit
//
// Appends that arrive while another is being written go into the next transaction
// together and share its fsync. Each append stays all or nothing, and so does the
// group: when its transaction fails, every append in it fails.
//
// # Limits
//
// One process per file; the program's directory lock sees to that. After a commit
// whose fate is unknown (an I/O error) the log refuses to append until it is
// opened again, see [ErrBroken]. Trimmed room is used again, the file does not
// shrink.
package sqlitestream

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/group"
	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/stream"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrBroken is wrapped by appends after an I/O error left the fate of a commit unknown: open the log again.
var ErrBroken = fmt.Errorf("%w: stopped after an I/O error", stream.ErrUnavailable)

// ErrPartitions is wrapped by an Open that asks for another number of partitions than the log has.
var ErrPartitions = errors.New("sqlitestream: the number of partitions is fixed when the log is made")

// Options say how a log is opened. The zero value is ready for use.
type Options struct {
	// Partitions is how many a new log gets, 1 to 1024; 0 means 8, or what an existing log has.
	Partitions int
	// Retention is how long a record stays at least. Default 168 h.
	Retention time.Duration
	// MaxBytes bounds the keys and data that are kept; an append over it is stream.ErrFull. Default 64 GiB.
	MaxBytes int64
	// MinFree is how many bytes of the disk stay free; an append that finds fewer is stream.ErrFull. It leaves room
	// for the store, which shares the disk and must be able to drain the log. Default 256 MiB; negative means 0.
	MinFree int64
	// Now is the log's clock. Default time.Now.
	Now func() time.Time
	// Crash is called at the named points of an append, for tests that stop the process or copy the files there:
	// "stream.append.before_commit" and "stream.append.after_commit" (durable, but not yet acknowledged).
	Crash func(point string)
}

func (o *Options) defaults() {
	if o.Retention == 0 {
		o.Retention = 168 * time.Hour
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 30
	}
	if o.MinFree == 0 {
		o.MinFree = 256 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Crash == nil {
		o.Crash = func(string) {}
	}
}

// Log is an open log. All methods may be called at once.
type Log struct {
	options Options
	path    string
	file    *sqlitefile.File
	id      string
	appends *group.Group[*appendCall]
	closed  chan struct{}
	close   sync.Once

	writing sync.Mutex            // held while the writing connection is in use; taken before state
	broken  error                 // guarded by writing
	fault   atomic.Pointer[error] // what Ready sees of broken

	state      sync.Mutex
	partitions []partition // guarded by state, but for its length
	bytes      int64       // guarded by state: keys and data that are kept
}

// partition is what is known of one partition without asking the file.
type partition struct {
	name    stream.Partition
	last    int64         // position of the newest record, 0 if there never was one
	trimmed int64         // position of the newest record that was removed
	grown   chan struct{} // closed by the next append to the partition
}

// Open opens the log in the file at path, or makes one.
func Open(ctx context.Context, path string, o Options) (*Log, error) {
	o.defaults()
	if o.Partitions < 0 || o.Partitions > maxPartitions {
		return nil, fmt.Errorf("open stream: %d partitions, want 1 to %d", o.Partitions, maxPartitions)
	}
	schema, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	file, err := sqlitefile.Open(ctx, sqlitefile.Options{Path: path, Migrations: schema, CacheBytes: 8 << 20})
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	l := &Log{options: o, path: path, file: file, closed: make(chan struct{})}
	if err := l.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open stream: %w", err), file.Close())
	}
	l.appends = group.New(256, 4<<20, (*appendCall).size, l.write)
	return l, nil
}

// load reads who the log is and where its partitions end, and writes it for a new log.
func (l *Log) load() error {
	w := l.file.Writer()
	n := 0
	err := w.Query("SELECT id, partitions FROM stream", func(r sqlitefile.Row) error {
		l.id, n = r.Text(0), int(r.Int(1))
		return nil
	})
	if err != nil {
		return err
	}
	if n == 0 {
		if n = l.options.Partitions; n == 0 {
			n = 8
		}
		if err := l.create(w, n); err != nil {
			return fmt.Errorf("create: %w", err)
		}
	}
	if want := l.options.Partitions; want != 0 && want != n {
		return fmt.Errorf("%d asked for, %d there: %w", want, n, ErrPartitions)
	}
	l.partitions = make([]partition, n)
	for i := range l.partitions {
		if err := l.loadPartition(w, i); err != nil {
			return err
		}
	}
	return w.Query("SELECT coalesce(sum(length(data)), 0) FROM chunks", func(r sqlitefile.Row) error {
		l.bytes = r.Int(0)
		return nil
	})
}

func (l *Log) create(w *sqlitefile.Conn, partitions int) error {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return err
	}
	l.id = hex.EncodeToString(id[:])
	if err := w.BeginWrite(); err != nil {
		return err
	}
	_, err := w.Exec("INSERT INTO stream (id, partitions, made_at) VALUES (?, ?, ?)",
		l.id, int64(partitions), l.options.Now().UnixMilli())
	for i := 0; i < partitions && err == nil; i++ {
		_, err = w.Exec("INSERT INTO partitions (partition, trimmed) VALUES (?, 0)", int64(i))
	}
	if err != nil {
		return errors.Join(err, w.Rollback())
	}
	return w.Commit()
}

func (l *Log) loadPartition(w *sqlitefile.Conn, i int) error {
	p := &l.partitions[i]
	p.name, p.grown = stream.Partition(strconv.Itoa(i)), make(chan struct{})
	err := w.Query("SELECT trimmed FROM partitions WHERE partition = ?", func(r sqlitefile.Row) error {
		p.trimmed = r.Int(0)
		return nil
	}, int64(i))
	if err != nil {
		return err
	}
	p.last = p.trimmed
	return w.Query("SELECT place, count FROM chunks WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
		func(r sqlitefile.Row) error {
			p.last = positionOf(r.Int(0)) + r.Int(1) - 1
			return nil
		}, place(i, 0), place(i+1, 0)-1)
}

// ID is the log's own random name, made with the file: 32 hexadecimal digits.
func (l *Log) ID() string { return l.id }

// Partitions names the partitions, "0" and on.
func (l *Log) Partitions(context.Context) ([]stream.Partition, error) {
	names := make([]stream.Partition, len(l.partitions))
	for i := range l.partitions {
		names[i] = l.partitions[i].name
	}
	return names, nil
}

// End returns the position of the partition's newest record, the zero Position if there never was one, and how many
// records were ever appended to it.
func (l *Log) End(_ context.Context, p stream.Partition) (stream.Position, int64, error) {
	i, err := l.index(p)
	if err != nil {
		return "", 0, err
	}
	l.state.Lock()
	defer l.state.Unlock()
	return format(l.partitions[i].last), l.partitions[i].last, nil
}

// Kept returns the position of the newest record that was trimmed, and how many records the partition holds.
func (l *Log) Kept(_ context.Context, p stream.Partition) (trimmed stream.Position, records int64, err error) {
	i, err := l.index(p)
	if err != nil {
		return "", 0, err
	}
	l.state.Lock()
	defer l.state.Unlock()
	s := &l.partitions[i]
	return format(s.trimmed), s.last - s.trimmed, nil
}

// Bytes is the size of what the log holds, and Options.MaxBytes.
func (l *Log) Bytes() (held, room int64) {
	l.state.Lock()
	defer l.state.Unlock()
	return l.bytes, l.options.MaxBytes
}

// Close finishes the appends that were taken in, wakes everybody who waits, and closes the file. Calls after it return
// stream.ErrClosed; a second Close does nothing.
func (l *Log) Close() (err error) {
	l.close.Do(func() {
		l.appends.Close()
		close(l.closed)
		l.writing.Lock()
		defer l.writing.Unlock()
		if err = l.file.Close(); err != nil {
			err = fmt.Errorf("close %s: %w", filepath.Base(l.path), err)
		}
	})
	return err
}

// index is the number of a partition of this log.
func (l *Log) index(p stream.Partition) (int, error) {
	select {
	case <-l.closed:
		return 0, stream.ErrClosed
	default:
	}
	i, err := strconv.Atoi(string(p))
	if err != nil || i < 0 || i >= len(l.partitions) || l.partitions[i].name != p {
		return 0, fmt.Errorf("partition %q: %w", p, stream.ErrPosition)
	}
	return i, nil
}
