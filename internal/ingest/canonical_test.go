package ingest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/ingest"
)

func canonical(tb testing.TB, data []byte) []byte {
	tb.Helper()
	return decode(tb, data).AppendCanonical(nil)
}

// TestCanonicalFormIsKept pins the bytes: the payload MACs of stored transactions depend on them.
func TestCanonicalFormIsKept(t *testing.T) {
	const want = "\x01" + // version
		"\x01\x011" + // id
		"\x02\x08\x00\x00\x01\x9c\xaa\x05\x4c\xc0" + // occurred_at
		"\x03\x08\x00\x00\x00\x00\x00\x00\x00\x00" + // amount
		"\x04\x03BRL" + "\x05\x04card" + "\x07\x01c"
	if got := canonical(t, bodies(t, "accepted")["least"]); string(got) != want {
		t.Errorf("canonical form is %q, want %q", got, want)
	}
}

// TestCanonicalFormOfSpellings holds bodies that say the same in other words.
func TestCanonicalFormOfSpellings(t *testing.T) {
	want := canonical(t, body(t))
	for name, edits := range map[string][]any{
		"zone":        {"occurred_at", "2026-03-01T15:30:00.123Z"},
		"microsecond": {"occurred_at", "2026-03-01T15:30:00.123456+00:00"},
		"currency":    {"amount/currency", absent},
		"document":    {"customer/document", "11144477735"},
		"email":       {"customer/email", " maria.santos@example.com.br"},
		"phone":       {"customer/phone", "+5511987654321"},
		"name":        {"customer/name", "Maria  Aparecida dos Santos "},
		"brand":       {"card/brand", "VISA"},
		"ip":          {"device/ip", "2001:db8:0::0:7"},
		"cep":         {"shipping/cep", "01310100"},
		"number":      {"shipping/number", "1578A"},
		"empty pix":   {"pix", map[string]any{}},
	} {
		if got := canonical(t, body(t, edits...)); !bytes.Equal(got, want) {
			t.Errorf("%s: another canonical form", name)
		}
	}
	for range 20 {
		if got := canonical(t, shuffled(t, body(t))); !bytes.Equal(got, want) {
			t.Fatal("the order of members changes the canonical form")
		}
	}
}

// shuffled is the same JSON with its members in another order and spaces between.
func shuffled(t *testing.T, data []byte) []byte {
	var tree map[string]json.RawMessage
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	var members []string
	for name, value := range maps.All(tree) {
		if value[0] == '{' {
			value = shuffled(t, value)
		}
		members = append(members, fmt.Sprintf(" %q :\n%s", name, value))
	}
	rand.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return []byte("{" + strings.Join(members, ",\t") + "}")
}

// TestCanonicalFormTellsApart changes one field at a time: no two forms may be equal.
func TestCanonicalFormTellsApart(t *testing.T) {
	seen := map[string]string{string(canonical(t, body(t))): "unchanged"}
	for _, edits := range [][]any{
		{"id", "other"}, {"occurred_at", "2026-03-01T15:30:00.124Z"}, {"amount/centavos", 123457}, {"channel", "app"}, {"channel", absent},
		{"customer/id", "c-829115"}, {"customer/document", "52998224725"}, {"customer/document", absent}, {"customer/email", "x@example.com"},
		{"customer/phone", "(11) 98765-4322"}, {"customer/name", "Maria"}, {"card/token", "t"}, {"card/token", absent}, {"card/bin", "411111"}, {"card/last4", "1112"},
		{"card/brand", "elo"}, {"device/id", "d"}, {"device/ip", "1.2.3.4"}, {"device/user_agent", "u"}, {"merchant/id", "m"}, {"merchant/mcc", "5733"},
		{"shipping/cep", "01310-101"}, {"shipping/number", "1"}, {"shipping/city", "Santos"}, {"shipping/uf", "RJ"}, {"shipping", absent},
		{"method", "boleto", "card", absent}, {"channel", "store", "terminal", "T"},
		{"method", "pix", "card", absent, "pix/txid", strings.Repeat("t", 26)},
		{"method", "pix", "card", absent, "pix/end_to_end_id", "E12345678202603011530abcdefghijk"},
	} {
		form := string(canonical(t, body(t, edits...)))
		if before, ok := seen[form]; ok {
			t.Errorf("%v has the canonical form of %s", edits, before)
		}
		seen[form] = fmt.Sprint(edits)
	}
}

// TestCanonicalFormIsUnambiguous reads forms back: a text cannot be made to look like two fields.
func TestCanonicalFormIsUnambiguous(t *testing.T) {
	text := rapid.StringMatching(`[ -~]{0,10}[!-~]`).Filter(func(s string) bool { return s[0] != ' ' })
	rapid.Check(t, func(t *rapid.T) {
		build := func(customer, device, city string) (ingest.Submission, []byte) {
			edits := []any{"customer/id", customer, "device/id", device, "shipping/city", city}
			s, err := ingest.Decode(canaryBody(t, edits), now)
			if err != nil {
				t.Fatal(err)
			}
			return *s, s.AppendCanonical(nil)
		}
		a1, b1, c1 := text.Draw(t, "a1"), text.Draw(t, "b1"), text.Draw(t, "c1")
		a2, b2, c2 := text.Draw(t, "a2"), text.Draw(t, "b2"), text.Draw(t, "c2")
		_, one := build(a1, b1, c1)
		_, two := build(a2, b2, c2)
		if same := a1 == a2 && b1 == b2 && c1 == c2; same != bytes.Equal(one, two) {
			t.Fatalf("equal forms: %v, equal submissions: %v", !same, same)
		}
	})
}
