package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// Format is how log lines look. The zero value is Text.
type Format uint8

// The formats.
const (
	Text Format = iota // key=value, for a person
	JSON               // one object a line, for a machine
)

// ParseFormat reads "text" or "json".
func ParseFormat(name string) (Format, error) {
	switch name {
	case "text":
		return Text, nil
	case "json":
		return JSON, nil
	}
	return Text, fmt.Errorf("parse log format: want text or json")
}

// What stands in the place of a value that is not printed.
const (
	Refused  = "[refused]"  // the key is not on the list
	Redacted = "[redacted]" // the text looked like personal data
)

// NewLogger returns a logger that writes to w what is at level or above and holds
// no personal data; see the package comment for what that means. Durations are
// printed as text ("1.5ms") in both formats. The logger may be used from many
// goroutines; each line is one Write.
func NewLogger(w io.Writer, level slog.Leveler, format Format) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var inner slog.Handler = slog.NewTextHandler(w, options)
	if format == JSON {
		inner = slog.NewJSONHandler(w, options)
	}
	return slog.New(refusing{inner})
}

// refusing cleans whatever passes through it to the next handler. It is the only
// way to the output: attributes given early (With) are cleaned when they are given.
type refusing struct{ next slog.Handler }

func (h refusing) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h refusing) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, redact(r.Message), 0)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(cleanAttr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h refusing) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = cleanAttr(a)
	}
	return refusing{h.next.WithAttrs(clean)}
}

func (h refusing) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return refusing{h.next.WithGroup(cleanKey(name))}
}

func cleanAttr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		members := v.Group()
		clean := make([]slog.Attr, len(members))
		for i, m := range members {
			clean[i] = cleanAttr(m)
		}
		key := a.Key
		if key != "" { // a group without a name is inlined
			key = cleanKey(key)
		}
		return slog.Attr{Key: key, Value: slog.GroupValue(clean...)}
	}
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return slog.Attr{} // handlers leave an empty attribute out
	}
	if _, ok := allowedKeys[a.Key]; !ok {
		return slog.String(cleanKey(a.Key), Refused)
	}
	return slog.Attr{Key: a.Key, Value: cleanValue(v)}
}

func cleanValue(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindBool, slog.KindTime:
		return v
	case slog.KindDuration:
		return slog.StringValue(v.Duration().String())
	case slog.KindInt64:
		return cleanNumber(v, strconv.FormatInt(v.Int64(), 10))
	case slog.KindUint64:
		return cleanNumber(v, strconv.FormatUint(v.Uint64(), 10))
	case slog.KindFloat64:
		return cleanNumber(v, strconv.FormatFloat(v.Float64(), 'f', -1, 64))
	case slog.KindString:
		return slog.StringValue(redact(v.String()))
	}
	// Whatever else there is, errors first of all, is printed by fmt, which also
	// survives a panic in its method, and is then a text like any other.
	return slog.StringValue(redact(fmt.Sprint(v.Any())))
}

// cleanNumber keeps v unless it is a document or card number. Phone numbers are not
// looked for: a size in bytes would pass for one.
func cleanNumber(v slog.Value, text string) slog.Value {
	if looksLikeNumber(text) {
		return slog.StringValue(Redacted)
	}
	return v
}

// cleanKey returns a key or group name as it may be printed: names in code are
// short and plain; anything else may be data that was used as a key.
func cleanKey(key string) string {
	if !plainName(key, 48) || redact(key) != key {
		return Refused
	}
	return key
}

// plainName reports whether s looks like a name that stands in source code: 1 to
// limit characters, a letter first.
func plainName(s string, limit int) bool {
	if s == "" || len(s) > limit || !letter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
