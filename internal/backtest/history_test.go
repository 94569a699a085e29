package backtest

import (
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

func TestAHistoryIsHeardOfUntilItsLastPaymentOrLabel(t *testing.T) {
	noon := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	paid := func(hours int) Case {
		return Case{Transaction: &payment.Transaction{OccurredAt: noon.Add(time.Duration(hours) * time.Hour)}}
	}
	h := []Case{paid(0), paid(1), paid(5)}
	h[1].Fraud, h[1].KnownAt = true, noon.Add(2*time.Hour)
	if got := Heard(h); got != noon.Add(5*time.Hour) {
		t.Errorf("with a label before the last payment: %v", got)
	}
	h[0].KnownAt = noon.Add(9 * time.Hour) // that it was genuine
	if got := Heard(h); got != noon.Add(9*time.Hour) {
		t.Errorf("with a label after the last payment: %v", got)
	}
	for at, want := range map[time.Duration]bool{0: false, 3 * time.Hour: false, 3*time.Hour + 1: true, 9 * time.Hour: true} {
		if got := h[1].Settled(noon.Add(at), 2*time.Hour+1); got != want {
			t.Errorf("an hour's payment after %v is settled: %t", at, got)
		}
	}
}
