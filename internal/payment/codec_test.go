package payment_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
)

// full is a transaction with every field, as a busy shop would send it.
func full() payment.Transaction {
	token := func(b byte) (t payment.Token) {
		for i := range t {
			t[i] = b + byte(i)
		}
		t[0] = 1
		return t
	}
	return payment.Transaction{
		ID:           "01JQ4Z2V7M-0001",
		OccurredAt:   time.Date(2026, 3, 1, 15, 30, 0, 123e6, time.UTC),
		ReceivedAt:   time.Date(2026, 3, 1, 15, 30, 0, 456e6, time.UTC),
		Amount:       payment.Amount{Centavos: 123_456, Currency: "BRL"},
		Method:       payment.Card,
		Channel:      payment.Marketplace,
		Customer:     token(1),
		DocumentKind: payment.CPF,
		Document:     token(2),
		FiscalRegion: 0,
		Email:        token(3),
		Phone:        token(4),
		Card:         payment.CardDetails{Token: token(5), BIN: "41111111", Last4: "1111", Brand: "visa"},
		Pix:          payment.PixDetails{EndToEndID: "E12345678202603011530abcdefghijk", TxID: strings.Repeat("t", 35)},
		Device:       token(6),
		IP:           token(7),
		Merchant:     "seller-42",
		MCC:          "5732",
		Terminal:     "T-9",
		Address:      token(8),
		UF:           "SP",
		Lists:        payment.Blocked | payment.Allowed,
		SealState:    payment.Sealed,
		Sealed:       bytes.Repeat([]byte{0xc5}, 500),
		MAC:          [32]byte{1, 31: 2},
	}
}

// least is a transaction with the fields that are always there.
func least() payment.Transaction {
	t := full()
	return payment.Transaction{
		ID: "1", OccurredAt: t.OccurredAt, Amount: payment.Amount{Currency: "BRL"}, Method: payment.Pix,
		Customer: t.Customer, FiscalRegion: payment.NoRegion,
	}
}

func TestCodecRoundTrip(t *testing.T) {
	for name, want := range map[string]payment.Transaction{"full": full(), "least": least()} {
		t.Run(name, func(t *testing.T) {
			data := payment.AppendTransaction([]byte("before"), &want)
			got, err := payment.DecodeTransaction(data[len("before"):])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("changed on the way (-want +got):\n%s", diff)
			}
		})
	}
}

// anyTransaction draws transactions that ingest could make.
func anyTransaction() *rapid.Generator[payment.Transaction] {
	token := rapid.Custom(func(t *rapid.T) (token payment.Token) {
		copy(token[:], rapid.SliceOfN(rapid.Byte(), 0, len(token)).Draw(t, "token"))
		return token
	})
	moment := rapid.Map(rapid.Int64Range(-1<<40, 1<<42), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
	maybe := func(most int) *rapid.Generator[string] { return rapid.StringN(-1, -1, most) }
	return rapid.Custom(func(t *rapid.T) payment.Transaction {
		x := payment.Transaction{
			ID:           rapid.StringMatching(`[A-Za-z0-9._:-]{1,64}`).Draw(t, "id"),
			OccurredAt:   moment.Draw(t, "occurred"),
			Amount:       payment.Amount{Centavos: rapid.Int64Range(0, payment.MaxCentavos).Draw(t, "centavos"), Currency: "BRL"},
			Method:       payment.Method(rapid.IntRange(1, 3).Draw(t, "method")),
			Channel:      payment.Channel(rapid.IntRange(0, 5).Draw(t, "channel")),
			Customer:     payment.PublicToken(rapid.StringN(1, -1, -1).Draw(t, "customer")),
			DocumentKind: payment.Document(rapid.IntRange(0, 2).Draw(t, "kind")),
			Document:     token.Draw(t, "document"),
			FiscalRegion: rapid.SampledFrom([]uint8{0, 1, 9, payment.NoRegion}).Draw(t, "region"),
			Email:        token.Draw(t, "email"), Phone: token.Draw(t, "phone"),
			Card: payment.CardDetails{Token: token.Draw(t, "card"), BIN: maybe(8).Draw(t, "bin"),
				Last4: maybe(4).Draw(t, "last4"), Brand: maybe(64).Draw(t, "brand")},
			Pix:    payment.PixDetails{EndToEndID: maybe(32).Draw(t, "e2e"), TxID: maybe(35).Draw(t, "txid")},
			Device: token.Draw(t, "device"), IP: token.Draw(t, "ip"), Address: token.Draw(t, "address"),
			Merchant: maybe(64).Draw(t, "merchant"), MCC: maybe(4).Draw(t, "mcc"),
			Terminal: maybe(64).Draw(t, "terminal"), UF: maybe(2).Draw(t, "uf"),
			Lists:     payment.Lists(rapid.IntRange(0, 3).Draw(t, "lists")),
			SealState: payment.Seal(rapid.IntRange(0, 3).Draw(t, "seal")),
		}
		if rapid.Bool().Draw(t, "received") {
			x.ReceivedAt = moment.Draw(t, "received at")
		}
		if blob := rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(t, "sealed"); len(blob) > 0 {
			x.Sealed = blob
		}
		copy(x.MAC[:], rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "mac"))
		return x
	})
}

func TestCodecProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyTransaction().Draw(t, "transaction")
		data := payment.AppendTransaction(nil, &want)
		if len(data) > payment.MaxEncoded {
			t.Fatalf("%d bytes, over MaxEncoded", len(data))
		}
		got, err := payment.DecodeTransaction(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("changed on the way (-want +got):\n%s", diff)
		}
		// No prefix is a transaction too, but for one that ends between two optional fields; and then it is canonical.
		cut := data[:rapid.IntRange(0, len(data)-1).Draw(t, "cut")]
		if part, err := payment.DecodeTransaction(cut); err == nil && !bytes.Equal(payment.AppendTransaction(nil, &part), cut) {
			t.Fatal("accepted a cut encoding that it would not write")
		}
		clear(data)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("shares memory with the data (-want +got):\n%s", diff)
		}
	})
}

// field writes one field as the wire has it.
func field(number byte, payload ...byte) []byte {
	return append([]byte{number, byte(len(payload))}, payload...)
}

func TestDecodeRefuses(t *testing.T) {
	base := least()
	encoded := payment.AppendTransaction(nil, &base)
	with := func(extra ...byte) []byte { return append(bytes.Clone(encoded), extra...) }
	altered := func(alter func(*payment.Transaction)) []byte {
		x := full()
		alter(&x)
		return payment.AppendTransaction(nil, &x)
	}
	zero := make([]byte, 40)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                 {nil, "0 bytes"},
		"too much":                {make([]byte, payment.MaxEncoded+1), "bytes"},
		"version 0":               {append([]byte{0}, encoded[1:]...), "unknown version"},
		"next version":            {append([]byte{2}, encoded[1:]...), "unknown version"},
		"version alone":           {encoded[:1], "id: missing"},
		"unknown field":           {with(31, 1, 1), "unknown field 31"},
		"field zero":              {with(0, 1, 1), "unknown field 0"},
		"field twice":             {with(field(21, 1)...), "out of order"},
		"field too early":         {with(field(1, 'x')...), "out of order"},
		"no length":               {with(30), "sealed: malformed length"},
		"length not minimal":      {with(30, 0x81, 0x00, 1), "sealed: malformed length"},
		"length overflows":        {with(30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), "sealed: malformed length"},
		"length of nothing":       {with(30, 0), "sealed: length out of bounds"},
		"length over the bound":   {with(30, 0x81, 0x80, 0x01), "sealed: length out of bounds"},
		"truncated":               {with(30, 5, 1), "sealed: truncated"},
		"token too short":         {with(field(22, 1, 2, 3)...), "document: invalid"},
		"token of zeros":          {with(field(22, zero[:17]...)...), "document: invalid"},
		"mac too short":           {with(field(29, 1)...), "mac: invalid"},
		"mac of zeros":            {with(field(29, zero[:32]...)...), "mac: invalid"},
		"id with a space":         {altered(func(x *payment.Transaction) { x.ID = "a b" }), "id: invalid"},
		"no currency":             {altered(func(x *payment.Transaction) { x.Amount.Currency = "" }), "amount.currency: missing"},
		"no time":                 {altered(func(x *payment.Transaction) { x.OccurredAt = time.Time{} }), "occurred_at: missing"},
		"no method":               {altered(func(x *payment.Transaction) { x.Method = 0 }), "method: missing"},
		"no customer":             {altered(func(x *payment.Transaction) { x.Customer = payment.Token{} }), "customer: missing"},
		"negative amount":         {altered(func(x *payment.Transaction) { x.Amount.Centavos = -1 }), "amount.centavos: invalid"},
		"amount over the bound":   {altered(func(x *payment.Transaction) { x.Amount.Centavos = payment.MaxCentavos + 1 }), "amount.centavos: invalid"},
		"amount overflows":        {altered(func(x *payment.Transaction) { x.Amount.Centavos = math.MinInt64 }), "amount.centavos: invalid"},
		"year 10000":              {altered(func(x *payment.Transaction) { x.OccurredAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), "occurred_at: invalid"},
		"year -1":                 {altered(func(x *payment.Transaction) { x.ReceivedAt = time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC) }), "received_at: invalid"},
		"method of the future":    {altered(func(x *payment.Transaction) { x.Method = 4 }), "method: invalid"},
		"channel of the future":   {altered(func(x *payment.Transaction) { x.Channel = 6 }), "channel: invalid"},
		"document of the future":  {altered(func(x *payment.Transaction) { x.DocumentKind = 3 }), "document_kind: invalid"},
		"region 10":               {altered(func(x *payment.Transaction) { x.FiscalRegion = 10 }), "fiscal_region: invalid"},
		"list of the future":      {altered(func(x *payment.Transaction) { x.Lists = 4 }), "lists: invalid"},
		"seal of the future":      {altered(func(x *payment.Transaction) { x.SealState = 4 }), "seal: invalid"},
		"brand not UTF-8":         {altered(func(x *payment.Transaction) { x.Card.Brand = "\xff" }), "card.brand: invalid"},
		"brand too long":          {altered(func(x *payment.Transaction) { x.Card.Brand = strings.Repeat("b", 65) }), "card.brand: length out of bounds"},
		"sealed blob too long":    {altered(func(x *payment.Transaction) { x.Sealed = make([]byte, payment.MaxSealed+1) }), "length out of bounds"},
		"method 0 written":        {append([]byte{1, 15, 1, 0}, encoded[1:]...), "method: invalid"},
		"number not minimal":      {[]byte{1, 14, 2, 0x82, 0}, "amount.centavos: invalid"},
		"number with a tail":      {[]byte{1, 14, 2, 2, 2}, "amount.centavos: invalid"},
		"number without an end":   {[]byte{1, 14, 1, 0x82}, "amount.centavos: invalid"},
		"other currency than one": {altered(func(x *payment.Transaction) { x.Amount.Currency = "REAL" }), "amount.currency: length out of bounds"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := payment.DecodeTransaction(c.data)
			if !errors.Is(err, payment.ErrCodec) {
				t.Fatalf("err = %v, want ErrCodec", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %q, want it to say %q", err, c.want)
			}
		})
	}
}

func FuzzDecodeTransaction(f *testing.F) {
	for _, x := range []payment.Transaction{full(), least()} {
		f.Add(payment.AppendTransaction(nil, &x))
	}
	f.Add([]byte{1, 30, 0x81, 0x80, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := payment.DecodeTransaction(data)
		if err != nil {
			if !errors.Is(err, payment.ErrCodec) {
				t.Fatalf("err = %v, want ErrCodec", err)
			}
			return
		}
		if again := payment.AppendTransaction(nil, &x); !bytes.Equal(again, data) {
			t.Fatalf("two encodings of one transaction:\n%x\n%x", data, again)
		}
	})
}

func BenchmarkAppendTransaction(b *testing.B) {
	x := full()
	buf := payment.AppendTransaction(nil, &x)
	b.ReportAllocs()
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		buf = payment.AppendTransaction(buf[:0], &x)
	}
}

func BenchmarkDecodeTransaction(b *testing.B) {
	x := full()
	data := payment.AppendTransaction(nil, &x)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := payment.DecodeTransaction(data); err != nil {
			b.Fatal(err)
		}
	}
}
