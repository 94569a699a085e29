package velocitytest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/velocity"
	"pgregory.net/rapid"
)

// random runs short random histories in which everything collides: few tokens, and times that sit on the edges of
// windows, in and out of order.
func random(t *testing.T, open func(t *testing.T, plan velocity.Plan, o velocity.Options) Windows) {
	all := velocity.All()
	rapid.Check(t, func(rt *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		var p velocity.Plan
		for _, i := range r.Perm(len(all))[:rapid.IntRange(1, 60).Draw(rt, "features")] {
			p = append(p, all[i])
		}
		bounded := rapid.Bool().Draw(rt, "bounded")
		o := velocity.Options{}
		if bounded {
			o = tight(r)
		}
		g := &generator{Rand: r, bounded: bounded, book: newBook(rt, open(t, p, o), p, o)}
		steps := rapid.IntRange(1, 60).Draw(rt, "steps")
		for range steps {
			g.step()
		}
	})
}

// tight returns options whose bounds are hit all the time. The bound on events cannot be less than 128.
func tight(r *rand.Rand) velocity.Options {
	return velocity.Options{
		LabelMaturity:     time.Duration(1+r.IntN(10*86400)) * time.Second,
		ProfileHorizon:    time.Duration(38+r.IntN(30)) * 24 * time.Hour,
		MaxCounterparts:   1 + r.IntN(3),
		MaxDistinct:       1 + r.IntN(4),
		MaxDistinctEvents: 1 + r.IntN(8),
		MaxEvents:         128 + r.IntN(60),
	}
}

// generator makes one random history.
type generator struct {
	*rand.Rand
	book    *book
	bounded bool
	now     int // seconds after start
	ids     int
}

func (g *generator) pick(values ...int) int { return values[g.IntN(len(values))] }

func (g *generator) step() {
	g.now += g.pick(0, 0, 0, 1, 1, 59, 60, 61, 299, 300, 1800, 3599, 3600, 3601, 7200, 86399, 86400, 86401,
		2*86400, 7*86400-60, 7*86400, 7*86400+1)
	if g.bounded && g.IntN(20) == 0 {
		g.now += g.pick(30, 38, 40, 60, 110) * 86400
	}
	switch g.IntN(12) {
	case 0:
		g.book.settle(g.id(), g.IntN(2) == 0, g.IntN(2) == 0)
	case 1, 2, 3:
		g.book.label(g.id(), g.IntN(3) > 0, after(g.now+g.pick(-86400, -1, 0, 1, 3600, 86400, 7*86400)))
	case 4:
		// Bounds remember what was retracted, and an entity may have let go of what is old: see package velocity.
		id := g.id()
		if h := g.book.find(id); !g.bounded && (h == nil || h.At.After(after(g.now-30*86400))) {
			g.book.retract(id)
		}
	case 5:
		if g.IntN(3) == 0 {
			g.burst()
			return
		}
		g.observe(2 + g.IntN(5))
	default:
		g.observe(1)
	}
}

// id is one that was used, or not.
func (g *generator) id() string { return fmt.Sprint(g.IntN(g.ids + 1)) }

func (g *generator) observe(n int) {
	events := make([]velocity.Event, n)
	for i := range events {
		events[i] = g.event()
	}
	g.book.observe(events...)
}

// burst makes entities so large that an implementation may keep them another way.
func (g *generator) burst() {
	spread := g.pick(5, 600, 86400, 20*86400)
	for range 60 {
		e := g.event()
		e.At = e.At.Add(time.Duration(g.IntN(spread)) * time.Second)
		g.book.add(e)
	}
	g.now += spread
	g.observe(1)
}

func (g *generator) event() velocity.Event {
	g.ids++
	e := velocity.Event{ID: fmt.Sprint(g.ids), Amount: int64(g.pick(0, 1, 100, 100, 999, 5000, payment.MaxCentavos))}
	late := 0
	if g.IntN(4) == 0 {
		late = g.pick(1, 30, 60, 3600, 86399, 86400, 86401, 3*86400)
	}
	e.At = after(g.now - late).Add(time.Duration(g.IntN(1000)) * time.Millisecond)
	for kind := payment.KindCustomer; kind < payment.KindCount; kind++ {
		e.Entities[kind] = token(kind, g.IntN(6)*g.IntN(2))
	}
	e.Entities[payment.KindCustomer] = token(payment.KindCustomer, 1+g.IntN(2))
	e.Entities[payment.KindMerchant] = token(payment.KindMerchant, 1+g.IntN(20)/19)
	if g.IntN(12) == 0 { // a repeat, recent enough for its id to be remembered, under any bounds
		id := fmt.Sprint(g.ids - g.IntN(40))
		if h := g.book.find(id); h != nil && h.At.After(after(g.now-86400)) {
			return h.Event
		}
	}
	return e
}
