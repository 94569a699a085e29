package pii_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fastshop/pipeline/internal/pii"
)

// must returns the value of a parser that does not fail.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestValuesDoNotLeak(t *testing.T) {
	type person struct {
		CPF      pii.CPF
		CNPJ     pii.CNPJ
		Document pii.Document
		Email    pii.Email
		Phone    pii.Phone
		Name     pii.Name
		IP       pii.IP
		CEP      pii.CEP
		Text     pii.Text
		hidden   pii.Email // unexported: fmt must not reach into it
		inner    *pii.Text
	}
	text := pii.NewText("canary-text")
	p := person{
		CPF:      must(pii.ParseCPF("111.444.777-35")),
		CNPJ:     must(pii.ParseCNPJ("12.ABC.345/01DE-35")),
		Document: must(pii.ParseDocument("11144477735")),
		Email:    must(pii.ParseEmail("canary@example.com")),
		Phone:    must(pii.ParsePhone("11 98765-4321")),
		Name:     must(pii.ParseName("Canary Silva")),
		IP:       must(pii.ParseIP("203.0.113.77")),
		CEP:      must(pii.ParseCEP("01310-100")),
		Text:     text,
		hidden:   must(pii.ParseEmail("canary@example.com")),
		inner:    &text,
	}
	clear := []string{"11144477735", "12ABC34501DE35", "canary", "Canary", "98765", "203.0.113.77", "01310"}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%10.3s"} {
		fmt.Fprintf(&out, verb+"\n", p)
		fmt.Fprintf(&out, verb+"\n", &p)
		for _, v := range []any{p.CPF, p.Email, p.Text, &p.Text, []pii.Text{p.Text}, map[string]pii.Name{"k": p.Name}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, p.CPF.String(), p.CPF.GoString())
	jsonText := must(json.Marshal(p))
	out.Write(jsonText)
	out.Write(must(json.Marshal(map[string]any{"k": p.Email, "p": &p})))
	out.Write(must(xml.Marshal(p.Email)))
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("paid", "cpf", p.CPF, "person", p, "email", &p.Email)
	}
	fmt.Fprintln(&out, fmt.Errorf("pay %v: %w", p.Email, errors.New("failed")))

	for _, secret := range clear {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q came out", secret)
		}
		if strings.Contains(out.String(), fmt.Sprintf("%x", secret)) {
			t.Errorf("%q came out in hexadecimal", secret)
		}
	}
	if got := strings.Count(string(jsonText), pii.Redacted); got != 9 {
		t.Errorf("JSON has %d of 9 values redacted: %s", got, jsonText)
	}
	if got := p.Email.Reveal(); got != "canary@example.com" {
		t.Errorf("Reveal() = %q", got)
	}
}

func TestZeroValues(t *testing.T) {
	if !pii.NewText("").IsZero() || pii.NewText("x").IsZero() || pii.NewText("").Reveal() != "" {
		t.Error("only the empty text is the zero Text")
	}
	if (pii.CPF{}).FiscalRegion() != 0 || (pii.Document{}).IsCNPJ() {
		t.Error("a zero document is of some kind")
	}
	if _, ok := (pii.Document{}).CPF(); ok {
		t.Error("a zero document is a CPF")
	}
}

// parse is a parser that returns its normal form alone.
func parse[T interface{ Reveal() string }](parser func(string) (T, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		value, err := parser(text)
		return value.Reveal(), err
	}
}

func TestNormalForms(t *testing.T) {
	for _, c := range []struct {
		what  string
		parse func(string) (string, error)
		forms map[string]string
	}{
		{"CPF", parse(pii.ParseCPF), map[string]string{
			"111.444.777-35": "11144477735", "11144477735": "11144477735", " 111444777-35 ": "11144477735", "52998224725": "52998224725"}},
		{"CNPJ", parse(pii.ParseCNPJ), map[string]string{
			"12.ABC.345/01DE-35": "12ABC34501DE35", "12abc34501de35": "12ABC34501DE35", "11.222.333/0001-81": "11222333000181"}},
		{"document", parse(pii.ParseDocument), map[string]string{
			"111.444.777-35": "11144477735", "12.ABC.345/01DE-35": "12ABC34501DE35"}},
		{"e-mail", parse(pii.ParseEmail), map[string]string{
			" Joao.Silva+loja@Example.COM.br ": "joao.silva+loja@example.com.br", "a@b.co": "a@b.co", "x@xn--caf-dma.com": "x@xn--caf-dma.com",
			strings.Repeat("l", 64) + "@b.co": strings.Repeat("l", 64) + "@b.co"}},
		{"phone", parse(pii.ParsePhone), map[string]string{
			"(11) 98765-4321": "+5511987654321", "+55 11 98765 4321": "+5511987654321", "55 11 98765.4321": "+5511987654321",
			"011 98765-4321": "+5511987654321", "1134567890": "+551134567890", "55 98765 4321": "+5555987654321", "551134567890": "+551134567890",
			"+1 415 555 2671": "+14155552671", "+351 912 345 678": "+351912345678"}},
		{"name", parse(pii.ParseName), map[string]string{
			"  Maria   da\u00a0 Silva ": "Maria da Silva", "Zé": "Zé", "李 明": "李 明", "3M do Brasil": "3M do Brasil"}},
		{"IP", parse(pii.ParseIP), map[string]string{
			"203.0.113.7": "203.0.113.7", "::ffff:1.2.3.4": "1.2.3.4", "2001:DB8:0:0::1": "2001:db8::1"}},
		{"CEP", parse(pii.ParseCEP), map[string]string{"01310-100": "01310100", "01310100": "01310100"}},
	} {
		for text, want := range c.forms {
			got, err := c.parse(text)
			if err != nil || got != want {
				t.Errorf("%s %q: %q, %v; want %q", c.what, text, got, err, want)
			}
			if again, err := c.parse(got); err != nil || again != got {
				t.Errorf("%s: the normal form %q becomes %q, %v", c.what, got, again, err)
			}
		}
	}
}

func TestParsersRefuse(t *testing.T) {
	for _, c := range []struct {
		what  string
		parse func(string) (string, error)
		texts []string
	}{
		{"CPF", parse(pii.ParseCPF), []string{"", "1114447773", "111444777350", "111.444.777-36", "111.444.777-45", "11111111111", "1114447773A",
			"111,444,777,35", "１１１44477735", strings.Repeat("1", 100)}},
		{"CNPJ", parse(pii.ParseCNPJ), []string{"", "12ABC34501DE36", "12ABC34501DE45", "12ABC34501DEA5", "00000000000000", "11222333000182", "12ABC34501D", "12_ABC34501DE35"}},
		{"document", parse(pii.ParseDocument), []string{"", "123", "12ABC34501DE3", "111.444.777-36", "12ABC34501DE36", "?"}},
		{"e-mail", parse(pii.ParseEmail), []string{"", "a", "a@", "@b.co", "a@b", "a@b.c", ".a@b.co", "a.@b.co", "a..b@c.de", "a b@c.de", "ã@b.co", "a@b..co",
			"a@-b.co", "a@b-.co", "a@b_c.de", "a@1.2", "a@b@c.de", "a@[1.2.3.4]", "\"a\"@b.co", strings.Repeat("l", 65) + "@b.co",
			"a@" + strings.Repeat("d", 64) + ".co", "a@" + strings.Repeat("d.", 126) + "co"}},
		{"phone", parse(pii.ParsePhone), []string{"", "+", "98765-4321", "11 88765-4321", "20 98765-4321", "01 98765-4321", "11 6456-7890", "+55 11 123",
			"+0 415 555 2671", "+1 415", "+1234567890123456", "1+1987654321", "11 98765-4321 r. 2", strings.Repeat("1", 33), "++5511987654321"}},
		{"name", parse(pii.ParseName), []string{"", "   ", "A", "42", "A\x00B", "Maria\nSilva", "\xff\xfeab", strings.Repeat("n", 161)}},
		{"IP", parse(pii.ParseIP), []string{"", "1.2.3", "1.2.3.4:80", "10.0.0.0/8", "fe80::1%eth0", "0.0.0.0", "::", "::ffff:0.0.0.0", "01.2.3.4"}},
		{"CEP", parse(pii.ParseCEP), []string{"", "0131010", "013101000", "0131-0100", "00000-000", "0131010A"}},
	} {
		for _, text := range c.texts {
			got, err := c.parse(text)
			if !errors.Is(err, pii.ErrInvalid) || got != "" {
				t.Errorf("%s %q: %q, %v; want ErrInvalid", c.what, text, got, err)
				continue
			}
			if form := (*pii.FormError)(nil); !errors.As(err, &form) || form.Advice != err.Error() {
				t.Errorf("%s: %v is no FormError with advice", c.what, err)
			}
			if len(text) > 3 && strings.Contains(err.Error(), text) {
				t.Errorf("%s: the error %q repeats the value", c.what, err)
			}
		}
	}
}

func TestFields(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range pii.Fields() {
		if seen[f.Pointer] || f.Class == pii.ClassInvalid || f.Class.String() == "" || f.Keeping == 0 {
			t.Errorf("%+v is declared twice or in part", f)
		}
		seen[f.Pointer] = true
	}
	pii.Fields()[0].Pointer = "changed"
	if pii.Fields()[0].Pointer == "changed" {
		t.Error("a caller can change the table")
	}
	if pii.ClassInvalid.String() != "" || pii.Class(99).String() != "" {
		t.Error("what is no class has a name")
	}
}
