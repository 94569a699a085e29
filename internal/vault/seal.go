package vault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/fastshop/pipeline/internal/payment"
)

// scratch are the buffers of one seal; nothing secret stays in them.
type scratch struct {
	nonces [fieldCount * nonceSize]byte
	aad    []byte
}

// Seal encrypts the fields for the record with the given id and returns the blob, whose layout is described in blob.go.
// Fields without a value are left out; each name occurs at most once, in any order.
//
// The state is payment.Sealed, payment.SealNone when no field has a value, or payment.SealDropped during an emergency
// stop; only the first comes with a blob. Errors: [ErrUnavailable] when the KEK has been out of reach for too long,
// [ErrInput] for a field out of range or an empty record id.
func (c *Customer) Seal(recordID string, fields []Field) (blob []byte, state payment.Seal, err error) {
	var place [fieldCount]uint8 // of a field among fields, by name, plus one
	set, size, err := arrange(fields, &place)
	if err != nil || set == 0 {
		return nil, payment.SealNone, err
	}
	if recordID == "" || c.vault == nil {
		return nil, payment.SealNone, fmt.Errorf("%w: a seal needs a record id and a customer", ErrInput)
	}
	if err := c.vault.personal.usable(); errors.Is(err, ErrKeyDisabled) || err == nil && !c.keyed {
		return nil, payment.SealDropped, nil
	} else if err != nil {
		return nil, payment.SealNone, fmt.Errorf("seal: %w", err)
	}
	aead, err := newAEAD(c.keys.enc.b[:])
	if err != nil {
		return nil, payment.SealNone, err
	}
	s := c.vault.scratch.Get().(*scratch)
	defer c.vault.scratch.Put(s)
	nonces := s.nonces[:bits.OnesCount32(set)*nonceSize]
	if _, err := io.ReadFull(c.vault.rand, nonces); err != nil {
		return nil, payment.SealNone, fmt.Errorf("draw nonces: %w", err)
	}

	blob = append(make([]byte, 0, size), blobVersion, algorithmGCM)
	blob = binary.BigEndian.AppendUint32(blob, c.Generation)
	blob = append(blob, c.keys.commit.b[:]...)
	blob = binary.BigEndian.AppendUint32(blob, set)
	s.aad = appendAAD(s.aad[:0], blob, c.Token, recordID)
	for ; set != 0; set &= set - 1 {
		name := bits.TrailingZeros32(set)
		value := fields[place[name]-1].Value
		s.aad[offAADField] = byte(name)
		blob = binary.BigEndian.AppendUint16(blob, uint16(len(value)+tagSize))
		blob = append(blob, nonces[:nonceSize]...)
		blob = aead.Seal(blob, nonces[:nonceSize], value, s.aad)
		nonces = nonces[nonceSize:]
	}
	return blob, payment.Sealed, nil
}

// arrange checks the fields, notes the place of each, and returns their set and the size of their blob.
func arrange(fields []Field, place *[fieldCount]uint8) (set uint32, size int, err error) {
	size = headerSize
	for i := range fields {
		f := &fields[i]
		switch {
		case f.Name == FieldInvalid || f.Name >= fieldCount:
			return 0, 0, fmt.Errorf("%w: unknown field", ErrInput)
		case i >= 255 || len(f.Value) > MaxField:
			return 0, 0, fmt.Errorf("%w: too many fields, or %s is too long", ErrInput, f.Name)
		case len(f.Value) == 0:
			continue
		case place[f.Name] != 0:
			return 0, 0, fmt.Errorf("%w: %s occurs twice", ErrInput, f.Name)
		}
		place[f.Name] = uint8(i + 1)
		set |= 1 << f.Name
		size += fieldOverhead + len(f.Value)
	}
	return set, size, nil
}

// Open decrypts a blob that was sealed for the customer and the record, and returns its fields in ascending order of
// their names' numbers. Every call reads the customer's key from the key store, so that an erasure by any process takes
// hold at once.
//
// Errors: [ErrErased]; [ErrBlob] for a blob that was sealed for another customer or record or was changed;
// [ErrUnknown] for a token without a key; [ErrKeyDisabled] during an emergency stop; [ErrUnavailable]; [ErrKey].
func (v *Vault) Open(ctx context.Context, customer payment.Token, recordID string, blob []byte) ([]Field, error) {
	b, err := parseBlob(blob)
	if err != nil {
		return nil, err
	}
	r, err := v.keys.ByToken(ctx, customer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("find customer key: %w", err)
	case !r.IsOpen():
		return nil, ErrErased
	case len(r.Wrapped) == 0:
		return nil, fmt.Errorf("%w: the customer has no key yet", ErrUnknown)
	case r.Token != customer || r.Generation != b.generation:
		return nil, fmt.Errorf("%w: another customer's", ErrBlob)
	}
	if err := v.personal.refresh(ctx); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	keys, err := v.openKey(ctx, &r)
	if err != nil {
		return nil, err
	}
	defer keys.enc.wipe()
	if !keys.commit.equal(b.commitment) {
		return nil, fmt.Errorf("%w: it does not commit to the customer's key", ErrBlob)
	}
	return openFields(&b, &keys, customer, recordID)
}

func openFields(b *sealedBlob, keys *customerKeys, customer payment.Token, recordID string) ([]Field, error) {
	aead, err := newAEAD(keys.enc.b[:])
	if err != nil {
		return nil, err
	}
	aad := appendAAD(nil, b.header, customer, recordID)
	fields := make([]Field, 0, len(b.fields))
	for _, f := range b.fields {
		aad[offAADField] = byte(f.name)
		value, err := aead.Open(nil, f.nonce, f.data, aad)
		if err != nil {
			return nil, fmt.Errorf("%w: %s does not authenticate", ErrBlob, f.name)
		}
		fields = append(fields, Field{Name: f.name, Value: value})
	}
	return fields, nil
}
