package ingest

import (
	"context"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/vault"
)

// Vault makes tokens and keeps customers' keys. *vault.Vault is one.
//
// Durability: a customer's key is durable before Customers returns it, so that nothing is ever sealed under a key that
// a crash can take away. Retries: the vault retries nothing; an error that wraps vault.ErrUnavailable may be retried.
// The other methods cannot fail. Concurrency: all methods may be called at once.
type Vault interface {
	// Customers returns one customer per id, in order, with keys made for those that had none. It is one call per batch.
	Customers(ctx context.Context, ids []string) ([]vault.Customer, error)
	// Token is the scoring token of an identifier in normal form; the zero Token for "".
	Token(kind vault.TokenKind, normalized string) payment.Token
	// ListToken is the same under the keys of the block and allow lists.
	ListToken(kind vault.TokenKind, normalized string) payment.Token
	// PayloadMAC authenticates the canonical form of a submission.
	PayloadMAC(canonical []byte) [32]byte
}

// Appender is the producer's side of the stream.
type Appender interface {
	// Append writes the entries. On return without error all are durable; with an error none is, or, when the error does
	// not tell, the caller may append the same again, because ids make repeats harmless. The entries of one key are read
	// in the order in which they were appended, within a call and between calls that follow one another. An error that
	// wraps stream.ErrFull means that there is no room now. It keeps none of the slices. Append may be called at once
	// from many places.
	Append(ctx context.Context, entries []stream.Entry) error
}

// Stored tells what the store holds already.
type Stored interface {
	// Known returns, by id, what is stored for those of the ids that are. It sees every commit that returned before the
	// call began. A transaction that is still in the stream is unknown. The error, if any, may go away by itself; it is
	// for the store to say so. Known may be called at once from many places.
	Known(ctx context.Context, ids []string) (map[string]Prior, error)
}

// Prior is what is stored for an id.
type Prior struct {
	MAC    [32]byte // of the submission that was first; zero once erased, or when it came after its customer was erased
	Erased bool     // the customer has been erased since
}

// Lists holds the block and allow lists in memory. One that has a method Empty() bool besides, which tells that nothing
// is listed, saves the intake up to eight tokens a submission while that is so.
type Lists interface {
	// Match returns the lists that any of the tokens, made by Vault.ListToken, is on now. It cannot fail, does not keep
	// the slice, and may be called at once from many places.
	Match(tokens []payment.Token) payment.Lists
}
