package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// canaries are what must never reach the output, each in the form in which it is looked for.
var canaries = []string{
	"111.444.777-35", "11144477735", "111 444 777 35",
	"12.ABC.345/01DE-35", "12ABC34501DE35", "12abc34501de35", "11.222.333/0001-81", "11222333000181",
	"maria.canary@example.com.br", "canário@exemplo.com",
	"+55 11 98765-4321", "(11) 98765-4321", "11987654321", "+5511987654321", "+1 415 555 2671", "011 3456-7890",
	"4111 1111 1111 1111", "4111111111111111", "378282246310005", "5555-5555-5555-4444",
	"203.0.113.77", "2001:db8::77", "2001:db8:0:0:1:2:3:4",
}

// person's String is what a careless caller would log.
type person struct{ document string }

func (p person) String() string { return "person " + p.document }

type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }

type explosive struct{}

func (explosive) Error() string { panic("111.444.777-35") }

func logged(t testing.TB, format Format, write func(*slog.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	write(NewLogger(&out, slog.LevelDebug, format))
	if out.Len() == 0 {
		t.Fatal("nothing was logged")
	}
	if format == JSON {
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("line is not JSON: %s", line)
			}
		}
	}
	return out.String()
}

// everywhere logs s in every place that a logger offers.
func everywhere(s string) func(*slog.Logger) {
	return func(l *slog.Logger) {
		l.Info("message " + s)
		l.Info("m", "error", errors.New("store: row "+s+" refused"))
		l.Info("m", "error", fmt.Errorf("commit: %w", errors.New(s)))
		l.Info("m", "reason", s, "name", s)
		l.Info("m", "component", person{s}, "rows", []string{s}, "state", map[string]string{"a": s})
		l.Info("m", "from", valuer{s}, "to", valuer{valuer{person{s}}})
		l.Info("m", s, "value")
		l.Info("m", slog.Group("stream", "seq", s, "secret", s, slog.Group(s, "code", s)))
		l.Info("m", slog.Group("", "code", s))
		l.With("code", s, "other", s).Info("m")
		l.WithGroup(s).With("code", s).Info("m", "code", s)
		l.WithGroup("").WithGroup("g").Info("m", slog.Any("code", &s), slog.Any("kind", any(s)))
	}
}

func TestNoCanaryPasses(t *testing.T) {
	for _, format := range []Format{Text, JSON} {
		for _, canary := range canaries {
			for _, frame := range []string{"%s", "a %s b", "x=%s,", "[%s]", `"%s"`, "cpf%s", "%s.", "12 %s", "%s: refused", "é%sé", "ID:%s"} {
				out := logged(t, format, everywhere(fmt.Sprintf(frame, canary)))
				if strings.Contains(out, canary) {
					t.Errorf("frame %q: %q passed:\n%s", frame, canary, out)
				}
			}
		}
	}
}

func TestNumbersUnderListedKeys(t *testing.T) {
	out := logged(t, JSON, func(l *slog.Logger) {
		l.Info("m", "count", 11144477735, "total", uint64(4111111111111111), "rate", 11144477735.0)
	})
	if strings.Contains(out, "11144477735") || strings.Contains(out, "4111111111111111") {
		t.Errorf("a document number passed as a number: %s", out)
	}
	out = logged(t, JSON, func(l *slog.Logger) {
		l.Info("m", "bytes", 1_234_567_890, "count", -3, "rate", 0.25, "batch", uint8(7), "done", true,
			"took", 1500*time.Microsecond, "at", time.Date(2026, 11, 21, 10, 11, 12, 0, time.UTC))
	})
	for _, want := range []string{`"bytes":1234567890`, `"count":-3`, `"rate":0.25`, `"batch":7`, `"done":true`, `"took":"1.5ms"`, `"at":"2026-11-21T10:11:12Z"`} {
		if !strings.Contains(out, want) {
			t.Errorf("want %s in %s", want, out)
		}
	}
}

func TestHarmlessTextPasses(t *testing.T) {
	for _, text := range []string{
		"", "started", "listening on 127.0.0.1:8080 and [::1]:9090", "0.0.0.0:80", "batch 12 of 400 in 3.5 ms",
		"2026-11-21T10:11:12.123Z", "2026-11-21 10:11:12", "rules default@", "v1.61.1", "std::address", "partition/0: 1234",
		"main.go:123 +0x1f", "550e8400-e29b-41d4-a716-446655440000", "E.164", "a+b", "+55 11", "00000000000", "00000000000000",
		"10,000 of 20,000", "12:34:56", "::", "111.444.777-36", "4111111111111112", "0.1234567", "fastshop/pipeline",
	} {
		if got := redact(text); got != text {
			t.Errorf("redact(%q) = %q", text, got)
		}
	}
}

func TestRedactKeepsTheRest(t *testing.T) {
	for text, want := range map[string]string{
		"cpf 111.444.777-35 refused":                 "cpf [redacted] refused",
		"from a@b.com to c@d.com":                    "from [redacted] to [redacted]",
		"dial tcp 203.0.113.77:5432: refused":        "dial tcp [redacted]:5432: refused",
		"addr [2001:db8::77]:5432":                   "addr [[redacted]]:5432",
		"cnpj 12.abc.345/01de-35.":                   "cnpj [redacted].",
		"tel (11) 98765-4321, pan 4111111111111111;": "tel ([redacted], pan [redacted];",
		"11144477735 11144477735":                    "[redacted] [redacted]",
		"call +4930123456789012345 now":              "call +4930123456789012345 now",
	} {
		if got := redact(text); got != want {
			t.Errorf("redact(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestUnlistedKeysAreRefused(t *testing.T) {
	out := logged(t, Text, func(l *slog.Logger) {
		l.Info("m", "customer_name", "Maria", "code", "ok", slog.Group("detail", "street", "Rua A", "count", 2))
		l.Info("m", slog.Attr{}, "count", 1)
		l.Info("m", "Maria da Silva", 1)
	})
	for _, want := range []string{"customer_name=[refused]", "code=ok", "detail.street=[refused]", "detail.count=2", `[refused]=[refused]`} {
		if !strings.Contains(out, want) {
			t.Errorf("want %s in\n%s", want, out)
		}
	}
	for _, no := range []string{"Maria", "Rua A"} {
		if strings.Contains(out, no) {
			t.Errorf("%s passed:\n%s", no, out)
		}
	}
}

func TestAPanicInErrorIsSurvivedAndRedacted(t *testing.T) {
	out := logged(t, Text, func(l *slog.Logger) { l.Info("m", "error", explosive{}, "hint", error(nil)) })
	if strings.Contains(out, "111.444") || !strings.Contains(out, "PANIC") {
		t.Errorf("got %s", out)
	}
}

func TestLevelAndFormat(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelWarn, Text).Info("m")
	if out.Len() != 0 {
		t.Errorf("logged below the level: %s", &out)
	}
	for name, want := range map[string]Format{"text": Text, "json": JSON} {
		if got, err := ParseFormat(name); got != want || err != nil {
			t.Errorf("ParseFormat(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil {
		t.Error("xml was accepted")
	}
}

func TestEveryAllowedKeyHasAReasonAndAPlainName(t *testing.T) {
	for key, reason := range allowedKeys {
		if reason == "" || !plainName(key, 48) {
			t.Errorf("key %q: reason %q", key, reason)
		}
	}
}

// identifierGen draws a document or card number with valid check digits, bare or formatted.
func identifierGen() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		d := rapid.SliceOfN(rapid.ByteRange('0', '9'), 15, 15).Draw(t, "digits")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			d = d[:9]
			d = append(d, checkDigit(d, 10))
			d = append(d, checkDigit(d, 11))
			if rapid.Bool().Draw(t, "formatted") {
				return fmt.Sprintf("%s.%s.%s-%s", d[:3], d[3:6], d[6:9], d[9:])
			}
		case 1:
			d = d[:12]
			d = append(d, checkDigit(d, 9))
			d = append(d, checkDigit(d, 9))
			if rapid.Bool().Draw(t, "formatted") {
				return fmt.Sprintf("%s.%s.%s/%s-%s", d[:2], d[2:5], d[5:8], d[8:12], d[12:])
			}
		case 2:
			d[0] = '4'
			for c := byte('0'); c <= '9'; c++ {
				if e := append(d[:15:15], c); isCard(e) {
					d = e
					break
				}
			}
		default:
			return fmt.Sprintf("(%d1) 9%s-%s", rapid.IntRange(1, 9).Draw(t, "area"), d[:4], d[4:8])
		}
		return string(d)
	})
}

func TestPropertyNoIdentifierPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := identifierGen().Filter(func(s string) bool { return strings.Count(s, s[:1]) < len(s) }).Draw(t, "identifier")
		text := rapid.StringMatching(`[a-z ]{0,8}`).Draw(t, "before") + id + rapid.StringMatching(`[a-z,; ]{0,8}`).Draw(t, "after")
		if got := redact(text); strings.Contains(got, id) {
			t.Fatalf("redact(%q) = %q", text, got)
		}
	})
}

func FuzzLogger(f *testing.F) {
	seeds, err := os.ReadFile("testdata/canaries.txt")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("read seeds: %v", err)
	}
	for line := range strings.Lines(string(seeds)) {
		f.Add(strings.TrimSpace(line), "count")
	}
	f.Fuzz(func(t *testing.T, text, key string) {
		const canary = "111.444.777-35"
		once := redact(text)
		if again := redact(once); again != once {
			t.Fatalf("redact is not stable: %q, then %q", once, again)
		}
		out := logged(t, JSON, func(l *slog.Logger) { l.Info(text+" "+canary+" "+text, key, text+"|"+canary) })
		if strings.Contains(out, canary) {
			t.Fatalf("%q passed: %s", canary, out)
		}
	})
}

func BenchmarkLogger(b *testing.B) {
	l := NewLogger(discard{}, slog.LevelInfo, JSON)
	b.ReportAllocs()
	for b.Loop() {
		l.Info("batch committed", "partition", 3, "position", 123456, "records", 500, "took", 3*time.Millisecond, "state", "running")
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
