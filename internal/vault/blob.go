package vault

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/fastshop/pipeline/internal/payment"
)

// A sealed blob holds the personal fields of one record:
//
//	0        1   version of this layout (the schema version), 1
//	1        1   algorithm, 1: AES-256-GCM with the customer's encryption key, HKDF-SHA-256 commitment
//	2        4   key reference: the generation whose data key it is, big-endian
//	6       32   commitment: the customer's commitment key
//	38       4   the set of fields, big-endian: bit n stands for the field with the number n
//	42           for each field of the set, in ascending order of its number:
//	             2   length of ciphertext and tag, big-endian: 17 to MaxField+16
//	             12  nonce, random
//	             …   ciphertext, then the tag of 16 bytes
//
// Nothing follows the last field, so that a blob has exactly one encoding.
//
// The additional data of a field is
//
//	"fastshop/vault/field", a zero byte, "transactions" (the table), a zero byte,
//	bytes 0 to 5 of the blob, bytes 38 to 41 of the blob,
//	the field's number (1), the customer token (17), the record id (the rest)
//
// so that a ciphertext opens only as this field of this record of this customer, in this version, beside these fields.
//
// The nonce of a field is drawn at random under a key that is the customer's own. NIST SP 800-38D, 8.3, allows 2³²
// of them: some 350 million transactions of one customer with twelve fields each.
const (
	blobVersion   = 1
	algorithmGCM  = 1
	offGeneration = 2
	offCommitment = 6
	offSet        = 38
	headerSize    = 42
	fieldOverhead = 2 + nonceSize + tagSize
	aadPrefix     = "fastshop/vault/field\x00transactions\x00"
	offAADField   = len(aadPrefix) + 6 + 4
)

// sealedBlob is a parsed blob. Its slices point into the blob.
type sealedBlob struct {
	header     []byte
	generation uint32
	commitment []byte
	set        uint32
	fields     []sealedField
}

type sealedField struct {
	name  FieldName
	nonce []byte
	data  []byte // ciphertext and tag
}

const allFields = uint32(1)<<fieldCount - 2 // every bit but that of FieldInvalid

// parseBlob checks every length before it slices. It returns ErrBlob for anything that Seal does not write.
func parseBlob(blob []byte) (b sealedBlob, err error) {
	if len(blob) < headerSize {
		return b, fmt.Errorf("%w: too short", ErrBlob)
	}
	if blob[0] != blobVersion || blob[1] != algorithmGCM {
		return b, fmt.Errorf("%w: unknown version or algorithm", ErrBlob)
	}
	b.header = blob[:headerSize]
	b.generation = binary.BigEndian.Uint32(blob[offGeneration:])
	b.commitment = blob[offCommitment:offSet]
	b.set = binary.BigEndian.Uint32(blob[offSet:])
	if b.set == 0 || b.set&^allFields != 0 {
		return b, fmt.Errorf("%w: unknown fields", ErrBlob)
	}
	b.fields = make([]sealedField, 0, bits.OnesCount32(b.set))
	rest := blob[headerSize:]
	for set := b.set; set != 0; set &= set - 1 {
		if len(rest) < fieldOverhead+1 {
			return b, fmt.Errorf("%w: truncated", ErrBlob)
		}
		size := int(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
		if size <= tagSize || size > MaxField+tagSize || size > len(rest)-nonceSize {
			return b, fmt.Errorf("%w: impossible length", ErrBlob)
		}
		b.fields = append(b.fields, sealedField{
			name: FieldName(bits.TrailingZeros32(set)), nonce: rest[:nonceSize], data: rest[nonceSize : nonceSize+size],
		})
		rest = rest[nonceSize+size:]
	}
	if len(rest) != 0 {
		return b, fmt.Errorf("%w: trailing bytes", ErrBlob)
	}
	return b, nil
}

// appendAAD appends the additional data of a blob's fields; the byte at offAADField is the number of the field, to be
// filled in.
func appendAAD(aad, header []byte, customer payment.Token, recordID string) []byte {
	aad = append(aad, aadPrefix...)
	aad = append(aad, header[:offCommitment]...)
	aad = append(aad, header[offSet:headerSize]...)
	aad = append(aad, 0)
	aad = append(aad, customer[:]...)
	return append(aad, recordID...)
}
