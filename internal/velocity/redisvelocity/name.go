package redisvelocity

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fastshop/pipeline/internal/payment"
)

// names makes the keys of logs: prefix, signature, and in braces, so that a cluster looks at nothing else to place it, the
// kind's letter and the token.
type names struct{ stem string }

// letters stand for kinds in keys. They never change.
const letters = "?cdkviabmt"

func newNames(prefix, signature string) names { return names{prefix + signature + ":{"} }

const tokenText = 23 // base64 of 17 bytes

func (n names) size() int { return len(n.stem) + 1 + tokenText + 1 }

// append writes the key of an entity's log.
func (n names) append(b []byte, kind payment.Kind, t *payment.Token) []byte {
	b = append(b, n.stem...)
	b = append(b, letters[kind])
	b = base64.RawURLEncoding.AppendEncode(b, t[:])
	return append(b, '}')
}

// head is the first element of a log: its generation, and how many bytes of snapshot it begins with.
type head struct {
	generation uint64
	base       uint32
}

const headSize = 12

func (h head) String() string {
	var b [headSize]byte
	binary.LittleEndian.PutUint64(b[:], h.generation)
	binary.LittleEndian.PutUint32(b[8:], h.base)
	return string(b[:])
}

// parseHead reads a head; ok is false for anything else.
func parseHead(text string) (h head, ok bool) {
	if len(text) != headSize {
		return head{}, false
	}
	b := []byte(text)
	return head{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])}, true
}

// newHead draws a generation, which is not 0.
func newHead(random io.Reader, base uint32) (head, error) {
	var b [8]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return head{}, fmt.Errorf("draw generation: %w", err)
	}
	return head{binary.LittleEndian.Uint64(b[:]) | 1, base}, nil
}
