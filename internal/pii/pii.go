// Package pii holds personal data in the clear, for the short way from the edge to the seal, and knows its Brazilian
// forms.
//
// # Values that do not leak
//
// Every value is a type of its own ([CPF], [CNPJ], [Document], [Email], [Phone], [Name], [IP], [CEP], [Text]) that
// prints, logs and marshals as [redacted]. The clear value comes out of one method only, Reveal, so that
//
//	grep -rn 'Reveal()'
//
// lists every place in the program that touches personal data. The text sits behind a pointer: package fmt cannot
// reach it by reflection either, when a value is an unexported field of a struct that is printed whole. The types
// cannot be compared with ==, which would compare pointers; compare what Reveal returns.
//
// The types guard against accidents, not against code that wants the value: a heap dump or a debugger shows it.
//
// # Normal forms
//
// Two ways to write one identifier must give one token, or a fraudster gets a fresh start for a space. Each parser
// returns the normal form, which its comment states, and refuses what it cannot normalize. Errors say what is wrong
// and never what was given.
//
// # Cards
//
// A card number has no type here, because none may come in. [ContainsPAN] finds one in free text.
package pii

import (
	"errors"
	"fmt"
	"log/slog"
)

// Redacted is what every value of this package prints as.
const Redacted = "[redacted]"

// ErrInvalid is what every [*FormError] is, for errors.Is.
var ErrInvalid = errors.New("pii: not in the expected form")

// FormError is every parser's error.
type FormError struct {
	// Advice says what the form is, or what is wrong with the value, in words for whoever sent it. It is fixed text and
	// holds no part of the value.
	Advice string
}

// Error returns the advice.
func (e *FormError) Error() string { return e.Advice }

// Is makes every FormError [ErrInvalid].
func (e *FormError) Is(target error) bool { return target == ErrInvalid }

// invalid builds a parser's error. The arguments must not hold any part of the value.
func invalid(format string, args ...any) error {
	return &FormError{Advice: fmt.Sprintf(format, args...)}
}

// secret is the common core of the types: one text that only Reveal gives away.
type secret struct {
	_ [0]func() // no ==
	v *string
}

func conceal(text string) secret {
	if text == "" {
		return secret{}
	}
	return secret{v: &text}
}

// Reveal returns the clear value in its normal form, "" for the zero value. Do not log, print or wrap it.
func (s secret) Reveal() string {
	if s.v == nil {
		return ""
	}
	return *s.v
}

// IsZero reports whether there is no value.
func (s secret) IsZero() bool { return s.v == nil }

// String returns [Redacted].
func (s secret) String() string { return Redacted }

// GoString returns [Redacted], for %#v.
func (s secret) GoString() string { return Redacted }

// Format writes [Redacted] for every verb and flag.
func (s secret) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(Redacted)) }

// LogValue returns [Redacted].
func (s secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON returns [Redacted] as a JSON string.
func (s secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Redacted + `"`), nil }

// MarshalText returns [Redacted], for every other encoding.
func (s secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }

// Text is personal text without a form of its own: a customer id, a device id, a user agent, a card token, a house
// number, a city.
type Text struct{ secret }

// NewText takes text as it is; "" gives the zero Text.
func NewText(text string) Text { return Text{conceal(text)} }
