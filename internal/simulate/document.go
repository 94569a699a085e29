package simulate

// Two registers issue the documents: the CPF of a person and the CNPJ of a company.
// The check digits are computed here, apart from package pii, so that the
// generator and the validator cannot share a mistake.

// document is a CPF (11) or CNPJ (14) without punctuation.
type document struct {
	text [14]byte
	len  uint8
}

func (d *document) bytes() []byte { return d.text[:d.len] }

// The serials of documents run through a full cycle of an affine map, so that they are
// distinct and look unordered. The factor has no common divisor with the moduli (2, 3, 5 and 13 do not divide it).
const (
	serials       = 100_000_000                // of a CPF, or of a CNPJ of digits: eight digits
	letterSerials = 26 * 36 * 36 * 36 * 10_000 // of an alphanumeric CNPJ: a letter, three of either, four digits
	affineFactor  = 61_803_397
)

// makeCPF returns the CPF number n of the fiscal region, an ASCII digit. Equal n give
// equal serials, different n below 10⁸ different CPFs.
func makeCPF(seed, n uint64, region byte) document {
	serial := (n*affineFactor + seed%serials) % serials
	d := document{len: 11}
	appendDigits(d.text[:0], serial, 8)
	d.text[8] = region
	d.text[9] = cpfDigit(d.text[:9])
	d.text[10] = cpfDigit(d.text[:10])
	if allEqual(d.text[:11]) { // never issued
		d.text[8] = '0' + (region-'0'+1)%10
		d.text[9] = cpfDigit(d.text[:9])
		d.text[10] = cpfDigit(d.text[:10])
	}
	return d
}

func cpfDigit(digits []byte) byte {
	sum := 0
	for i, c := range digits {
		sum += int(c-'0') * (len(digits) + 1 - i)
	}
	return mod11(sum)
}

func mod11(sum int) byte {
	if r := sum % 11; r >= 2 {
		return byte('0' + 11 - r)
	}
	return '0'
}

func allEqual(b []byte) bool {
	for _, c := range b {
		if c != b[0] {
			return false
		}
	}
	return true
}

// makeCNPJ returns the CNPJ number n: alphanumeric, as issued since July 2026
// (IN RFB 2.229/2024), or of digits only. A CNPJ of digits whose fourteen digits would
// also pass as a card number gets the next branch number.
func makeCNPJ(seed, n uint64, alphanumeric bool) document {
	d := document{len: 14}
	if alphanumeric {
		serial := (n*affineFactor + seed%letterSerials) % letterSerials
		appendDigits(d.text[4:4], serial%10_000, 4)
		serial /= 10_000
		for i := 3; i >= 1; i-- {
			d.text[i] = base36(serial % 36)
			serial /= 36
		}
		d.text[0] = byte('A' + serial)
	} else {
		appendDigits(d.text[:0], (n*affineFactor+seed%serials)%serials, 8)
	}
	for branch := byte('1'); ; branch++ {
		copy(d.text[8:], "000")
		d.text[11] = branch
		d.text[12] = cnpjDigit(d.text[:12])
		d.text[13] = cnpjDigit(d.text[:13])
		if alphanumeric || !luhn(d.text[:14]) {
			return d
		}
	}
}

func base36(v uint64) byte {
	if v < 10 {
		return byte('0' + v)
	}
	return byte('A' + v - 10)
}

// cnpjDigit weighs the characters, valued ASCII − 48, by 2 to 9 from the right, again and again.
func cnpjDigit(chars []byte) byte {
	sum, weight := 0, 2
	for i := len(chars) - 1; i >= 0; i-- {
		sum += int(chars[i]-'0') * weight
		if weight++; weight > 9 {
			weight = 2
		}
	}
	return mod11(sum)
}

// luhn reports whether digits pass the check of card numbers (ISO/IEC 7812-1, annex B).
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		v := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}
