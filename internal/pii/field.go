package pii

import "slices"

// Class is a class of personal field: what it tells about the customer, and so who may see it and for how long.
type Class uint8

// The classes, in the order of their stored numbers. The zero value is invalid.
const (
	ClassInvalid Class = iota
	Identifier         // names the customer to the shop or to a gateway
	Contact            // reaches the customer
	Official           // a number that the state gave: CPF, CNPJ
	Device             // what the customer paid from
	Location           // where the customer lives or receives
	FreeText           // what somebody typed: may hold anything
)

// String is identifier, contact, document, device, location or free_text, and "" for an invalid class.
func (c Class) String() string {
	names := [...]string{"", "identifier", "contact", "document", "device", "location", "free_text"}
	if int(c) < len(names) {
		return names[c]
	}
	return ""
}

// Keeping says in which forms a field outlives the request that brought it. Bits.
type Keeping uint8

// The forms.
const (
	KeptSealed Keeping = 1 << iota // under the customer's own key: gone when that is shredded
	KeptToken                      // as a keyed pseudonym, for matching
	KeptClear                      // as it is, because alone it points at nobody
)

// Field is one personal field of a submission.
type Field struct {
	Pointer string // JSON pointer (RFC 6901) into the submission
	Class   Class
	Keeping Keeping
}

// fields is the map of personal data (LGPD art. 37 asks for the records that are made from it). The transaction's own
// data (id, time, amount, method, merchant, terminal) is about the payment and listed nowhere here.
var fields = []Field{
	{"/customer/id", Identifier, KeptSealed | KeptToken},
	{"/customer/document", Official, KeptSealed | KeptToken},
	{"/customer/email", Contact, KeptSealed | KeptToken},
	{"/customer/phone", Contact, KeptSealed | KeptToken},
	{"/customer/name", FreeText, KeptSealed},
	{"/card/token", Identifier, KeptSealed | KeptToken},
	{"/card/bin", Identifier, KeptClear},
	{"/card/last4", Identifier, KeptClear},
	{"/card/brand", Identifier, KeptClear},
	{"/pix/end_to_end_id", Identifier, KeptClear},
	{"/pix/txid", Identifier, KeptClear},
	{"/device/id", Device, KeptSealed | KeptToken},
	{"/device/ip", Device, KeptSealed | KeptToken},
	{"/device/user_agent", Device, KeptSealed},
	{"/shipping/cep", Location, KeptSealed | KeptToken},
	{"/shipping/number", Location, KeptSealed | KeptToken},
	{"/shipping/city", FreeText, KeptSealed},
	{"/shipping/uf", Location, KeptClear},
}

// Fields returns every personal field of a submission.
func Fields() []Field { return slices.Clone(fields) }
