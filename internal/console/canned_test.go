package console

import (
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/decision"
	"github.com/fastshop/pipeline/internal/payment"
)

// noon is a Tuesday in Brasília.
var noon = time.Date(2026, 11, 24, 15, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock(t time.Time) *clock { return &clock{now: t} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var cannedReasons = []Reason{
	{"CARD_TESTING", "Muitas tentativas de valor mínimo neste dispositivo", "Many tiny attempts on this device"},
	{"NEW_DEVICE_NEW_ADDRESS", "Dispositivo novo e endereço novo na mesma compra", "New device and new address in one purchase"},
	{"NIGHT_PIX_NEW_RECEIVER", "Pix noturno para recebedor nunca pago antes", "Night-time Pix to a receiver never paid before"},
	{"AMOUNT_ABOVE_HABIT", "Valor muito acima do hábito do cliente", "Amount far above the customer's habit"},
	{"TERMINAL_FRAUDS", "Terminal com fraudes confirmadas na semana", "Terminal with confirmed frauds this week"},
}

// cannedEvent is the n-th decision of a plausible day.
func cannedEvent(rnd *rand.Rand, n int, at time.Time) Event {
	e := Event{
		ID: "fs-canned-" + string(rune('a'+n%26)) + "-" + time.Duration(n).String(), At: at,
		Centavos: int64(math.Exp(9+rnd.NormFloat64())) + 190, Method: payment.Method(1 + rnd.IntN(3)),
		Channel: payment.Channel(1 + rnd.IntN(5)), Merchant: "m-00" + string(rune('1'+n%9)) + "42",
		Outcome: decision.Approve, Score: rnd.IntN(240), Path: decision.Async,
		Latency: time.Duration(math.Exp(14.2 + 0.5*rnd.NormFloat64())), Truth: Genuine,
	}
	if rnd.IntN(45) == 0 {
		e.Outcome = decision.Challenge + decision.Outcome(rnd.IntN(3))
		e.Score = 380 + 200*int(e.Outcome-decision.Challenge) + rnd.IntN(180)
		first := rnd.IntN(len(cannedReasons))
		e.Reasons = []Reason{cannedReasons[first]}
		if rnd.IntN(2) == 0 {
			e.Reasons = append(e.Reasons, cannedReasons[(first+1)%len(cannedReasons)])
		}
		if rnd.IntN(4) > 0 {
			e.Truth = Fraud
		}
	} else if rnd.IntN(200) == 0 {
		e.Truth = Fraud
	}
	return e
}

// fill plays five minutes that end at the clock's moment into a new feed.
func fill(c *clock, end time.Time) *Feed {
	rnd := rand.New(rand.NewPCG(1, 2))
	c.now = end.Add(-seriesSeconds * time.Second)
	feed := NewFeed(c.Now)
	n := 0
	for second := range seriesSeconds {
		rate := 60 + 25*math.Sin(float64(second)/40) + 12*rnd.NormFloat64()
		if second > 180 && second < 205 {
			rate += 45
		}
		for range int(math.Max(3, rate)) {
			n++
			feed.Publish(cannedEvent(rnd, n, c.Now()))
		}
		c.advance(time.Second)
	}
	return feed
}

// discard is a logger for tests that look at answers only.
var discard = slog.New(slog.DiscardHandler)

func openPage(feed *Feed, now func() time.Time) http.Handler {
	return Page(Config{Feed: feed, Access: Open, Now: now, Logger: discard, Demo: true, Version: "1.0.0"})
}

func TestCannedFeedIsFull(t *testing.T) {
	c := newClock(noon)
	snap := fill(c, noon).Snapshot(0, rowsPerKind)
	if len(snap.Events) != 2*rowsPerKind || snap.PerSecond < 20 || snap.P99 == 0 || snap.Detection.Frauds == 0 {
		t.Errorf("canned data is too thin: %d events, %.0f/s", len(snap.Events), snap.PerSecond)
	}
}
