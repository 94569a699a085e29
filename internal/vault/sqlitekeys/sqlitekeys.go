// Package sqlitekeys keeps wrapped keys, generations and tombstones in one SQLite file: the embedded [vault.KeyStore]
// and [vault.Secrets].
//
// # Destroying a key
//
// A shredded key has to be gone from the files, not just from the tables. PRAGMA secure_delete=ON overwrites what is
// deleted, but not the copies that SQLite leaves in the unused part of a page when it moves rows between pages. So the
// wrapped data keys have a table of their own, data_keys, whose rows never move: it only grows at its end (a new last
// page is begun, older pages are not touched), no row is ever deleted, and a key is destroyed by overwriting it in place
// with as many zeros. After that the write-ahead log, which holds older copies of pages, is written back and truncated
// to nothing while no reader is in the way.
//
// That is as far as a program reaches: blocks that a file system or an SSD has given up, snapshots and backups of the
// folder may hold the wrapped key for longer. Disk encryption and a short life of such copies are the operator's part.
//
// # Files
//
// The file and its -wal and -shm companions have mode 0600 and are refused when others may read or write them; a folder
// that is made has mode 0700, and one that others may write to is refused. A lock on the file with the suffix .lock
// keeps a second process out.
package sqlitekeys

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver

	"github.com/fastshop/pipeline/internal/vault"
)

var (
	// ErrLocked is returned by Open while another process, or another Store of this one, has the file.
	ErrLocked = errors.New("key store is in use by another process")
	// ErrExposed is returned by Open for a file or folder that others than its owner may read or change.
	ErrExposed = errors.New("key store is open to others")
	// ErrSchema is returned by Open for a file that is no key store, or one of a newer version.
	ErrSchema = errors.New("not a key store of this version")
)

// schema is version 1. Times are Unix milliseconds in UTC, 0 for none; epochs are Unix seconds.
const (
	schemaVersion = 1
	applicationID = 0x46534b59 // "FSKY"
	schema        = `
CREATE TABLE data_keys ( -- only appended to, and overwritten in place: see the package comment
	id      INTEGER PRIMARY KEY,
	epoch   INTEGER NOT NULL, -- whose key wraps it
	wrapped BLOB    NOT NULL  -- 61 bytes; zeros once destroyed
) STRICT;
CREATE TABLE customers ( -- open generations
	handle     BLOB    PRIMARY KEY,
	generation INTEGER NOT NULL,
	token      BLOB    NOT NULL UNIQUE,
	opened     INTEGER NOT NULL, -- when the generation before was closed
	key        INTEGER           -- in data_keys; NULL if opened during an emergency stop
) STRICT, WITHOUT ROWID;
CREATE TABLE tombstones ( -- closed generations
	seq        INTEGER PRIMARY KEY,
	handle     BLOB    NOT NULL,
	generation INTEGER NOT NULL,
	token      BLOB    NOT NULL UNIQUE,
	at         INTEGER NOT NULL, -- when it was closed
	UNIQUE (handle, generation)
) STRICT;
CREATE TABLE secrets (
	purpose TEXT NOT NULL,
	epoch   TEXT NOT NULL,
	wrapped BLOB NOT NULL,
	PRIMARY KEY (purpose, epoch)
) STRICT, WITHOUT ROWID;`
)

// Store is an open key store. All methods may be called at once; calls after Close fail with [vault.ErrUnavailable].
type Store struct {
	lock    *os.File
	writer  *sql.DB // one connection
	readers *sql.DB

	// files is held for reading by queries and for writing by the checkpoint that ends a shred, so that no reader keeps
	// the write-ahead log from being truncated.
	files sync.RWMutex
	// write is held by a transaction. It guards nextKey.
	write   sync.Mutex
	nextKey int64         // the id of the next row of data_keys
	erased  atomic.Uint64 // the greatest seq of a tombstone: this process is the only one that writes
	broken  atomic.Pointer[error]

	group group
}

var (
	_ vault.KeyStore = (*Store)(nil)
	_ vault.Secrets  = (*Store)(nil)
)

// Open opens the key store in the file at path, and makes it, and its folder, if there is none. Errors: [ErrLocked],
// [ErrExposed], [ErrSchema], [vault.ErrUnavailable].
func Open(path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("locate key store: %w", err)
	}
	if err := prepare(path); err != nil {
		return nil, err
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, err
	}
	s := &Store{lock: lock}
	s.group.commit = s.commit
	if err := s.open(path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes the folder and the file with the right modes, or checks those that are there.
func prepare(path string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make folder of key store: %w", err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		return fmt.Errorf("look at folder of key store: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%w: others may write to %s (chmod 700 mends it)", ErrExposed, folder)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open key store: %w", err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return fmt.Errorf("look at key store: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: others may read or write %s (chmod 600 mends it)", ErrExposed, path)
	}
	return errors.Join(syncFolder(folder), syncFolder(filepath.Dir(folder)))
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open folder of key store: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync folder of key store: %w", err)
	}
	return nil
}

func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of key store: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("lock key store: %w", err)
	}
	return f, nil
}

// source is the data source name; its settings hold for every connection.
func source(path string) string {
	pragmas := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "temp_store(MEMORY)",
		"trusted_schema(OFF)", "cache_size(-3072)",
	}}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: pragmas.Encode()}).String()
}

func (s *Store) open(path string) (err error) {
	if s.writer, err = sql.Open("sqlite", source(path)); err != nil {
		return fmt.Errorf("open key store: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.migrate(); err != nil {
		return err
	}
	if s.readers, err = sql.Open("sqlite", source(path)); err != nil {
		return fmt.Errorf("open key store: %w", err)
	}
	s.readers.SetMaxOpenConns(4)
	s.readers.SetMaxIdleConns(4)
	var erased int64
	row := s.writer.QueryRow(`SELECT (SELECT coalesce(max(id), 0) + 1 FROM data_keys), (SELECT coalesce(max(seq), 0) FROM tombstones)`)
	if err := row.Scan(&s.nextKey, &erased); err != nil {
		return fmt.Errorf("read key store: %w", classify(err))
	}
	s.erased.Store(uint64(erased))
	return nil
}

// migrate makes the tables in a new file and refuses a file that is something else.
func (s *Store) migrate() error {
	var id, version, tables int
	row := s.writer.QueryRow(`SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&id, &version, &tables); err != nil {
		return fmt.Errorf("read version of key store: %w", classify(err))
	}
	if id == applicationID && version == schemaVersion {
		return nil
	}
	if id != 0 || version != 0 || tables != 0 {
		return ErrSchema
	}
	_, err := s.writer.Exec(fmt.Sprintf("BEGIN IMMEDIATE; %s; PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
		schema, applicationID, schemaVersion))
	if err != nil {
		return fmt.Errorf("make key store: %w", classify(err))
	}
	return nil
}

// Close waits for commits under way, closes the file and gives up the lock. Calling it again does nothing.
func (s *Store) Close() error {
	s.group.close()
	s.write.Lock()
	defer s.write.Unlock()
	s.files.Lock()
	defer s.files.Unlock()
	var errs []error
	for _, db := range []*sql.DB{s.readers, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}
