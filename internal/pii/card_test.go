package pii_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/pii"
)

// The schemes' published test numbers.
var testCards = []string{
	"4111111111111111", "4012888888881881", "4222222222222", "4000000000000000006", // Visa
	"5555555555554444", "5105105105105100", "2223003122003222", // Mastercard
	"378282246310005", "371449635398431", // American Express
	"30569309025904", "38520000023237", "36227206271667", // Diners Club
	"6011111111111117", "6011000990139424", // Discover
	"3530111333300000", "3566002020360505", // JCB
	"6362970000457013", "5067310000000010", // Elo
	"6062825624254001", "6062826786276634", // Hipercard
	"6200000000000005",    // UnionPay
	"5078601870000127985", // Aura
	"6759649826438453",    // Maestro
}

func TestContainsPAN(t *testing.T) {
	for _, card := range testCards {
		spread := strings.Join(strings.Split(card, ""), " ")
		groups := card[:4] + "-" + card[4:8] + "-" + card[8:12] + "-" + card[12:]
		for _, text := range []string{
			card, " " + card + " ", "card:" + card, card + "!", "x" + card + "y", "(" + card + ")", "pay with " + card + " exp 12/28 cvv 123",
			spread, groups, strings.ReplaceAll(groups, "-", "."), strings.ReplaceAll(groups, "-", " - "), strings.ReplaceAll(groups, "-", "\u2013"),
			strings.ReplaceAll(groups, "-", "\u00a0"), strings.ReplaceAll(groups, "-", "\u200b"), strings.ReplaceAll(groups, "-", "_"),
			card + "-f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d479 " + groups, "f47ac10b58cc4372a5670e02b2c3d479 " + card,
			groups + " 12/28", "12 " + groups, "n\u00ba " + groups + " - 123", "99 " + strings.ReplaceAll(groups, "-", "   ") + "\n1", fullWidth(card),
		} {
			if !pii.ContainsPAN(text) {
				t.Errorf("not found: %q", text)
			}
		}
		wrong := card[:len(card)-1] + string('0'+(card[len(card)-1]-'0'+1)%10)
		for _, text := range []string{wrong, card[:4] + "a" + card[4:], card[:4] + "    " + card[4:], "7" + card, strings.Repeat("9", 20) + card, card[:12]} {
			if pii.ContainsPAN(text) {
				t.Errorf("taken for a card: %q", text)
			}
		}
	}
}

func fullWidth(digits string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, digits)
}

// TestContainsPANOrdinary goes through numbers of daily life that must pass.
func TestContainsPANOrdinary(t *testing.T) {
	for _, text := range []string{
		"", "Avenida Paulista, 1578", "+55 11 98765-4321", "5511987654321", "111.444.777-35", "12.ABC.345/01DE-35", "01310-100",
		"2026-03-01T12:30:00.123Z", "1772368200123", "20260301123000123456", "E12345678202603011530abcdefghijk", "192.168.100.200",
		"f47ac10b-58cc-4372-a567-0e02b2c3d479", "0000000000000000", "1234567890123456", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36 Edg/126.0.2592.113",
		"c411111a-1111-4111-1111-111111111111", "order 41111111-1111-1111-1111-11111111111a paid", strings.Repeat("a4111111111111111", 2)[:32], "pedido 2026030112345678", strings.Repeat("ção ", 20), "7891000315507",
	} {
		if pii.ContainsPAN(text) {
			t.Errorf("taken for a card: %q", text)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 { // mobile numbers with country code, moments in milliseconds, and counters behind a date
		for _, text := range []string{
			fmt.Sprintf("+55 %d 9%04d-%04d", 11+rng.IntN(89), rng.IntN(1e4), rng.IntN(1e4)),
			fmt.Sprint(1_700_000_000_000 + rng.Int64N(100_000_000_000)),
			fmt.Sprintf("2026%02d%02d%08d", 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(1e8)),
		} {
			if pii.ContainsPAN(text) {
				t.Fatalf("taken for a card: %q", text)
			}
		}
	}
}

// TestFalsePositives measures what the comment of ContainsPAN states: the share, in percent, of strings of random
// digits that are taken for a card number.
func TestFalsePositives(t *testing.T) {
	const n = 50_000
	rng := rand.New(rand.NewPCG(3, 4))
	share := func(length, group int) float64 {
		found := 0
		var text []byte
		for range n {
			text = text[:0]
			for i := range length {
				if group > 0 && i > 0 && i%group == 0 {
					text = append(text, ' ')
				}
				text = append(text, byte('0'+rng.IntN(10)))
			}
			if pii.ContainsPAN(string(text)) {
				found++
			}
		}
		return 100 * float64(found) / n
	}
	for _, c := range []struct {
		length int
		stated float64
	}{{12, 0}, {13, 1.0}, {14, 0.4}, {15, 0.2}, {16, 2.7}, {17, 0.3}, {18, 0.3}, {19, 1.7}, {20, 0}, {32, 0}} {
		got := share(c.length, 0)
		t.Logf("%d digits: %.2f %%", c.length, got)
		if math.Abs(got-c.stated) > 0.25 {
			t.Errorf("%d digits: %.2f %% taken for a card, the comment says %.1f %%", c.length, got, c.stated)
		}
	}
	for range n { // device and order ids of today
		a, b := rng.Uint64(), rng.Uint64()
		for _, text := range []string{
			fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", uint32(a), uint16(a>>32), a>>52, b>>52, b&0xffffffffffff), fmt.Sprintf("%016x%016x", a, b),
		} {
			if pii.ContainsPAN(text) {
				t.Fatalf("taken for a card: %q", text)
			}
		}
	}
	if got := share(16, 4); math.Abs(got-2.7) > 0.25 {
		t.Errorf("four groups of four: %.2f %%, the comment says 2.7 %%", got)
	}
}

// TestContainsPANOracle compares with a search that tries every run of digits in the plainest way.
func TestContainsPANOracle(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SampledFrom(testCards), rapid.StringMatching(`[0-9]{1,20}`), rapid.SampledFrom([]string{" ", "-", ".", "  ", " - ", "    ", "a", "\u200b", "é"}),
		rapid.StringMatching(`4[0-9]{3}`), rapid.StringMatching(`[0-9]{7}[a-f](-[0-9]{4}){3}-[0-9]{12}`), rapid.StringMatching(`[0-9]{31}[a-f]`),
	)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		if got, want := pii.ContainsPAN(text), bruteForce(text); got != want {
			t.Fatalf("ContainsPAN(%q) = %v, brute force says %v", text, got, want)
		}
	})
}

var opaque = regexp.MustCompile(`^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{64}|[0-9a-fA-F]{40}|[0-9a-fA-F]{32})([^0-9a-zA-Z]|$)`)

// withoutOpaque puts an x in the place of every UUID and digest.
func withoutOpaque(text string) string {
	var out strings.Builder
	inWord := false
	for len(text) > 0 {
		if m := opaque.FindStringSubmatch(text); m != nil && !inWord {
			out.WriteByte('x')
			text, inWord = text[len(m[1]):], true
			continue
		}
		out.WriteByte(text[0])
		inWord = strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", rune(text[0]))
		text = text[1:]
	}
	return out.String()
}

// bruteForce cuts text at everything that is neither digit nor separator, and at more than three separators, and
// looks at every sequence of whole groups.
func bruteForce(text string) bool {
	marked := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case strings.ContainsRune(" -.\u200b", r):
			return ' '
		default:
			return 'x'
		}
	}, withoutOpaque(text))
	for _, run := range strings.Split(strings.ReplaceAll(marked, "    ", "x"), "x") {
		groups := strings.Fields(run)
		for i := range groups {
			for j := i + 1; j <= len(groups); j++ {
				if card := strings.Join(groups[i:j], ""); len(card) >= 13 && len(card) <= 19 && luhn(card) && pii.ContainsPAN(card) {
					return true
				}
			}
		}
	}
	return false
}

func luhn(card string) bool {
	sum := 0
	for i := range len(card) {
		v := int(card[len(card)-1-i] - '0')
		if i%2 == 1 {
			v = v*2/10 + v*2%10
		}
		sum += v
	}
	return sum%10 == 0
}

func FuzzContainsPAN(f *testing.F) {
	for _, card := range testCards {
		f.Add(card, "note ")
	}
	f.Add("4111 1111 1111 1111", "\xff１２３")
	f.Fuzz(func(t *testing.T, text, before string) {
		// What stands before, apart from the text by more than separators can bridge, hides nothing.
		if pii.ContainsPAN(text) && !pii.ContainsPAN(before+" | "+text) {
			t.Fatalf("%q is hidden behind %q", text, before)
		}
	})
}

func BenchmarkContainsPAN(b *testing.B) {
	for name, text := range map[string]string{
		"uuid":       "f47ac10b-58cc-4372-a567-0e02b2c3d479",
		"name":       "Maria Aparecida dos Santos",
		"user agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.127 Safari/537.36",
		"order":      "202603011234567890",
		"hostile":    strings.Repeat("4 ", 256),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				pii.ContainsPAN(text)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for name, parse := range map[string]func() error{
		"document": func() error { _, err := pii.ParseDocument("111.444.777-35"); return err },
		"email":    func() error { _, err := pii.ParseEmail("maria.santos@example.com.br"); return err },
		"phone":    func() error { _, err := pii.ParsePhone("+55 11 98765-4321"); return err },
		"name":     func() error { _, err := pii.ParseName("Maria Aparecida dos Santos"); return err },
		"ip":       func() error { _, err := pii.ParseIP("203.0.113.77"); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := parse(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
