package ingest_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fastshop/pipeline/internal/ingest"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

func TestSealFull(t *testing.T) {
	s := newShop(t)
	sub := decode(t, body(t))
	x := s.seal(t, sub)

	want := payment.Transaction{
		ID: "01JQ4Z2V7M-0001", OccurredAt: time.Date(2026, 3, 1, 15, 30, 0, 123e6, time.UTC), ReceivedAt: now,
		Amount: payment.Amount{Centavos: 123_456, Currency: "BRL"}, Method: payment.Card, Channel: payment.Web,
		Customer: x.Customer, DocumentKind: payment.CPF, FiscalRegion: 7, SealState: payment.Sealed, Sealed: x.Sealed,
		Document: s.vault.Token(vault.KindDocument, "11144477735"),
		Email:    s.vault.Token(vault.KindEmail, "maria.santos@example.com.br"),
		Phone:    s.vault.Token(vault.KindPhone, "+5511987654321"),
		Card:     payment.CardDetails{Token: s.vault.Token(vault.KindCard, "tok_9f8e7d6c5b4a39281706"), BIN: "41111111", Last4: "1111", Brand: "visa"},
		Device:   s.vault.Token(vault.KindDevice, "d3b07384-d9a0-4c9b-8e1f-2b7c6a5d4e3f"),
		IP:       s.vault.Token(vault.KindIP, "2001:db8::7"),
		Merchant: "seller-42", MCC: "5732", UF: "SP",
		Address: s.vault.Token(vault.KindAddress, "01310100 1578A"),
		MAC:     s.vault.PayloadMAC(sub.AppendCanonical(nil)),
	}
	if diff := cmp.Diff(want, x); diff != "" {
		t.Errorf("sealed (-want +got):\n%s", diff)
	}
	clear := map[string]string{
		"customer_id": "c-829114", "document": "11144477735", "email": "maria.santos@example.com.br", "phone": "+5511987654321",
		"name": "Maria Aparecida dos Santos", "card_token": "tok_9f8e7d6c5b4a39281706", "device_id": "d3b07384-d9a0-4c9b-8e1f-2b7c6a5d4e3f",
		"ip": "2001:db8::7", "user_agent": sub.Device.UserAgent.Reveal(), "cep": "01310100", "address_number": "1578A", "city": "São Paulo",
	}
	if diff := cmp.Diff(clear, s.open(t, &x)); diff != "" {
		t.Errorf("opened again (-want +got):\n%s", diff)
	}
	data := payment.AppendTransaction(nil, &x)
	for name, value := range clear {
		if bytes.Contains(data, []byte(value)) {
			t.Errorf("the sealed form holds the %s in clear", name)
		}
	}
}

func TestSealLeast(t *testing.T) {
	s := newShop(t)
	x := s.seal(t, decode(t, bodies(t, "accepted")["least"]))
	entities := x.Entities()
	for k := payment.KindDocument; k < payment.KindCount; k++ {
		if !entities[k].IsZero() {
			t.Errorf("a submission without %s has a token of one", k)
		}
	}
	if x.FiscalRegion != payment.NoRegion || x.DocumentKind != payment.DocumentNone || !x.Email.IsZero() || !x.Phone.IsZero() {
		t.Error("a submission without document, e-mail and phone has some")
	}
	if diff := cmp.Diff(map[string]string{"customer_id": "c"}, s.open(t, &x)); diff != "" {
		t.Errorf("opened (-want +got):\n%s", diff)
	}
	company := s.seal(t, decode(t, bodies(t, "accepted")["boleto_company"]))
	if company.DocumentKind != payment.CNPJ || company.FiscalRegion != payment.NoRegion || company.Document.IsZero() {
		t.Error("a company's document is not a CNPJ without region")
	}
	if half := s.seal(t, decode(t, body(t, "shipping/number", absent))); !half.Address.IsZero() {
		t.Error("a CEP without number makes an address")
	}
}

// TestSealMatchesLists puts one identifier after the other on a list.
func TestSealMatchesLists(t *testing.T) {
	s := newShop(t)
	sub := decode(t, body(t))
	for kind, identifier := range map[vault.TokenKind]string{
		vault.KindCustomer: "c-829114", vault.KindDocument: "11144477735", vault.KindEmail: "maria.santos@example.com.br", vault.KindPhone: "+5511987654321",
		vault.KindCard: "tok_9f8e7d6c5b4a39281706", vault.KindDevice: "d3b07384-d9a0-4c9b-8e1f-2b7c6a5d4e3f", vault.KindIP: "2001:db8::7",
		vault.KindAddress: "01310100 1578A",
	} {
		clear(s.lists)
		if x := s.seal(t, sub); x.Lists != 0 {
			t.Fatalf("lists %b without lists", x.Lists)
		}
		s.lists[s.vault.ListToken(kind, identifier)] = payment.Blocked
		if x := s.seal(t, sub); x.Lists != payment.Blocked {
			t.Errorf("%s: lists %b, want blocked", kind, x.Lists)
		}
	}
}

// noLists are lists that say that they are empty, and fail the test when asked all the same.
type noLists struct{ t testing.TB }

func (noLists) Empty() bool { return true }

func (n noLists) Match([]payment.Token) payment.Lists {
	n.t.Error("empty lists were asked")
	return 0
}

func TestSealWithoutLists(t *testing.T) {
	s := newShop(t)
	s.use(t, s.log, noLists{t})
	if x := s.seal(t, decode(t, body(t))); x.Lists != 0 || x.Document.IsZero() {
		t.Error("lists, or no tokens, without lists")
	}
}

// TestListToken puts each identifier of a submission on a list, in another spelling, and sees that it matches.
func TestListToken(t *testing.T) {
	s := newShop(t)
	sub := decode(t, body(t))
	for kind, text := range map[string]string{
		"customer": "c-829114", "document": "111444777-35", "email": "MARIA.santos@example.com.br", "phone": "11987654321", "card": " tok_9f8e7d6c5b4a39281706",
		"device": "d3b07384-d9a0-4c9b-8e1f-2b7c6a5d4e3f", "ip": "2001:db8:0::7", "address": "01310-100  1578a",
	} {
		token, err := s.ListToken(kind, text)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		clear(s.lists)
		s.lists[token] = payment.Allowed
		if x := s.seal(t, sub); x.Lists != payment.Allowed {
			t.Errorf("%s on a list does not match", kind)
		}
	}
	for _, c := range [][2]string{
		{"customer", ""}, {"customer", "canary\x00"}, {"document", "canary"}, {"email", "canary"}, {"phone", "canary"}, {"card", "4111111111111111"},
		{"device", strings.Repeat("canary", 30)}, {"ip", "canary"}, {"address", "canary 1"}, {"address", "01310-100"}, {"canary", "x"}, {"", "x"},
	} {
		if token, err := s.ListToken(c[0], c[1]); !errors.Is(err, ingest.ErrIdentifier) || !token.IsZero() || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "4111") {
			t.Errorf("%q: %v, %v", c, token, err)
		}
	}
}

// TestEmergencyStop disables the key for personal data: tokens go on.
func TestEmergencyStop(t *testing.T) {
	s := newShop(t)
	s.kek.SetDisabled(true)
	x := s.seal(t, decode(t, body(t)))
	if x.SealState != payment.SealDropped || x.Sealed != nil {
		t.Errorf("seal %s, %d bytes", x.SealState, len(x.Sealed))
	}
	if x.Document != s.vault.Token(vault.KindDocument, "11144477735") || x.Customer.IsZero() || x.MAC == [32]byte{} {
		t.Error("tokens or MAC are missing")
	}
}

// TestErasedCustomer lets an event that occurred before an erasure come in after it, and then a new one.
func TestErasedCustomer(t *testing.T) {
	s := newShop(t)
	before := s.seal(t, decode(t, body(t)))
	s.clock = now.Add(-30 * time.Second)
	if _, err := s.vault.Shred(t.Context(), "c-829114"); err != nil {
		t.Fatal(err)
	}

	late := s.seal(t, decode(t, body(t, "id", "late")))
	want := payment.Transaction{
		ID: "late", OccurredAt: before.OccurredAt, ReceivedAt: now, Amount: before.Amount, Method: payment.Card, Channel: payment.Web,
		Customer: before.Customer, FiscalRegion: payment.NoRegion, Merchant: "seller-42", MCC: "5732", SealState: payment.SealErased,
	}
	if diff := cmp.Diff(want, late); diff != "" {
		t.Errorf("late event (-want +got):\n%s", diff)
	}
	if _, err := payment.DecodeTransaction(payment.AppendTransaction(nil, &late)); err != nil {
		t.Error(err)
	}
	back := s.seal(t, decode(t, body(t, "id", "back", "occurred_at", now.Format(time.RFC3339))))
	if back.Customer == before.Customer || back.SealState != payment.Sealed {
		t.Errorf("a customer who came back: seal %s, token the same: %v", back.SealState, back.Customer == before.Customer)
	}
}
