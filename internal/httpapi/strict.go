package httpapi

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decodeStrict reads one JSON object into v as ingest does for submissions: names are
// exact, known and occur once, nothing follows, texts are UTF-8. The problem names a
// field only if it is one of fields: any other name came from the client.
func decodeStrict(data []byte, v any, fields ...string) *Problem {
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil && len(data) > 0 && data[0] == '{' {
		return nil
	}
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return invalid(FieldError{"", "duplicate_field", "send every field once"})
		}
		return newProblem("malformed", "The body is not one JSON object.")
	}
	if errors.Is(err, json.ErrUnknownName) {
		return invalid(FieldError{"", "unknown_field", "send no other fields than " + strings.Join(fields, ", ")})
	}
	pointer := ""
	if name := wrong.JSONPointer.LastToken(); slices.Contains(fields, name) {
		pointer = "/" + name
	}
	return invalid(FieldError{pointer, "wrong_type", "send a text"})
}

// moment reads a time as in RFC 3339, cut to the millisecond.
func moment(pointer, text string) (time.Time, *FieldError) {
	var t time.Time
	if err := t.UnmarshalText([]byte(text)); err != nil || t.Year() < 2000 {
		return time.Time{}, &FieldError{pointer, "invalid", "write the moment as in RFC 3339, such as 2026-03-01T12:30:00-03:00"}
	}
	return t.UTC().Truncate(time.Millisecond), nil
}
