package payment_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
)

func TestNames(t *testing.T) {
	type words struct {
		Method   payment.Method
		Channel  payment.Channel
		Document payment.Document
		Seal     payment.Seal
	}
	for want, w := range map[string]words{
		`{"Method":"card","Channel":"","Document":"","Seal":"none"}`:                      {payment.Card, payment.ChannelUnknown, payment.DocumentNone, payment.SealNone},
		`{"Method":"pix","Channel":"web","Document":"cpf","Seal":"sealed"}`:               {payment.Pix, payment.Web, payment.CPF, payment.Sealed},
		`{"Method":"boleto","Channel":"app","Document":"cnpj","Seal":"unsealed_dropped"}`: {payment.Boleto, payment.App, payment.CNPJ, payment.SealDropped},
		`{"Method":"card","Channel":"store","Document":"cpf","Seal":"erased"}`:            {payment.Card, payment.Store, payment.CPF, payment.SealErased},
		`{"Method":"card","Channel":"phone","Document":"cpf","Seal":"erased"}`:            {payment.Card, payment.Phone, payment.CPF, payment.SealErased},
		`{"Method":"boleto","Channel":"marketplace","Document":"cnpj","Seal":"erased"}`:   {payment.Boleto, payment.Marketplace, payment.CNPJ, payment.SealErased},
	} {
		got, err := json.Marshal(w)
		if err != nil || string(got) != want {
			t.Errorf("Marshal = %s, %v; want %s", got, err, want)
		}
		var back words
		if err := json.Unmarshal([]byte(want), &back); err != nil || back != w {
			t.Errorf("Unmarshal(%s) = %v, %v; want %v", want, back, err, w)
		}
	}
}

func TestNamesRefused(t *testing.T) {
	for _, text := range []string{"Card", "card ", "debit", "x"} {
		_, method := payment.ParseMethod(text)
		_, channel := payment.ParseChannel(text)
		_, document := payment.ParseDocument(text)
		_, seal := payment.ParseSeal(text)
		for what, err := range map[string]error{"method": method, "channel": channel, "document": document, "seal": seal} {
			if !errors.Is(err, payment.ErrName) || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "debit") {
				t.Errorf("%s %q: err = %v", what, text, err)
			}
		}
	}
	if _, err := payment.ParseMethod(""); !errors.Is(err, payment.ErrName) {
		t.Errorf(`ParseMethod("") = %v, want ErrName`, err)
	}
	if _, err := payment.ParseSeal(""); !errors.Is(err, payment.ErrName) {
		t.Errorf(`ParseSeal("") = %v, want ErrName`, err)
	}
	if _, err := payment.MethodInvalid.MarshalText(); !errors.Is(err, payment.ErrName) {
		t.Errorf("MarshalText of an invalid method: %v, want ErrName", err)
	}
	if _, err := payment.Seal(9).MarshalText(); !errors.Is(err, payment.ErrName) {
		t.Errorf("MarshalText of an invalid seal: %v, want ErrName", err)
	}
	if got := payment.Channel(99).String() + payment.Document(99).String(); got != "" {
		t.Errorf("names of unknown numbers: %q, want none", got)
	}
}

func TestIdentifiers(t *testing.T) {
	for _, c := range []struct {
		check string
		valid func(string) bool
		yes   []string
		no    []string
	}{
		{"id", payment.ValidID, []string{"a", "A.b_c:d-9", strings.Repeat("9", 64)}, []string{"", "a b", "ção", "a/b", strings.Repeat("9", 65)}},
		{"bin", payment.ValidBIN, []string{"411111", "41111111"}, []string{"", "41111", "4111111", "41111a", "411111111"}},
		{"last4", payment.ValidLast4, []string{"0000"}, []string{"", "000", "00000", "000x"}},
		{"mcc", payment.ValidMCC, []string{"5732", "0742"}, []string{"", "573", "57321", "57a2"}},
		{"e2e", payment.ValidEndToEndID,
			[]string{"E12345678202603011530abcdefghijk", "E12AB5678202602282359ABCDEFGHIJ9"},
			[]string{"", "D12345678202603011530abcdefghijk", "E12345678202602301530abcdefghijk", "E12345678202603012530abcdefghijk",
				"E12345678202603011530abcdefghij", "E12345678202603011530abcdefghij-", "E1234567820260301153 abcdefghijk"}},
		{"txid", payment.ValidTxID, []string{strings.Repeat("a", 26), strings.Repeat("Z9", 17) + "0"}, []string{"", strings.Repeat("a", 25), strings.Repeat("a", 36), strings.Repeat("a", 25) + "-"}},
	} {
		for _, text := range c.yes {
			if !c.valid(text) {
				t.Errorf("%s %q refused", c.check, text)
			}
		}
		for _, text := range c.no {
			if c.valid(text) {
				t.Errorf("%s %q accepted", c.check, text)
			}
		}
	}
}

func TestStates(t *testing.T) {
	ufs := payment.UFs()
	if len(ufs) != 27 || !slices.IsSorted(ufs) || len(slices.Compact(slices.Clone(ufs))) != 27 {
		t.Fatalf("UFs() = %v, want 27 different ones in order", ufs)
	}
	for _, uf := range ufs {
		regions := 0
		for region := range uint8(10) {
			if payment.RegionCovers(region, uf) {
				regions++
			}
		}
		if regions != 1 || !payment.ValidUF(uf) {
			t.Errorf("%s is in %d fiscal regions, want 1", uf, regions)
		}
	}
	for _, c := range []struct {
		region uint8
		uf     string
		want   bool
	}{{8, "SP", true}, {0, "RS", true}, {2, "AM", true}, {9, "PR", true}, {8, "RJ", false}, {payment.NoRegion, "SP", false}, {10, "SP", false}, {8, "", false}, {8, "sp", false}} {
		if got := payment.RegionCovers(c.region, c.uf); got != c.want {
			t.Errorf("RegionCovers(%d, %q) = %v", c.region, c.uf, got)
		}
	}
	if payment.ValidUF("XX") || payment.ValidUF("") {
		t.Error("ValidUF accepts what is no state")
	}
}

func TestFormatBRL(t *testing.T) {
	for centavos, want := range map[int64]string{
		0: "R$ 0,00", 5: "R$ 0,05", 99_99: "R$ 99,99", 999_99: "R$ 999,99", 1_000_00: "R$ 1.000,00", 123_456: "R$ 1.234,56",
		payment.MaxCentavos: "R$ 100.000.000,00", -5: "-R$ 0,05", -1_234_567_89: "-R$ 1.234.567,89",
		math.MinInt64: "-R$ 92.233.720.368.547.758,08",
	} {
		if got := payment.FormatBRL(centavos); got != want {
			t.Errorf("FormatBRL(%d) = %q, want %q", centavos, got, want)
		}
	}
}

func TestToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := payment.PublicToken(rapid.String().Draw(t, "value"))
		text, err := token.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back payment.Token
		if err := back.UnmarshalText(text); err != nil || back != token {
			t.Fatalf("UnmarshalText(%q) = %v, %v", text, back, err)
		}
	})
	if token := payment.PublicToken("a"); token.Version() != payment.PublicVersion || token == payment.PublicToken("b") {
		t.Error("public tokens of two values do not differ, or lack their version")
	}
	for _, text := range []string{"x", strings.Repeat("A", 23), strings.Repeat("-", 22) + "=", strings.Repeat("!", 23)} {
		if _, err := payment.ParseToken(text); !errors.Is(err, payment.ErrToken) {
			t.Errorf("ParseToken(%q) = %v, want ErrToken", text, err)
		}
		token := payment.PublicToken("kept")
		if err := token.UnmarshalText([]byte(text)); err == nil || token != payment.PublicToken("kept") {
			t.Errorf("UnmarshalText(%q) = %v, or changed the token", text, err)
		}
	}
}

func TestPartition(t *testing.T) {
	const n, customers = 8, 8_000
	var counts [n]int
	for i := range customers {
		token := payment.PublicToken("c" + string(rune('0'+i%10)) + strings.Repeat("x", i/10))
		p := payment.Partition(token, n)
		if p != payment.Partition(token, n) {
			t.Fatal("one token, two partitions")
		}
		counts[p]++
	}
	for p, count := range counts {
		if count < customers/n*8/10 || count > customers/n*12/10 {
			t.Errorf("partition %d has %d of %d customers", p, count, customers)
		}
	}
	for _, n := range []int{1, 0, -1} {
		if p := payment.Partition(payment.PublicToken("c"), n); p != 0 {
			t.Errorf("Partition(…, %d) = %d, want 0", n, p)
		}
	}
}

func TestKindsAndEntities(t *testing.T) {
	x := full()
	entities := x.Entities()
	for k := payment.KindCustomer; k < payment.KindCount; k++ {
		if payment.ParseKind(k.String()) != k {
			t.Errorf("ParseKind(%q) is another kind", k)
		}
		if entities[k].IsZero() {
			t.Errorf("a full transaction lacks its %s", k)
		}
	}
	if payment.ParseKind("") != payment.KindInvalid || payment.ParseKind("person") != payment.KindInvalid || payment.Kind(99).String() != "" {
		t.Error("what is no kind has a name or a number")
	}
	few := least()
	entities = few.Entities()
	for k := payment.KindDocument; k < payment.KindCount; k++ {
		if !entities[k].IsZero() {
			t.Errorf("a transaction without %s has one", k)
		}
	}
}
