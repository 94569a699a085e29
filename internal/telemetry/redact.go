package telemetry

import (
	"net/netip"
	"strings"
)

// redact replaces what looks like personal data in s. It returns s itself, without
// allocating, when there is nothing to replace.
func redact(s string) string {
	var out strings.Builder
	copied := 0
	for i := 0; i < len(s); {
		start, end := i, 0
		switch c := s[i]; {
		case c == '@':
			start, end = email(s, i, copied)
		case c == '+':
			end = international(s, i)
		case word(c) || c == ':':
			if i == 0 || !word(s[i-1]) || c == ':' || digit(c) && !digit(s[i-1]) {
				end = identifier(s, i)
			}
		}
		if end <= i {
			i++
			continue
		}
		out.WriteString(s[copied:start])
		out.WriteString(Redacted)
		copied, i = end, end
	}
	if copied == 0 {
		return s
	}
	out.WriteString(s[copied:])
	return out.String()
}

// identifier returns the end of the longest identifier that starts at s[i], or 0.
func identifier(s string, i int) int {
	end := address(s, i)
	end = max(end, company(s, i))
	if digit(s[i]) {
		end = max(end, number(s, i, true))
	}
	return end
}

// looksLikeNumber reports whether the decimal text of a number is a CPF, a CNPJ or a card number.
func looksLikeNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	return text != "" && digit(text[0]) && number(text, 0, false) > 0
}

// email finds the address around the @ at s[at], looking back no further than from.
func email(s string, at, from int) (start, end int) {
	start, end = at, at+1
	for start > from && mailbox(s[start-1]) {
		start--
	}
	for end < len(s) && (word(s[end]) || s[end] == '.' || s[end] == '-' || s[end] >= 0x80) {
		end++
	}
	if start == at || end == at+1 {
		return at, 0
	}
	return start, end
}

// mailbox reports whether c may stand before the @: more than RFC 5322's atoms, so
// that no part of a name stays behind.
func mailbox(c byte) bool {
	return word(c) || c >= 0x80 || strings.IndexByte(".!#$%&*+/?^{|}~-", c) >= 0
}

// international returns the end of a phone number written with a plus sign: 8 to 15 digits (E.164).
func international(s string, plus int) int {
	var digits [maxDigits + 1]byte
	n, end := 0, 0
	for i := plus + 1; i < len(s) && n <= maxDigits; {
		if digit(s[i]) {
			digits[n] = s[i]
			n, i = n+1, i+1
			if n >= 8 {
				end = i
			}
			continue
		}
		next := skipSeparators(s, i)
		if next == i || next >= len(s) || !digit(s[next]) {
			break
		}
		i = next
	}
	if n > 15 {
		return 0 // too long for a phone; number() looks at it next
	}
	return end
}

// maxDigits is the length of the longest identifier made of digits: a card number.
const maxDigits = 19

// number returns the end of the longest CPF, CNPJ, card or phone number that starts
// at the digit s[i] and ends with a run of digits, or 0. Runs may be separated by
// one or two separators, as in "(11) 98765-4321".
func number(s string, i int, phones bool) int {
	var digits [maxDigits]byte
	n, end := 0, 0
	for i < len(s) {
		for i < len(s) && digit(s[i]) {
			if n == maxDigits {
				return end
			}
			digits[n] = s[i]
			n, i = n+1, i+1
		}
		if d := digits[:n]; isCPF(d) || isCNPJ(d) || isCard(d) || phones && isPhone(d) {
			end = i
		}
		next := skipSeparators(s, i)
		if next == i || next >= len(s) || !digit(s[next]) {
			return end
		}
		i = next
	}
	return end
}

// skipSeparators skips at most two characters that people write inside numbers.
func skipSeparators(s string, i int) int {
	for range 2 {
		switch {
		case i < len(s) && strings.IndexByte(" \t.-/()_", s[i]) >= 0:
			i++
		case strings.HasPrefix(s[min(i, len(s)):], "\u00a0"):
			i += 2
		}
	}
	return i
}

// company returns the end of an alphanumeric CNPJ at s[i], bare or as 2.3.3/4-2, or
// 0 (IN RFB 2.229/2024). One of digits alone is number's.
func company(s string, i int) int {
	var digits [14]byte
	n, j := 0, i
	for j < len(s) && n < len(digits) {
		c := s[j]
		switch {
		case digit(c) || c >= 'A' && c <= 'Z':
			digits[n] = c
			n++
		case c >= 'a' && c <= 'z':
			digits[n] = c - 'a' + 'A'
			n++
		case (n == 2 || n == 5) && c == '.' || n == 8 && c == '/' || n == 12 && c == '-':
		default:
			return 0
		}
		j++
	}
	if n < len(digits) || j < len(s) && word(s[j]) || !isCNPJ(digits[:]) {
		return 0
	}
	return j
}

// address returns the end of the IP address at s[i], or 0. Loopback and unspecified
// addresses name no one and stay: they are what the program listens on.
func address(s string, i int) int {
	end := i
	for end < len(s) && end-i < 64 && (hexDigit(s[end]) || s[end] == ':' || s[end] == '.') {
		end++
	}
	for end > i { // a colon or full stop of the sentence, or a port
		if a, err := netip.ParseAddr(s[i:end]); err == nil {
			if a.IsLoopback() || a.IsUnspecified() || a.Is6() && end < len(s) && letter(s[end]) {
				return 0 // the last: part of a word, such as std::address
			}
			return end
		}
		cut := strings.LastIndexAny(s[i:end], ":.")
		if cut < 0 {
			return 0
		}
		end = i + cut
	}
	return 0
}

func isCPF(d []byte) bool {
	if len(d) != 11 {
		return false
	}
	return !uniform(d) && checkDigit(d[:9], 10) == d[9] && checkDigit(d[:10], 11) == d[10]
}

func isCNPJ(d []byte) bool {
	if len(d) != 14 || !digit(d[12]) || !digit(d[13]) || uniform(d) {
		return false
	}
	return checkDigit(d[:12], 9) == d[12] && checkDigit(d[:13], 9) == d[13]
}

// uniform reports whether d repeats one character; such documents have valid check digits and are never issued.
func uniform(d []byte) bool {
	for _, c := range d {
		if c != d[0] {
			return false
		}
	}
	return true
}

// checkDigit is the mod 11 check digit of CPF and CNPJ. Weights run from 2 at the
// right up to top and then start again; a character counts as its ASCII code less 48.
func checkDigit(d []byte, top int) byte {
	sum, weight := 0, 2
	for i := len(d) - 1; i >= 0; i-- {
		sum += int(d[i]-'0') * weight
		if weight++; weight > top {
			weight = 2
		}
	}
	if r := sum % 11; r >= 2 {
		return byte('0' + 11 - r)
	}
	return '0'
}

// isCard reports whether d is a card number: 13 to 19 digits, issued by one of the
// payment brands (ISO/IEC 7812 major industries 2 to 6), with Luhn's check digit.
func isCard(d []byte) bool {
	if len(d) < 13 || len(d) > maxDigits || d[0] < '2' || d[0] > '6' {
		return false
	}
	sum := 0
	for i, c := range d {
		v := int(c - '0')
		if (len(d)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// isPhone reports whether d is a Brazilian number with its area code, with or
// without country code or trunk prefix: a mobile (11 digits, 9 first) or a landline.
func isPhone(d []byte) bool {
	if len(d) >= 12 && d[0] == '5' && d[1] == '5' {
		d = d[2:]
	}
	if len(d) >= 11 && d[0] == '0' {
		d = d[1:]
	}
	if len(d) < 10 || !areaCode(d[0], d[1]) {
		return false
	}
	return len(d) == 11 && d[2] == '9' || len(d) == 10 && d[2] >= '2' && d[2] <= '5'
}

// areaCode reports whether the two digits are in use (Anatel's plan, DDD).
func areaCode(a, b byte) bool {
	switch a {
	case '2':
		return b == '1' || b == '2' || b == '4' || b == '7' || b == '8'
	case '3':
		return b >= '1' && b <= '5' || b == '7' || b == '8'
	case '5':
		return b == '1' || b >= '3' && b <= '5'
	case '7':
		return b == '1' || b >= '3' && b <= '5' || b == '7' || b == '9'
	}
	return a != '0' && b != '0'
}

func digit(c byte) bool    { return c >= '0' && c <= '9' }
func letter(c byte) bool   { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func hexDigit(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func word(c byte) bool     { return letter(c) || digit(c) || c == '_' }
