package payment

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// Token is the keyed pseudonym of an identifier: one byte that names the key's
// version, then 128 bits of HMAC-SHA-256. Equal tokens of one kind mean equal
// identifiers; nothing else can be learned from a token without the key.
//
// The zero Token means that the transaction has no such identifier. Version
// [PublicVersion] marks values that are no personal data (a merchant, a BIN, a
// terminal) and are hashed without a key, only to give them the same shape.
type Token [17]byte

// PublicVersion is the first byte of a token made by [PublicToken].
const PublicVersion = 0xff

// ErrToken is returned for a text that is not the form that [Token.String] writes.
var ErrToken = errors.New("payment: malformed token")

// PublicToken shapes a value that is no personal data as a Token. An empty value gives the zero Token.
func PublicToken(value string) Token {
	if value == "" {
		return Token{}
	}
	sum := sha256.Sum256([]byte(value))
	var t Token
	t[0] = PublicVersion
	copy(t[1:], sum[:])
	return t
}

// IsZero reports whether t stands for "no such identifier".
func (t Token) IsZero() bool { return t == Token{} }

// Version is the version of the key that made t.
func (t Token) Version() byte { return t[0] }

// String is the unpadded base64url form, 23 characters, or "" for the zero Token.
func (t Token) String() string {
	if t.IsZero() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(t[:])
}

// MarshalText implements encoding.TextMarshaler.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it returns ErrToken for anything that MarshalText does not write.
func (t *Token) UnmarshalText(text []byte) error {
	parsed, err := ParseToken(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// ParseToken reads the form that String writes; "" is the zero Token.
func ParseToken(s string) (Token, error) {
	var t Token
	if s == "" {
		return t, nil
	}
	if len(s) != base64.RawURLEncoding.EncodedLen(len(t)) {
		return Token{}, ErrToken
	}
	n, err := base64.RawURLEncoding.Strict().Decode(t[:], []byte(s))
	if err != nil || n != len(t) || t.IsZero() {
		return Token{}, ErrToken
	}
	return t, nil
}

// Partition is the number, from 0 to n-1, of the partition that a customer's transactions go to when a log has n of
// them. It is a property of the token alone, so that one customer's order is kept for as long as n is. A token's bytes
// are already evenly spread, so they are taken as they are. With n below 2 it is 0.
func Partition(customer Token, n int) int {
	if n < 2 {
		return 0
	}
	return int(binary.BigEndian.Uint64(customer[1:]) % uint64(n))
}
