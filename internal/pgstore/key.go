package pgstore

import (
	"encoding/hex"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
)

const (
	uuidText = 36
	uuidKey  = 17
)

// dashes are where a UUID has them.
func dash(i int) bool { return i == 8 || i == 13 || i == 18 || i == 23 }

// appendKey appends the stored form of a transaction id: a UUID in lower case is a zero byte and its 16 bytes, any other
// id is its text, which has no zero byte. So every id has one form and every form one id, and ids that ascend have forms
// that ascend. Function id_key of the schema is the same.
func appendKey(b []byte, id string) []byte {
	start := len(b)
	if len(id) != uuidText {
		return append(b, id...)
	}
	b = append(b, 0)
	upper, half := byte(0), false
	for i := range len(id) {
		c := id[i]
		switch {
		case dash(i) && c == '-':
			continue
		case dash(i):
			return append(b[:start], id...)
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return append(b[:start], id...)
		}
		if half {
			b = append(b, upper<<4|c)
		}
		upper, half = c, !half
	}
	return b
}

// keysOf are the stored forms of ids, in one allocation.
func keysOf(ids []string) [][]byte {
	keys := make([][]byte, len(ids))
	arena := make([]byte, 0, len(ids)*uuidText)
	for i, id := range ids {
		start := len(arena)
		arena = appendKey(arena, id)
		keys[i] = arena[start:len(arena):len(arena)]
	}
	return keys
}

// idOf is the inverse of appendKey.
func idOf(key []byte) (string, error) {
	if len(key) == 0 || key[0] != 0 {
		return string(key), nil
	}
	if len(key) != uuidKey {
		return "", fmt.Errorf("id of %d bytes: %w", len(key), ledger.ErrCorrupt)
	}
	var text [uuidText]byte
	hex.Encode(text[0:8], key[1:5])
	hex.Encode(text[9:13], key[5:7])
	hex.Encode(text[14:18], key[7:9])
	hex.Encode(text[19:23], key[9:11])
	hex.Encode(text[24:36], key[11:17])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:]), nil
}
