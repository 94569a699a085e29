package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRowsKnowTheirLine goes past empty, broken and endless lines, packed and not.
func TestRowsKnowTheirLine(t *testing.T) {
	good := func(id string) string {
		return `{"type":"transaction","transaction":{"id":"` + id + `","occurred_at":"2026-01-01T10:00:00Z","amount":{"centavos":1,"currency":"BRL"},"method":"pix","customer":{"id":"c"}},"truth":{"fraud":false,"scenario":""}}`
	}
	text := good("a") + "\n\n" + strings.Repeat("x", 200_000) + "\r\n" + `{"transaction":{"id":"b"}}` + "\n" +
		strings.Replace(good("c"), `"centavos":1`, `"centavos":-1`, 1) + "\n" + good("d")
	type seen struct {
		id      string
		line    int
		refused bool
	}
	want := []seen{{"a", 1, false}, {"", 3, true}, {"b", 4, true}, {"c", 5, true}, {"d", 6, false}}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.WriteString(z, text); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rows.ndjson": []byte(text), "rows.ndjson.gz": packed.Bytes()} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := openReplay(path, "ndjson")
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		for i := 0; ; i++ {
			row, err := in.Next()
			if errors.Is(err, io.EOF) {
				if i != len(want) {
					t.Errorf("%s: %d rows, want %d", name, i, len(want))
				}
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := (seen{row.id, row.line, row.refused != nil}); i >= len(want) || got != want[i] {
				t.Errorf("%s: row %d is %+v", name, i, got)
			}
		}
	}
}

// TestRefusedIDsAreWrittenDownOnlyIfSafe keeps what stands in the place of an id out of --decisions.
func TestRefusedIDsAreWrittenDownOnlyIfSafe(t *testing.T) {
	for id, want := range map[string]string{
		"order-17": "order-17", "": "", "maria@example.com": "", "two words": "", "4111111111111111": "", strings.Repeat("x", 65): "",
	} {
		if got := safeID(id); got != want {
			t.Errorf("safe id of %q is %q", id, got)
		}
	}
}
