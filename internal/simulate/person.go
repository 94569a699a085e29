package simulate

import (
	"encoding/binary"
	"net/netip"
)

// person is an identity in clear form, compact: names and places are indexes into
// the tables of brazil.go, and everything that can be derived is.
type person struct {
	serial   uint64 // distinct for every identity of a Shop
	doc      document
	first    uint8
	last     uint8
	last2    uint8
	domain   uint8
	ddd      uint8
	phone    uint32 // the eight digits after the 9 of a mobile number
	home     address
	company  bool
	noPhone  bool
	noMail   bool
	homeBits uint32 // picks the home's IP
}

// address is where a parcel goes.
type address struct {
	cep    uint32
	number uint16
	state  uint8
	city   uint8
}

// card is what the shop's gateway knows of a card; serial makes its token.
type card struct {
	serial uint64
	bin    uint8
	last4  uint16
}

// device is a browser or a phone; serial 0 means that there is none.
type device struct {
	serial uint64
	agent  uint8
}

// newPerson draws an identity that lives in the given state.
func (s *Shop) newPerson(in uint8) person {
	s.persons++
	p := person{
		serial: s.persons,
		first:  uint8(s.rnd.IntN(len(s.firsts))),
		last:   uint8(s.rnd.IntN(len(s.lasts))),
		last2:  uint8(s.rnd.IntN(len(s.lasts))),
		domain: uint8(s.rnd.IntN(len(mailDomains))),
		home:   s.newAddress(in),
	}
	p.homeBits = s.rnd.Uint32()
	st := &s.states[in]
	p.ddd = st.cities[p.home.city].ddd
	p.phone = s.newPhone(p.ddd)
	switch p.company = s.chance(companyShare); {
	case p.company:
		p.doc = makeCNPJ(s.cfg.Seed, p.serial, s.chance(alphanumericShare))
	case s.chance(migrantShare): // the CPF stays with the state where it was issued
		p.doc = makeCPF(s.cfg.Seed, p.serial, s.states[s.drawState()].region)
	default:
		p.doc = makeCPF(s.cfg.Seed, p.serial, st.region)
	}
	p.noPhone = s.chance(0.05)
	p.noMail = s.chance(0.02)
	return p
}

const (
	companyShare      = 0.04 // customers that buy as a company
	alphanumericShare = 0.40 // of those, the ones registered since July 2026
	migrantShare      = 0.12 // people whose CPF was issued in another part of the country
)

// newPhone draws a mobile number. Anatel assigns mobiles from 9 6… up, so a number
// that starts 9 0… rings nobody. One whose thirteen digits with the country code
// would pass as a card number is drawn again.
func (s *Shop) newPhone(ddd uint8) uint32 {
	for {
		n := uint32(s.rnd.IntN(10_000_000))
		var digits [13]byte
		if !luhn(appendPhoneDigits(digits[:0], ddd, n)) {
			return n
		}
	}
}

func appendPhoneDigits(b []byte, ddd uint8, n uint32) []byte {
	b = append(b, '5', '5')
	b = appendDigits(b, uint64(ddd), 2)
	b = append(b, '9')
	return appendDigits(b, uint64(n), 8)
}

func (s *Shop) newAddress(in uint8) address {
	st := &s.states[in]
	return address{
		cep:    st.cepLo + uint32(s.rnd.Int64N(int64(st.cepHi-st.cepLo+1))),
		number: uint16(1 + s.rnd.IntN(2999)),
		state:  in,
		city:   uint8(s.rnd.IntN(len(st.cities))),
	}
}

func (s *Shop) newCard() card {
	s.serials++
	return card{serial: s.serials, bin: uint8(s.binPick.draw(s.rnd.Float64())), last4: uint16(s.rnd.IntN(10_000))}
}

func (s *Shop) newDevice() device {
	s.serials++
	return device{serial: s.serials, agent: uint8(s.rnd.IntN(len(s.agents)))}
}

// mailDomains are reserved for examples (RFC 2606, section 3) or stand for one in .br: no message can reach anybody.
var mailDomains = [...]string{"example.com.br", "example.org", "example.com", "example.net"}

// homeIP is the address of a household: private (RFC 1918) by state, or, for one in
// five, from the IPv6 documentation range (RFC 3849).
func homeIP(p *person) netip.Addr {
	if p.homeBits%5 == 0 {
		a := [16]byte{0x20, 0x01, 0x0d, 0xb8, 0, p.home.state}
		binary.BigEndian.PutUint32(a[6:], p.homeBits)
		a[15] = 1
		return netip.AddrFrom16(a)
	}
	return netip.AddrFrom4([4]byte{10, p.home.state, byte(p.homeBits >> 8), byte(p.homeBits >> 16)})
}

// mobileIP is a carrier's shared address (RFC 6598): many customers of a state leave by the same few.
func (s *Shop) mobileIP(in uint8) netip.Addr {
	return netip.AddrFrom4([4]byte{100, 64 + in, 0, byte(s.rnd.IntN(250))})
}

// anonymousIP is the exit of a VPN or a rented server: the documentation ranges of RFC 5737 and the benchmarking range of RFC 2544.
func (s *Shop) anonymousIP() netip.Addr {
	switch s.rnd.IntN(4) {
	case 0:
		return netip.AddrFrom4([4]byte{192, 0, 2, byte(s.rnd.IntN(256))})
	case 1:
		return netip.AddrFrom4([4]byte{203, 0, 113, byte(s.rnd.IntN(256))})
	default:
		return netip.AddrFrom4([4]byte{198, 18, byte(s.rnd.IntN(256)), byte(s.rnd.IntN(256))})
	}
}

// proxyIP is a hijacked household of the given state, which fraudsters rent to look local.
func (s *Shop) proxyIP(in uint8) netip.Addr {
	return netip.AddrFrom4([4]byte{10, in, byte(s.rnd.IntN(256)), byte(s.rnd.IntN(256))})
}
