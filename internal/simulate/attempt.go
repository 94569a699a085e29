package simulate

import (
	"net/netip"
	"time"
)

// method is how an attempt pays.
type method uint8

const (
	byCard method = iota
	byPix
	byBoleto
)

// channel is where an attempt is made.
type channel uint8

const (
	onWeb channel = iota
	inApp
	inStore
	byPhone
	onMarketplace
)

var methodNames = [...]string{"card", "pix", "boleto"}
var channelNames = [...]string{"web", "app", "store", "phone", "marketplace"}

// attempt is one payment attempt before it becomes a submission.
type attempt struct {
	at       int64 // Unix ms
	buyer    *person
	method   method
	channel  channel
	scenario scenario
	ships    bool
	card     card
	device   device
	agentOf  uint8 // user agent, when the device is used
	ip       netip.Addr
	ship     address
	merchant merchant
	terminal uint32 // serial, 0 for none
	centavos int64
}

// appendSubmission writes a as the JSON object of an ingest submission. Names and
// user agents hold no character that JSON would have to escape.
func (s *Shop) appendSubmission(b []byte, id string, a *attempt) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, id...)
	b = append(b, `","occurred_at":"`...)
	b = appendTime(b, a.at)
	b = append(b, `","amount":{"centavos":`...)
	b = appendInt(b, uint64(a.centavos))
	b = append(b, `,"currency":"BRL"},"method":"`...)
	b = append(b, methodNames[a.method]...)
	b = append(b, `","channel":"`...)
	b = append(b, channelNames[a.channel]...)
	b = append(b, `",`...)
	b = s.appendCustomer(b, a.buyer)
	switch a.method {
	case byCard:
		b = s.appendCard(b, a.card)
	case byPix:
		b = s.appendPix(b, a)
	}
	if a.device.serial != 0 || a.ip.IsValid() {
		b = s.appendDevice(b, a)
	}
	b = append(b, `,"merchant":{"id":"m-`...)
	b = appendDigits(b, uint64(a.merchant.serial), 5)
	b = append(b, `","mcc":"`...)
	b = append(b, s.lines[a.merchant.category].mcc...)
	b = append(b, `"}`...)
	if a.terminal != 0 {
		b = append(b, `,"terminal":"t-`...)
		b = appendDigits(b, uint64(a.terminal), 5)
		b = append(b, '"')
	}
	if a.ships {
		b = s.appendShipping(b, &a.ship)
	}
	return append(b, '}')
}

func (s *Shop) appendCustomer(b []byte, p *person) []byte {
	b = append(b, `"customer":{"id":"c-`...)
	b = appendLetters(b, mix(s.cfg.Seed^p.serial*3), 10)
	b = append(b, `","document":"`...)
	b = append(b, p.doc.bytes()...)
	if !p.noMail {
		b = append(b, `","email":"`...)
		b = append(b, s.firstSlugs[p.first]...)
		b = append(b, '.')
		b = append(b, s.lastSlugs[p.last]...)
		b = append(b, '.')
		b = appendInt(b, p.serial)
		b = append(b, '@')
		b = append(b, mailDomains[p.domain]...)
	}
	if !p.noPhone {
		b = append(b, `","phone":"+`...)
		b = appendPhoneDigits(b, p.ddd, p.phone)
	}
	b = append(b, `","name":"`...)
	if p.company {
		b = append(b, s.lasts[p.last]...)
		b = append(b, " & "...)
		b = append(b, s.lasts[p.last2]...)
		b = append(b, " Comércio Ltda"...)
	} else {
		b = append(b, s.firsts[p.first]...)
		b = append(b, ' ')
		b = append(b, s.lasts[p.last]...)
		if p.last2 != p.last {
			b = append(b, ' ')
			b = append(b, s.lasts[p.last2]...)
		}
	}
	return append(b, `"}`...)
}

func (s *Shop) appendCard(b []byte, c card) []byte {
	b = append(b, `,"card":{"token":"tok_`...)
	b = appendLetters(b, mix(s.cfg.Seed^c.serial*5), 16)
	b = append(b, `","bin":"`...)
	b = append(b, s.ranges[c.bin].digits...)
	b = append(b, `","last4":"`...)
	b = appendDigits(b, uint64(c.last4), 4)
	b = append(b, `","brand":"`...)
	b = append(b, s.ranges[c.bin].brand...)
	return append(b, `"}`...)
}

// appendPix writes the identifiers as the Banco Central's Pix API defines them: the
// end-to-end id has the payer's provider and the minute in UTC. Its last eleven
// characters and the txid are letters, so that no run of digits looks like a card number.
func (s *Shop) appendPix(b []byte, a *attempt) []byte {
	h := mix(s.cfg.Seed ^ uint64(a.at) ^ a.buyer.serial<<20)
	b = append(b, `,"pix":{"end_to_end_id":"E`...)
	b = append(b, s.isbps[a.buyer.homeBits%uint32(len(s.isbps))]...)
	t := time.UnixMilli(a.at).UTC()
	b = appendDigits(b, uint64(t.Year()), 4)
	b = appendDigits(b, uint64(t.Month()), 2)
	b = appendDigits(b, uint64(t.Day()), 2)
	b = appendDigits(b, uint64(t.Hour()), 2)
	b = appendDigits(b, uint64(t.Minute()), 2)
	b = appendLetters(b, h, 11)
	b = append(b, `","txid":"`...)
	b = appendLetters(b, mix(h+1), 16)
	b = appendLetters(b, mix(h+2), 10)
	return append(b, `"}`...)
}

func (s *Shop) appendDevice(b []byte, a *attempt) []byte {
	b = append(b, `,"device":{`...)
	if a.device.serial != 0 {
		b = append(b, `"id":"d-`...)
		b = appendLetters(b, mix(s.cfg.Seed^a.device.serial*7), 16)
		b = append(b, `",`...)
	}
	if a.ip.IsValid() {
		b = append(b, `"ip":"`...)
		b = a.ip.AppendTo(b)
		b = append(b, `",`...)
	}
	b = append(b, `"user_agent":"`...)
	b = append(b, s.agents[a.agentOf]...)
	return append(b, `"}`...)
}

func (s *Shop) appendShipping(b []byte, to *address) []byte {
	st := &s.states[to.state]
	b = append(b, `,"shipping":{"cep":"`...)
	b = appendDigits(b, uint64(to.cep), 8)
	b = append(b, `","number":"`...)
	b = appendInt(b, uint64(to.number))
	b = append(b, `","city":"`...)
	b = append(b, st.cities[to.city].name...)
	b = append(b, `","uf":"`...)
	b = append(b, st.uf...)
	return append(b, `"}`...)
}

// appendDigits writes v with leading zeros in width digits.
func appendDigits(b []byte, v uint64, width int) []byte {
	n := len(b)
	for range width {
		b = append(b, '0')
	}
	for i := n + width - 1; i >= n; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return b
}

func appendInt(b []byte, v uint64) []byte {
	width := 1
	for x := v; x >= 10; x /= 10 {
		width++
	}
	return appendDigits(b, v, width)
}

// appendLetters writes the low 4·n bits of v in n letters (n ≤ 16): an opaque id that never looks like a number.
func appendLetters(b []byte, v uint64, n int) []byte {
	for range n {
		b = append(b, "abcdefghjkmnpqrs"[v&15])
		v >>= 4
	}
	return b
}

// appendTime writes ms as RFC 3339 in UTC with milliseconds.
func appendTime(b []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014): a bijection of 64 bits.
func mix(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}
