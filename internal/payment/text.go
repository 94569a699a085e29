package payment

import (
	"errors"
	"fmt"
)

// ErrName is wrapped by the parsers of this package for a text that is none of the names they know. The text itself
// is never part of the error, because it may come from outside.
var ErrName = errors.New("payment: unknown name")

var (
	methodNames  = [...]string{MethodInvalid: "", Card: "card", Pix: "pix", Boleto: "boleto"}
	channelNames = [...]string{
		ChannelUnknown: "", Web: "web", App: "app", Store: "store", Phone: "phone", Marketplace: "marketplace",
	}
	documentNames = [...]string{DocumentNone: "", CPF: "cpf", CNPJ: "cnpj"}
	sealNames     = [...]string{SealNone: "none", Sealed: "sealed", SealDropped: "unsealed_dropped", SealErased: "erased"}
)

// name is the text of value v, or "" when v is outside the list.
func name[E ~uint8](names []string, v E) string {
	if int(v) < len(names) {
		return names[v]
	}
	return ""
}

// parse finds the value whose name is text, from first on.
func parse[E ~uint8](what string, names []string, first E, text string) (E, error) {
	for v := int(first); v < len(names); v++ {
		if names[v] == text {
			return E(v), nil
		}
	}
	return 0, fmt.Errorf("parse %s: %w", what, ErrName)
}

// String is card, pix or boleto, and "" for an invalid method.
func (m Method) String() string { return name(methodNames[:], m) }

// ParseMethod is the inverse of String; any other text, "" included, is [ErrName] and MethodInvalid.
func ParseMethod(text string) (Method, error) { return parse("method", methodNames[:], Card, text) }

// MarshalText writes the form of String; an invalid method is [ErrName].
func (m Method) MarshalText() ([]byte, error) {
	if m.String() == "" {
		return nil, fmt.Errorf("marshal method: %w", ErrName)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (m *Method) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMethod(string(text))
	return err
}

// String is web, app, store, phone or marketplace, and "" for ChannelUnknown.
func (c Channel) String() string { return name(channelNames[:], c) }

// ParseChannel is the inverse of String: "" is ChannelUnknown, a text that is no channel is [ErrName].
func ParseChannel(text string) (Channel, error) {
	return parse("channel", channelNames[:], ChannelUnknown, text)
}

// MarshalText writes the form of String.
func (c Channel) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (c *Channel) UnmarshalText(text []byte) (err error) {
	*c, err = ParseChannel(string(text))
	return err
}

// String is cpf or cnpj, and "" for DocumentNone.
func (d Document) String() string { return name(documentNames[:], d) }

// ParseDocument is the inverse of String: "" is DocumentNone, any other text is [ErrName].
func ParseDocument(text string) (Document, error) {
	return parse("document", documentNames[:], DocumentNone, text)
}

// MarshalText writes the form of String.
func (d Document) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Document) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDocument(string(text))
	return err
}

// String is none, sealed, unsealed_dropped or erased, and "" for a number that is none of the states.
func (s Seal) String() string { return name(sealNames[:], s) }

// ParseSeal is the inverse of String; any other text, "" included, is [ErrName].
func ParseSeal(text string) (Seal, error) { return parse("seal", sealNames[:], SealNone, text) }

// MarshalText writes the form of String; a number that is none of the states is [ErrName].
func (s Seal) MarshalText() ([]byte, error) {
	if s.String() == "" {
		return nil, fmt.Errorf("marshal seal: %w", ErrName)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Seal) UnmarshalText(text []byte) (err error) {
	*s, err = ParseSeal(string(text))
	return err
}
