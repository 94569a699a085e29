package simulate

// testCards: somebody bought a list of card numbers, or computes them within one
// BIN, and wants to know which are alive before selling them on. A script fires tiny
// payments, often of zero, at a seller of digital goods from one to three machines,
// on throw-away accounts, seconds apart. The patient variant spreads them over hours
// behind changing addresses. A card that answered may be emptied later the same day.
func (s *Shop) testCards(size int) {
	patient := s.chance(0.3)
	machines := []device{s.newDevice(), s.newDevice(), s.newDevice()}[:1+s.rnd.IntN(3)]
	accounts := make([]*person, 1+s.rnd.IntN(4))
	for i := range accounts {
		p := s.newPerson(s.drawState())
		accounts[i] = &p
	}
	run := s.newCard() // the BIN and the first number of the run
	at := s.soon(0, 24)
	ip := s.anonymousIP()
	target := s.merchants[s.sellerOf("5816", "4814", "5942", "5977")]
	for i := range size {
		c := s.newCard()
		c.bin = run.bin
		c.last4 = (run.last4 + uint16(i)*3) % 10_000
		a := attempt{
			at: at, buyer: accounts[s.rnd.IntN(len(accounts))], method: byCard, channel: onWeb,
			card: c, device: machines[s.rnd.IntN(len(machines))], ip: ip, merchant: target,
			centavos: int64(s.rnd.IntN(900)),
		}
		a.agentOf = s.agentFor(onWeb, a.device)
		if a.centavos < 100 {
			a.centavos = 0 // an account verification
		}
		if i == size-1 && s.chance(0.5) { // one that was alive
			a.at += s.between(hourMS, 8*hourMS)
			a.centavos = price(s.rnd, 1400_00, 0.5)
			a.merchant = s.merchants[s.sellerOf("5732", "5722")]
			a.ships, a.ship = true, s.newAddress(s.drawState())
		}
		s.plan(cardTesting, a)
		if patient {
			at += s.between(4*minuteMS, 25*minuteMS)
			ip = s.anonymousIP()
		} else {
			at += s.between(700, 9_000)
		}
	}
}
