package payment

import "time"

// MaxIDLength is the length of the longest transaction id.
const MaxIDLength = 64

// ValidID reports whether id can name a transaction, a merchant or a terminal: 1 to 64 of [A-Za-z0-9._:-]. The
// alphabet is one that needs no escaping in a URL path, a log line or a CSV field.
func ValidID(id string) bool {
	if id == "" || len(id) > MaxIDLength {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case alphanumeric(c), c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// ValidBIN reports whether bin is an issuer identification number as ISO/IEC 7812-1 has it: 8 digits since 2017, or
// the 6 that came before.
func ValidBIN(bin string) bool { return (len(bin) == 6 || len(bin) == 8) && digits(bin) }

// ValidLast4 reports whether text is four digits: the most of a card's end that may be shown (PCI DSS 4.0.1, 3.4.1).
func ValidLast4(text string) bool { return len(text) == 4 && digits(text) }

// ValidMCC reports whether mcc has the form of an ISO 18245 merchant category code: 4 digits.
func ValidMCC(mcc string) bool { return len(mcc) == 4 && digits(mcc) }

// endToEndLength is E, the ISPB of the institution that started the Pix, the minute in UTC, and 11 characters.
const endToEndLength = 1 + 8 + len(endToEndMinute) + 11

const endToEndMinute = "200601021504"

// ValidEndToEndID reports whether id is a Pix end-to-end identification (Banco Central, pix-api 2.9.0): E, an ISPB of
// 8 letters or digits (alphanumeric since 2026), yyyyMMddHHmm of a moment that exists, and 11 letters or digits.
func ValidEndToEndID(id string) bool {
	if len(id) != endToEndLength || id[0] != 'E' || !alphanumerics(id[1:]) {
		return false
	}
	// The layout has digits only where the text has, so that Parse accepts nothing but twelve digits here.
	_, err := time.Parse(endToEndMinute, id[9:9+len(endToEndMinute)])
	return err == nil
}

// ValidTxID reports whether id is the txid of a Pix charge: 26 to 35 letters or digits (Banco Central, pix-api 2.9.0).
func ValidTxID(id string) bool { return len(id) >= 26 && len(id) <= 35 && alphanumerics(id) }

func digit(c byte) bool { return c >= '0' && c <= '9' }

func alphanumeric(c byte) bool {
	return digit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func digits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return true
}

func alphanumerics(s string) bool {
	for i := range len(s) {
		if !alphanumeric(s[i]) {
			return false
		}
	}
	return true
}
