package ingest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
)

// body is the fullest submission of a method, changed by edits: a path such as "customer/id" and its value; the value
// absent takes the member out.
func body(tb testing.TB, edits ...any) []byte {
	tb.Helper()
	var tree map[string]any
	if err := json.Unmarshal(bodies(tb, "accepted")["card_full"], &tree); err != nil {
		tb.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		object, name := tree, edits[i].(string)
		if before, after, ok := strings.Cut(name, "/"); ok {
			if object[before] == nil {
				object[before] = map[string]any{}
			}
			object, name = object[before].(map[string]any), after
		}
		if object[name] = edits[i+1]; edits[i+1] == absent {
			delete(object, name)
		}
	}
	data, err := json.Marshal(tree)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

type nothing struct{}

var absent any = nothing{}

type faultCase struct {
	name  string
	edits []any
	want  []string
}

func faultCases() []faultCase {
	long := strings.Repeat("x", 600)
	return []faultCase{
		{"id missing", []any{"id", absent}, []string{"/id missing"}},
		{"id empty", []any{"id", ""}, []string{"/id empty"}},
		{"id blank", []any{"id", " \t"}, []string{"/id empty"}},
		{"id too long", []any{"id", long}, []string{"/id too_long"}},
		{"id of other letters", []any{"id", "ação"}, []string{"/id invalid"}},
		{"id a number", []any{"id", 7}, []string{"/id wrong_type"}},
		{"id a card number", []any{"id", "4111111111111111"}, []string{"/id card_number"}},
		{"time missing", []any{"occurred_at", absent}, []string{"/occurred_at missing"}},
		{"time without zone", []any{"occurred_at", "2026-03-01T12:30:00"}, []string{"/occurred_at invalid"}},
		{"time with one digit", []any{"occurred_at", "2026-03-01T2:30:00Z"}, []string{"/occurred_at invalid"}},
		{"time with a comma", []any{"occurred_at", "2026-03-01T12:30:00,5Z"}, []string{"/occurred_at invalid"}},
		{"offset of a day", []any{"occurred_at", "2026-03-01T12:30:00+24:00"}, []string{"/occurred_at invalid"}},
		{"offset of 60 minutes", []any{"occurred_at", "2026-03-01T12:30:00-00:60"}, []string{"/occurred_at invalid"}},
		{"zero time", []any{"occurred_at", "0001-01-01T00:00:00Z"}, []string{"/occurred_at invalid"}},
		{"time ahead", []any{"occurred_at", "2026-03-01T15:36:00.001Z"}, []string{"/occurred_at in_the_future"}},
		{"time long ago", []any{"occurred_at", "2025-01-25T15:30:59.999Z"}, []string{"/occurred_at too_old"}},
		{"time as number", []any{"occurred_at", 1772368200}, []string{"/occurred_at wrong_type"}},
		{"amount missing", []any{"amount", absent}, []string{"/amount/centavos missing"}},
		{"amount without centavos", []any{"amount/centavos", absent}, []string{"/amount/centavos missing"}},
		{"amount as number", []any{"amount", 5}, []string{"/amount wrong_type", "/amount/centavos missing"}},
		{"amount negative", []any{"amount/centavos", -1}, []string{"/amount/centavos out_of_range"}},
		{"amount too large", []any{"amount/centavos", payment.MaxCentavos + 1}, []string{"/amount/centavos out_of_range"}},
		{"amount true", []any{"amount/centavos", true}, []string{"/amount/centavos wrong_type"}},
		{"dollars", []any{"amount/currency", "USD"}, []string{"/amount/currency unsupported_currency"}},
		{"currency in lower case", []any{"amount/currency", "brl"}, []string{"/amount/currency unsupported_currency"}},
		{"currency empty", []any{"amount/currency", ""}, []string{"/amount/currency empty"}},
		{"method missing", []any{"method", absent}, []string{"/method missing"}},
		{"method unknown", []any{"method", "debit"}, []string{"/method invalid"}},
		{"channel unknown", []any{"channel", "fax"}, []string{"/channel invalid"}},
		{"customer missing", []any{"customer", absent}, []string{"/customer/id missing"}},
		{"customer id too long", []any{"customer/id", long}, []string{"/customer/id too_long"}},
		{"customer id with control", []any{"customer/id", "a\u0007b"}, []string{"/customer/id invalid"}},
		{"customer id of null", []any{"customer/id", nil}, []string{"/customer/id wrong_type"}},
		{"document wrong", []any{"customer/document", "111.444.777-36"}, []string{"/customer/document invalid"}},
		{"email wrong", []any{"customer/email", "maria"}, []string{"/customer/email invalid"}},
		{"email of a card", []any{"customer/email", "4111111111111111@example.com"}, []string{"/customer/email card_number"}},
		{"email wrong with a card", []any{"customer/email", "4111 1111 1111 1111"}, []string{"/customer/email invalid", "/customer/email card_number"}},
		{"phone wrong", []any{"customer/phone", "12345"}, []string{"/customer/phone invalid"}},
		{"name too long", []any{"customer/name", long}, []string{"/customer/name invalid"}},
		{"name of a card", []any{"customer/name", "Maria 5555.5555.5555.4444"}, []string{"/customer/name card_number"}},
		{"card token a card", []any{"card/token", "4111111111111111"}, []string{"/card/token card_number"}},
		{"card token too long", []any{"card/token", long}, []string{"/card/token too_long"}},
		{"bin", []any{"card/bin", "4111111"}, []string{"/card/bin invalid"}},
		{"bin too long", []any{"card/bin", "4111111111111111"}, []string{"/card/bin too_long"}},
		{"last4", []any{"card/last4", "abcd"}, []string{"/card/last4 invalid"}},
		{"brand", []any{"card/brand", "Visa!"}, []string{"/card/brand invalid"}},
		{"card with pix", []any{"method", "pix"}, []string{"/card contradiction"}},
		{"card with boleto", []any{"method", "boleto"}, []string{"/card contradiction"}},
		{"pix with card", []any{"pix/txid", strings.Repeat("t", 26)}, []string{"/pix contradiction"}},
		{"pix malformed", []any{"card", absent, "method", "pix", "pix/txid", "t", "pix/end_to_end_id", "E"}, []string{"/pix/end_to_end_id invalid", "/pix/txid invalid"}},
		{"terminal on the web", []any{"terminal", "T1"}, []string{"/terminal contradiction"}},
		{"terminal for a boleto", []any{"terminal", "T1", "channel", absent, "method", "boleto", "card", absent}, []string{"/terminal contradiction"}},
		{"terminal malformed", []any{"terminal", "T 1", "channel", "store"}, []string{"/terminal invalid"}},
		{"device", []any{"device/id", long, "device/ip", "1.2.3.4:5", "device/user_agent", long}, []string{"/device/ip invalid", "/device/id too_long", "/device/user_agent too_long"}},
		{"user agent with a line break", []any{"device/user_agent", "a\nb"}, []string{"/device/user_agent invalid"}},
		{"merchant", []any{"merchant/id", "a/b", "merchant/mcc", "57"}, []string{"/merchant/id invalid", "/merchant/mcc invalid"}},
		{"shipping", []any{"shipping/cep", "1", "shipping/number", strings.Repeat("1", 21), "shipping/city", long, "shipping/uf", "sp"},
			[]string{"/shipping/cep invalid", "/shipping/number too_long", "/shipping/city too_long", "/shipping/uf invalid"}},
		{"unknown", []any{"coupon", "X"}, []string{" unknown_field"}},
		{"unknown within", []any{"shipping/street", "X"}, []string{"/shipping unknown_field"}},
		{"camel case", []any{"occurredAt", "X"}, []string{"/occurred_at unknown_field"}},
		{"case of an object", []any{"Card", map[string]any{}}, []string{"/card unknown_field"}},
		{"security code", []any{"card/securityCode", "123"}, []string{"/card/security_code card_data"}},
		{"pan at the root", []any{"PAN", "4111111111111111"}, []string{"/pan card_data"}},
		{"number elsewhere", []any{"customer/number", "1"}, []string{"/customer unknown_field"}},
	}
}

func TestFaults(t *testing.T) {
	hit := map[string]bool{"malformed": true, "too_large": true, "duplicate_field": true} // by TestDecodeRefused
	for _, c := range faultCases() {
		t.Run(c.name, func(t *testing.T) {
			_, err := ingest.Decode(body(t, c.edits...), now)
			if diff := cmp.Diff(c.want, found(err)); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
		for _, fault := range c.want {
			_, code, _ := strings.Cut(fault, " ")
			hit[code] = true
		}
	}
	for _, code := range []ingest.Code{ingest.Malformed, ingest.TooLarge, ingest.UnknownField, ingest.DuplicateField, ingest.WrongType, ingest.Missing,
		ingest.Empty, ingest.TooLong, ingest.Invalid, ingest.OutOfRange, ingest.InTheFuture, ingest.TooOld, ingest.Currency, ingest.Contradiction,
		ingest.CardNumber, ingest.CardData} {
		if !hit[string(code)] {
			t.Errorf("no case has the code %s", code)
		}
	}
}
