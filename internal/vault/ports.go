package vault

import (
	"context"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// KeyStore keeps the customers' wrapped data keys, their generations and the tombstones of erased ones.
//
// It lives beside the data and never inside it, and is no part of a backup of the data: destroying a key here makes
// every copy of what it sealed unreadable.
//
// Consistency: calls are linearizable, between processes too. Durability: what a call wrote survives SIGKILL and power
// loss once the call has returned. Retries: a store retries nothing; an error that wraps [ErrUnavailable] may be retried
// as it is, and a retry of a write whose fate is unknown is safe. Any other error will come again. Concurrency: all
// methods may be called at once.
type KeyStore interface {
	// Find returns the latest generation of each handle, in order; the zero Record for a handle never seen. It is one
	// query for a chunk of handles, not one each.
	Find(ctx context.Context, handles []Handle) ([]Record, error)
	// Create opens generations, all in one commit, and returns for each record what is stored afterwards, in order.
	// Each record is offered to what is stored for its handle as [Record.Take] says: it opens the next generation, or
	// brings the key that the open one lacks, or changes nothing, because the caller lost a race and has to go by what
	// is returned. A handle may occur twice in one call. [ErrInput] for a record that is not Valid.
	Create(ctx context.Context, records []Record) ([]Record, error)
	// ByToken returns the generation that has the customer token, open or closed; [ErrUnknown] if there is none. A
	// closed one has no key.
	ByToken(ctx context.Context, token payment.Token) (Record, error)
	// Shred destroys the key of the handle's open generation, closes the generation and writes its tombstone under the
	// next number, in one transaction. On return the bytes of the key are gone from every file of the store. If no
	// generation is open, the tombstone of the last one is returned and nothing changes, so that a repeated erasure is
	// harmless; a handle never seen is [ErrUnknown].
	Shred(ctx context.Context, h Handle, at time.Time) (Tombstone, error)
	// Tombstones returns up to limit tombstones whose Seq is greater than after, in ascending order. The greatest Seq
	// is the erasure counter: a tombstone that is visible means that all with a smaller number are.
	Tombstones(ctx context.Context, after uint64, limit int) ([]Tombstone, error)
}

// Secrets keeps the few wrapped keys that belong to no customer: the epoch keys and the ring of token keys. They are
// never changed. Consistency, durability, retries and concurrency are those of [KeyStore].
type Secrets interface {
	// Secret returns the wrapped key, or [ErrUnknown].
	Secret(ctx context.Context, id SecretID) ([]byte, error)
	// Keep stores the wrapped key if there is none under the id, and returns the one that is stored.
	Keep(ctx context.Context, id SecretID, wrapped []byte) ([]byte, error)
}

// Wrapper encrypts keys under a key-encryption key (KEK) that never leaves it.
//
// Retries: the wrapper retries nothing. Errors: [ErrKeyDisabled] when the KEK was disabled on purpose, [ErrUnavailable]
// on an outage, [ErrKey] when the blob was wrapped under another KEK or context, or was changed. A disabled KEK is
// noticed by the very next call. Concurrency: both methods may be called at once.
type Wrapper interface {
	// Wrap returns key, 1 to 1,024 bytes, encrypted and bound to the context.
	Wrap(ctx context.Context, c WrapContext, key []byte) ([]byte, error)
	// Unwrap is the inverse of Wrap; it refuses any context but the one that was given to Wrap.
	Unwrap(ctx context.Context, c WrapContext, blob []byte) ([]byte, error)
}

// WrapContext is what a wrapped key is bound to: the four pairs of a KMS encryption context. They are logged in clear
// wherever a KMS keeps its trail, so nothing in them is about a customer.
type WrapContext struct {
	App     string  // "app": the program, such as fastshop
	Env     string  // "env": the deployment, such as prod
	Purpose Purpose // "purpose"
	Epoch   string  // "epoch": when an epoch key's time begins, RFC 3339 in UTC; the version of a token ring, such as 1
}

// Append appends the context's canonical bytes for wrappers that bind it as additional data: for each of app, env,
// purpose and epoch one byte with its length (at most 255, cut there), then its bytes.
func (c WrapContext) Append(b []byte) []byte {
	for _, s := range [...]string{c.App, c.Env, string(c.Purpose), c.Epoch} {
		s = s[:min(len(s), 255)]
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	return b
}

// Purpose says what a wrapped key is for.
type Purpose string

// The purposes. The first belongs to the personal-data KEK, the second to the token KEK.
const (
	PurposeEpoch Purpose = "epoch"
	PurposeToken Purpose = "token"
)

// SecretID names a wrapped key. Purpose and Epoch are those of its [WrapContext].
type SecretID struct {
	Purpose Purpose
	Epoch   string
}

// Handle finds a customer in the key store: 128 bits of HMAC-SHA-256 of the customer id under a key of its own. Unlike
// the customer token it stays the same over generations, and it never leaves the key store and the vault.
type Handle [16]byte

// String hides the handle, which follows a person over erasures.
func (Handle) String() string { return redacted }

// Epoch is the time at which an epoch key's turn begins, in Unix seconds.
type Epoch int64

// String is the epoch in RFC 3339, UTC: its form in a [WrapContext].
func (e Epoch) String() string { return time.Unix(int64(e), 0).UTC().Format(time.RFC3339) }

// Record is one generation of a customer in the key store.
type Record struct {
	Handle     Handle
	Generation uint32        // 1 for the first; 0 only in the zero Record
	Token      payment.Token // the customer token of this generation
	Opened     time.Time     // of an open one: when the one before was closed, UTC to the millisecond; zero for the first
	Closed     time.Time     // when this generation was closed by an erasure; zero while it is open
	Epoch      Epoch         // whose key wraps the data key; 0 without one
	Wrapped    []byte        // the wrapped data key, 61 bytes; empty when closed or opened during an emergency stop
}

// IsOpen reports whether r is a generation that new events belong to.
func (r Record) IsOpen() bool { return r.Generation > 0 && r.Closed.IsZero() }

// Valid reports whether r may be offered to a store: an open generation with a token, with or without a key.
func (r Record) Valid() bool {
	return r.IsOpen() && !r.Token.IsZero() && (len(r.Wrapped) == 0 || len(r.Wrapped) == wrappedSize)
}

// Take returns what a store keeps for a handle, given what it has (the zero Record if nothing) and what it is offered,
// and whether that is a change. It is the rule of [KeyStore] Create: an offer opens the generation after the last closed
// one, or brings the key that this very generation lacks.
func (r Record) Take(offered Record) (kept Record, changed bool) {
	switch {
	case !r.IsOpen() && offered.Generation == r.Generation+1:
		return offered, true
	case r.IsOpen() && offered.Generation == r.Generation && offered.Token == r.Token &&
		len(r.Wrapped) == 0 && len(offered.Wrapped) > 0:
		r.Epoch, r.Wrapped = offered.Epoch, offered.Wrapped
		return r, true
	}
	return r, false
}

// Tombstone is what stays of an erased generation. It holds no key and outlives every backup of the data: a restore
// replays the tombstones before it opens for traffic.
type Tombstone struct {
	Seq        uint64 // 1, 2, 3 … in the order of erasures; the greatest is the erasure counter
	Handle     Handle
	Generation uint32
	Token      payment.Token // under which the erased rows are stored
	At         time.Time     // when the generation was closed, UTC to the millisecond
}
