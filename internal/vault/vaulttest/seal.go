package vaulttest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

var sealCases = []testCase{
	{"what was sealed opens, in any process", roundTrip},
	{"no fields, no blob", nothingToSeal},
	{"fields and ids out of range are refused", outOfRange},
	{"any changed bit is refused", changedBlob},
	{"fields, records and customers cannot be swapped", swapped},
	{"a blob commits to its key", commits},
	{"nonces do not repeat", nonces},
	{"a batch is one query and one commit", oneCommit},
	{"the same id twice in a batch is one customer", twiceInBatch},
	{"customers who do not fit into the cache", smallCache},
	{"a wrapped key in another row is refused", movedKey},
}

var someFields = []vault.Field{
	field(vault.FieldDocument, cpf), field(vault.FieldEmail, "ana@example.com"), field(vault.FieldFullName, "Ana Souza"),
}

func roundTrip(r *rig) {
	a := r.open()
	b := r.open()
	rapid.Check(r.T, func(t *rapid.T) {
		id := rapid.StringN(1, 40, 80).Draw(t, "customer")
		recordID := rapid.StringMatching(`[A-Za-z0-9._:-]{1,64}`).Draw(t, "record")
		names := rapid.SliceOfNDistinct(rapid.IntRange(1, 12), 1, 12, rapid.ID).Draw(t, "fields")
		var fields []vault.Field
		for _, n := range names {
			value := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "value")
			fields = append(fields, vault.Field{Name: vault.FieldName(n), Value: value})
		}
		blob := r.seal(r.customer(a, id), recordID, fields...)
		for _, f := range fields {
			r.that(len(f.Value) < 4 || !bytes.Contains(blob, f.Value), "no value is in the blob")
		}
		slices.SortFunc(fields, func(x, y vault.Field) int { return int(x.Name) - int(y.Name) })
		r.opens(b, r.customer(b, id).Token, recordID, blob, fields...)
	})
	longest := field(vault.FieldUserAgent, strings.Repeat("u", vault.MaxField))
	c := r.customer(a, ana)
	blob := r.seal(c, "t-1", longest)
	r.Backends = r.Reopen(r.T)
	r.opens(r.open(), c.Token, "t-1", blob, longest)
}

func nothingToSeal(r *rig) {
	c := r.customer(r.open(), ana)
	for _, fields := range [][]vault.Field{nil, {}, {field(vault.FieldEmail, "")}} {
		blob, state, err := c.Seal("t-1", fields)
		r.that(blob == nil && state == payment.SealNone && err == nil, "%d empty fields give no blob", len(fields))
	}
}

func outOfRange(r *rig) {
	v := r.open()
	c := r.customer(v, ana)
	for name, fields := range map[string][]vault.Field{
		"an invalid name":  {field(vault.FieldInvalid, "x")},
		"an unknown name":  {field(13, "x")},
		"a name twice":     {field(vault.FieldEmail, "x"), field(vault.FieldEmail, "y")},
		"a value too long": {field(vault.FieldCity, strings.Repeat("x", vault.MaxField+1))},
	} {
		_, _, err := c.Seal("t-1", fields)
		r.want(err, vault.ErrInput, "seal with %s", name)
	}
	_, _, err := c.Seal("", someFields)
	r.want(err, vault.ErrInput, "seal without a record id")
	_, _, err = new(vault.Customer).Seal("t-1", someFields)
	r.want(err, vault.ErrInput, "seal of no customer")
	for _, id := range []string{"", strings.Repeat("x", vault.MaxCustomerID+1)} {
		_, err = v.Customers(context.Background(), []string{ana, id})
		r.want(err, vault.ErrInput, "customer id of %d bytes", len(id))
		_, err = v.Shred(context.Background(), id)
		r.want(err, vault.ErrInput, "shred of an id of %d bytes", len(id))
	}
	_, err = v.Open(context.Background(), v.Token(vault.KindEmail, "x"), "t-1", r.seal(c, "t-1", someFields...))
	r.want(err, vault.ErrUnknown, "open for a token without a key")
}

func changedBlob(r *rig) {
	v := r.open()
	c := r.customer(v, ana)
	blob := r.seal(c, "t-1", someFields...)
	for bit := range 8 * len(blob) {
		changed := bytes.Clone(blob)
		changed[bit/8] ^= 1 << (bit % 8)
		r.refuses(vault.ErrBlob, v, c.Token, "t-1", changed)
	}
	for n := range len(blob) {
		r.refuses(vault.ErrBlob, v, c.Token, "t-1", blob[:n])
	}
	r.refuses(vault.ErrBlob, v, c.Token, "t-1", append(bytes.Clone(blob), 0))
	r.opens(v, c.Token, "t-1", blob, someFields...)
}

// Places in a blob, as its layout says.
const (
	offCommitment = 6
	offSet        = 38
	headerSize    = 42
)

// swapped is pitfall P9: without additional data, ciphertexts can be swapped between fields, rows and customers.
func swapped(r *rig) {
	v := r.open()
	a, b := r.customer(v, ana), r.customer(v, rui)
	one, two := field(vault.FieldDocument, "11144477735"), field(vault.FieldEmail, "a@b.example") // of one length
	blob := r.seal(a, "t-1", one, two)
	size := (len(blob) - headerSize) / 2
	first, second := blob[headerSize:headerSize+size], blob[headerSize+size:]

	r.refuses(vault.ErrBlob, v, a.Token, "t-1", slices.Concat(blob[:headerSize], second, first)) // fields of one record
	r.refuses(vault.ErrBlob, v, a.Token, "t-2", blob)                                            // another record
	r.refuses(vault.ErrBlob, v, b.Token, "t-1", blob)                                            // another customer
	other := r.seal(a, "t-2", one, two)
	r.refuses(vault.ErrBlob, v, a.Token, "t-1", slices.Concat(blob[:headerSize], first, other[headerSize+size:]))
	foreign := r.seal(b, "t-1", one, two)
	r.refuses(vault.ErrBlob, v, a.Token, "t-1", slices.Concat(blob[:headerSize], foreign[headerSize:]))

	// A field taken away, with the set in the header corrected.
	fewer := slices.Concat(blob[:headerSize], first)
	binary.BigEndian.PutUint32(fewer[offSet:], 1<<vault.FieldDocument)
	r.refuses(vault.ErrBlob, v, a.Token, "t-1", fewer)
	// A field given another name.
	renamed := bytes.Clone(blob)
	binary.BigEndian.PutUint32(renamed[offSet:], 1<<vault.FieldDocument|1<<vault.FieldPhone)
	r.refuses(vault.ErrBlob, v, a.Token, "t-1", renamed)
}

func commits(r *rig) {
	v := r.open()
	a, b := r.customer(v, ana), r.customer(v, rui)
	blob, foreign := r.seal(a, "t-1", someFields...), r.seal(b, "t-1", someFields...)
	r.that(!bytes.Equal(blob[offCommitment:offSet], foreign[offCommitment:offSet]), "customers have other commitments")
	again := r.seal(a, "t-2", someFields...)
	r.that(bytes.Equal(blob[offCommitment:offSet], again[offCommitment:offSet]), "a customer's commitment stays")
	copy(blob[offCommitment:], foreign[offCommitment:offSet])
	r.refuses(vault.ErrBlob, v, a.Token, "t-1", blob)
}

// nonces is pitfall P10 as far as a test can see it: random nonces under a key of the customer's own.
func nonces(r *rig) {
	c := r.customer(r.open(), ana)
	seen := make(map[string]bool)
	for i := range 2000 {
		blob := r.seal(c, fmt.Sprint(i), field(vault.FieldCity, "Recife"), field(vault.FieldCEP, "50030230"))
		for rest := blob[headerSize:]; len(rest) > 0; {
			size := int(binary.BigEndian.Uint16(rest))
			nonce := string(rest[2:14])
			r.that(!seen[nonce], "nonce is new")
			seen[nonce] = true
			rest = rest[14+size:]
		}
	}
	r.that(len(seen) == 4000, "every field has a nonce")
}

func oneCommit(r *rig) {
	v := r.open()
	ids := make([]string, 600)
	for i := range ids {
		ids[i] = fmt.Sprint("customer-", i)
	}
	first, err := v.Customers(context.Background(), ids)
	r.must(err, "customers")
	again, err := v.Customers(context.Background(), ids)
	r.must(err, "customers")
	fresh, err := r.open().Customers(context.Background(), ids)
	r.must(err, "customers")
	for i := range ids {
		r.that(first[i].Token == again[i].Token && first[i].Token == fresh[i].Token, "customer %d keeps the token", i)
		r.that(first[i].Generation == 1 && first[i].Opened.IsZero(), "customer %d is in the first generation", i)
	}
	if m, ok := r.Keys.(*Memory); ok {
		before := m.Calls()
		_, err := r.open().Customers(context.Background(), append(ids, "new-1", "new-2"))
		r.must(err, "customers")
		// Opening: secret, tombstones. The batch: tombstones, epoch key, find, create.
		r.that(m.Calls()-before == 6, "a batch takes the same calls as one customer")
	}
}

func twiceInBatch(r *rig) {
	v := r.open()
	customers, err := v.Customers(context.Background(), []string{ana, rui, ana, ana})
	r.must(err, "customers")
	r.that(customers[0].Token == customers[2].Token && customers[0].Token == customers[3].Token, "one customer, one token")
	r.that(customers[0].Token != customers[1].Token, "two customers, two tokens")
	blob := r.seal(&customers[3], "t-1", someFields...)
	r.opens(v, customers[0].Token, "t-1", blob, someFields...)
	none, err := v.Customers(context.Background(), nil)
	r.that(err == nil && len(none) == 0, "no ids, no customers")
}

func smallCache(r *rig) {
	v := r.open(func(c *vault.Config) { c.CacheCustomers = 3 })
	ids := []string{"a", "b", "c", "d", "e", "f", "g"}
	all, err := v.Customers(context.Background(), ids)
	r.must(err, "customers")
	for round := range 3 {
		for i, id := range ids {
			c := r.customer(v, id)
			r.that(c.Token == all[i].Token, "round %d: customer keeps the token", round)
			r.opens(v, c.Token, "t-1", r.seal(c, "t-1", someFields...), someFields...)
		}
	}
}

// movedKey gives one customer the wrapped key of another, as somebody with write access to the key store could.
func movedKey(r *rig) {
	v := r.open()
	a, b := r.customer(v, ana), r.customer(v, rui)
	blob := r.seal(a, "t-1", someFields...)
	swap := swappedRows{KeyStore: r.Keys, from: b.Token, to: a.Token}
	thief := r.open(func(c *vault.Config) { c.Keys = swap })
	r.refuses(vault.ErrKey, thief, a.Token, "t-1", blob)
}

// swappedRows answers for one customer with the wrapped key of another.
type swappedRows struct {
	vault.KeyStore
	from, to payment.Token
}

func (s swappedRows) ByToken(ctx context.Context, token payment.Token) (vault.Record, error) {
	own, err := s.KeyStore.ByToken(ctx, token)
	if err != nil || token != s.to {
		return own, err
	}
	other, err := s.KeyStore.ByToken(ctx, s.from)
	own.Epoch, own.Wrapped = other.Epoch, other.Wrapped
	return own, err
}
