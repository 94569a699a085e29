package simulate

// compromise: a terminal was swapped or its owner is in league. For two to seven
// days, in opening hours, cloned cards of people who live nearby and relayed contactless
// payments go through it among the ordinary sales. There is no device, no IP and no
// parcel to look at; the amounts are a little high for the store, a third is not even that.
func (s *Shop) compromise(size int) {
	if len(s.terminals) == 0 {
		s.ring(size)
		return
	}
	t := s.terminals[s.rnd.IntN(len(s.terminals))]
	m := s.merchants[t.merchant]
	median := s.lines[m.category].median
	days := 2 + s.rnd.Int64N(6)
	for range size {
		c := s.customers[s.rnd.IntN(len(s.customers))]
		for range 24 {
			if c.home.state == t.state {
				break
			}
			c = s.customers[s.rnd.IntN(len(s.customers))]
		}
		factor := 1.0
		if s.chance(0.66) {
			factor = 1.5 + 2.5*s.rnd.Float64()
		}
		s.plan(compromisedTerminal, attempt{
			at: s.soon(9, 21) + s.rnd.Int64N(days)*dayMS, buyer: &c.person, method: byCard, channel: inStore,
			card: c.cards[0], merchant: m, terminal: t.serial, centavos: price(s.rnd, median*factor, 0.4),
		})
	}
}
