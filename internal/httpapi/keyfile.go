package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// keyEntry is a key as it stands in the key file.
type keyEntry struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Secret    secretHash `json:"secret_sha256"`
	Scopes    []Scope    `json:"scopes"`
	Rate      float64    `json:"rate,omitempty"` // transactions per second; absent is the program's default
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	RevokedAt time.Time  `json:"revoked_at,omitzero"`
}

func (e keyEntry) key() Key {
	return Key{ID: e.ID, Name: e.Name, Scopes: slices.Clone(e.Scopes), Rate: e.Rate, CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt, RevokedAt: e.RevokedAt}
}

// state is the key as it stands now: ErrKey when it was revoked, ErrKeyExpired with the key when its time is over.
func (e keyEntry) state(now time.Time) (Key, error) {
	switch {
	case !e.RevokedAt.IsZero():
		return Key{}, ErrKey
	case !now.Before(e.ExpiresAt):
		return e.key(), ErrKeyExpired
	}
	return e.key(), nil
}

// keyFile is the form of the file.
type keyFile struct {
	Version int        `json:"version"` // 1
	Keys    []keyEntry `json:"keys"`
}

// validKey says what is wrong with a key that is to be added or was read.
func validKey(k Key, now time.Time) error {
	switch {
	case k.Name == "" || len(k.Name) > 64 || strings.ContainsFunc(k.Name, func(r rune) bool { return r < ' ' }):
		return errors.New("check API key: its name must have 1 to 64 characters and no control characters")
	case len(k.Scopes) == 0:
		return errors.New("check API key: it needs a scope")
	case !k.ExpiresAt.After(now):
		return errors.New("check API key: it must expire in the future")
	case k.Rate < 0 || k.Rate > 1e6:
		return errors.New("check API key: its rate must be 0 to 1,000,000 transactions per second")
	}
	for _, s := range k.Scopes {
		if !slices.Contains(Scopes(), s) {
			return errors.New("check API key: a scope is none of ingest, decide, read, label, lists, admin")
		}
	}
	return nil
}

// readKeyFile reads the entries; a missing file has none.
func readKeyFile(path string) (map[string]keyEntry, fileStamp, error) {
	entries := map[string]keyEntry{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return entries, fileStamp{}, nil
	}
	if err != nil {
		return nil, fileStamp{}, fmt.Errorf("open API keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fileStamp{}, fmt.Errorf("open API keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fileStamp{}, fmt.Errorf("open API keys: %s may be read by others; run chmod 600 on it", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, 16<<20))
	if err != nil {
		return nil, fileStamp{}, fmt.Errorf("read API keys: %w", err)
	}
	if err := decodeKeys(data, entries); err != nil {
		return nil, fileStamp{}, err
	}
	return entries, fileStamp{info.ModTime(), info.Size()}, nil
}

func decodeKeys(data []byte, entries map[string]keyEntry) error {
	var file keyFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return fmt.Errorf("read API keys: %w", err)
	}
	if file.Version != 1 {
		return fmt.Errorf("read API keys: version %d is not known to this program", file.Version)
	}
	for _, e := range file.Keys {
		if _, twice := entries[e.ID]; twice || len(e.ID) != keyIDLength {
			return fmt.Errorf("read API keys: id %q is malformed or occurs twice", e.ID)
		}
		if err := validKey(e.key(), time.Time{}); err != nil {
			return fmt.Errorf("read API keys: id %q: %w", e.ID, err)
		}
		entries[e.ID] = e
	}
	return nil
}

// lockKeyFile keeps two processes from losing each other's change: the file that it returns is locked until it is closed,
// also by a crash. It is a file of its own, for the key file itself is replaced by every change, and it stays.
func lockKeyFile(path string, patience time.Duration) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock API keys: %w", err)
	}
	for until := time.Now().Add(patience); ; time.Sleep(lockRetry) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return f, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return nil, errors.Join(fmt.Errorf("lock API keys: %w", err), f.Close())
		case time.Now().After(until):
			return nil, errors.Join(errors.New("lock API keys: another process is changing them and does not come to an end"), f.Close())
		}
	}
}

// lockRetry is how often a change looks whether another one has ended.
const lockRetry = 5 * time.Millisecond

// writeKeyFile makes entries the file, durably and at once: a crash leaves the old file or the new one. The caller holds
// the lock, so a next file that is there already is the leftover of a crash.
func writeKeyFile(path string, entries map[string]keyEntry) error {
	file := keyFile{Version: 1, Keys: slices.SortedFunc(maps.Values(entries), func(a, b keyEntry) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})}
	data, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return fmt.Errorf("write API keys: %w", err)
	}
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write API keys: %w", err)
	}
	if err := writeDurably(next, append(data, '\n')); err != nil {
		return fmt.Errorf("write API keys: %w", errors.Join(err, os.Remove(next)))
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("write API keys: %w", errors.Join(err, os.Remove(next)))
	}
	return syncDir(filepath.Dir(path))
}

// writeDurably makes a new file that only its owner can read.
func writeDurably(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDir makes a rename in the folder survive power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write API keys: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("write API keys: %w", err)
	}
	return nil
}
