package pii

import "unicode/utf8"

const (
	panShortest = 13
	panLongest  = 19 // ISO/IEC 7812-1
)

// maxSeparators is how many separators in a row may stand between two digits of one card number: " - " is three.
const maxSeparators = 3

// ContainsPAN reports whether text seems to hold a payment card number: 13 to 19 digits, bare or with spaces, dashes,
// dots, underscores or invisible characters between them, that pass the Luhn check (ISO/IEC 7812-1, annex B) and
// begin and are as long as the numbers of an issuer do. Full-width digits count as digits.
//
// A number must begin where a group of digits begins and end where one ends, so that "4111 1111 1111 1111 12/28" is
// found and the middle of a long order number is not looked at. A card number run together with other digits is
// therefore missed. Words in the form of a UUID or of a digest (32, 40 or 64 hexadecimal digits) are not looked into:
// one random UUID in 3,000 would hold what looks like a card number.
//
// Of random strings of digits it takes for a card number, by length: 13: 1.0 %, 14: 0.4 %, 15: 0.2 %, 16: 2.7 %,
// 17 and 18: 0.3 %, 19: 1.7 %, others: none; of four groups of four: 2.7 % (measured by TestFalsePositives). A Brazilian
// phone number with its country code has 13 digits that begin with 55, a moment in milliseconds 13 that begin with 1,
// a date and a counter begin with 20: none of these is ever taken for one.
//
// It holds nothing but the last 19 digits, allocates nothing, and takes time linear in the text.
func ContainsPAN(text string) bool {
	if !manyDigits(text) {
		return false
	}
	var d panDetector
	for i := 0; i < len(text); {
		c, size := rune(text[i]), 1
		if hexadecimal(text[i]) {
			if n := opaqueWord(text, i); n > 0 {
				c, size = 'x', n
			}
		}
		switch {
		case c >= utf8.RuneSelf:
			c, size = utf8.DecodeRuneInString(text[i:])
		case d.count == 0 && (c < '0' || c > '9'): // most of any text
			i += size
			continue
		}
		i += size
		if d.take(c) {
			return true
		}
	}
	return d.groupEnds()
}

// manyDigits is the quick way out: it reports whether text could have the digits of a card number at all.
func manyDigits(text string) bool {
	if len(text) < panShortest {
		return false
	}
	n := 0
	for i := range len(text) {
		// A full-width digit has three bytes, each at or above RuneSelf; counting all of those errs on the safe side.
		if c := text[i]; c >= '0' && c <= '9' || c >= utf8.RuneSelf {
			if n++; n == panShortest {
				return true
			}
		}
	}
	return false
}

// opaqueWord is the length of the UUID or digest that begins at text[i] as a word of its own, or 0.
func opaqueWord(text string, i int) int {
	const uuid = len("f47ac10b-58cc-4372-a567-0e02b2c3d479")
	if len(text)-i < 32 || i > 0 && asciiLetterOrDigit(text[i-1]) {
		return 0
	}
	n := 0
	for i+n < len(text) && hexadecimal(text[i+n]) {
		n++
	}
	if n == 8 && isUUID(text[i:min(i+uuid, len(text))]) {
		n = uuid
	}
	whole := i+n == len(text) || !asciiLetterOrDigit(text[i+n])
	if whole && (n == 32 || n == uuid || n == 40 || n == 64) {
		return n
	}
	return 0
}

// isUUID reports whether text has the form of RFC 9562, section 4.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash && text[i] != '-' || !dash && !hexadecimal(text[i]) {
			return false
		}
	}
	return true
}

func hexadecimal(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// panDetector reads a text and remembers the digits of the run it is in: a ring of the last ones, and a bit per digit
// that says whether it begins a group, the latest digit in bit 0.
type panDetector struct {
	ring       [32]byte // a power of two above panLongest
	count      int      // digits in the run
	begins     uint32
	separators int // since the last digit
}

// take reads one character and reports whether a card number ended before it.
func (d *panDetector) take(c rune) bool {
	if c >= '０' && c <= '９' {
		c = c - '０' + '0'
	}
	switch {
	case c >= '0' && c <= '9':
		begins := uint32(0)
		if d.count == 0 || d.separators > 0 {
			begins = 1
		}
		d.ring[d.count%len(d.ring)] = byte(c - '0')
		d.count++
		d.begins = d.begins<<1 | begins
		d.separators = 0
		return false
	case d.count == 0:
		return false
	case panSeparator(c):
		d.separators++
		if d.separators == 1 {
			return d.groupEnds()
		}
		if d.separators > maxSeparators {
			d.count, d.begins, d.separators = 0, 0, 0
		}
		return false
	default:
		found := d.separators == 0 && d.groupEnds()
		d.count, d.begins, d.separators = 0, 0, 0
		return found
	}
}

// groupEnds reports whether a card number ends with the latest digit, which must be the last of its group.
func (d *panDetector) groupEnds() bool {
	for length := panShortest; length <= min(d.count, panLongest); length++ {
		if d.begins>>(length-1)&1 == 1 && d.luhn(length) && d.issued(length) {
			return true
		}
	}
	return false
}

// back is the digit that is n places before the latest one.
func (d *panDetector) back(n int) int { return int(d.ring[(d.count-1-n)%len(d.ring)]) }

// luhn checks the last length digits: from the right, every second one is doubled and its digits added.
func (d *panDetector) luhn(length int) bool {
	sum := 0
	for n := range length {
		v := d.back(n)
		if n%2 == 1 {
			v *= 2
			if v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// issued reports whether a card scheme issues numbers that begin like the last length digits and are as long.
func (d *panDetector) issued(length int) bool {
	prefix := 0
	for n := range 6 {
		prefix = prefix*10 + d.back(length-1-n)
	}
	for _, r := range issuerRanges {
		if prefix >= r.first && prefix <= r.last && r.lengths>>length&1 == 1 {
			return true
		}
	}
	return false
}

// issuerRange are the first six digits of one scheme's numbers and their lengths, a bit per length.
type issuerRange struct {
	first, last int
	lengths     uint32
}

// Sets of lengths that several schemes share.
const (
	only15 uint32 = 1 << 15
	only16 uint32 = 1 << 16
	from16 uint32 = 1<<16 | 1<<17 | 1<<18 | 1<<19
	any13  uint32 = 1<<13 | 1<<14 | 1<<15 | from16
	visa   uint32 = 1<<13 | 1<<16 | 1<<19
	diners uint32 = 1<<14 | 1<<16 | 1<<19
	aura   uint32 = 1<<16 | 1<<19
)

// issuerRanges follow the schemes' published ranges, with those of Brazil's own schemes. Visa's 13 digits are obsolete
// and stay in, because old data has them.
var issuerRanges = [...]issuerRange{
	{400000, 499999, visa},   // Visa, and the Elo ranges inside
	{510000, 559999, only16}, // Mastercard
	{222100, 272099, only16},
	{340000, 349999, only15}, // American Express
	{370000, 379999, only15},
	{300000, 305999, diners}, // Diners Club
	{309500, 309599, diners},
	{360000, 369999, diners},
	{380000, 399999, diners}, // also Hipercard's 3841
	{352800, 358999, from16}, // JCB
	{606282, 606282, visa},   // Hipercard
	{637095, 637095, only16},
	{637568, 637568, only16},
	{637599, 637612, only16},
	{504175, 504175, only16}, // Elo
	{506699, 506778, only16},
	{509000, 509999, only16},
	{627780, 627780, only16},
	{636297, 636368, only16},
	{507860, 507861, aura},  // Aura
	{501800, 501899, any13}, // Maestro
	{502000, 502099, any13},
	{503800, 503899, any13},
	{589300, 589399, any13},
	{630400, 630499, any13},
	{675900, 675999, any13},
	{676100, 676399, any13},
	{601100, 601199, from16}, // Discover
	{644000, 659999, from16}, // Discover, and the Elo ranges inside
	{620000, 629999, from16}, // UnionPay
}

// panSeparator reports whether c may stand between two digits of one number.
func panSeparator(c rune) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '-', '.', '_', '\u00a0', '\u00ad', '\u00b7', '\u202f', '\u2212', '\u3000', '\u2060', '\ufeff':
		return true
	}
	return c >= '\u2000' && c <= '\u2015' // spaces, zero-width characters, hyphens and dashes
}
