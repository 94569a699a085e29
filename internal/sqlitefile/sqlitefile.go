// Package sqlitefile opens one durable SQLite file for one process: one writing
// connection, a few reading ones, and ordered migrations.
//
// # Durability
//
// Journal mode is WAL and synchronous is FULL: when [Conn.Commit] returned nil,
// the transaction is in the write-ahead log on stable storage, and survives
// SIGKILL and power loss as far as the disk honors fsync. A commit that failed
// leaves it open whether it happened (an fsync error says nothing about the pages
// before it), so owners must stop writing and let a new Open decide; SQLite then
// replays the log up to the last whole transaction.
//
// # Why not database/sql
//
// The connections here are the driver's own. A pool that may hand any connection
// to anyone cannot keep statements prepared for a single writer, and its
// conversions cost as much as a small insert. What is left of it here is a
// statement cache and a channel of readers.
//
// # Limits
//
// Nothing here locks out a second process: that is [Lock]'s part, once per data
// directory. A transaction's temporary journal lives in memory, so a batch must
// fit there.
package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// ErrClosed is returned by everything that is asked of a closed file.
var ErrClosed = errors.New("sqlite file closed")

// Options say how a file is opened. Path and Migrations are required.
type Options struct {
	// Path of the file, which is made if it does not exist, readable for its owner only.
	Path string
	// Migrations holds the schema: files 0001_name.sql, 0002_name.sql … in its root. Each runs once, in a
	// transaction of its own; there is no way back.
	Migrations fs.FS
	// CacheBytes bounds the page cache of the writing connection; each reader gets an eighth. Default 64 MiB.
	CacheBytes int64
	// Readers is the number of reading connections, each used by one caller at a time. Default 4.
	Readers int
	// CheckpointPages is the size of the write-ahead log, in pages of 4 KiB, at which a commit moves it into the
	// file. Larger means fewer, longer pauses. Default 4096 (16 MiB).
	CheckpointPages int
}

func (o *Options) defaults() {
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	if o.Readers == 0 {
		o.Readers = 4
	}
	if o.CheckpointPages == 0 {
		o.CheckpointPages = 4096
	}
}

// File is an open file. Its methods may be called at once.
type File struct {
	path    string
	writer  *Conn
	readers chan *Conn
	count   int // how many readers there are
	closed  chan struct{}
}

// Open opens or makes the file and brings its schema up to date. It returns an error that wraps [ErrNewer] when a newer
// program has already changed the schema.
func Open(ctx context.Context, o Options) (*File, error) {
	o.defaults()
	if err := ensure(o.Path); err != nil {
		return nil, err
	}
	w, err := dial(o.Path, writerPragmas(&o))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Base(o.Path), err)
	}
	f := &File{path: o.Path, writer: w, readers: make(chan *Conn, o.Readers), closed: make(chan struct{})}
	if err := migrate(ctx, w, o.Migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", filepath.Base(o.Path), err), w.close())
	}
	for range o.Readers {
		r, err := dial(o.Path, readerPragmas(&o))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open %s for reading: %w", filepath.Base(o.Path), err), f.Close())
		}
		f.readers <- r
		f.count++
	}
	return f, nil
}

// ensure makes an empty file with tight permissions, because SQLite would make it with the process's umask, and makes
// its name durable.
func ensure(path string) error {
	created, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create data file: %w", err)
	}
	if err := created.Close(); err != nil {
		return fmt.Errorf("create data file: %w", err)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open data directory: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func writerPragmas(o *Options) []string {
	return []string{
		"PRAGMA busy_timeout = 5000",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA foreign_keys = OFF", // the single writer keeps references right; checks would cost a look-up per row
		"PRAGMA temp_store = MEMORY",
		fmt.Sprintf("PRAGMA cache_size = -%d", o.CacheBytes/1024),
		fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", o.CheckpointPages),
		fmt.Sprintf("PRAGMA journal_size_limit = %d", int64(o.CheckpointPages)*4096*4),
	}
}

func readerPragmas(o *Options) []string {
	return []string{
		"PRAGMA busy_timeout = 5000",
		"PRAGMA query_only = ON",
		"PRAGMA temp_store = MEMORY",
		fmt.Sprintf("PRAGMA cache_size = -%d", o.CacheBytes/1024/8),
	}
}

// address is the URI of path; a plain path would end at its first question mark.
func address(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("resolve data file: %w", err)
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(abs)}).String(), nil
}

// Writer is the writing connection. One goroutine may use it at a time; the owner sees to that, usually with a group of package group.
func (f *File) Writer() *Conn { return f.writer }

// Read calls fn with a reading connection, waiting for a free one until ctx is done. A transaction that fn begins is
// rolled back when fn returns.
func (f *File) Read(ctx context.Context, fn func(*Conn) error) error {
	select {
	case <-f.closed:
		return ErrClosed
	default:
	}
	select {
	case r := <-f.readers:
		defer func() { f.readers <- r }()
		return fn(r)
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return ErrClosed
	}
}

// Snapshot calls fn with a reading connection whose every query sees the same moment of the file, and that of the call.
func (f *File) Snapshot(ctx context.Context, fn func(*Conn) error) error {
	return f.Read(ctx, func(c *Conn) error {
		if err := c.Begin(); err != nil {
			return err
		}
		return errors.Join(fn(c), c.Rollback())
	})
}

// Close waits for readers, moves the write-ahead log into the file, and closes it. Only the first call does anything.
func (f *File) Close() error {
	select {
	case <-f.closed:
		return nil
	default:
		close(f.closed)
	}
	var errs []error
	for range f.count {
		errs = append(errs, (<-f.readers).close())
	}
	return errors.Join(append(errs, f.writer.close())...)
}
