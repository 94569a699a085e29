package ingest

import (
	"strings"
	"unicode"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
)

// leaf is the number of a field of the submission that holds a value. It is the field's number in the canonical form,
// so that numbers are only ever added.
type leaf uint8

const (
	leafID leaf = iota + 1
	leafOccurredAt
	leafCentavos
	leafCurrency
	leafMethod
	leafChannel
	leafCustomerID
	leafDocument
	leafEmail
	leafPhone
	leafName
	leafCardToken
	leafBIN
	leafLast4
	leafBrand
	leafEndToEndID
	leafTxID
	leafDeviceID
	leafIP
	leafUserAgent
	leafMerchantID
	leafMCC
	leafTerminal
	leafCEP
	leafNumber
	leafCity
	leafUF

	leafEnd
)

// object is one of the JSON objects of a submission.
type object uint8

const (
	objectRoot object = iota
	objectAmount
	objectCustomer
	objectCard
	objectPix
	objectDevice
	objectMerchant
	objectShipping

	objectEnd
)

var objectNames = [objectEnd]string{"", "amount", "customer", "card", "pix", "device", "merchant", "shipping"}

// pointer is the object's place as a JSON pointer (RFC 6901); that of the root is "".
func (o object) pointer() string {
	if o == objectRoot {
		return ""
	}
	return "/" + objectNames[o]
}

// leavesOf are the leaves of each object.
var leavesOf = [objectEnd][]leaf{
	objectRoot:     {leafID, leafOccurredAt, leafMethod, leafChannel, leafTerminal},
	objectAmount:   {leafCentavos, leafCurrency},
	objectCustomer: {leafCustomerID, leafDocument, leafEmail, leafPhone, leafName},
	objectCard:     {leafCardToken, leafBIN, leafLast4, leafBrand},
	objectPix:      {leafEndToEndID, leafTxID},
	objectDevice:   {leafDeviceID, leafIP, leafUserAgent},
	objectMerchant: {leafMerchantID, leafMCC},
	objectShipping: {leafCEP, leafNumber, leafCity, leafUF},
}

// rule is what a leaf must be.
type rule struct {
	pointer string            // JSON pointer
	name    string            // the last part of the pointer: the member's name in its object
	most    int               // bytes of the text in normal form
	valid   func(string) bool // of the text in normal form; nil for texts whose type or parser vouches for it
	advice  string            // what to do when valid says no
	scanned bool              // free text, in which a card number could hide
}

// What to do, for faults that have no better advice.
const (
	adviceID       = "use 1 to 64 of the letters, the digits and . _ : -"
	adviceText     = "send printable text without control characters and without spaces around it"
	adviceTime     = "write the moment as in RFC 3339, such as 2026-03-01T12:30:00.000-03:00"
	adviceCentavos = "write the amount as a whole number of centavos, without fraction and exponent"
	adviceCurrency = "use BRL, the only currency, or leave the field out"
	adviceMethod   = "use card, pix or boleto"
	adviceChannel  = "use web, app, store, phone or marketplace, or leave the field out"
	adviceBIN      = "send the first 6 or 8 digits of the card"
	adviceLast4    = "send the last 4 digits of the card"
	adviceBrand    = "use letters, digits, spaces, - and _"
	adviceEndToEnd = "send E, the ISPB, yyyyMMddHHmm and 11 letters or digits: 32 characters"
	adviceTxID     = "send 26 to 35 letters or digits"
	adviceMCC      = "send the 4 digits of an ISO 18245 merchant category code"
	adviceUF       = "send the two capitals of a Brazilian state"
)

var rules = [leafEnd]rule{
	leafID:         {"/id", "id", payment.MaxIDLength, payment.ValidID, adviceID, true},
	leafOccurredAt: {"/occurred_at", "occurred_at", 40, nil, adviceTime, false},
	leafCentavos:   {"/amount/centavos", "centavos", 20, nil, adviceCentavos, false},
	leafCurrency:   {"/amount/currency", "currency", 3, nil, adviceCurrency, false},
	leafMethod:     {"/method", "method", 16, nil, adviceMethod, false},
	leafChannel:    {"/channel", "channel", 16, nil, adviceChannel, false},

	leafCustomerID: {"/customer/id", "id", 128, plainText, adviceText, true},
	leafDocument:   {"/customer/document", "document", 20, nil, "", false},
	leafEmail:      {"/customer/email", "email", pii.MaxEmailLength, nil, "", true},
	leafPhone:      {"/customer/phone", "phone", 32, nil, "", false},
	leafName:       {"/customer/name", "name", pii.MaxNameLength, nil, "", true},

	leafCardToken: {"/card/token", "token", 128, plainText, adviceText, true},
	leafBIN:       {"/card/bin", "bin", 8, payment.ValidBIN, adviceBIN, false},
	leafLast4:     {"/card/last4", "last4", 4, payment.ValidLast4, adviceLast4, false},
	leafBrand:     {"/card/brand", "brand", 32, brandText, adviceBrand, true},

	leafEndToEndID: {"/pix/end_to_end_id", "end_to_end_id", 32, payment.ValidEndToEndID, adviceEndToEnd, false},
	leafTxID:       {"/pix/txid", "txid", 35, payment.ValidTxID, adviceTxID, true},

	leafDeviceID:  {"/device/id", "id", 128, plainText, adviceText, true},
	leafIP:        {"/device/ip", "ip", 45, nil, "", false},
	leafUserAgent: {"/device/user_agent", "user_agent", 512, plainText, adviceText, true},

	leafMerchantID: {"/merchant/id", "id", payment.MaxIDLength, payment.ValidID, adviceID, true},
	leafMCC:        {"/merchant/mcc", "mcc", 4, payment.ValidMCC, adviceMCC, false},
	leafTerminal:   {"/terminal", "terminal", payment.MaxIDLength, payment.ValidID, adviceID, true},

	leafCEP:    {"/shipping/cep", "cep", 9, nil, "", false},
	leafNumber: {"/shipping/number", "number", 20, plainText, adviceText, true},
	leafCity:   {"/shipping/city", "city", 80, plainText, adviceText, true},
	leafUF:     {"/shipping/uf", "uf", 2, payment.ValidUF, adviceUF, false},
}

// plainText accepts what can be shown on one line.
func plainText(text string) bool {
	if text[0] == ' ' || text[len(text)-1] == ' ' {
		return false
	}
	for _, c := range text {
		if c < ' ' || c >= 0x7f && (c == unicode.ReplacementChar || !unicode.IsPrint(c)) {
			return false
		}
	}
	return true
}

// brandText accepts a card brand in lower case.
func brandText(text string) bool {
	for i := range len(text) {
		if c := text[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(" -_", c) < 0 {
			return false
		}
	}
	return true
}

// Pointers returns the JSON pointers of all fields of the contract that hold a value, in the order of their numbers.
func Pointers() []string {
	pointers := make([]string, 0, leafEnd-leafID)
	for l := leafID; l < leafEnd; l++ {
		pointers = append(pointers, rules[l].pointer)
	}
	return pointers
}
