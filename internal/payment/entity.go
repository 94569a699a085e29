package payment

// Kind is a kind of entity whose behavior is watched: whatever several payments can have in common.
type Kind uint8

// The kinds, in the order of their stored numbers, which never change.
const (
	KindInvalid Kind = iota
	KindCustomer
	KindDocument
	KindCard
	KindDevice
	KindIP
	KindAddress
	KindBIN
	KindMerchant
	KindTerminal

	KindCount = iota // the number of kinds, with KindInvalid: the length of an Entities
)

var kindNames = [KindCount]string{"", "customer", "document", "card", "device", "ip", "address", "bin", "merchant", "terminal"}

// String is the kind's name in rules and features, "" for KindInvalid.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// ParseKind is the inverse of String; it returns KindInvalid for any other text.
func ParseKind(name string) Kind {
	for k := KindCustomer; k < KindCount; k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return KindInvalid
}

// Entities are the tokens of one transaction by kind; a zero token means that it lacks that entity.
type Entities [KindCount]Token

// Entities returns whom and what the transaction touches. Merchant, BIN and terminal are public tokens.
func (t *Transaction) Entities() Entities {
	var e Entities
	e[KindCustomer] = t.Customer
	e[KindDocument] = t.Document
	e[KindCard] = t.Card.Token
	e[KindDevice] = t.Device
	e[KindIP] = t.IP
	e[KindAddress] = t.Address
	e[KindBIN] = PublicToken(t.Card.BIN)
	e[KindMerchant] = PublicToken(t.Merchant)
	e[KindTerminal] = PublicToken(t.Terminal)
	return e
}
