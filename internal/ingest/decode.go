package ingest

import (
	"errors"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
)

// MaxBody is the size of the largest JSON body of one submission, in bytes: every field at its longest, with every
// character escaped, and room to spare.
const MaxBody = 16 << 10

// Decode reads the JSON form of a submission, puts every value in its normal form, and validates it against the
// moment now. The error is a [*Refusal] that lists all that is wrong; a body that is no JSON gives the first fault of
// its form alone. The result shares no memory with data.
//
// The form is strict, because two parsers that disagree on one body are how checks are walked around: names are
// exact and occur once, nothing follows the object, texts are UTF-8, a number is not a text, and null is not "absent".
func Decode(data []byte, now time.Time) (*Submission, error) {
	var f faults
	p := parsing{faults: &f}
	if !p.parse(data) {
		return nil, f.err()
	}
	s := new(Submission)
	p.fill(s)
	s.validate(now, &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// fill puts what was parsed into s, in normal form, and notes what has no such form.
func (p *parsing) fill(s *Submission) {
	for l := leafID; l < leafEnd; l++ {
		if !p.has(l) || l == leafCentavos {
			continue
		}
		text := strings.TrimSpace(p.texts[l])
		if text == "" {
			p.faults.at(l, Empty, "leave the field out when there is no value")
			p.drop(l)
		}
		p.texts[l] = text
	}
	s.ID = p.texts[leafID]
	p.fillPayment(s)
	p.fillCustomer(&s.Customer)
	s.Card = Card{
		Token: pii.NewText(p.texts[leafCardToken]),
		BIN:   p.texts[leafBIN],
		Last4: p.texts[leafLast4],
		Brand: strings.ToLower(p.texts[leafBrand]),
	}
	s.Pix = payment.PixDetails{EndToEndID: p.texts[leafEndToEndID], TxID: p.texts[leafTxID]}
	s.Device = Device{
		ID:        pii.NewText(p.texts[leafDeviceID]),
		IP:        typed(p, leafIP, pii.ParseIP),
		UserAgent: pii.NewText(p.texts[leafUserAgent]),
	}
	s.Merchant = Merchant{ID: p.texts[leafMerchantID], MCC: p.texts[leafMCC]}
	s.Terminal = p.texts[leafTerminal]
	s.Shipping = Shipping{
		CEP:    typed(p, leafCEP, pii.ParseCEP),
		Number: pii.NewText(strings.ToUpper(p.texts[leafNumber])),
		City:   pii.NewText(p.texts[leafCity]),
		UF:     p.texts[leafUF],
	}
}

func (p *parsing) fillPayment(s *Submission) {
	s.OccurredAt = typed(p, leafOccurredAt, parseTime)
	s.Method = typed(p, leafMethod, payment.ParseMethod)
	s.Channel = typed(p, leafChannel, payment.ParseChannel)
	s.Amount = payment.Amount{Centavos: p.centavos, Currency: p.texts[leafCurrency]}
	if !p.has(leafCurrency) {
		s.Amount.Currency = currency
	}
	if !p.has(leafCentavos) && !p.faults.has(leafCentavos) {
		p.faults.at(leafCentavos, Missing, adviceMissing)
	}
}

func (p *parsing) fillCustomer(c *Customer) {
	c.ID = pii.NewText(p.texts[leafCustomerID])
	c.Document = typed(p, leafDocument, pii.ParseDocument)
	c.Email = typed(p, leafEmail, pii.ParseEmail)
	c.Phone = typed(p, leafPhone, pii.ParsePhone)
	c.Name = typed(p, leafName, pii.ParseName)
}

// typed parses the text of a leaf that has a type of its own. When that fails, the fault has the parser's advice, or
// the leaf's own if the parser gives none.
func typed[T any](p *parsing, l leaf, parse func(string) (T, error)) (value T) {
	if !p.has(l) {
		return value
	}
	text := p.texts[l]
	parsed, err := parse(text)
	if err == nil {
		return parsed
	}
	advice := rules[l].advice
	if form := (*pii.FormError)(nil); errors.As(err, &form) {
		advice = form.Advice
	}
	p.faults.at(l, Invalid, advice)
	if rules[l].scanned && pii.ContainsPAN(text) {
		p.faults.at(l, CardNumber, adviceCardNumber)
	}
	return value
}

// parseTime reads a moment as in RFC 3339, with a fraction or without, and cuts it to the millisecond. Package time is
// more lenient than the RFC (go.dev/issue/54580): it takes an hour of one digit, a comma before the fraction, and
// offsets of more than a day.
func parseTime(text string) (time.Time, error) {
	const date, offset = len("2006-01-02T"), len("-07:00")
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || text[date+2] != ':' || strings.Contains(text, ",") {
		return time.Time{}, errTime
	}
	if zone := text[len(text)-offset:]; zone[offset-3] == ':' && (zone[1:3] > "23" || zone[4:] > "59") {
		return time.Time{}, errTime
	}
	if t = t.UTC().Truncate(time.Millisecond); t.IsZero() { // which stands for an absent one
		return time.Time{}, errTime
	}
	return t, nil
}

var errTime = errors.New("no moment of RFC 3339")
