package explanation

import (
	"encoding/json"
	"math"
	"strconv"
)

// Number is a number whose JSON is null for what is none: NaN, which is missing, and infinity.
type Number float64

// MarshalJSON writes the shortest number that reads back to the same bits.
func (n Number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return json.Marshal(f)
	}
	return []byte("null"), nil
}

// UnmarshalJSON is the inverse of MarshalJSON; null is NaN.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// String is the number for people: six digits, "-" for none.
func (n Number) String() string {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', 6, 64)
	}
	return "-"
}

// Value is what a variable was: a number, a text, a flag, or nothing. The zero value is nothing.
type Value struct{ of any } // Number, string, bool or nil

// NumberValue is a number; NaN is nothing.
func NumberValue(f float64) Value {
	if math.IsNaN(f) {
		return Value{}
	}
	return Value{Number(f)}
}

// TextValue is a text; "" is nothing.
func TextValue(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{s}
}

// FlagValue is a flag.
func FlagValue(b bool) Value { return Value{b} }

// IsNothing reports that there was no value.
func (v Value) IsNothing() bool { return v.of == nil }

// MarshalJSON writes a number, a string, a boolean or null.
func (v Value) MarshalJSON() ([]byte, error) { return json.Marshal(v.of) }

// String is the value for people, "-" for nothing.
func (v Value) String() string {
	switch of := v.of.(type) {
	case Number:
		return of.String()
	case string:
		return of
	case bool:
		return strconv.FormatBool(of)
	}
	return "-"
}
