package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fastshop/pipeline/internal/ledger"
)

// keysMatch refuses to make new embedded keys where old ones are expected: data that were tokenized with other keys could
// not be joined with what comes in, and block lists would match nobody.
func (p *places) keysMatch() error {
	exists := func(dir, name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	const hint = "name the folder that was used before with --keys-dir, or restore it; starting with new keys needs a new --data-dir too"
	if p.storeEmbedded() && p.keysEmbedded() && exists(p.DataDir, storeFile) && !exists(p.KeysDir, keysFile) {
		return withHint(fmt.Errorf("refuse to make new keys for existing data: %s is missing in --keys-dir", keysFile), hint)
	}
	for _, key := range []struct {
		name   string
		isFile bool
	}{{personal, p.kekEmbedded()}, {tokens, p.tokenKEKEmbedded()}} {
		if p.keysEmbedded() && key.isFile && exists(p.KeysDir, keysFile) && !exists(p.KeysDir, key.name) {
			return withHint(fmt.Errorf("refuse to make a new key for existing keys: %s is missing in --keys-dir", key.name), hint)
		}
	}
	return nil
}

// behind refuses a store that is ahead of the stream: what is appended from here on would be taken for handled.
func (b *backends) behind(ctx context.Context) error {
	all, err := b.standings(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.checkpoint.Records > p.end {
			return withHint(fmt.Errorf("partition %s: the store has handled %d records, the stream has %d", p.partition, p.checkpoint.Records, p.end),
				"the stream is older than the store; restore both from the same moment")
		}
	}
	return nil
}

// bind ties the store to the stream that its checkpoints count and to the token keys that its rows were made with. A
// process that has neither compares neither.
func (b *backends) bind(ctx context.Context) error {
	if b.stream != nil {
		if err := b.store.Bind(ctx, "stream", b.stream.ID()); errors.Is(err, ledger.ErrForeign) {
			return withHint(err, streamHint)
		} else if err != nil {
			return err
		}
		if err := b.behind(ctx); err != nil {
			return err
		}
	}
	if b.vault == nil {
		return nil
	}
	err := b.store.Bind(ctx, keysBinding, b.vault.ID())
	if errors.Is(err, ledger.ErrForeign) {
		return withHint(err, "keys and data do not belong together: tokens made with these keys would not match the stored ones")
	}
	return err
}
