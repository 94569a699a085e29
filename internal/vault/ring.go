package vault

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The ring of token keys is one wrapped secret, purpose "token", epoch "1" (the token version), so that its keys appear
// together or not at all. Its 193 bytes in clear are
//
//	0        1   version of this layout, 1
//	1       32   customer key: customer tokens
//	33      32   handle key: handles in the key store
//	65      32   payload key: payload MACs
//	97      32   scoring key
//	129     32   list key
//	161     32   look-up key
//
// each drawn at random. The last three are roots: the key of a kind of identifier is HKDF-SHA-256-Expand (RFC 5869) of
// the root with the info "fastshop/vault/v1/token/" followed by the kind's name, so a kind that is added later needs no
// new secret.
const (
	ringVersion = 1
	ringKeys    = 6
	ringSize    = 1 + ringKeys*32
)

func loadTokenKeys(ctx context.Context, c *Config) (*tokenKeys, error) {
	id := SecretID{Purpose: PurposeToken, Epoch: strconv.Itoa(tokenVersion)}
	bound := WrapContext{App: c.App, Env: c.Env, Purpose: id.Purpose, Epoch: id.Epoch}
	wrapped, err := c.Secrets.Secret(ctx, id)
	if errors.Is(err, ErrUnknown) {
		wrapped, err = makeRing(ctx, c, id, bound)
	}
	if err != nil {
		return nil, fmt.Errorf("load token keys: %w", err)
	}
	ring, err := c.Tokens.Unwrap(ctx, bound, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap token keys: %w", err)
	}
	defer clear(ring)
	if len(ring) != ringSize || ring[0] != ringVersion {
		return nil, fmt.Errorf("read token keys: %w", ErrKey)
	}
	return newTokenKeys(ring[1:])
}

// makeRing draws a ring and keeps it unless another process was faster; it returns the one that is kept, wrapped.
func makeRing(ctx context.Context, c *Config, id SecretID, bound WrapContext) ([]byte, error) {
	ring := make([]byte, ringSize)
	defer clear(ring)
	ring[0] = ringVersion
	if _, err := io.ReadFull(c.Rand, ring[1:]); err != nil {
		return nil, fmt.Errorf("draw keys: %w", err)
	}
	wrapped, err := c.Tokens.Wrap(ctx, bound, ring)
	if err != nil {
		return nil, fmt.Errorf("wrap: %w", err)
	}
	return c.Secrets.Keep(ctx, id, wrapped)
}

// ringName is the HKDF info with which the handle key gives the ring its name.
const ringName = "fastshop/vault/v1/id"

// ID names the ring of token keys without telling anything of it: 16 hexadecimal digits. Two vaults with the same ID make
// the same tokens; data that were tokenized under another ID cannot be joined with what this vault makes.
func (v *Vault) ID() string { return v.tokens.name }

func newTokenKeys(keys []byte) (*tokenKeys, error) {
	key := func(i int) []byte { return keys[i*32 : (i+1)*32] }
	k := &tokenKeys{customer: newMAC(key(0)), handle: newMAC(key(1)), payload: newMAC(key(2))}
	name, err := hkdf.Expand(sha256.New, key(1), ringName, 8)
	if err != nil {
		return nil, fmt.Errorf("derive name: %w", err)
	}
	k.name = hex.EncodeToString(name)
	for i, use := range []*kindKeys{&k.scoring, &k.listing, &k.lookedUp} {
		for kind := KindCustomer; kind < kindCount; kind++ {
			derived, err := hkdf.Expand(sha256.New, key(3+i), "fastshop/vault/v1/token/"+kind.String(), 32)
			if err != nil {
				return nil, fmt.Errorf("derive token key: %w", err)
			}
			use[kind] = newMAC(derived)
		}
	}
	return k, nil
}
