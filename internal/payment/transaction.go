// Package payment is the vocabulary of the sealed side: a payment attempt as
// every part below ingest sees it, with tokens in place of identifiers, numbers,
// and one opaque sealed blob in place of personal data.
//
// The PAN and the CVV have no field here and never will (PCI DSS 4.0.1, 3.3.1 and
// 3.5.1): a card is its gateway's token, its BIN and its last four digits.
package payment

import "time"

// Method is how the customer pays. The zero value is invalid.
type Method uint8

// The methods, in the order of their stored numbers, which never change.
const (
	MethodInvalid Method = iota
	Card
	Pix
	Boleto
)

// Channel is where the customer paid. The zero value means that the shop did not say.
type Channel uint8

// The channels, in the order of their stored numbers, which never change.
const (
	ChannelUnknown Channel = iota
	Web
	App
	Store       // card present
	Phone       // a call center took the order
	Marketplace // the order came in through another shop's site
)

// Amount is a sum of money in the currency's minor unit.
type Amount struct {
	Centavos int64  // 0 (an account verification) to MaxCentavos
	Currency string // ISO 4217; "BRL" is the only one that ingest accepts today
}

// MaxCentavos is the largest amount that ingest accepts: R$ 100 million.
const MaxCentavos = 100_000_000_00

// CardDetails is what may be kept of a card.
type CardDetails struct {
	Token Token  // of the gateway's token
	BIN   string // 6 or 8 digits, or empty
	Last4 string // 4 digits, or empty
	Brand string // lower case, as the gateway says it, or empty
}

// PixDetails are the identifiers of a Pix, as the Banco Central's API defines them.
type PixDetails struct {
	EndToEndID string // E, ISPB (8), yyyyMMddHHmm, 11 characters; or empty
	TxID       string // 26 to 35 letters and digits; or empty
}

// Document tells which register the customer's document belongs to.
type Document uint8

// The kinds of document, in the order of their stored numbers.
const (
	DocumentNone Document = iota
	CPF                   // a person
	CNPJ                  // a company; alphanumeric since July 2026
)

// Seal says what became of the personal fields of a submission.
type Seal uint8

// The states of a seal, in the order of their stored numbers.
const (
	SealNone    Seal = iota // the submission had no personal fields
	Sealed                  // they are in Transaction.Sealed
	SealDropped             // unsealed_dropped: the personal-data key was disabled, so they were let go
	SealErased              // the customer's key had been shredded for this event
)

// Lists is the set of block and allow lists that one of the transaction's identifiers was on when it came in.
type Lists uint8

// The lists. They are bits: an identifier can be on both, and then the block list wins.
const (
	Blocked Lists = 1 << iota
	Allowed
)

// NoRegion is the FiscalRegion of a transaction whose customer gave no CPF.
const NoRegion = 0xff

// Transaction is one payment attempt in sealed form. Only ID, OccurredAt, Amount,
// Method and Customer are always there.
type Transaction struct {
	ID         string    // made by the client, the idempotency key: 1 to 64 of [A-Za-z0-9._:-]
	OccurredAt time.Time // UTC, to the millisecond
	ReceivedAt time.Time // when ingest took it in; UTC, to the millisecond

	Amount  Amount
	Method  Method
	Channel Channel

	Customer     Token // of the customer id and its generation
	DocumentKind Document
	Document     Token
	FiscalRegion uint8 // the CPF's ninth digit, 0 to 9, or NoRegion
	Email        Token
	Phone        Token

	Card CardDetails
	Pix  PixDetails

	Device Token
	IP     Token

	Merchant string // the seller's id; no personal data
	MCC      string // ISO 18245, 4 digits, or empty
	Terminal string // of a card-present payment, or empty

	Address Token  // of CEP and number, where the order is sent
	UF      string // the state it is sent to, two capitals, or empty

	Lists Lists

	SealState Seal
	Sealed    []byte   // opaque below the seal; see package vault
	MAC       [32]byte // payload MAC: tells a retry from another body under the same id; zero once erased
}
