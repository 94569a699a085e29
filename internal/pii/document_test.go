package pii_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/pii"
)

// oracle computes both check digits from the tables of weights as the Receita Federal prints them.
func oracle(base string, first, second []int) string {
	digit := func(text string, weights []int) string {
		sum := 0
		for i, w := range weights {
			sum += (int(text[i]) - 48) * w
		}
		if r := sum % 11; r > 1 {
			return fmt.Sprint(11 - r)
		}
		return "0"
	}
	base += digit(base, first)
	return base + digit(base, second)
}

var (
	cpf1  = []int{10, 9, 8, 7, 6, 5, 4, 3, 2}
	cpf2  = []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2}
	cnpj1 = []int{5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2}
	cnpj2 = []int{6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2}
)

// notEqual leaves out the bases that may be completed to equal digits, which are never issued.
func notEqual(base string) bool { return strings.Count(base, base[:1]) < len(base) }

func TestCPFCheckDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.StringMatching(`[0-9]{9}`).Filter(notEqual).Draw(t, "base")
		want := oracle(base, cpf1, cpf2)
		cpf, err := pii.CompleteCPF(base)
		if err != nil || cpf.Reveal() != want {
			t.Fatalf("CompleteCPF(%s) = %s, %v; want %s", base, cpf.Reveal(), err, want)
		}
		if got := cpf.FiscalRegion(); got != base[8]-'0' {
			t.Fatalf("FiscalRegion() = %d", got)
		}
		punctuated := fmt.Sprintf("%s.%s.%s-%s", want[:3], want[3:6], want[6:9], want[9:])
		document, err := pii.ParseDocument(punctuated)
		if err != nil || document.Reveal() != want || document.IsCNPJ() {
			t.Fatalf("ParseDocument(%s) = %s, %v", punctuated, document.Reveal(), err)
		}
		if back, ok := document.CPF(); !ok || back.Reveal() != want {
			t.Fatal("the document is not the CPF")
		}
		refuseOneWrong(t, want, "0123456789", func(text string) error { _, err := pii.ParseCPF(text); return err })
	})
}

func TestCNPJCheckDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.StringMatching(`[0-9A-Z]{12}`).Filter(notEqual).Draw(t, "base")
		want := oracle(base, cnpj1, cnpj2)
		cnpj, err := pii.CompleteCNPJ(strings.ToLower(base))
		if err != nil || cnpj.Reveal() != want {
			t.Fatalf("CompleteCNPJ(%s) = %s, %v; want %s", base, cnpj.Reveal(), err, want)
		}
		document, err := pii.ParseDocument(fmt.Sprintf("%s.%s.%s/%s-%s", want[:2], want[2:5], want[5:8], want[8:12], want[12:]))
		if err != nil || document.Reveal() != want || !document.IsCNPJ() {
			t.Fatalf("ParseDocument = %s, %v; want %s", document.Reveal(), err, want)
		}
		if _, ok := document.CPF(); ok {
			t.Fatal("a CNPJ is a CPF")
		}
		refuseOneWrong(t, want, "0123456789", func(text string) error { _, err := pii.ParseCNPJ(text); return err })
	})
}

// refuseOneWrong checks that no wrong check digit in one place passes.
func refuseOneWrong(t *rapid.T, right, alphabet string, parse func(string) error) {
	at := len(right) - 1 - rapid.IntRange(0, 1).Draw(t, "place")
	for _, c := range alphabet {
		text := right[:at] + string(c) + right[at+1:]
		if err := parse(text); (err == nil) != (text == right) {
			t.Fatalf("%s (right: %s): %v", text, right, err)
		}
	}
}

func TestCompleteRefuses(t *testing.T) {
	for _, base := range []string{"", "12345678", "1234567890", "12345678A", "111111111"} {
		if cpf, err := pii.CompleteCPF(base); err == nil {
			t.Errorf("CompleteCPF(%q) = %s", base, cpf.Reveal())
		}
	}
	for _, base := range []string{"", "12ABC34501D", "12ABC34501DE3", "12ABC34501D?", "000000000000"} {
		if cnpj, err := pii.CompleteCNPJ(base); err == nil {
			t.Errorf("CompleteCNPJ(%q) = %s", base, cnpj.Reveal())
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	for _, seed := range []string{"111.444.777-35", "12.ABC.345/01DE-35", "12abc34501de35", "00000000000", " 1 ", "1.1.1-4/4 4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		document, err := pii.ParseDocument(text)
		if err != nil {
			return
		}
		normal := document.Reveal()
		first, second := cnpj1, cnpj2
		if _, ok := document.CPF(); ok {
			first, second = cpf1, cpf2
		}
		if want := oracle(normal[:len(normal)-2], first, second); normal != want {
			t.Fatalf("accepted check digits %s, want %s", normal, want)
		}
		if again, err := pii.ParseDocument(normal); err != nil || again.Reveal() != normal {
			t.Fatalf("the normal form becomes %q, %v", again.Reveal(), err)
		}
	})
}
