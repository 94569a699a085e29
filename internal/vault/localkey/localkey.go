// Package localkey wraps keys under a key-encryption key in a file on this machine: the embedded [vault.Wrapper].
//
// # The file
//
// It holds 32 random bytes and nothing else, and has mode 0600. It is made at the first start: written under another
// name, synced, and then linked into place, so that a crash never leaves half a key and of two processes that start at
// once one makes the key and the other takes it. A file of another size, or one that anybody but its owner may read or
// change, is refused. Who loses the file loses all
// that was wrapped under it; who copies it together with the key store can unwrap everything, so the two belong into
// different backups.
//
// # Emergency stop
//
// While a file with the same path and the suffix .disabled exists, whatever is in it, the key is disabled: every Wrap
// and Unwrap looks for it first and fails with [vault.ErrKeyDisabled]. An operator makes the file by hand (touch) or with
// [Key.Disable], and removes it by hand or with [Key.Enable]; no restart is needed for either, and a restart changes
// nothing. If the marker cannot be looked for, or the key file itself is gone, the key counts as out of reach
// ([vault.ErrUnavailable]), never as enabled.
//
// # Wrapped keys
//
// A wrapped key is AES-256-GCM under the file's key:
//
//	0        1   version of this layout, 1
//	1        8   key id: HKDF-SHA-256-Expand of the key with the info "fastshop/localkey/v1/id"
//	9       12   nonce, random
//	21       …   ciphertext, as long as the key
//	…       16   tag
//
// The additional data is the first nine bytes and [vault.WrapContext.Append]. The key id tells a replaced key file from a
// damaged wrapped key.
package localkey

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fastshop/pipeline/internal/vault"
)

// ErrRefused is returned by Open for a key file of the wrong size, kind or mode.
var ErrRefused = errors.New("key file refused")

const (
	keySize    = 32
	version    = 1
	idSize     = 8
	headerSize = 1 + idSize
	nonceSize  = 12
	tagSize    = 16
	maxKey     = 1024 // the longest key that is wrapped, in bytes

	disabledSuffix = ".disabled"
)

// Key is a key-encryption key from a file. All methods may be called at once.
type Key struct {
	path   string
	random io.Reader
	id     [idSize]byte
	aead   cipher.AEAD
}

var _ vault.Wrapper = (*Key)(nil)

// Open reads the key file at path, and makes it, drawing the key from random, if there is none. The folder has to be
// there. random also gives the nonces; it is crypto/rand.Reader but in tests. The error wraps [ErrRefused] for a file
// that is not fit to be a key, and says what mends it.
func Open(path string, random io.Reader) (*Key, error) {
	key, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = create(path, random); err == nil || errors.Is(err, fs.ErrExist) {
			key, err = read(path)
		}
	}
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	k := &Key{path: path, random: random}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("set up GCM: %w", err)
	}
	id, err := hkdf.Expand(sha256.New, key, "fastshop/localkey/v1/id", idSize)
	if err != nil {
		return nil, fmt.Errorf("derive key id: %w", err)
	}
	copy(k.id[:], id)
	return k, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("look at key file: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrRefused, path)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%w: others may read or write %s (chmod 600 mends it; if they could have read it, it is no secret any more)", ErrRefused, path)
	case info.Size() != keySize:
		return nil, fmt.Errorf("%w: %s has %d bytes, a key has %d (restore the right file; a new key opens nothing old)", ErrRefused, path, info.Size(), keySize)
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(f, key); err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	return key, nil
}

// create makes the key file; the error wraps fs.ErrExist if somebody else was faster.
func create(path string, random io.Reader) (err error) {
	key := make([]byte, keySize)
	defer clear(key)
	if _, err := io.ReadFull(random, key); err != nil {
		return fmt.Errorf("draw key: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // O_EXCL, mode 0600
	if err != nil {
		return fmt.Errorf("make key file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil { // refuses to replace a file
		return fmt.Errorf("put key file in place: %w", err)
	}
	return syncFolder(path)
}

func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open folder of key file: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync folder of key file: %w", err)
	}
	return nil
}

// Wrap implements [vault.Wrapper].
func (k *Key) Wrap(ctx context.Context, c vault.WrapContext, key []byte) ([]byte, error) {
	if err := k.usable(ctx); err != nil {
		return nil, err
	}
	if len(key) == 0 || len(key) > maxKey {
		return nil, fmt.Errorf("%w: a key to wrap has 1 to %d bytes", vault.ErrInput, maxKey)
	}
	blob := make([]byte, headerSize+nonceSize, headerSize+nonceSize+len(key)+tagSize)
	blob[0] = version
	copy(blob[1:], k.id[:])
	nonce := blob[headerSize:]
	if _, err := io.ReadFull(k.random, nonce); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	return k.aead.Seal(blob, nonce, key, c.Append(blob[:headerSize:headerSize])), nil
}

// Unwrap implements [vault.Wrapper].
func (k *Key) Unwrap(ctx context.Context, c vault.WrapContext, blob []byte) ([]byte, error) {
	if err := k.usable(ctx); err != nil {
		return nil, err
	}
	if len(blob) <= headerSize+nonceSize+tagSize || blob[0] != version {
		return nil, fmt.Errorf("%w: not wrapped by a local key", vault.ErrKey)
	}
	if subtle.ConstantTimeCompare(blob[1:headerSize], k.id[:]) != 1 {
		return nil, fmt.Errorf("%w: wrapped under another key file; was %s replaced?", vault.ErrKey, k.path)
	}
	nonce := blob[headerSize : headerSize+nonceSize]
	key, err := k.aead.Open(nil, nonce, blob[headerSize+nonceSize:], c.Append(blob[:headerSize:headerSize]))
	if err != nil {
		return nil, fmt.Errorf("%w: another context, or damaged", vault.ErrKey)
	}
	return key, nil
}

// usable looks for the marker of the emergency stop.
func (k *Key) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	disabled, err := k.Disabled()
	switch {
	case err != nil:
		return err
	case disabled:
		return vault.ErrKeyDisabled
	}
	return nil
}

// Disabled reports whether the key is disabled. An error wraps [vault.ErrUnavailable].
func (k *Key) Disabled() (bool, error) {
	_, err := os.Lstat(k.path + disabledSuffix)
	if err == nil {
		return true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Lstat(k.path)
	}
	if err != nil {
		return false, fmt.Errorf("%w: look at key file: %w", vault.ErrUnavailable, err)
	}
	return false, nil
}

// Disable disables the key until Enable, for every process that uses the file. It is durable when it returns.
func (k *Key) Disable() error {
	f, err := os.OpenFile(k.path+disabledSuffix, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("disable key: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("disable key: %w", err)
	}
	return syncFolder(k.path)
}

// Enable ends what Disable began; it does nothing for a key that is enabled.
func (k *Key) Enable() error {
	if err := os.Remove(k.path + disabledSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("enable key: %w", err)
	}
	return syncFolder(k.path)
}

// Format implements fmt.Formatter: a key prints as its path.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, "key file "+k.path) }
