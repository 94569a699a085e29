package payment

import "strconv"

// FormatBRL writes a sum of centavos as Brazilians do, with an ordinary space: 123456 is "R$ 1.234,56", -5 is
// "-R$ 0,05".
func FormatBRL(centavos int64) string {
	sign, n := "", uint64(centavos)
	if centavos < 0 {
		sign, n = "-", -n // two's complement: right for the smallest int64 as well
	}
	reais := strconv.FormatUint(n/100, 10)
	out := make([]byte, 0, len(sign)+len("R$ ,00")+len(reais)*4/3)
	out = append(out, sign...)
	out = append(out, "R$ "...)
	for i := range len(reais) {
		if i > 0 && (len(reais)-i)%3 == 0 {
			out = append(out, '.')
		}
		out = append(out, reais[i])
	}
	return string(append(out, ',', '0'+byte(n/10%10), '0'+byte(n%10)))
}
