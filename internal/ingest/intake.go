package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/vault"
)

// Config is what an intake stands on. Every field is required.
type Config struct {
	Vault    Vault
	Appender Appender
	Stored   Stored
	Lists    Lists
	Now      func() time.Time // the clock that ReceivedAt is read from
}

// Intake takes validated submissions across the seal. Its methods may be called at once.
type Intake struct {
	vault    Vault
	appender Appender
	stored   Stored
	lists    Lists
	now      func() time.Time
}

// NewIntake returns an intake; the error says which part of c is missing.
func NewIntake(c Config) (*Intake, error) {
	for _, part := range [...]struct {
		name  string
		there bool
	}{
		{"vault", c.Vault != nil}, {"appender", c.Appender != nil}, {"store", c.Stored != nil}, {"lists", c.Lists != nil},
		{"clock", c.Now != nil},
	} {
		if !part.there {
			return nil, fmt.Errorf("make intake: no %s", part.name)
		}
	}
	return &Intake{vault: c.Vault, appender: c.Appender, stored: c.Stored, lists: c.Lists, now: c.Now}, nil
}

// Acceptance is what became of one submission. The zero value is invalid.
type Acceptance uint8

// The acceptances.
const (
	Accepted  Acceptance = iota + 1 // appended to the stream: it will be decided
	Duplicate                       // the same submission came before: nothing to do, answer as if accepted
	Conflict                        // another submission came before under the same id: refused
	Erased                          // the id belongs to a customer who was erased: gone for good
)

// String is accepted, duplicate, conflict or erased, and "" for an invalid acceptance.
func (a Acceptance) String() string {
	names := [...]string{"", "accepted", "duplicate", "conflict", "erased"}
	if int(a) < len(names) {
		return names[a]
	}
	return ""
}

// Accept takes submissions in for later decision: it seals those that are new and appends them to the stream, in
// order, keyed by customer. On return without error every submission has its answer and what was Accepted is durable.
// With an error nothing was acknowledged; the same call may be repeated, as it is, when the error wraps
// vault.ErrUnavailable or stream.ErrFull or when the store says so.
//
// A submission that was accepted a moment ago and is still in the stream is not known yet: a repeat is then accepted
// once more, and the store, which takes an id once, has the last word.
//
// The submissions must have passed validation.
func (in *Intake) Accept(ctx context.Context, subs []*Submission) ([]Acceptance, error) {
	if len(subs) == 0 {
		return nil, nil
	}
	ids := make([]string, len(subs))
	for i, s := range subs {
		ids[i] = s.ID
	}
	prior, err := in.stored.Known(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("look up stored transactions: %w", err)
	}
	macs := in.macs(subs)
	results, fresh := judge(subs, macs, prior)
	if len(fresh) == 0 {
		return results, nil
	}
	freshSubs, freshMACs := make([]*Submission, len(fresh)), make([][32]byte, len(fresh))
	for k, i := range fresh {
		freshSubs[k], freshMACs[k] = subs[i], macs[i]
	}
	sealed, err := in.seal(ctx, freshSubs, freshMACs)
	if err != nil {
		return nil, err
	}
	if err := in.appender.Append(ctx, encode(sealed)); err != nil {
		return nil, fmt.Errorf("append to the stream: %w", err)
	}
	return results, nil
}

// judge compares the submissions with what is stored and with one another. It returns the answers and the indices of
// those that are new.
func judge(subs []*Submission, macs [][32]byte, prior map[string]Prior) (results []Acceptance, fresh []int) {
	results = make([]Acceptance, len(subs))
	fresh = make([]int, 0, len(subs))
	first := make(map[string]int, len(subs))
	for i, s := range subs {
		if p, stored := prior[s.ID]; stored {
			results[i] = p.judge(macs[i])
		} else if k, repeated := first[s.ID]; repeated {
			results[i] = Prior{MAC: macs[k]}.judge(macs[i])
		} else {
			first[s.ID] = i
			results[i] = Accepted
			fresh = append(fresh, i)
		}
	}
	return results, fresh
}

func (p Prior) judge(mac [32]byte) Acceptance {
	switch {
	case p.Erased, p.MAC == [32]byte{}:
		return Erased
	case p.MAC == mac: // both are ours: there is no secret that timing could tell
		return Duplicate
	default:
		return Conflict
	}
}

// macs returns the payload MAC of each submission.
func (in *Intake) macs(subs []*Submission) [][32]byte {
	macs := make([][32]byte, len(subs))
	var canonical []byte
	for i, s := range subs {
		canonical = s.AppendCanonical(canonical[:0])
		macs[i] = in.vault.PayloadMAC(canonical)
	}
	clear(canonical[:cap(canonical)]) // personal data
	return macs
}

// encode writes the transactions one after the other into one piece of memory, of which the entries are parts.
func encode(sealed []payment.Transaction) []stream.Entry {
	const typical = 1 << 10
	entries := make([]stream.Entry, len(sealed))
	data := make([]byte, 0, typical*len(sealed))
	for i := range sealed {
		start := len(data)
		data = payment.AppendTransaction(data, &sealed[i])
		entries[i] = stream.Entry{Key: sealed[i].Customer[:], Data: slices.Clip(data[start:])}
	}
	return entries
}

// Seal turns submissions into transactions, in order: tokens in place of identifiers, personal fields sealed under the
// customers' keys. It asks neither the store nor the stream. An error that wraps vault.ErrUnavailable may be retried; no
// other is expected.
//
// What occurred before its customer was erased comes out as payment.SealErased, under the token of the closed
// generation, without personal fields, tokens and MAC. During an emergency stop the state is payment.SealDropped: the
// tokens are there, the personal fields are not.
//
// The submissions must have passed validation.
func (in *Intake) Seal(ctx context.Context, subs []*Submission) ([]payment.Transaction, error) {
	return in.seal(ctx, subs, in.macs(subs))
}

func (in *Intake) seal(ctx context.Context, subs []*Submission, macs [][32]byte) ([]payment.Transaction, error) {
	ids := make([]string, len(subs))
	for i, s := range subs {
		ids[i] = s.Customer.ID.Reveal()
	}
	customers, err := in.vault.Customers(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("fetch customer keys: %w", err)
	}
	received := in.now().UTC().Truncate(time.Millisecond)
	sealed := make([]payment.Transaction, len(subs))
	w := sealing{listed: true}
	defer func() { clear(w.clear[:cap(w.clear)]) }() // personal data
	if lists, ok := in.lists.(interface{ Empty() bool }); ok {
		w.listed = !lists.Empty()
	}
	for i, s := range subs {
		t := &sealed[i]
		s.clearPart(t)
		t.ReceivedAt = received
		if token, erased := customers[i].Erased(s.OccurredAt); erased {
			t.Customer, t.SealState = token, payment.SealErased
			forget(t)
			continue
		}
		t.Customer, t.MAC = customers[i].Token, macs[i]
		in.tokenize(s, t, &w)
		t.Sealed, t.SealState, err = w.seal(s, &customers[i])
		if err != nil {
			return nil, fmt.Errorf("seal personal fields: %w", err)
		}
	}
	return sealed, nil
}

// clearPart copies what is no personal data, or points at nobody alone.
func (s *Submission) clearPart(t *payment.Transaction) {
	t.ID, t.OccurredAt = s.ID, s.OccurredAt
	t.Amount, t.Method, t.Channel = s.Amount, s.Method, s.Channel
	t.Card.BIN, t.Card.Last4, t.Card.Brand = s.Card.BIN, s.Card.Last4, s.Card.Brand
	t.Pix = s.Pix
	t.Merchant, t.MCC, t.Terminal = s.Merchant.ID, s.Merchant.MCC, s.Terminal
	t.UF = s.Shipping.UF
	t.FiscalRegion = payment.NoRegion
	if cpf, ok := s.Customer.Document.CPF(); ok {
		t.DocumentKind, t.FiscalRegion = payment.CPF, cpf.FiscalRegion()
	} else if s.Customer.Document.IsCNPJ() {
		t.DocumentKind = payment.CNPJ
	}
}

// forget takes out what points at a person: the event belongs to what an erasure closed, and only the books need it.
// It has no MAC and no tokens yet and gets none, but for that of the closed generation.
func forget(t *payment.Transaction) {
	t.DocumentKind, t.FiscalRegion = payment.DocumentNone, payment.NoRegion
	t.Card, t.Pix = payment.CardDetails{}, payment.PixDetails{}
	t.UF = ""
}

// sealing is memory that one call uses for submission after submission.
type sealing struct {
	clear      []byte // the personal fields
	fields     []vault.Field
	listTokens []payment.Token
	listed     bool // there is something on the lists
}

// sealedLeaves are the personal fields that the customer's key seals.
var sealedLeaves = [...]struct {
	leaf leaf
	name vault.FieldName
}{
	{leafCustomerID, vault.FieldCustomerID},
	{leafDocument, vault.FieldDocument},
	{leafEmail, vault.FieldEmail},
	{leafPhone, vault.FieldPhone},
	{leafName, vault.FieldFullName},
	{leafCardToken, vault.FieldCardToken},
	{leafDeviceID, vault.FieldDeviceID},
	{leafIP, vault.FieldIP},
	{leafUserAgent, vault.FieldUserAgent},
	{leafCEP, vault.FieldCEP},
	{leafNumber, vault.FieldAddressNumber},
	{leafCity, vault.FieldCity},
}

func (w *sealing) seal(s *Submission, customer *vault.Customer) ([]byte, payment.Seal, error) {
	w.clear, w.fields = w.clear[:0], w.fields[:0]
	for _, f := range sealedLeaves {
		if text := s.text(f.leaf); text != "" {
			start := len(w.clear)
			w.clear = append(w.clear, text...)
			w.fields = append(w.fields, vault.Field{Name: f.name, Value: slices.Clip(w.clear[start:])})
		}
	}
	return customer.Seal(s.ID, w.fields)
}
