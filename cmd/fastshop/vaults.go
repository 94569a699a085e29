package main

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/dynamokeys"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
	"github.com/fastshop/pipeline/internal/vault/localkey"
	"github.com/fastshop/pipeline/internal/vault/sqlitekeys"
)

// erasureCheck is how often a vault whose keys are a network away looks whether somebody was erased elsewhere. A
// certificate of erasure waits this long.
const erasureCheck = 5 * time.Second

// keystore is where customers' keys are.
type keystore interface {
	vault.KeyStore
	vault.Secrets
}

// openVault opens keys and wrapping keys where they are.
func (b *backends) openVault(ctx context.Context) error {
	keys, err := b.openKeys(ctx)
	if err != nil {
		return err
	}
	own, err := b.wrapper(ctx, b.settings.KEK, personal)
	if err != nil {
		return fmt.Errorf("open --kek: %w", err)
	}
	ring, err := b.wrapper(ctx, b.settings.TokenKEK, tokens)
	if err != nil {
		return fmt.Errorf("open --token-kek: %w", err)
	}
	c := vault.Config{Keys: keys, Secrets: keys, Personal: own, Tokens: ring, Env: b.settings.Environment, Now: b.now}
	if !b.settings.keysEmbedded() {
		c.ErasureCheck = erasureCheck
	}
	b.vault, err = vault.New(ctx, c)
	return err
}

func (b *backends) openKeys(ctx context.Context) (keystore, error) {
	if b.settings.keysEmbedded() {
		keys, err := sqlitekeys.Open(filepath.Join(b.settings.KeysDir, keysFile))
		if err != nil {
			return nil, err
		}
		b.closers = append(b.closers, keys.Close)
		return keys, nil
	}
	at, err := dynamokeys.ParseURL(b.settings.Keys)
	if err != nil {
		return nil, fmt.Errorf("read --keys: %w", err)
	}
	aws, err := b.clouds.config(ctx, at.Cloud)
	if err != nil {
		return nil, err
	}
	return dynamokeys.New(aws, at.Table, rand.Float64), nil
}

// wrapper opens a key-encryption key: a file of the key folder, or one of KMS.
func (b *backends) wrapper(ctx context.Context, place, file string) (vault.Wrapper, error) {
	if embedded("kek", place) {
		return localkey.Open(filepath.Join(b.settings.KeysDir, file), crand.Reader)
	}
	at, err := kmswrap.ParseURL(place)
	if err != nil {
		return nil, err
	}
	aws, err := b.clouds.config(ctx, at.Cloud)
	if err != nil {
		return nil, err
	}
	return kmswrap.Open(aws, at.ARN, crand.Reader)
}
