package vault

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// secret is key material. It prints as [redacted] however it is printed, and does not compare with ==.
type secret struct {
	_ [0]func()
	b [32]byte
}

func (s *secret) equal(other []byte) bool { return subtle.ConstantTimeCompare(s.b[:], other) == 1 }

// wipe overwrites the key. Copies that the garbage collector or the cipher made stay until their memory is used again:
// Go offers no more than that.
func (s *secret) wipe() { clear(s.b[:]) }

// Format implements fmt.Formatter.
func (secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// Format implements fmt.Formatter: a customer prints as its token, never with its keys.
func (c Customer) Format(f fmt.State, _ rune) { io.WriteString(f, "customer "+c.Token.String()) }

// LogValue implements slog.LogValuer.
func (c Customer) LogValue() slog.Value { return slog.StringValue("customer " + c.Token.String()) }

// Format implements fmt.Formatter: the value is personal data and prints as [redacted].
func (f Field) Format(s fmt.State, _ rune) { io.WriteString(s, f.Name.String()+" "+redacted) }

// LogValue implements slog.LogValuer.
func (f Field) LogValue() slog.Value { return slog.StringValue(f.Name.String() + " " + redacted) }

// MarshalJSON writes the field's name and [redacted]: whoever means to show the value takes it out by hand.
func (f Field) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"name":%q,"value":%q}`, f.Name.String(), redacted), nil
}

// Format implements fmt.Formatter: a vault is full of keys.
func (v *Vault) Format(f fmt.State, _ rune) { io.WriteString(f, "vault "+redacted) }
