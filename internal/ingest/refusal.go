package ingest

import (
	"fmt"
	"slices"
	"strings"
)

// Code is the kind of a fault, for programs. The list only grows.
type Code string

// The codes.
const (
	Malformed      Code = "malformed"            // not JSON (RFC 8259), or not UTF-8
	TooLarge       Code = "too_large"            // the body is over MaxBody
	UnknownField   Code = "unknown_field"        // not in the contract, or not spelled as there
	DuplicateField Code = "duplicate_field"      // one name twice in an object
	WrongType      Code = "wrong_type"           // a text for a number, null, and so on
	Missing        Code = "missing"              // a required field is not there
	Empty          Code = "empty"                // a text with nothing in it
	TooLong        Code = "too_long"             // a text with more bytes than the field may have
	Invalid        Code = "invalid"              // not in the field's form
	OutOfRange     Code = "out_of_range"         // a number that is too small or too large
	InTheFuture    Code = "in_the_future"        // more than MaxAhead after now
	TooOld         Code = "too_old"              // more than MaxAge before now
	Currency       Code = "unsupported_currency" // not BRL
	Contradiction  Code = "contradiction"        // fields that cannot both be true
	CardNumber     Code = "card_number"          // a text that seems to hold a card number
	CardData       Code = "card_data"            // a field for a card number or a security code
)

// Fault is one thing that is wrong with a submission. None of its texts comes from the submission: a name that is not
// in the contract is left out as well, because anything can stand in the place of a name.
type Fault struct {
	Field  string // JSON pointer (RFC 6901) to the field, or to the nearest one that the contract knows; "" is the whole
	Code   Code
	Detail string // what to do, in one sentence
}

// MaxFaults is how many faults a refusal lists at most.
const MaxFaults = 64

// Refusal is the error for a submission that is not accepted. It lists everything that is wrong, at most MaxFaults, so
// that a client needs one round to mend it.
type Refusal struct {
	Faults []Fault // at least one; in the order of the contract's fields, after those of the form
}

// Error lists the fields and codes. It holds no value of the submission and may be logged.
func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString("submission refused:")
	for i, f := range r.Faults {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " %q %s", f.Field, f.Code)
	}
	return b.String()
}

// faults collects the faults of one submission.
type faults struct{ list []Fault }

// add notes a fault, once per field and code.
func (f *faults) add(pointer string, code Code, detail string) {
	same := func(x Fault) bool { return x.Field == pointer && x.Code == code }
	if len(f.list) < MaxFaults && !slices.ContainsFunc(f.list, same) {
		f.list = append(f.list, Fault{Field: pointer, Code: code, Detail: detail})
	}
}

// at notes a fault of a leaf.
func (f *faults) at(l leaf, code Code, detail string) { f.add(rules[l].pointer, code, detail) }

// has reports whether the leaf already has a fault: a value that could not be read is not missing too.
func (f *faults) has(l leaf) bool {
	return slices.ContainsFunc(f.list, func(x Fault) bool { return x.Field == rules[l].pointer })
}

// err is the refusal, or nil when nothing was found.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return &Refusal{Faults: f.list}
}
