package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// count writes n with thousands separated by commas.
func count(n int) string {
	digits := strconv.Itoa(max(n, -n))
	var b strings.Builder
	if n < 0 {
		b.WriteString("−")
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// percent writes a share with three digits that count, so that a rare thing is not 0.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p >= 99.95:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.1:
		return strconv.FormatFloat(p, 'g', 2, 64) + " %"
	case p < 10:
		return fmt.Sprintf("%.2f %%", p)
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}

// figure writes a share without unit.
func figure(v float64) string { return fmt.Sprintf("%.3f", v) }

// money writes centavos as reais: whole ones if there are many.
func money(centavos float64) string {
	reais := centavos / 100
	if math.Abs(reais) >= 100 {
		return sign(reais) + "R$ " + count(int(math.Round(math.Abs(reais))))
	}
	return sign(reais) + fmt.Sprintf("R$ %.2f", math.Abs(reais))
}

func sign(v float64) string {
	if v < 0 {
		return "−"
	}
	return ""
}

// signed writes a difference.
func signed(n int) string {
	if n > 0 {
		return "+" + count(n)
	}
	return count(n)
}

func signedMoney(centavos float64) string {
	if centavos > 0 {
		return "+" + money(centavos)
	}
	return money(centavos)
}
