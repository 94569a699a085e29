package ingest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
	"github.com/fastshop/pipeline/internal/vault"
)

// tokenize puts the tokens of the identifiers into t, and the lists that any of them is on.
func (in *Intake) tokenize(s *Submission, t *payment.Transaction, w *sealing) {
	address := ""
	if !s.Shipping.CEP.IsZero() && !s.Shipping.Number.IsZero() {
		// A CEP alone may be a whole town: without a number there is no address to recognize.
		address = addressOf(s.Shipping.CEP, s.Shipping.Number)
	}
	w.listTokens = w.listTokens[:0]
	for _, identifier := range [...]struct {
		kind  vault.TokenKind
		text  string
		token *payment.Token // nil: the customer's own token has a generation and comes with the key
	}{
		{vault.KindCustomer, s.Customer.ID.Reveal(), nil},
		{vault.KindDocument, s.Customer.Document.Reveal(), &t.Document},
		{vault.KindEmail, s.Customer.Email.Reveal(), &t.Email},
		{vault.KindPhone, s.Customer.Phone.Reveal(), &t.Phone},
		{vault.KindCard, s.Card.Token.Reveal(), &t.Card.Token},
		{vault.KindDevice, s.Device.ID.Reveal(), &t.Device},
		{vault.KindIP, s.Device.IP.Reveal(), &t.IP},
		{vault.KindAddress, address, &t.Address},
	} {
		if identifier.text == "" {
			continue
		}
		if identifier.token != nil {
			*identifier.token = in.vault.Token(identifier.kind, identifier.text)
		}
		if w.listed {
			w.listTokens = append(w.listTokens, in.vault.ListToken(identifier.kind, identifier.text))
		}
	}
	if w.listed {
		t.Lists = in.lists.Match(w.listTokens)
	}
}

// addressOf is the normal form of an address as an identifier.
func addressOf(cep pii.CEP, number pii.Text) string { return cep.Reveal() + " " + number.Reveal() }

// ErrIdentifier is wrapped by the error for a text that is no identifier of its kind. The error never holds the text.
var ErrIdentifier = errors.New("not an identifier of this kind")

// ListToken returns the token under which an identifier stands on block and allow lists. The kind is customer,
// document, email, phone, card (the gateway's token), device, ip or address (the CEP, a space, the number of the
// house). The text may be in any form that a submission may have; what a submission may not have is ErrIdentifier.
func (in *Intake) ListToken(kind, text string) (payment.Token, error) {
	for k := vault.KindInvalid + 1; k.String() != ""; k++ {
		if k.String() != kind {
			continue
		}
		normal, err := normalIdentifier(k, strings.TrimSpace(text))
		if err != nil {
			return payment.Token{}, fmt.Errorf("read %s: %w: %w", kind, ErrIdentifier, err)
		}
		return in.vault.ListToken(k, normal), nil
	}
	return payment.Token{}, fmt.Errorf("read identifier of an unknown kind: %w", ErrIdentifier)
}

// normalIdentifier is the normal form of an identifier, the one that its tokens are made of.
func normalIdentifier(kind vault.TokenKind, text string) (string, error) {
	switch kind {
	case vault.KindDocument:
		v, err := pii.ParseDocument(text)
		return v.Reveal(), err
	case vault.KindEmail:
		v, err := pii.ParseEmail(text)
		return v.Reveal(), err
	case vault.KindPhone:
		v, err := pii.ParsePhone(text)
		return v.Reveal(), err
	case vault.KindIP:
		v, err := pii.ParseIP(text)
		return v.Reveal(), err
	case vault.KindAddress:
		code, number, _ := strings.Cut(text, " ")
		cep, err := pii.ParseCEP(code)
		if err != nil {
			return "", err
		}
		number = strings.ToUpper(strings.TrimSpace(number))
		return addressOf(cep, pii.NewText(number)), checkIdentifier(leafNumber, number)
	case vault.KindCard:
		return text, checkIdentifier(leafCardToken, text)
	case vault.KindDevice:
		return text, checkIdentifier(leafDeviceID, text)
	default:
		return text, checkIdentifier(leafCustomerID, text)
	}
}

// checkIdentifier holds a text to the rule that the submission has for it.
func checkIdentifier(l leaf, text string) error {
	var f faults
	if text == "" {
		return &pii.FormError{Advice: "a text with nothing in it"}
	}
	if checkText(l, text, &f); len(f.list) > 0 {
		return &pii.FormError{Advice: f.list[0].Detail}
	}
	return nil
}
