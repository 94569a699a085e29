package vault

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// A wrapped data key, as Record.Wrapped keeps it, is AES-256-GCM of the 32 random bytes of the data key under the epoch
// key, 61 bytes in all:
//
//	0        1   version of this layout, 1
//	1       12   nonce, random
//	13      32   ciphertext
//	45      16   tag
//
// The additional data is "fastshop/vault/data-key", a zero byte, then version (1), handle (16), generation (4), epoch
// (8) and customer token (17), numbers big-endian: a wrapped key opens in its own row and in no other.
const (
	dataKeyVersion = 1
	wrappedSize    = 1 + nonceSize + 32 + tagSize

	nonceSize = 12
	tagSize   = 16
)

func dataKeyAAD(b []byte, r *Record, e Epoch) []byte {
	b = append(b, "fastshop/vault/data-key\x00"...)
	b = append(b, dataKeyVersion)
	b = append(b, r.Handle[:]...)
	b = binary.BigEndian.AppendUint32(b, r.Generation)
	b = binary.BigEndian.AppendUint64(b, uint64(e))
	return append(b, r.Token[:]...)
}

// addKey draws a data key and puts it into r, wrapped under the current epoch key.
func (v *Vault) addKey(r *Record) error {
	e, err := v.personal.current()
	if err != nil {
		return err
	}
	var drawn [nonceSize + 32]byte
	defer clear(drawn[:])
	if _, err := io.ReadFull(v.rand, drawn[:]); err != nil {
		return fmt.Errorf("draw data key: %w", err)
	}
	r.Epoch = e.epoch
	r.Wrapped = append(make([]byte, 0, wrappedSize), dataKeyVersion)
	r.Wrapped = append(r.Wrapped, drawn[:nonceSize]...)
	r.Wrapped = e.aead.Seal(r.Wrapped, drawn[:nonceSize], drawn[nonceSize:], dataKeyAAD(nil, r, e.epoch))
	return nil
}

// customerKeys are the two keys that a data key is split into by HKDF-SHA-256-Expand (RFC 5869): enc encrypts, with the
// info "fastshop/vault/v1/encryption"; commit, "fastshop/vault/v1/commitment", is written into every blob in clear. GCM
// alone does not commit to its key: one ciphertext can be made that opens under two keys.
type customerKeys struct{ enc, commit secret }

// openKey unwraps the data key of r and splits it.
func (v *Vault) openKey(ctx context.Context, r *Record) (keys customerKeys, err error) {
	e, err := v.personal.of(ctx, r.Epoch)
	if err != nil {
		return keys, err
	}
	if len(r.Wrapped) != wrappedSize || r.Wrapped[0] != dataKeyVersion {
		return keys, fmt.Errorf("read data key: %w", ErrKey)
	}
	var aad [96]byte
	key, err := e.aead.Open(nil, r.Wrapped[1:1+nonceSize], r.Wrapped[1+nonceSize:], dataKeyAAD(aad[:0], r, r.Epoch))
	if err != nil {
		return keys, fmt.Errorf("unwrap data key: %w", ErrKey)
	}
	defer clear(key)
	return splitKey(key)
}

func splitKey(key []byte) (keys customerKeys, err error) {
	if err := derive(&keys.enc, key, "fastshop/vault/v1/encryption"); err != nil {
		return keys, err
	}
	return keys, derive(&keys.commit, key, "fastshop/vault/v1/commitment")
}

func derive(to *secret, key []byte, info string) error {
	derived, err := hkdf.Expand(sha256.New, key, info, len(to.b))
	if err != nil {
		return fmt.Errorf("derive key: %w", err)
	}
	copy(to.b[:], derived)
	clear(derived)
	return nil
}
