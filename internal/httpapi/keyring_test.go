package httpapi

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestKeyringKeepsHashesOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	c := &clock{t: noon}
	ring, err := LoadKeyring(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Authenticate("fsk_aaaaaaaa_" + strings.Repeat("a", 32)); !errors.Is(err, ErrKey) {
		t.Errorf("an empty ring let in: %v", err)
	}
	text, key, err := ring.Add(Key{Name: "checkout", Scopes: []Scope{ScopeIngest}, Rate: 5, ExpiresAt: noon.Add(48 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^fsk_[a-z2-7]{8}_[a-z2-7]{32}$`).MatchString(text) {
		t.Errorf("form of %q", text)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := splitKey(text)
	raw, _ := keyText.DecodeString(secret)
	for _, s := range []string{text, secret, string(raw), hex.EncodeToString(raw)} {
		if bytes.Contains(data, []byte(s)) {
			t.Error("the file holds the secret")
		}
	}
	again, err := LoadKeyring(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Authenticate(text)
	if found, err := again.Find(key.ID); err != nil || found.ID != key.ID || !found.Has(ScopeIngest) {
		t.Errorf("found %+v, %v", found, err)
	}
	if _, err := again.Find("zzzzzzzz"); !errors.Is(err, ErrKey) {
		t.Errorf("found a key that is none: %v", err)
	}
	if err != nil || got.ID != key.ID || got.Name != "checkout" || got.Rate != 5 || !got.Has(ScopeIngest) || got.Has(ScopeRead) {
		t.Errorf("got %+v, %v", got, err)
	}
	c.advance(48 * time.Hour)
	if got, err := again.Authenticate(text); !errors.Is(err, ErrKeyExpired) || got.ID != key.ID {
		t.Errorf("at its expiry: %+v, %v", got, err)
	}
	if got, err := again.Find(key.ID); !errors.Is(err, ErrKeyExpired) || got.ID != key.ID {
		t.Errorf("found at its expiry: %+v, %v", got, err)
	}
	if _, err := again.Authenticate(text[:len(text)-1] + "a"); !errors.Is(err, ErrKey) && text[len(text)-1] != 'a' {
		t.Errorf("a wrong secret learned that the key has expired: %v", err)
	}
}

func TestARunningServerSeesChangesOfTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	c := &clock{t: noon}
	server, err := LoadKeyring(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	operator, err := LoadKeyring(path, c.now)
	if err != nil {
		t.Fatal(err)
	}
	text, key, err := operator.Add(Key{Name: "a", Scopes: []Scope{ScopeRead}, ExpiresAt: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	c.advance(reloadEvery)
	if _, err := server.Authenticate(text); err != nil {
		t.Errorf("added: %v", err)
	}
	if err := operator.Revoke(key.ID); err != nil {
		t.Fatal(err)
	}
	if err := operator.Revoke(key.ID); err != nil {
		t.Errorf("twice: %v", err)
	}
	c.advance(reloadEvery)
	if _, err := server.Authenticate(text); !errors.Is(err, ErrKey) {
		t.Errorf("revoked: %v", err)
	}
	if _, err := server.Find(key.ID); !errors.Is(err, ErrKey) {
		t.Errorf("found though revoked: %v", err)
	}
	if err := operator.Revoke("zzzzzzzz"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "fastshop apikey list") {
		t.Errorf("unknown: %v", err)
	}
	live, _, err := operator.Add(Key{Name: "b", Scopes: []Scope{ScopeRead}, ExpiresAt: noon.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	c.advance(reloadEvery)
	if _, err := server.Authenticate(live); err != nil || server.Check() != nil {
		t.Errorf("added: %v, %v", err, server.Check())
	}
	if err := os.WriteFile(path, []byte(`{"version":1,"keys":[`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.advance(reloadEvery)
	if _, err := server.Authenticate(live); err != nil || server.Check() == nil {
		t.Errorf("a broken file must leave the last good one in force and be told: %v, %v", err, server.Check())
	}
	if keys := server.Keys(); len(keys) != 2 || keys[0].CreatedAt.After(keys[1].CreatedAt) {
		t.Errorf("keys %v", keys)
	}
}

func TestKeyringRefuses(t *testing.T) {
	dir := t.TempDir()
	ring, err := LoadKeyring(filepath.Join(dir, "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	soon := time.Now().Add(time.Hour)
	for name, k := range map[string]Key{
		"no name":       {Scopes: []Scope{ScopeRead}, ExpiresAt: soon},
		"control":       {Name: "a\nb", Scopes: []Scope{ScopeRead}, ExpiresAt: soon},
		"no scope":      {Name: "a", ExpiresAt: soon},
		"unknown scope": {Name: "a", Scopes: []Scope{"all"}, ExpiresAt: soon},
		"no expiry":     {Name: "a", Scopes: []Scope{ScopeRead}},
		"expired":       {Name: "a", Scopes: []Scope{ScopeRead}, ExpiresAt: time.Now().Add(-time.Second)},
		"rate":          {Name: "a", Scopes: []Scope{ScopeRead}, ExpiresAt: soon, Rate: -1},
	} {
		if _, _, err := ring.Add(k); err == nil {
			t.Errorf("%s: added", name)
		}
	}
	good := `{"id":"aaaaaaaa","name":"a","secret_sha256":"` + strings.Repeat("00", 32) + `","scopes":["read"],"created_at":"2026-01-01T00:00:00Z","expires_at":"2027-01-01T00:00:00Z"}`
	for name, file := range map[string]string{
		"version": `{"version":2,"keys":[]}`, "field": `{"version":1,"keys":[],"x":1}`, "twice": `{"version":1,"keys":[` + good + "," + good + `]}`,
		"id": strings.Replace(`{"version":1,"keys":[`+good+`]}`, "aaaaaaaa", "a", 1), "hash": strings.Replace(`{"version":1,"keys":[`+good+`]}`, "00", "0", 1),
		"digits": strings.Replace(`{"version":1,"keys":[`+good+`]}`, "00", "zz", 1), "scope": strings.Replace(`{"version":1,"keys":[`+good+`]}`, `"read"`, `"all"`, 1),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeyring(path, nil); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte(`{"version":1,"keys":[`+good+`]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeyring(open, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable by others: %v", err)
	}
}

func TestPropertyOnlyTheKeyItselfIsLetIn(t *testing.T) {
	ring, err := LoadKeyring(filepath.Join(t.TempDir(), "keys.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _, err := ring.Add(Key{Name: "a", Scopes: []Scope{ScopeRead}, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		mutated := []byte(text)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			mutated[rapid.IntRange(0, len(mutated)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		cut := rapid.IntRange(0, len(mutated)).Draw(t, "cut")
		if rapid.Bool().Draw(t, "short") {
			mutated = mutated[:cut]
		}
		_, err := ring.Authenticate(string(mutated))
		if same := string(mutated) == text; same != (err == nil) {
			t.Fatalf("same %v, error %v", same, err)
		}
	})
}
