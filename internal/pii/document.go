package pii

// CPF is a person's taxpayer number. Its normal form is eleven digits.
type CPF struct{ secret }

// CNPJ is a company's register number, numeric or, since July 2026, alphanumeric (IN RFB 2.229/2024). Its normal form
// is twelve of [0-9A-Z] and two check digits.
type CNPJ struct{ secret }

// Document is a CPF or a CNPJ, whichever the customer gave.
type Document struct{ secret }

const (
	cpfLength  = 11
	cnpjLength = 14
)

// ParseCPF reads a CPF with or without its punctuation (111.444.777-35, 11144477735). It refuses wrong check digits
// and eleven equal digits, which have right ones but are never issued.
func ParseCPF(text string) (CPF, error) {
	bare, ok := bareDocument(text)
	if !ok || len(bare) != cpfLength || !allDigits(bare) {
		return CPF{}, invalid("a CPF has 11 digits")
	}
	if allEqual(bare) {
		return CPF{}, invalid("a CPF with 11 equal digits is never issued")
	}
	first, second := checkDigits(bare[:cpfLength-2], cpfWeight)
	if bare[cpfLength-2] != first || bare[cpfLength-1] != second {
		return CPF{}, invalid("the check digits of the CPF do not match")
	}
	return CPF{conceal(bare)}, nil
}

// ParseCNPJ reads a CNPJ with or without its punctuation (12.ABC.345/01DE-35), letters in either case. It refuses
// wrong check digits and fourteen equal digits.
func ParseCNPJ(text string) (CNPJ, error) {
	bare, ok := bareDocument(text)
	if !ok || len(bare) != cnpjLength || !allDigits(bare[cnpjLength-2:]) {
		return CNPJ{}, invalid("a CNPJ has 12 letters or digits and 2 check digits")
	}
	if allEqual(bare) {
		return CNPJ{}, invalid("a CNPJ with 14 equal digits is never issued")
	}
	first, second := checkDigits(bare[:cnpjLength-2], cnpjWeight)
	if bare[cnpjLength-2] != first || bare[cnpjLength-1] != second {
		return CNPJ{}, invalid("the check digits of the CNPJ do not match")
	}
	return CNPJ{conceal(bare)}, nil
}

// ParseDocument reads a CPF or a CNPJ: eleven letters or digits are taken for the former, all else for the latter.
func ParseDocument(text string) (Document, error) {
	if bare, ok := bareDocument(text); ok && len(bare) == cpfLength {
		cpf, err := ParseCPF(bare)
		return Document(cpf), err
	} else if !ok || len(bare) != cnpjLength {
		return Document{}, invalid("a document is a CPF of 11 digits or a CNPJ of 14 letters and digits")
	}
	cnpj, err := ParseCNPJ(text)
	return Document(cnpj), err
}

// CompleteCPF appends the two check digits to the nine digits that begin a CPF. It is for makers of test data.
func CompleteCPF(base string) (CPF, error) {
	if len(base) != cpfLength-2 || !allDigits(base) {
		return CPF{}, invalid("a CPF begins with 9 digits")
	}
	first, second := checkDigits(base, cpfWeight)
	return ParseCPF(base + string([]byte{first, second}))
}

// CompleteCNPJ appends the two check digits to the twelve letters and digits that begin a CNPJ. It is for makers of
// test data.
func CompleteCNPJ(base string) (CNPJ, error) {
	bare, ok := bareDocument(base)
	if !ok || len(bare) != cnpjLength-2 {
		return CNPJ{}, invalid("a CNPJ begins with 12 letters or digits")
	}
	first, second := checkDigits(bare, cnpjWeight)
	return ParseCNPJ(bare + string([]byte{first, second}))
}

// FiscalRegion is the ninth digit: where the taxpayer was registered. It is 0 to 9, and 0 for the zero CPF.
func (c CPF) FiscalRegion() uint8 {
	if c.IsZero() {
		return 0
	}
	return c.Reveal()[8] - '0'
}

// CPF returns the document as a CPF and whether it is one.
func (d Document) CPF() (CPF, bool) {
	if len(d.Reveal()) != cpfLength {
		return CPF{}, false
	}
	return CPF(d), true
}

// IsCNPJ reports whether the document is a CNPJ.
func (d Document) IsCNPJ() bool { return len(d.Reveal()) == cnpjLength }

// cpfWeight and cnpjWeight are the weight of the character that stands fromEnd places before the check digit: 2, 3,
// 4 … without end for a CPF, 2 to 9 over and over for a CNPJ.
func cpfWeight(fromEnd int) int  { return fromEnd + 1 }
func cnpjWeight(fromEnd int) int { return (fromEnd-1)%8 + 2 }

// checkDigits computes both check digits of base: the weighted sum modulo 11, where remainders 0 and 1 give 0 and any
// other is taken from 11. A character counts as its ASCII code minus 48 (IN RFB 2.229/2024), which is a digit's value.
func checkDigits(base string, weight func(fromEnd int) int) (first, second byte) {
	sum1, sum2 := 0, 0
	for i := range len(base) {
		value := int(base[i] - '0')
		sum1 += value * weight(len(base)-i)
		sum2 += value * weight(len(base)-i+1)
	}
	first = checkDigit(sum1)
	return first, checkDigit(sum2 + int(first-'0')*weight(1))
}

func checkDigit(sum int) byte {
	if r := sum % 11; r >= 2 {
		return '0' + byte(11-r)
	}
	return '0'
}

// bareDocument removes the punctuation of documents and puts letters in upper case. It fails on any other character
// and on a text too long for a punctuated CNPJ.
func bareDocument(text string) (string, bool) {
	const longest = len("12.ABC.345/01DE-35") + 2 // a space around it
	if len(text) > longest {
		return "", false
	}
	clean := true
	var buf [longest]byte
	out := buf[:0]
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z':
			out = append(out, c)
		case c >= 'a' && c <= 'z':
			out, clean = append(out, c-'a'+'A'), false
		case c == '.', c == '-', c == '/', c == ' ':
			clean = false
		default:
			return "", false
		}
	}
	if clean {
		return text, true
	}
	return string(out), true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func allEqual(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			return false
		}
	}
	return true
}
