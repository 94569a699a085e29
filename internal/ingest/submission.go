package ingest

import (
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
)

// Submission is one payment attempt as the shop sends it: the only clear form that the program has. It comes from
// [Decode], or from code that fills it in and then calls Validate. It prints and logs without personal data, and has
// no JSON tags on purpose: it is read by Decode and written by nobody.
//
// ID, OccurredAt, Amount, Method and Customer.ID are required; a zero value stands for anything else that the shop
// did not say.
type Submission struct {
	ID         string    // the client's, the idempotency key; see payment.ValidID
	OccurredAt time.Time // UTC, to the millisecond
	Amount     payment.Amount
	Method     payment.Method
	Channel    payment.Channel
	Customer   Customer
	Card       Card               // only with method card
	Pix        payment.PixDetails // only with method pix
	Device     Device
	Merchant   Merchant
	Terminal   string // of a card-present payment; see payment.ValidID
	Shipping   Shipping
}

// Customer is who pays.
type Customer struct {
	ID       pii.Text // the shop's own id: 1 to 128 bytes
	Document pii.Document
	Email    pii.Email
	Phone    pii.Phone
	Name     pii.Name
}

// Card is what may be known of a card. The PAN and the CVV have no field (PCI DSS 4.0.1, 3.3.1 and 3.5.1).
type Card struct {
	Token pii.Text // the gateway's: 1 to 128 bytes
	BIN   string   // 6 or 8 digits
	Last4 string   // 4 digits
	Brand string   // lower case: 1 to 32 of letters, digits, space, - and _
}

// Device is what the customer paid from.
type Device struct {
	ID        pii.Text // 1 to 128 bytes
	IP        pii.IP
	UserAgent pii.Text // 1 to 512 bytes
}

// Merchant is who sells.
type Merchant struct {
	ID  string // see payment.ValidID
	MCC string // 4 digits
}

// Shipping is where the order is sent.
type Shipping struct {
	CEP    pii.CEP
	Number pii.Text // of the house: 1 to 20 bytes, upper case
	City   pii.Text // 1 to 80 bytes
	UF     string   // two capitals
}

// text is the clear text of a leaf in normal form, "" when the submission lacks it or the leaf is no text.
func (s *Submission) text(l leaf) string {
	switch l {
	case leafID:
		return s.ID
	case leafCurrency:
		return s.Amount.Currency
	case leafMethod:
		return s.Method.String()
	case leafChannel:
		return s.Channel.String()
	case leafCustomerID:
		return s.Customer.ID.Reveal()
	case leafDocument:
		return s.Customer.Document.Reveal()
	case leafEmail:
		return s.Customer.Email.Reveal()
	case leafPhone:
		return s.Customer.Phone.Reveal()
	case leafName:
		return s.Customer.Name.Reveal()
	case leafCardToken:
		return s.Card.Token.Reveal()
	case leafBIN:
		return s.Card.BIN
	case leafLast4:
		return s.Card.Last4
	case leafBrand:
		return s.Card.Brand
	case leafEndToEndID:
		return s.Pix.EndToEndID
	case leafTxID:
		return s.Pix.TxID
	}
	return s.placeText(l)
}

// placeText is text for the leaves about device, merchant and shipping.
func (s *Submission) placeText(l leaf) string {
	switch l {
	case leafDeviceID:
		return s.Device.ID.Reveal()
	case leafIP:
		return s.Device.IP.Reveal()
	case leafUserAgent:
		return s.Device.UserAgent.Reveal()
	case leafMerchantID:
		return s.Merchant.ID
	case leafMCC:
		return s.Merchant.MCC
	case leafTerminal:
		return s.Terminal
	case leafCEP:
		return s.Shipping.CEP.Reveal()
	case leafNumber:
		return s.Shipping.Number.Reveal()
	case leafCity:
		return s.Shipping.City.Reveal()
	case leafUF:
		return s.Shipping.UF
	}
	return ""
}
