package vault

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/fastshop/pipeline/internal/payment"
)

// TokenKind is a kind of identifier that tokens are made of. Each kind has keys of its own, so that equal values of two
// kinds cannot be told to be equal.
type TokenKind uint8

// The kinds, in the order of their stored numbers, which never change.
const (
	KindInvalid  TokenKind = iota
	KindCustomer           // the shop's customer id, over all generations: for lists and look-up only
	KindDocument           // CPF (11 digits) or CNPJ (14 of 0-9, A-Z), without punctuation
	KindEmail
	KindPhone
	KindCard // the gateway's token
	KindDevice
	KindIP
	KindAddress // CEP and number

	kindCount = iota
)

var kindNames = [kindCount]string{"", "customer", "document", "email", "phone", "card", "device", "ip", "address"}

// String is the kind's name, "" for a number that is none.
func (k TokenKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// tokenVersion is the first byte of every token. Token keys are not rotated: a second version would split the history
// of every entity in two.
const tokenVersion = 1

// tokenKeys are the keys that never leave a process and never change.
type tokenKeys struct {
	name                       string // see Vault.ID
	customer, handle, payload  *mac
	scoring, listing, lookedUp kindKeys
}

// Token returns the scoring token of a normalized identifier: the key's version, then the first 128 bits of HMAC-SHA-256
// under the scoring key of the kind. The zero Token stands for an empty identifier and for a kind that is none.
func (v *Vault) Token(kind TokenKind, normalized string) payment.Token {
	return v.tokens.scoring.token(kind, normalized)
}

// ListToken is Token under the keys for block and allow lists. A list outlives an erasure, and cannot be joined with
// what scoring stored.
func (v *Vault) ListToken(kind TokenKind, normalized string) payment.Token {
	return v.tokens.listing.token(kind, normalized)
}

// LookupToken is Token under the keys for looking up a person in the console.
func (v *Vault) LookupToken(kind TokenKind, normalized string) payment.Token {
	return v.tokens.lookedUp.token(kind, normalized)
}

// PayloadMAC returns HMAC-SHA-256 of the canonical encoding of a submission under a key of its own. It tells a retry
// from another submission under the same id; erasure drops it.
func (v *Vault) PayloadMAC(canonical []byte) [32]byte { return v.tokens.payload.sum("", canonical...) }

type kindKeys [kindCount]*mac

func (k *kindKeys) token(kind TokenKind, normalized string) payment.Token {
	if normalized == "" || kind == KindInvalid || kind >= kindCount {
		return payment.Token{}
	}
	return tokenOf(k[kind].sum(normalized))
}

func tokenOf(sum [sha256.Size]byte) (t payment.Token) {
	t[0] = tokenVersion
	copy(t[1:], sum[:])
	return t
}

// customerToken is HMAC(customer key, id ‖ generation as four bytes, big-endian).
func (k *tokenKeys) customerToken(id string, generation uint32) payment.Token {
	var g [4]byte
	binary.BigEndian.PutUint32(g[:], generation)
	return tokenOf(k.customer.sum(id, g[:]...))
}

func (k *tokenKeys) handleOf(id string) (h Handle) {
	sum := k.handle.sum(id)
	copy(h[:], sum[:])
	return h
}
