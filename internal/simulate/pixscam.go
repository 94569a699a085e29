package simulate

// scam: a voice that claims to be the bank, a relative with a new number, a false
// rental. The victim pays of his own free will, from his own phone, at home: nothing about the
// device is wrong. What is left to see: a receiver nobody paid before, often at night,
// large for this customer, and just below the R$ 1,000 that the Banco Central lets a
// person send between 20:00 and 06:00; sometimes two or three in a row. A third happens in
// plain daylight through an ordinary seller, and is all but invisible.
func (s *Shop) scam(size int) {
	c := s.victim()
	hidden := s.chance(0.33)
	at := s.soon(20, 30)
	if hidden {
		at = s.soon(9, 20)
	}
	if s.mule.serial == 0 || s.chance(0.25) { // accounts of receivers are blocked one by one
		s.mules++
		s.mule = merchant{serial: 90_000 + s.mules%9_999, category: uint8(s.rnd.IntN(len(s.lines)))}
	}
	for range size {
		a := attempt{at: at, buyer: &c.person, method: byPix, channel: inApp, merchant: s.mule}
		a.device, a.ip = c.devices[0], homeIP(&c.person)
		a.agentOf = s.agentFor(inApp, a.device)
		switch {
		case hidden:
			a.merchant = s.merchants[s.seller()]
			a.centavos = 2 * s.ticket(c, a.merchant)
		case s.chance(0.6):
			a.centavos = 700_00 + int64(s.rnd.IntN(300))*1_00
		default:
			a.centavos = price(s.rnd, 480_00, 0.5)
		}
		s.plan(pixScam, a)
		at += s.between(2*minuteMS, 20*minuteMS)
	}
}
