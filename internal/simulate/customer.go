package simulate

import (
	"math"
	"net/netip"
)

// customer is a person with habits. It is the only thing that the simulator keeps per head.
type customer struct {
	person
	appetite  float32 // chance to buy relative to the keenest customer, (0, 1]
	level     float32 // logarithm of the own ticket relative to a seller's median
	habit     uint8   // index into habits
	pix       uint8   // of 256 purchases from afar, how many by Pix …
	boleto    uint8   // … and by boleto
	instore   uint8   // of 256 purchases, how many in a store
	favorites [5]uint32
	cards     [2]card
	devices   [2]device
	away      int64 // traveling until then, Unix ms
	awayIn    uint8 // the state traveled to
	taken     bool  // the account was taken over once and is better guarded now
}

// newCustomer lets somebody discover the shop. Every sixteenth moves into the household of the one before.
func (s *Shop) newCustomer() *customer {
	var c customer
	if n := len(s.customers); n > 0 && s.chance(1.0/16) {
		host := s.customers[n-1]
		c.person = s.newPerson(host.home.state)
		c.home, c.homeBits = host.home, host.homeBits
		c.devices[1] = host.devices[1] // the family's computer, if there is one
	} else {
		c.person = s.newPerson(s.drawState())
	}
	c.appetite = float32(min(1, 0.04+0.30*math.Exp(0.8*s.rnd.NormFloat64())))
	c.level = float32(0.55 * s.rnd.NormFloat64())
	if c.company {
		c.level += 0.7
	}
	c.habit = uint8(s.rnd.IntN(len(habits)))
	// In 2025 Pix and card each carry about half of e-commerce payments; boletos are what is left.
	c.pix = uint8(s.rnd.IntN(200))
	if s.chance(0.15) {
		c.boleto = uint8(s.rnd.IntN(56))
	}
	c.instore = uint8(s.rnd.IntN(110))
	for i := range c.favorites {
		c.favorites[i] = s.seller()
	}
	c.cards[0] = s.newCard()
	if s.chance(0.4) {
		c.cards[1] = s.newCard()
	}
	c.devices[0] = s.newDevice()
	if c.devices[1].serial == 0 && s.chance(0.35) {
		c.devices[1] = s.newDevice()
	}
	s.customers = append(s.customers, &c)
	return &c
}

// drawCustomer picks who buys now: by appetite, and by whether the hour suits.
func (s *Shop) drawCustomer() *customer {
	hour := localHour(s.clock)
	for range 64 {
		c := s.customers[s.rnd.IntN(len(s.customers))]
		if s.rnd.Float64() < float64(c.appetite)*habits[c.habit][hour] {
			return c
		}
	}
	return s.customers[s.rnd.IntN(len(s.customers))]
}

// buy is one genuine purchase, with the surprises of ordinary life that make fraud
// hard to tell: people travel, replace phones and cards, send gifts and buy a refrigerator.
func (s *Shop) buy(c *customer) attempt {
	s.live(c)
	a := attempt{at: s.clock, buyer: &c.person, method: byCard, card: c.cards[0]}
	if c.cards[1].serial != 0 && s.chance(0.3) {
		a.card = c.cards[1]
	}
	state := c.home.state
	if c.away > s.clock {
		state = c.awayIn
	}
	if hour := localHour(s.clock); hour >= 8 && hour < 22 && s.rnd.IntN(256) < int(c.instore) {
		if t, ok := s.terminalIn(state); ok {
			s.buyInStore(c, &a, t)
			return a
		}
	}
	s.buyFromAfar(c, &a, state)
	return a
}

// live lets time pass for a customer between two purchases.
func (s *Shop) live(c *customer) {
	switch {
	case s.chance(0.004): // a new phone
		c.devices[0] = s.newDevice()
	case s.chance(0.002): // the bank replaced a card
		c.cards[0] = s.newCard()
	case s.chance(0.0015): // moved house, within the state
		c.home = s.newAddress(c.home.state)
		c.homeBits = s.rnd.Uint32()
	case c.away <= s.clock && s.chance(0.006):
		c.awayIn = s.drawState()
		c.away = s.clock + (2+int64(s.rnd.IntN(12)))*dayMS
	}
}

func (s *Shop) terminalIn(state uint8) (terminal, bool) {
	if list := s.byState[state]; len(list) > 0 {
		return s.terminals[list[s.rnd.IntN(len(list))]], true
	}
	return terminal{}, false
}

func (s *Shop) buyInStore(c *customer, a *attempt, t terminal) {
	a.channel = inStore
	a.terminal = t.serial
	a.merchant = s.merchants[t.merchant]
	a.centavos = s.ticket(c, a.merchant)
	if s.rnd.IntN(256) < int(c.pix) {
		a.method = byPix // the QR code on the terminal
		a.card = card{}
	}
}

func (s *Shop) buyFromAfar(c *customer, a *attempt, state uint8) {
	m := c.favorites[s.rnd.IntN(len(c.favorites))]
	if s.chance(0.35) {
		m = s.seller()
	}
	a.merchant = s.merchants[m]
	a.centavos = s.ticket(c, a.merchant)
	switch r := s.rnd.IntN(256); {
	case r < int(c.pix):
		a.method, a.card = byPix, card{}
	case r < int(c.pix)+int(c.boleto):
		a.method, a.card = byBoleto, card{}
	}
	switch s.rnd.IntN(20) {
	case 0:
		a.channel = byPhone
	case 1, 2, 3:
		a.channel = onMarketplace
	case 4, 5, 6, 7, 8, 9:
		a.channel = onWeb
	default:
		a.channel = inApp
	}
	if a.channel != byPhone && a.channel != onMarketplace {
		a.device, a.ip = s.online(c, state)
		a.agentOf = s.agentFor(a.channel, a.device)
	}
	if s.lines[a.merchant.category].ships || a.channel == onMarketplace {
		a.ships, a.ship = true, c.home
		if s.chance(0.04) { // a gift, or the parcel goes to work
			a.ship = s.newAddress(s.drawState())
		}
	}
}

// online is the device and the address that a customer uses from afar.
func (s *Shop) online(c *customer, state uint8) (device, netip.Addr) {
	d := c.devices[0]
	if c.devices[1].serial != 0 && s.chance(0.3) {
		d = c.devices[1]
	}
	switch {
	case s.chance(0.01): // a friend's computer or a cleared browser
		d = s.newDevice()
	case s.chance(0.012):
		d = device{} // blocked scripts: no fingerprint
	}
	switch {
	case s.chance(0.015):
		return d, s.anonymousIP() // honest people use VPNs too
	case state != c.home.state || s.chance(0.35):
		return d, s.mobileIP(state)
	}
	return d, homeIP(&c.person)
}

// agentFor keeps the user agent steady for a device and a channel.
func (s *Shop) agentFor(ch channel, d device) uint8 {
	if ch == inApp {
		return d.agent % appAgents
	}
	return appAgents + d.agent%uint8(len(s.agents)-appAgents)
}

// ticket is what a customer spends at a seller; once in eighty it is something big.
func (s *Shop) ticket(c *customer, m merchant) int64 {
	line := &s.lines[m.category]
	median := line.median * math.Exp(float64(c.level))
	if s.chance(1.0 / 80) {
		median *= 3 + 9*s.rnd.Float64()
	}
	return price(s.rnd, median, line.sigma*0.7)
}
