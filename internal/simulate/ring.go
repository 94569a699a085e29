package simulate

// ring: a handful of people share a few phones and a list of stolen cards. Over one
// to four days they buy through accounts in made-up or stolen names and let the parcels go
// to a few houses, whose number is sometimes written a little differently. A third of the
// purchases is ordinary in size and goods, on purpose.
func (s *Shop) ring(size int) {
	phones := make([]device, 2+s.rnd.IntN(3))
	for i := range phones {
		phones[i] = s.newDevice()
	}
	base := s.drawState()
	accounts := make([]*person, 2+size/5)
	for i := range accounts {
		p := s.newPerson(s.drawState()) // the names come from anywhere
		accounts[i] = &p
	}
	stolen := make([]card, 3+size/3)
	for i := range stolen {
		stolen[i] = s.newCard()
	}
	drops := [2]address{s.newAddress(base), s.newAddress(base)}
	days := 1 + s.rnd.Int64N(4)
	for range size {
		d := phones[s.rnd.IntN(len(phones))]
		a := attempt{
			at: s.soon(9, 25) + s.rnd.Int64N(days)*dayMS, buyer: accounts[s.rnd.IntN(len(accounts))],
			method: byCard, channel: inApp, card: stolen[s.rnd.IntN(len(stolen))], device: d,
			ip: s.mobileIP(base), agentOf: s.agentFor(inApp, d), ships: true, ship: drops[s.rnd.IntN(2)],
		}
		if s.chance(0.25) {
			a.ship.number++
		}
		if s.chance(0.3) {
			m := s.merchants[s.seller()]
			a.merchant, a.centavos = m, price(s.rnd, s.lines[m.category].median, 0.4)
		} else {
			a.merchant = s.merchants[s.sellerOf("5732", "5651", "5311", "5722")]
			a.centavos = price(s.rnd, 640_00, 0.6)
		}
		s.plan(cardRing, a)
	}
}
