package sqlitefile

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Unavailable reports whether err is about the disk or a lock rather than about what was asked: the same call may
// succeed later. Everything else (a constraint, a value too big) would fail again.
func Unavailable(err error) bool {
	if errors.Is(err, ErrClosed) {
		return true
	}
	switch primary(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
		sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT:
		return true
	}
	return false
}

// NoRoom reports whether err says that the disk or the file is full.
func NoRoom(err error) bool { return primary(err) == sqlite3.SQLITE_FULL }

// Broken reports whether err leaves the state of the file unknown, so that writing on would be guessing.
func Broken(err error) bool {
	switch primary(err) {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_INTERNAL:
		return true
	}
	return false
}

// primary is the result code of err without its extension, or SQLITE_OK if it is not SQLite's.
func primary(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlite3.SQLITE_OK
	}
	return e.Code() & 0xff
}
