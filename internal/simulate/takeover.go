package simulate

// takeOver: a password from another site's leak, or a code talked out of the
// customer, opens the account. The intruder logs in from his own device, adds an address
// and buys things that sell again, with the saved card or by Pix, within an
// hour or two; then the account is quiet, because the owner or the bank wakes up.
// A quarter knows the trade better: a hijacked router in the victim's own state, the usual
// hours, digital goods without a parcel, amounts like the victim's own.
func (s *Shop) takeOver(size int) {
	c := s.victim()
	tool := s.newDevice()
	careful := s.chance(0.25)
	at, ip, drop := s.soon(19, 31), s.anonymousIP(), s.newAddress(s.drawState())
	if careful {
		at, ip = s.soon(10, 22), s.proxyIP(c.home.state)
	}
	for range size {
		a := attempt{
			at: at, buyer: &c.person, method: byCard, channel: onWeb, card: c.cards[0], device: tool, ip: ip,
		}
		if s.chance(0.5) {
			a.channel = inApp
		}
		a.agentOf = s.agentFor(a.channel, tool)
		if careful {
			a.merchant = s.merchants[s.sellerOf("5816", "4814", "5812", "5814")]
			a.centavos = s.ticket(c, a.merchant)
		} else {
			a.merchant = s.merchants[s.sellerOf("5732", "5722", "5311")]
			a.centavos = price(s.rnd, 1600_00, 0.6)
			a.ships, a.ship = true, drop
			if s.chance(0.2) {
				a.method, a.card = byPix, card{}
			}
		}
		s.plan(accountTakeover, a)
		at += s.between(3*minuteMS, 50*minuteMS)
	}
}
