package payment

import (
	"encoding/binary"
	"time"
)

// text is the place of a text field; nil for a field that is none.
func (t *Transaction) text(f field) *string {
	switch f {
	case fieldID:
		return &t.ID
	case fieldCurrency:
		return &t.Amount.Currency
	case fieldBIN:
		return &t.Card.BIN
	case fieldLast4:
		return &t.Card.Last4
	case fieldBrand:
		return &t.Card.Brand
	case fieldEndToEndID:
		return &t.Pix.EndToEndID
	case fieldTxID:
		return &t.Pix.TxID
	case fieldMerchant:
		return &t.Merchant
	case fieldMCC:
		return &t.MCC
	case fieldTerminal:
		return &t.Terminal
	case fieldUF:
		return &t.UF
	}
	return nil
}

// token is the place of a token field; nil for a field that is none.
func (t *Transaction) token(f field) *Token {
	switch f {
	case fieldCustomer:
		return &t.Customer
	case fieldDocument:
		return &t.Document
	case fieldEmail:
		return &t.Email
	case fieldPhone:
		return &t.Phone
	case fieldCardToken:
		return &t.Card.Token
	case fieldDevice:
		return &t.Device
	case fieldIP:
		return &t.IP
	case fieldAddress:
		return &t.Address
	}
	return nil
}

// number is the value of a number field and whether it is written at all.
func (t *Transaction) number(f field) (v int64, there bool) {
	switch f {
	case fieldOccurredAt:
		return t.OccurredAt.UnixMilli(), !t.OccurredAt.IsZero()
	case fieldReceivedAt:
		return t.ReceivedAt.UnixMilli(), !t.ReceivedAt.IsZero()
	case fieldCentavos:
		v = t.Amount.Centavos
	case fieldMethod:
		v = int64(t.Method)
	case fieldChannel:
		v = int64(t.Channel)
	case fieldDocumentKind:
		v = int64(t.DocumentKind)
	case fieldFiscalRegion:
		v = int64(t.FiscalRegion + 1) // NoRegion wraps to 0, the empty value
	case fieldLists:
		v = int64(t.Lists)
	case fieldSealState:
		v = int64(t.SealState)
	}
	return v, v != 0
}

// setNumber is the inverse of number; it reports whether v is within the field's bounds.
func (t *Transaction) setNumber(f field, v int64) bool {
	switch f {
	case fieldOccurredAt:
		return setTime(&t.OccurredAt, v)
	case fieldReceivedAt:
		return setTime(&t.ReceivedAt, v)
	case fieldCentavos:
		t.Amount.Centavos = v
		return v > 0 && v <= MaxCentavos
	case fieldMethod:
		t.Method = Method(v)
		return v > 0 && v < int64(len(methodNames))
	case fieldChannel:
		t.Channel = Channel(v)
		return v > 0 && v < int64(len(channelNames))
	case fieldDocumentKind:
		t.DocumentKind = Document(v)
		return v > 0 && v < int64(len(documentNames))
	case fieldFiscalRegion:
		t.FiscalRegion = uint8(v - 1)
		return v > 0 && v <= int64(len(fiscalRegions))
	case fieldLists:
		t.Lists = Lists(v)
		return v > 0 && v <= int64(Blocked|Allowed)
	case fieldSealState:
		t.SealState = Seal(v)
		return v > 0 && v < int64(len(sealNames))
	}
	return false
}

// maxTime bounds times to the years that RFC 3339 can write.
var maxTime = time.Date(9999, time.December, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()

func setTime(at *time.Time, ms int64) bool {
	*at = time.UnixMilli(ms).UTC()
	return ms <= maxTime && ms > time.Time{}.UnixMilli()
}

// setBinary takes the payload of a number, a token, the MAC or the sealed blob; it reports whether that was one.
func (t *Transaction) setBinary(f field, payload []byte) bool {
	switch {
	case f < firstToken:
		v, n := binary.Varint(payload)
		if n != len(payload) || n > 1 && payload[n-1] == 0 {
			return false
		}
		return t.setNumber(f, v)
	case f < fieldMAC:
		token := t.token(f)
		return len(payload) == len(token) && copy(token[:], payload) == len(token) && !token.IsZero()
	case f == fieldMAC:
		return len(payload) == len(t.MAC) && copy(t.MAC[:], payload) == len(t.MAC) && t.MAC != [32]byte{}
	default:
		t.Sealed = append([]byte(nil), payload...)
		return true
	}
}

// missing is the first required field that t lacks, or 0.
func (t *Transaction) missing() field {
	switch {
	case t.ID == "":
		return fieldID
	case t.Amount.Currency == "":
		return fieldCurrency
	case t.OccurredAt.IsZero():
		return fieldOccurredAt
	case t.Method == MethodInvalid:
		return fieldMethod
	case t.Customer.IsZero():
		return fieldCustomer
	}
	return 0
}
