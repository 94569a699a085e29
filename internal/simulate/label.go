package simulate

import (
	"container/heap"
	"math"
	"time"
)

// due is a label on its way.
type due struct {
	at      int64 // Unix ms, when it becomes known
	tx      uint64
	verdict Verdict
	source  Source
}

type dueHeap []due

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].tx < h[j].tx
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// Shares of frauds that are found out, by way; the rest is never labeled.
const (
	analystShare    = 0.05 // an analyst calls the customer within days
	reportShare     = 0.12 // the victim or the issuer tells the shop
	chargebackShare = 0.68 // the issuer returns a card payment
	testChargeback  = 0.35 // … of a few reais, which many victims never notice
	medShare        = 0.60 // the payer's bank asks back a Pix
	genuineShare    = 0.002
)

// learn schedules what will become known about transaction tx, if anything.
func (s *Shop) learn(tx uint64, a *attempt) {
	d := due{tx: tx, verdict: Fraud}
	u := s.rnd.Float64()
	if a.scenario == ordinary {
		if u >= genuineShare {
			return
		}
		d.verdict, d.source, d.at = Genuine, Disposition, a.at+s.between(2*hourMS, 3*dayMS)
		heap.Push(&s.labels, d)
		return
	}
	late := chargebackShare
	switch {
	case a.scenario == cardTesting && a.centavos < 20_00:
		late = testChargeback
	case a.method == byPix:
		late = medShare
	case a.method == byBoleto:
		late = 0
	}
	switch {
	case u < analystShare:
		d.source, d.at = Disposition, a.at+s.between(2*hourMS, 3*dayMS)
	case u < analystShare+reportShare:
		d.source, d.at = Report, a.at+s.between(hourMS, 5*dayMS)
	case u < analystShare+reportShare+late && a.method == byPix:
		d.source, d.at = PixMED, a.at+s.medDelay()
	case u < analystShare+reportShare+late:
		d.source, d.at = Chargeback, a.at+s.chargebackDelay()
	default:
		return
	}
	heap.Push(&s.labels, d)
}

// between is uniform in [lo, hi) milliseconds.
func (s *Shop) between(lo, hi int64) int64 { return lo + s.rnd.Int64N(hi-lo) }

// chargebackDelay is 5 to 40 days, half of them within 12: victims look at their
// bill once a month, but the banks' apps tell some at once.
func (s *Shop) chargebackDelay() int64 {
	return 5*dayMS + int64(35*math.Pow(s.rnd.Float64(), 2.2)*float64(dayMS))
}

// medDelay is 2 hours to 10 days, log-uniform: the victim calls the bank, and the
// banks have seven days to analyze (Resolução BCB 103/2021 and later).
func (s *Shop) medDelay() int64 {
	return int64(2 * float64(hourMS) * math.Pow(120, s.rnd.Float64()))
}

func (s *Shop) labelItem(d due) Item {
	at := time.UnixMilli(d.at).UTC()
	id := s.transactionID(d.tx)
	return Item{At: at, ID: id, Label: &Label{TransactionID: id, Verdict: d.verdict, Source: d.source, KnownAt: at}}
}
