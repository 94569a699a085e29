package payment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// The wire form of a transaction, as it stands in the stream and in dead letters:
//
//	version(1) { field number(1) length(uvarint) payload }*
//
// Field numbers ascend and are never reused. A field with nothing in it is left out. A text is its UTF-8 bytes, a
// number a signed varint (zigzag), a time its milliseconds since 1970, a token its 17 bytes. There is exactly one
// encoding of a transaction: varints are minimal, empty fields absent, order fixed. A decoder refuses the rest, an
// unknown field number of a known version included, so that two readers can never see different things in the same
// bytes. A change of the fields is a new version.
const codecVersion = 1

// MaxSealed is the size of the largest sealed blob, in bytes.
const MaxSealed = 16 << 10

// MaxEncoded is the size of the largest encoded transaction, in bytes; it fits a stream entry many times.
const MaxEncoded = MaxSealed + 2<<10

// ErrCodec is wrapped by every error of [DecodeTransaction]. The wrapping names the field and never its value.
var ErrCodec = errors.New("payment: malformed transaction")

// field is the number of a field on the wire.
type field uint8

// Texts come first and side by side, so that a decoder makes one string of them all.
const (
	fieldID field = iota + 1
	fieldCurrency
	fieldBIN
	fieldLast4
	fieldBrand
	fieldEndToEndID
	fieldTxID
	fieldMerchant
	fieldMCC
	fieldTerminal
	fieldUF

	fieldOccurredAt
	fieldReceivedAt
	fieldCentavos
	fieldMethod
	fieldChannel
	fieldDocumentKind
	fieldFiscalRegion // plus one, so that NoRegion is the empty value
	fieldLists
	fieldSealState

	fieldCustomer
	fieldDocument
	fieldEmail
	fieldPhone
	fieldCardToken
	fieldDevice
	fieldIP
	fieldAddress

	fieldMAC
	fieldSealed

	fieldEnd
)

const (
	firstText, firstNumber, firstToken = fieldID, fieldOccurredAt, fieldCustomer
)

// shape is what the wire knows of a field besides its number.
type shape struct {
	name string // as errors say it
	most int    // the longest payload, in bytes
}

var shapes = [fieldEnd]shape{
	fieldID:         {"id", MaxIDLength},
	fieldCurrency:   {"amount.currency", 3},
	fieldBIN:        {"card.bin", 8},
	fieldLast4:      {"card.last4", 4},
	fieldBrand:      {"card.brand", 64},
	fieldEndToEndID: {"pix.end_to_end_id", 32},
	fieldTxID:       {"pix.txid", 35},
	fieldMerchant:   {"merchant", MaxIDLength},
	fieldMCC:        {"mcc", 4},
	fieldTerminal:   {"terminal", MaxIDLength},
	fieldUF:         {"uf", 2},

	fieldOccurredAt:   {"occurred_at", binary.MaxVarintLen64},
	fieldReceivedAt:   {"received_at", binary.MaxVarintLen64},
	fieldCentavos:     {"amount.centavos", binary.MaxVarintLen64},
	fieldMethod:       {"method", 1},
	fieldChannel:      {"channel", 1},
	fieldDocumentKind: {"document_kind", 1},
	fieldFiscalRegion: {"fiscal_region", 1},
	fieldLists:        {"lists", 1},
	fieldSealState:    {"seal", 1},

	fieldCustomer:  {"customer", len(Token{})},
	fieldDocument:  {"document", len(Token{})},
	fieldEmail:     {"email", len(Token{})},
	fieldPhone:     {"phone", len(Token{})},
	fieldCardToken: {"card.token", len(Token{})},
	fieldDevice:    {"device", len(Token{})},
	fieldIP:        {"ip", len(Token{})},
	fieldAddress:   {"address", len(Token{})},

	fieldMAC:    {"mac", len(Transaction{}.MAC)},
	fieldSealed: {"sealed", MaxSealed},
}

// AppendTransaction appends the wire form of t to dst and returns the longer slice. The transaction must be one that
// ingest could have made: times are cut to the millisecond, and what is out of bounds is written as it is, for
// [DecodeTransaction] to refuse.
func AppendTransaction(dst []byte, t *Transaction) []byte {
	dst = append(dst, codecVersion)
	for f := firstText; f < firstNumber; f++ {
		if text := *t.text(f); text != "" {
			dst = binary.AppendUvarint(append(dst, byte(f)), uint64(len(text)))
			dst = append(dst, text...)
		}
	}
	for f := firstNumber; f < firstToken; f++ {
		if v, there := t.number(f); there {
			dst = append(dst, byte(f), 0)
			at := len(dst)
			dst = binary.AppendVarint(dst, v)
			dst[at-1] = byte(len(dst) - at)
		}
	}
	for f := firstToken; f < fieldMAC; f++ {
		if token := t.token(f); !token.IsZero() {
			dst = append(dst, byte(f), byte(len(token)))
			dst = append(dst, token[:]...)
		}
	}
	if t.MAC != [32]byte{} {
		dst = append(dst, byte(fieldMAC), byte(len(t.MAC)))
		dst = append(dst, t.MAC[:]...)
	}
	if len(t.Sealed) > 0 {
		dst = binary.AppendUvarint(append(dst, byte(fieldSealed)), uint64(len(t.Sealed)))
		dst = append(dst, t.Sealed...)
	}
	return dst
}

// DecodeTransaction reads the wire form. It accepts exactly what [AppendTransaction] writes for a transaction that is
// within bounds and has the fields that are always there; everything else is [ErrCodec]. The result shares no memory
// with data.
func DecodeTransaction(data []byte) (Transaction, error) {
	if len(data) == 0 || len(data) > MaxEncoded {
		return Transaction{}, fmt.Errorf("decode transaction of %d bytes: %w", len(data), ErrCodec)
	}
	if data[0] != codecVersion {
		return Transaction{}, fmt.Errorf("decode transaction: unknown version %d: %w", data[0], ErrCodec)
	}
	t := Transaction{FiscalRegion: NoRegion}
	var spans textSpans
	last, at := field(0), 1
	for at < len(data) {
		f, payload, next, err := nextField(data, at, last)
		if err != nil {
			return Transaction{}, err
		}
		if f < firstNumber {
			spans.add(f, next-len(payload), next)
		} else if !t.setBinary(f, payload) {
			return Transaction{}, fieldError(f, "invalid")
		}
		last, at = f, next
	}
	if f := spans.assign(&t, data); f != 0 {
		return Transaction{}, fieldError(f, "invalid")
	}
	if f := t.missing(); f != 0 {
		return Transaction{}, fieldError(f, "missing")
	}
	return t, nil
}

// nextField reads the field that begins at data[at] and returns the place of the one after it.
func nextField(data []byte, at int, last field) (f field, payload []byte, next int, err error) {
	f = field(data[at])
	if f == 0 || f >= fieldEnd {
		return 0, nil, 0, fmt.Errorf("decode transaction: unknown field %d: %w", f, ErrCodec)
	}
	if f <= last {
		return 0, nil, 0, fieldError(f, "out of order")
	}
	size, n := binary.Uvarint(data[at+1:])
	start := at + 1 + n
	switch {
	case n <= 0 || n > 1 && data[start-1] == 0:
		return 0, nil, 0, fieldError(f, "malformed length")
	case size == 0 || size > uint64(shapes[f].most):
		return 0, nil, 0, fieldError(f, "length out of bounds")
	case size > uint64(len(data)-start):
		return 0, nil, 0, fieldError(f, "truncated")
	}
	next = start + int(size)
	return f, data[start:next:next], next, nil
}

func fieldError(f field, what string) error {
	return fmt.Errorf("decode transaction: %s: %s: %w", shapes[f].name, what, ErrCodec)
}

// textSpans are the places of the text fields in the data.
type textSpans struct {
	from, to [firstNumber]int
	start    int // of the first one
	end      int // of the last one
}

func (s *textSpans) add(f field, from, to int) {
	s.from[f], s.to[f] = from, to
	if s.start == 0 {
		s.start = from
	}
	s.end = to
}

// assign cuts the texts of t out of one string and returns the first field that is no valid text, or 0.
func (s *textSpans) assign(t *Transaction, data []byte) field {
	all := string(data[s.start:s.end])
	for f := firstText; f < firstNumber; f++ {
		if s.to[f] == 0 {
			continue
		}
		text := all[s.from[f]-s.start : s.to[f]-s.start]
		if !utf8.ValidString(text) || f == fieldID && !ValidID(text) {
			return f
		}
		*t.text(f) = text
	}
	return 0
}
