package pii

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Email is an e-mail address. Its normal form is trimmed and in lower case on both sides of the @: RFC 5321 lets a
// mail server tell apart the cases of a local part, but none in use does, and a fraudster would use the difference.
type Email struct{ secret }

// MaxEmailLength is the length of the longest e-mail address, in bytes (RFC 5321, 4.5.3.1, with erratum 1690).
const MaxEmailLength = 254

const (
	maxLocalPart   = 64 // RFC 5321, 4.5.3.1.1
	maxDomainLabel = 63 // RFC 1035, 2.3.4
)

// ParseEmail reads an address in the dot-atom form of RFC 5321. Quoted local parts, address literals, comments and
// characters outside ASCII are refused; a domain with such characters can be written in its xn-- form.
func ParseEmail(text string) (Email, error) {
	text = strings.TrimSpace(text)
	if len(text) > MaxEmailLength {
		return Email{}, invalid("an e-mail address has at most %d characters", MaxEmailLength)
	}
	local, domain, ok := strings.Cut(text, "@")
	if !ok {
		return Email{}, invalid("an e-mail address has the form name@domain")
	}
	if !validLocalPart(local) {
		return Email{}, invalid("the part of the e-mail address before the @ is malformed")
	}
	if !validDomain(domain) {
		return Email{}, invalid("the domain of the e-mail address is malformed")
	}
	return Email{conceal(strings.ToLower(text))}, nil
}

func validLocalPart(local string) bool {
	if local == "" || len(local) > maxLocalPart || local[0] == '.' || local[len(local)-1] == '.' {
		return false
	}
	for i := range len(local) {
		c := local[i]
		switch {
		case asciiLetterOrDigit(c), strings.IndexByte("!#$%&'*+/=?^_`{|}~-", c) >= 0:
		case c == '.' && local[i-1] != '.':
		default:
			return false
		}
	}
	return true
}

func validDomain(domain string) bool {
	labels := 0
	label := ""
	for more := true; more; labels++ {
		label, domain, more = strings.Cut(domain, ".")
		if label == "" || len(label) > maxDomainLabel || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !asciiLetterOrDigit(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return labels >= 2 && len(label) >= 2 && !allDigits(label)
}

func asciiLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// Phone is a telephone number. Its normal form is E.164: +, country code, number, at most fifteen digits.
type Phone struct{ secret }

// ParsePhone reads a number with a country code (+55 11 98765-4321, +1 415 555 2671) or, without one, a Brazilian
// number with its area code ((11) 98765-4321, 011 3456-7890, 55 11 98765 4321). Spaces, hyphens, dots and
// parentheses are dropped. Brazilian numbers must have an area code that Anatel assigned and either nine digits that
// begin with 9, a mobile, or eight that begin with 2 to 5, a landline.
func ParsePhone(text string) (Phone, error) {
	number, ok := bareNumber(strings.TrimSpace(text))
	if !ok {
		return Phone{}, invalid("a phone number has digits, spaces, hyphens and parentheses, and a + at most in front")
	}
	if abroad, international := strings.CutPrefix(number, "+"); international {
		if national, brazilian := strings.CutPrefix(abroad, "55"); brazilian {
			return brazilianPhone(national)
		}
		if len(abroad) < 8 || len(abroad) > 15 || abroad[0] == '0' {
			return Phone{}, invalid("a phone number with country code has 8 to 15 digits and does not begin with 0")
		}
		return Phone{conceal(number)}, nil
	}
	switch {
	case len(number) >= 12 && strings.HasPrefix(number, "55"):
		number = number[2:]
	case strings.HasPrefix(number, "0"): // the trunk prefix
		number = number[1:]
	}
	return brazilianPhone(number)
}

func brazilianPhone(national string) (Phone, error) {
	mobile := len(national) == 11 && national[2] == '9'
	landline := len(national) == 10 && national[2] >= '2' && national[2] <= '5'
	if !mobile && !landline {
		return Phone{}, invalid("a Brazilian phone number has an area code and 9 digits from 9, or 8 from 2 to 5")
	}
	if !areaCode(national[0], national[1]) {
		return Phone{}, invalid("the area code of the phone number is not assigned in Brazil")
	}
	return Phone{conceal("+55" + national)}, nil
}

// areaCode reports whether Anatel has assigned the area code (Resolução 263/2001): second holds, for each first
// digit, the second digits in use.
func areaCode(first, second byte) bool {
	assigned := [10]string{
		1: "123456789", 2: "12478", 3: "1234578", 4: "123456789", 5: "1345",
		6: "123456789", 7: "134579", 8: "123456789", 9: "123456789",
	}
	return strings.IndexByte(assigned[first-'0'], second) >= 0
}

// bareNumber keeps the digits and a leading +.
func bareNumber(text string) (string, bool) {
	const longest = 32
	if len(text) > longest {
		return "", false
	}
	var buf [longest]byte
	out := buf[:0]
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c == '+' && len(out) == 0:
			out = append(out, c)
		case c == ' ', c == '-', c == '.', c == '(', c == ')':
		default:
			return "", false
		}
	}
	return string(out), true
}

// Name is a person's or a company's name. Its normal form is trimmed, with single spaces inside.
type Name struct{ secret }

// MaxNameLength is the length of the longest name, in bytes of UTF-8.
const MaxNameLength = 160

// ParseName reads a name of at least two characters, one of them a letter, without control characters. It does not
// fold case or accents: no token is made from a name.
func ParseName(text string) (Name, error) {
	if len(text) > MaxNameLength {
		return Name{}, invalid("a name has at most %d bytes", MaxNameLength)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return Name{}, invalid("a name has no control characters and is valid UTF-8")
	}
	text = singleSpaced(text)
	if utf8.RuneCountInString(text) < 2 || !strings.ContainsFunc(text, unicode.IsLetter) {
		return Name{}, invalid("a name has at least 2 characters and a letter")
	}
	return Name{conceal(text)}, nil
}

// singleSpaced trims text and shrinks inner white space to single spaces; text that is so already is not copied.
func singleSpaced(text string) string {
	otherSpace := func(r rune) bool { return r != ' ' && unicode.IsSpace(r) }
	if !strings.Contains(text, "  ") && !strings.ContainsFunc(text, otherSpace) {
		return strings.Trim(text, " ")
	}
	return strings.Join(strings.Fields(text), " ")
}
