package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/httpapi"
)

// TestPageKeys follows keys to their end: the live page is for those that may read, for as long as they may.
func TestPageKeys(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ring, err := httpapi.LoadKeyring(filepath.Join(t.TempDir(), keyringAPI), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	add := func(valid time.Duration, scope httpapi.Scope) (text, id string) {
		text, key, err := ring.Add(httpapi.Key{Name: "test", Scopes: []httpapi.Scope{scope}, ExpiresAt: now.Add(valid)})
		if err != nil {
			t.Fatal(err)
		}
		return text, key.ID
	}
	page := pageKeys{ring}
	reads, id := add(time.Hour, httpapi.ScopeRead)
	sends, other := add(time.Hour, httpapi.ScopeIngest)
	_, brief := add(time.Minute, httpapi.ScopeRead)
	if holder, ok := page.Authenticate(reads); !ok || holder != id || !page.Valid(holder) {
		t.Errorf("a key that may read is refused (%v)", ok)
	}
	if _, ok := page.Authenticate(sends); ok || page.Valid(other) || page.Valid("") {
		t.Error("somebody who may not read is let in")
	}
	now = now.Add(time.Minute)
	if page.Valid(brief) || !page.Valid(id) {
		t.Error("a key does not end when it expires, and no other")
	}
	if err := ring.Revoke(id); err != nil {
		t.Fatal(err)
	}
	if _, ok := page.Authenticate(reads); ok || page.Valid(id) {
		t.Error("a revoked key is let in")
	}
}
