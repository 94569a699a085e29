package ingest

import (
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
)

const (
	// MaxAhead is how far after now a submission may have occurred: clocks differ by that much and not more.
	MaxAhead = 5 * time.Minute
	// MaxAge is how long before now it may have occurred. A shop that comes back from an outage is hours late; what is
	// older than thirteen months has left every window and is a mistake in the year more often than a payment.
	MaxAge = 400 * 24 * time.Hour
)

const currency = "BRL"

const (
	adviceMissing    = "send the field, it is required"
	adviceCardNumber = "take out what looks like a card number: card numbers are accepted in no field"
)

var adviceAmount = fmt.Sprintf("send an amount from 0 to %d centavos", int64(payment.MaxCentavos))

// Validate checks a submission that code has filled in, as [Decode] does with one that came as JSON. Texts must be in
// normal form already: trimmed, a brand in lower case, times in UTC to the millisecond, BRL spelled out. The error is
// a [*Refusal] that lists all that is wrong.
func (s *Submission) Validate(now time.Time) error {
	var f faults
	s.validate(now, &f)
	return f.err()
}

func (s *Submission) validate(now time.Time, f *faults) {
	s.require(f)
	s.checkTime(now, f)
	if s.Amount.Centavos < 0 || s.Amount.Centavos > payment.MaxCentavos {
		f.at(leafCentavos, OutOfRange, adviceAmount)
	}
	if s.Amount.Currency != currency && !f.has(leafCurrency) {
		f.at(leafCurrency, Currency, rules[leafCurrency].advice)
	}
	for l := leafID; l < leafEnd; l++ {
		if text := s.text(l); text != "" && l != leafCurrency {
			checkText(l, text, f)
		}
	}
	s.checkSense(f)
}

// require notes the required fields that are missing. The amount has no value that means missing; Decode sees to it.
func (s *Submission) require(f *faults) {
	for _, field := range [...]struct {
		leaf  leaf
		there bool
	}{
		{leafID, s.ID != ""},
		{leafOccurredAt, !s.OccurredAt.IsZero()},
		{leafMethod, s.Method.String() != ""},
		{leafCustomerID, !s.Customer.ID.IsZero()},
	} {
		if !field.there && !f.has(field.leaf) {
			f.at(field.leaf, Missing, adviceMissing)
		}
	}
}

func (s *Submission) checkTime(now time.Time, f *faults) {
	switch {
	case s.OccurredAt.IsZero():
	case s.OccurredAt.After(now.Add(MaxAhead)):
		f.at(leafOccurredAt, InTheFuture, "send the moment of the payment; it may be at most 5 minutes ahead of the server's clock")
	case s.OccurredAt.Before(now.Add(-MaxAge)):
		f.at(leafOccurredAt, TooOld, "send the moment of the payment; it may be at most 400 days ago")
	}
}

// checkText checks the form of one text and looks for a card number in it.
func checkText(l leaf, text string, f *faults) {
	r := &rules[l]
	switch {
	case len(text) > r.most:
		f.at(l, TooLong, fmt.Sprintf("send at most %d bytes", r.most))
	case r.valid != nil && !r.valid(text):
		f.at(l, Invalid, r.advice)
	}
	if r.scanned && pii.ContainsPAN(text) {
		f.at(l, CardNumber, adviceCardNumber)
	}
}

// checkSense notes fields that contradict each other: each is well formed, but no such payment exists.
func (s *Submission) checkSense(f *faults) {
	known := s.Method != payment.MethodInvalid
	card := !s.Card.Token.IsZero() || s.Card.BIN != "" || s.Card.Last4 != "" || s.Card.Brand != ""
	if card && known && s.Method != payment.Card {
		f.add(objectCard.pointer(), Contradiction, "leave out the card, or send the method card")
	}
	if s.Pix != (payment.PixDetails{}) && known && s.Method != payment.Pix {
		f.add(objectPix.pointer(), Contradiction, "leave out the Pix, or send the method pix")
	}
	if s.Terminal != "" && (s.Channel == payment.Web || s.Channel == payment.App || s.Channel == payment.Marketplace) {
		f.at(leafTerminal, Contradiction, "leave out the terminal: nobody is at one when paying on this channel")
	}
	if s.Method == payment.Boleto && s.Terminal != "" {
		f.at(leafTerminal, Contradiction, "leave out the terminal: a boleto is not paid at one")
	}
}
