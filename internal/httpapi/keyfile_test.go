package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// reader is a key that may be added to a ring of the time on the wall.
func reader(name string) Key {
	return Key{Name: name, Scopes: []Scope{ScopeRead}, ExpiresAt: time.Now().Add(time.Hour)}
}

func openRing(t *testing.T, path string) *Keyring {
	t.Helper()
	ring, err := LoadKeyring(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestAChangeWaitsForAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	ring := openRing(t, path)
	lock, err := lockKeyFile(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ring.patience = 3 * lockRetry
	if _, _, err := ring.Add(reader("a")); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("added while another changes: %v", err)
	}
	ring.patience = time.Minute
	added := make(chan error)
	go func() {
		_, _, err := ring.Add(reader("a"))
		added <- err
	}()
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-added; err != nil {
		t.Errorf("after the other has ended: %v", err)
	}
}

// Processes that change the file at once lose nobody's change: each has a ring of its own, and so a lock of its own.
func TestConcurrentChangesAreAllKept(t *testing.T) {
	const processes, changes = 4, 5
	path := filepath.Join(t.TempDir(), "keys.json")
	var all sync.WaitGroup
	for p := range processes {
		ring := openRing(t, path)
		ring.patience = time.Minute // a slow disk is no failure
		all.Go(func() {
			for n := range changes {
				_, key, err := ring.Add(reader(fmt.Sprintf("%d-%d", p, n)))
				if err == nil && n%2 == 0 {
					err = ring.Revoke(key.ID)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	revoked, names := 0, map[string]bool{}
	for _, k := range openRing(t, path).Keys() {
		names[k.Name] = true
		if !k.RevokedAt.IsZero() {
			revoked++
		}
	}
	if len(names) != processes*changes || revoked != processes*(changes+1)/2 {
		t.Errorf("%d keys and %d revoked are left, want %d and %d", len(names), revoked, processes*changes, processes*(changes+1)/2)
	}
}

// What a crash leaves behind, the lock file and half of the next key file, is in nobody's way.
func TestALeftoverDoesNoHarm(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	ring := openRing(t, path)
	first, _, err := ring.Add(reader("first"))
	if err != nil {
		t.Fatal(err)
	}
	for suffix, content := range map[string]string{".new": `{"version":1,"keys":[{"id":"half`, ".lock": ""} {
		if err := os.WriteFile(path+suffix, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	second, _, err := ring.Add(reader("second"))
	if err != nil {
		t.Fatalf("a leftover stops a change: %v", err)
	}
	again := openRing(t, path)
	for _, text := range []string{first, second} {
		if _, err := again.Authenticate(text); err != nil {
			t.Errorf("lost: %v", err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file took the leftover's mode: %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the leftover is still there: %v", err)
	}
}

func TestFailedChangesLeaveNothingBehind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	ring := openRing(t, path)
	ring.random = bytes.NewReader(nil)
	if _, _, err := ring.Add(reader("a")); err == nil {
		t.Error("added without randomness")
	}
	ring.random = strings.NewReader(strings.Repeat("x", 100))
	if _, _, err := ring.Add(reader("a")); err != nil {
		t.Error(err)
	}
	if _, _, err := ring.Add(reader("a")); err == nil {
		t.Error("added the same id twice")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 { // the key file and its lock
		t.Errorf("left behind: %v, %v", entries, err)
	}
	if _, _, err := (&Keyring{path: filepath.Join(dir, "no", "keys.json"), now: time.Now}).Add(reader("a")); err == nil {
		t.Error("added in a folder that is not there")
	}
	// A folder in the place of the next file cannot be replaced; the keys stay as they were.
	if err := os.MkdirAll(filepath.Join(path+".new", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := ring.Revoke(ring.Keys()[0].ID); err == nil {
		t.Error("wrote over a folder")
	}
	if keys := openRing(t, path).Keys(); len(keys) != 1 || !keys[0].RevokedAt.IsZero() {
		t.Errorf("keys after a change that failed: %v", keys)
	}
}

// The JSON of keys is what fastshop apikey list --json prints.
func TestKeyAsJSON(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	k := Key{ID: "abcdefgh", Name: "checkout", Scopes: []Scope{ScopeIngest, ScopeDecide}, CreatedAt: day, ExpiresAt: day.AddDate(0, 3, 0)}
	for want, edit := range map[string]func(){
		`{"id":"abcdefgh","name":"checkout","scopes":["ingest","decide"],"created_at":"2026-03-01T00:00:00Z","expires_at":"2026-06-01T00:00:00Z"}`:                                                func() {},
		`{"id":"abcdefgh","name":"checkout","scopes":["ingest","decide"],"rate":2.5,"created_at":"2026-03-01T00:00:00Z","expires_at":"2026-06-01T00:00:00Z","revoked_at":"2026-03-02T00:00:00Z"}`: func() { k.Rate, k.RevokedAt = 2.5, day.AddDate(0, 0, 1) },
	} {
		k.Rate, k.RevokedAt = 0, time.Time{}
		edit()
		got, err := json.Marshal(k)
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
}
