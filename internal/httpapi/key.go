package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Scope is what an API key may do.
type Scope string

// The scopes.
const (
	ScopeIngest Scope = "ingest" // send transactions
	ScopeDecide Scope = "decide" // ask for verdicts
	ScopeRead   Scope = "read"   // read decisions
	ScopeLabel  Scope = "label"  // send labels
	ScopeLists  Scope = "lists"  // read and change block and allow lists
	ScopeAdmin  Scope = "admin"  // everything
)

// Scopes returns all scopes.
func Scopes() []Scope {
	return []Scope{ScopeIngest, ScopeDecide, ScopeRead, ScopeLabel, ScopeLists, ScopeAdmin}
}

// Key is an API key as the program knows it: all but its secret. Its JSON is what fastshop apikey list --json prints.
type Key struct {
	ID        string    `json:"id"`                  // part of the key's text; names it in logs and audits
	Name      string    `json:"name"`                // of the system that holds it, for the operator
	Scopes    []Scope   `json:"scopes"`              // at least one
	Rate      float64   `json:"rate,omitzero"`       // transactions per second; 0 is Limits.Rate
	CreatedAt time.Time `json:"created_at,omitzero"` // UTC
	ExpiresAt time.Time `json:"expires_at,omitzero"` // UTC; the key is refused from then on
	RevokedAt time.Time `json:"revoked_at,omitzero"` // UTC; zero while it is not revoked
}

// Has reports whether the key may do what the scope says.
func (k Key) Has(s Scope) bool {
	return slices.Contains(k.Scopes, s) || slices.Contains(k.Scopes, ScopeAdmin)
}

var (
	// ErrKey is returned for a text that is no key, a key that is unknown, and one that was revoked.
	ErrKey = errors.New("unknown API key")
	// ErrKeyExpired is returned, together with the key, for one whose time is over; only who knows its secret learns that.
	ErrKeyExpired = errors.New("expired API key")
)

// Authenticator knows the API keys; *Keyring is one.
type Authenticator interface {
	// Authenticate returns the key that text is, or ErrKey, or ErrKeyExpired with the key. It takes the same time for
	// an unknown id and a wrong secret. It may be called at once, for every request.
	Authenticate(text string) (Key, error)
}

// A key's text is "fsk_", an id of 8 characters, "_", and a secret of 32 characters of
// base32, 160 random bits. Prefix and form let a secret scanner find a key that has
// slipped into a repository.
const (
	keyPrefix     = "fsk_"
	keyIDBytes    = 5
	secretBytes   = 20
	keyIDLength   = 8
	secretLength  = 32
	keyTextLength = len(keyPrefix) + keyIDLength + 1 + secretLength
)

var keyText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newKeyText draws an id and a secret.
func newKeyText(random io.Reader) (id, secret string, err error) {
	b := make([]byte, keyIDBytes+secretBytes)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", "", fmt.Errorf("draw API key: %w", err)
	}
	return keyText.EncodeToString(b[:keyIDBytes]), keyText.EncodeToString(b[keyIDBytes:]), nil
}

// splitKey takes a key's text apart.
func splitKey(text string) (id, secret string, ok bool) {
	rest, found := strings.CutPrefix(text, keyPrefix)
	if !found || len(text) != keyTextLength || rest[keyIDLength] != '_' {
		return "", "", false
	}
	return rest[:keyIDLength], rest[keyIDLength+1:], true
}

// secretHash is what is stored of a secret. A plain SHA-256 is right here, where it would be wrong for a password or a
// CPF: the secret has 160 random bits, so that no one can try them all, and a slow hash would only slow down requests.
type secretHash [sha256.Size]byte

func hashSecret(secret string) secretHash { return sha256.Sum256([]byte(secret)) }

// matches compares in constant time.
func (h secretHash) matches(other secretHash) bool {
	return subtle.ConstantTimeCompare(h[:], other[:]) == 1
}

// MarshalText implements encoding.TextMarshaler: hexadecimal.
func (h secretHash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *secretHash) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(h) {
		return errors.New("a secret's hash has 64 hexadecimal digits")
	}
	_, err := hex.Decode(h[:], text)
	return err
}
