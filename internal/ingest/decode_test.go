package ingest_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pii"
)

// now is the moment of all tests.
var now = time.Date(2026, 3, 1, 15, 31, 0, 0, time.UTC)

// bodies reads the files of a folder of testdata. There must be some: a test or a fuzz target without them proves nothing.
func bodies(tb testing.TB, folder string) map[string][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.json"))
	if err != nil || len(names) < 5 {
		tb.Fatalf("%d files in testdata/%s, %v", len(names), folder, err)
	}
	files := make(map[string][]byte)
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		files[strings.TrimSuffix(filepath.Base(name), ".json")] = data
	}
	return files
}

// decode decodes a body that must be accepted.
func decode(tb testing.TB, data []byte) *ingest.Submission {
	tb.Helper()
	s, err := ingest.Decode(data, now)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// found lists the faults of a refusal as "pointer code".
func found(err error) (list []string) {
	var r *ingest.Refusal
	if !errors.As(err, &r) {
		return []string{fmt.Sprint(err)}
	}
	for _, f := range r.Faults {
		list = append(list, f.Field+" "+string(f.Code))
	}
	return list
}

func TestDecodeFull(t *testing.T) {
	s := decode(t, bodies(t, "accepted")["card_full"])
	for got, want := range map[string]string{
		s.ID:                            "01JQ4Z2V7M-0001",
		s.OccurredAt.String():           "2026-03-01 15:30:00.123 +0000 UTC",
		s.Amount.Currency:               "BRL",
		s.Customer.ID.Reveal():          "c-829114",
		s.Customer.Document.Reveal():    "11144477735",
		s.Customer.Email.Reveal():       "maria.santos@example.com.br",
		s.Customer.Phone.Reveal():       "+5511987654321",
		s.Customer.Name.Reveal():        "Maria Aparecida dos Santos",
		s.Card.Token.Reveal():           "tok_9f8e7d6c5b4a39281706",
		s.Card.BIN + s.Card.Last4:       "411111111111",
		s.Card.Brand:                    "visa",
		s.Device.ID.Reveal():            "d3b07384-d9a0-4c9b-8e1f-2b7c6a5d4e3f",
		s.Device.IP.Reveal():            "2001:db8::7",
		s.Device.UserAgent.Reveal()[:8]: "Mozilla/",
		s.Merchant.ID + s.Merchant.MCC:  "seller-425732",
		s.Shipping.CEP.Reveal():         "01310100",
		s.Shipping.Number.Reveal():      "1578A",
		s.Shipping.City.Reveal():        "São Paulo",
		s.Shipping.UF:                   "SP",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if s.Amount.Centavos != 123_456 || s.Method != payment.Card || s.Channel != payment.Web {
		t.Errorf("amount %d, method %s, channel %s", s.Amount.Centavos, s.Method, s.Channel)
	}
	if printed := fmt.Sprintf("%v %+v %#v", s, s, *s); strings.Contains(printed, "829114") || strings.Contains(printed, "11144477735") {
		t.Errorf("a submission prints personal data: %s", printed)
	}
}

func TestDecodeAccepted(t *testing.T) {
	for name, data := range bodies(t, "accepted") {
		t.Run(name, func(t *testing.T) {
			s := decode(t, data)
			if err := s.Validate(now); err != nil {
				t.Errorf("decoded and then refused: %v", err)
			}
			original := s.AppendCanonical(nil)
			clear(data)
			if !bytes.Equal(s.AppendCanonical(nil), original) {
				t.Error("shares memory with the body")
			}
		})
	}
	if s := decode(t, bodies(t, "accepted")["escapes"]); s.ID != "e-1" || s.Customer.ID.Reveal() != `cliente "é"` || s.Customer.Name.Reveal() != "José da Silva" {
		t.Error("escapes were not undone")
	}
	if s := decode(t, bodies(t, "accepted")["pix"]); s.Device.IP.Reveal() != "203.0.113.7" {
		t.Error("an IPv4 address inside IPv6 is not in normal form")
	}
	if s := decode(t, bodies(t, "accepted")["least"]); s.Amount.Currency != "BRL" {
		t.Error("the currency has no default")
	}
}

func TestDecodeRefused(t *testing.T) {
	want := map[string][]string{
		"empty": {" malformed"}, "truncated": {" malformed"}, "two_objects": {" malformed"}, "trailing": {" malformed"}, "byte_order_mark": {" malformed"},
		"not_utf8": {" malformed"}, "lone_surrogate": {" malformed"}, "trailing_comma": {" malformed"}, "single_quotes": {" malformed"}, "leading_zero": {" malformed"},
		"null": missing(" wrong_type"), "array": missing(" wrong_type"), "text": missing(" wrong_type"),
		"duplicate_name": {"/id duplicate_field"}, "duplicate_escaped": {"/id duplicate_field"}, "duplicate_object": {"/amount duplicate_field"},
		"wrong_case": {"/id unknown_field"}, "unknown_object": {" unknown_field"}, "many_names": {" unknown_field"}, "deep": {" unknown_field"},
		"null_field": {"/terminal wrong_type"}, "exponent": {"/amount/centavos invalid"}, "fraction": {"/amount/centavos invalid"},
		"huge_number": {"/amount/centavos out_of_range"}, "amount_as_text": {"/amount/centavos wrong_type"},
		"card_data":            {"/card/number card_data", "/card/cvv card_data"},
		"card_numbers_in_text": {"/id card_number", "/customer/name card_number", "/device/user_agent card_number"},
		"too_large":            {" too_large"},
	}
	for name, data := range bodies(t, "refused") {
		t.Run(name, func(t *testing.T) {
			s, err := ingest.Decode(data, now)
			if diff := cmp.Diff(want[name], found(err)); diff != "" || s != nil {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// missing are the faults of a body that has nothing, after the given ones.
func missing(before ...string) []string {
	return append(before, "/amount/centavos missing", "/id missing", "/occurred_at missing", "/method missing", "/customer/id missing")
}

// TestAtTheLimits holds what is just allowed.
func TestAtTheLimits(t *testing.T) {
	for name, edits := range map[string][]any{
		"five minutes ahead": {"occurred_at", "2026-03-01T15:36:00Z"},
		"400 days ago":       {"occurred_at", "2025-01-25T15:31:00Z"},
		"the largest amount": {"amount/centavos", payment.MaxCentavos},
		"nothing to pay":     {"amount/centavos", 0},
		"longest texts": {"id", strings.Repeat("i", 64), "customer/id", strings.Repeat("c", 128), "customer/name", strings.Repeat("n", 160),
			"device/user_agent", strings.Repeat("u", 512), "shipping/city", strings.Repeat("é", 40), "shipping/number", strings.Repeat("n", 20)},
		"empty objects": {"card", map[string]any{}, "pix", map[string]any{}, "device", map[string]any{}, "merchant", map[string]any{}, "shipping", map[string]any{}},
		"spaces around": {"id", " 1 ", "method", " card", "customer/id", " c ", "customer/email", " a@b.co "},
	} {
		if _, err := ingest.Decode(body(t, edits...), now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEverythingWrongAtOnce(t *testing.T) {
	_, err := ingest.Decode([]byte(`{"id":"","amount":{"centavos":-1,"currency":"USD","x":1},"method":"x","customer":{"email":"x"},"pan":"1","X":2}`), now)
	want := []string{"/amount unknown_field", "/pan card_data", " unknown_field", "/id empty", "/method invalid", "/customer/email invalid",
		"/occurred_at missing", "/customer/id missing", "/amount/centavos out_of_range", "/amount/currency unsupported_currency"}
	if diff := cmp.Diff(want, found(err)); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if got := err.Error(); !strings.HasPrefix(got, `submission refused: "/amount" unknown_field, "/pan" card_data`) {
		t.Errorf("Error() = %s", got)
	}
	var r *ingest.Refusal
	if errors.As(err, &r) {
		for _, f := range r.Faults {
			if f.Detail == "" {
				t.Errorf("%s %s has no advice", f.Field, f.Code)
			}
		}
	}
}

func TestValidateSubmissionMadeByCode(t *testing.T) {
	s := ingest.Submission{
		ID: "row-1", OccurredAt: now, Amount: payment.Amount{Centavos: 5, Currency: "BRL"}, Method: payment.Card,
		Customer: ingest.Customer{ID: pii.NewText("c")}, Terminal: "t",
	}
	if err := s.Validate(now); err != nil {
		t.Fatal(err)
	}
	s.Customer.ID, s.Card.Token, s.Amount.Currency, s.Card.Brand = pii.NewText(" c"), pii.NewText("a "), "", "VISA"
	want := []string{"/amount/currency unsupported_currency", "/customer/id invalid", "/card/token invalid", "/card/brand invalid"}
	if diff := cmp.Diff(want, found(s.Validate(now))); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/id missing", "/occurred_at missing", "/method missing", "/customer/id missing", "/amount/currency unsupported_currency"},
		found(new(ingest.Submission).Validate(now))); diff != "" {
		t.Errorf("faults of nothing (-want +got):\n%s", diff)
	}
}

// TestPersonalFieldsDeclared compares the map of personal data with what the contract has.
func TestPersonalFieldsDeclared(t *testing.T) {
	declared := map[string]bool{}
	for _, f := range pii.Fields() {
		declared[f.Pointer] = true
	}
	aboutThePayment := []string{"/id", "/occurred_at", "/amount/centavos", "/amount/currency", "/method", "/channel", "/terminal", "/merchant/id", "/merchant/mcc"}
	for _, pointer := range ingest.Pointers() {
		if declared[pointer] == slices.Contains(aboutThePayment, pointer) {
			t.Errorf("%s: declared as personal: %v", pointer, declared[pointer])
		}
		delete(declared, pointer)
	}
	if len(declared) > 0 {
		t.Errorf("declared, but not in the contract: %v", declared)
	}
}
