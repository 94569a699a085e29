package httpapi

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Keyring is the file of API keys.
//
// A running server only reads it and notices a change within a second, so that a key can be added or revoked by another
// process (fastshop apikey). A file that cannot be read any more leaves the last good one in force, so that a slip of an
// editor does not stop the shop; Check then fails. All methods may be called at once.
type Keyring struct {
	path     string
	now      func() time.Time
	random   io.Reader
	patience time.Duration // how long a change waits for that of another process

	mu      sync.Mutex
	entries map[string]keyEntry // by id
	stamp   fileStamp
	checked time.Time
	fault   error // of the last reload
}

// fileStamp tells one state of the file from another.
type fileStamp struct {
	modified time.Time
	size     int64
}

// reloadEvery is how soon a change of the file is noticed.
const reloadEvery = time.Second

// changePatience is far longer than any change takes, which is a few milliseconds.
const changePatience = 5 * time.Second

// LoadKeyring reads the key file at path. One that is not there is an empty one: it lets nobody in, and Add makes it.
// A file that others may read is refused. A nil now is time.Now.
func LoadKeyring(path string, now func() time.Time) (*Keyring, error) {
	if now == nil {
		now = time.Now
	}
	k := &Keyring{path: path, now: now, random: rand.Reader, patience: changePatience}
	if err := k.reload(); err != nil {
		return nil, err
	}
	k.checked = now()
	return k, nil
}

// Authenticate implements [Authenticator].
func (k *Keyring) Authenticate(text string) (Key, error) {
	id, secret, ok := splitKey(text)
	if !ok {
		return Key{}, ErrKey
	}
	now := k.now()
	entry, known := k.lookUp(id, now)
	// An unknown id is compared as well, with a hash that nothing has, to take the same time.
	if matches := entry.Secret.matches(hashSecret(secret)); !known || !matches {
		return Key{}, ErrKey
	}
	return entry.state(now)
}

// Find returns the key with this id as it stands now, for who has shown its secret before: it answers as Authenticate
// does.
func (k *Keyring) Find(id string) (Key, error) {
	now := k.now()
	entry, known := k.lookUp(id, now)
	if !known {
		return Key{}, ErrKey
	}
	return entry.state(now)
}

func (k *Keyring) lookUp(id string, now time.Time) (keyEntry, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if since := now.Sub(k.checked); since >= reloadEvery || since < 0 {
		k.checked = now
		if stamp, err := stampOf(k.path); err != nil || stamp != k.stamp {
			k.fault = k.reload()
		}
	}
	entry, known := k.entries[id]
	return entry, known
}

// Check returns why the key file could not be read when it last changed, or nil. It is meant for Config.Checks.
func (k *Keyring) Check() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fault
}

// Keys returns all keys, also those that were revoked, in the order of their creation.
func (k *Keyring) Keys() []Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := make([]Key, 0, len(k.entries))
	for _, e := range k.entries {
		keys = append(keys, e.key())
	}
	slices.SortFunc(keys, func(a, b Key) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return keys
}

// Add makes a key with the name, scopes, rate and expiry of want, stores it durably, and returns it with its text,
// which is not stored and cannot be shown again. Expiry is required and lies in the future.
func (k *Keyring) Add(want Key) (text string, key Key, err error) {
	now := k.now().UTC().Truncate(time.Second)
	if err := validKey(want, now); err != nil {
		return "", Key{}, err
	}
	err = k.change(func(entries map[string]keyEntry) error {
		id, secret, err := newKeyText(k.random)
		if err != nil {
			return err
		}
		if _, taken := entries[id]; taken {
			return errors.New("add API key: the id is taken; try again")
		}
		expires := want.ExpiresAt.UTC().Truncate(time.Second)
		entry := keyEntry{ID: id, Name: want.Name, Secret: hashSecret(secret), Scopes: want.Scopes, Rate: want.Rate, CreatedAt: now, ExpiresAt: expires}
		entries[id] = entry
		text, key = keyPrefix+id+"_"+secret, entry.key()
		return nil
	})
	return text, key, err
}

// noSuchKey is ErrNotFound in words that help. It does not repeat the id, which may be a whole key, pasted by mistake.
type noSuchKey struct{}

func (noSuchKey) Error() string {
	return "revoke API key: no key has this id; list them with: fastshop apikey list"
}

func (noSuchKey) Unwrap() error { return ErrNotFound }

// Revoke ends a key for good. It returns ErrNotFound for an id that no key has; revoking twice changes nothing.
func (k *Keyring) Revoke(id string) error {
	return k.change(func(entries map[string]keyEntry) error {
		entry, ok := entries[id]
		if !ok {
			return noSuchKey{}
		}
		if entry.RevokedAt.IsZero() {
			entry.RevokedAt = k.now().UTC().Truncate(time.Second)
		}
		entries[id] = entry
		return nil
	})
}

// change rereads the file under its lock, lets edit change the entries, and writes them.
func (k *Keyring) change(edit func(map[string]keyEntry) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	lock, err := lockKeyFile(k.path, k.patience)
	if err != nil {
		return err
	}
	defer lock.Close() // which unlocks
	entries, _, err := readKeyFile(k.path)
	if err != nil {
		return err
	}
	if err := edit(entries); err != nil {
		return err
	}
	if err := writeKeyFile(k.path, entries); err != nil {
		return err
	}
	return k.reload()
}

func (k *Keyring) reload() error {
	entries, stamp, err := readKeyFile(k.path)
	if err != nil {
		return err
	}
	k.entries, k.stamp = entries, stamp
	return nil
}

func stampOf(path string) (fileStamp, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return fileStamp{}, nil
	}
	if err != nil {
		return fileStamp{}, err
	}
	return fileStamp{info.ModTime(), info.Size()}, nil
}
