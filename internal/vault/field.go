package vault

// FieldName is a kind of personal field in a sealed blob.
type FieldName uint8

// The fields, in the order of their stored numbers, which never change: the number is the field's bit in the header of
// a blob and is bound to its ciphertext.
const (
	FieldInvalid       FieldName = iota
	FieldCustomerID              // customer_id: the shop's own id of the customer
	FieldDocument                // document: CPF or CNPJ
	FieldEmail                   // email
	FieldPhone                   // phone
	FieldFullName                // name
	FieldCardToken               // card_token: the gateway's token, never a PAN
	FieldDeviceID                // device_id
	FieldIP                      // ip
	FieldUserAgent               // user_agent
	FieldCEP                     // cep: the postal code
	FieldAddressNumber           // address_number
	FieldCity                    // city

	fieldCount = iota // with FieldInvalid; at most 32
)

var fieldNames = [fieldCount]string{
	"", "customer_id", "document", "email", "phone", "name", "card_token", "device_id", "ip", "user_agent", "cep",
	"address_number", "city",
}

// String is the field's name, "" for a number that is none.
func (n FieldName) String() string {
	if int(n) < len(fieldNames) {
		return fieldNames[n]
	}
	return ""
}

// ParseFieldName is the inverse of String; FieldInvalid for any other text.
func ParseFieldName(name string) FieldName {
	for n := FieldCustomerID; n < fieldCount; n++ {
		if fieldNames[n] == name {
			return n
		}
	}
	return FieldInvalid
}

// MaxField is the longest value of a field, in bytes.
const MaxField = 16 << 10

// Field is one personal field in clear. It prints as [redacted].
type Field struct {
	Name  FieldName
	Value []byte // 1 to MaxField bytes; a field without a value is left out when sealing
}
