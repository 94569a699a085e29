package vaulttest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

var tokenCases = []testCase{
	{"every process of an installation makes the same", sameTokens},
	{"every kind and every use has a key of its own", distinctTokens},
	{"no token is a hash that anybody can make", keyedTokens},
	{"an empty identifier and an invalid kind have none", noToken},
	{"processes that start at once share one ring", ringAtOnce},
	{"a vault starts while the personal key is disabled", startsDisabled},
	{"without the token key no vault starts", noTokenKey},
}

const (
	cpf = "11144477735"
	ana = "customer-ana"
	rui = "customer-rui"
)

var kinds = []vault.TokenKind{
	vault.KindCustomer, vault.KindDocument, vault.KindEmail, vault.KindPhone, vault.KindCard, vault.KindDevice,
	vault.KindIP, vault.KindAddress,
}

func sameTokens(r *rig) {
	a := r.open()
	customer := r.customer(a, ana).Token
	r.Backends = r.Reopen(r.T)
	b := r.open()
	for _, kind := range kinds {
		r.that(a.Token(kind, cpf) == b.Token(kind, cpf), "scoring token of %s", kind)
		r.that(a.ListToken(kind, cpf) == b.ListToken(kind, cpf), "list token of %s", kind)
		r.that(a.LookupToken(kind, cpf) == b.LookupToken(kind, cpf), "look-up token of %s", kind)
	}
	r.that(a.PayloadMAC([]byte(cpf)) == b.PayloadMAC([]byte(cpf)), "payload MAC")
	r.that(a.PayloadMAC([]byte(cpf)) != a.PayloadMAC([]byte(cpf+" ")), "payload MAC of another payload")
	r.that(customer == r.customer(b, ana).Token, "customer token")
}

func distinctTokens(r *rig) {
	v := r.open()
	seen := make(map[payment.Token]bool)
	for _, kind := range kinds {
		for _, token := range []payment.Token{v.Token(kind, cpf), v.ListToken(kind, cpf), v.LookupToken(kind, cpf)} {
			r.that(!seen[token], "token of %s is new", kind)
			r.that(token.Version() == 1, "token of %s starts with the key's version", kind)
			seen[token] = true
		}
	}
	r.that(!seen[r.customer(v, cpf).Token], "customer token is new")
	r.that(v.Token(vault.KindDocument, cpf) != v.Token(vault.KindDocument, "11144477736"), "other values, other tokens")
}

// keyedTokens is pitfall P1: all 10⁹ CPFs can be hashed in minutes, so a token must depend on a secret.
func keyedTokens(r *rig) {
	v, mac := r.open(), hmac.New(sha256.New, make([]byte, 32))
	mac.Write([]byte(cpf))
	bare := sha256.Sum256([]byte(cpf))
	for _, kind := range kinds {
		token := v.Token(kind, cpf)
		r.that(string(token[1:]) != string(bare[:16]) && string(token[1:]) != string(mac.Sum(nil)[:16]), "%s is keyed", kind)
	}
	other := &rig{T: r.T, Backends: InMemory(), clock: r.clock}
	r.that(v.Token(vault.KindDocument, cpf) != other.open().Token(vault.KindDocument, cpf), "another installation, another token")
}

func noToken(r *rig) {
	v := r.open()
	r.that(v.Token(vault.KindDocument, "").IsZero(), "of an empty identifier")
	r.that(v.ListToken(vault.KindInvalid, cpf).IsZero(), "of an invalid kind")
	r.that(v.LookupToken(200, cpf).IsZero(), "of an unknown kind")
}

func ringAtOnce(r *rig) {
	tokens := make([]payment.Token, 8)
	r.must(together(len(tokens), func(i int) error {
		v, err := vault.New(context.Background(), vault.Config{
			Keys: r.Keys, Secrets: r.Secrets, Personal: r.Personal, Tokens: r.Tokens, Env: "test",
		})
		if err == nil {
			tokens[i] = v.Token(vault.KindEmail, "ana@example.com")
		}
		return err
	}), "start at once")
	for _, token := range tokens {
		r.that(token == tokens[0], "all make the same token")
	}
}

func startsDisabled(r *rig) {
	r.must(r.Stop(), "stop")
	r.that(!r.open().Token(vault.KindDocument, cpf).IsZero(), "it makes tokens")
}

func noTokenKey(r *rig) {
	r.open()
	down := &Outage{Wrapper: r.Tokens}
	down.SetDown(true)
	c := vault.Config{Keys: r.Keys, Secrets: r.Secrets, Personal: r.Personal, Tokens: down, Env: "test"}
	_, err := vault.New(context.Background(), c)
	r.want(err, vault.ErrUnavailable, "start without the token key")
	c.Tokens = r.Personal
	_, err = vault.New(context.Background(), c)
	r.want(err, vault.ErrKey, "start with another token key")
	c.Tokens, c.Env = r.Tokens, "prod"
	_, err = vault.New(context.Background(), c)
	r.want(err, vault.ErrKey, "start as another environment")
	r.that(!errors.Is(err, vault.ErrUnavailable), "that does not go away by itself")
}
