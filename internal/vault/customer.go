package vault

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
)

// MaxCustomerID is the longest customer id, in bytes.
const MaxCustomerID = 1024

// Customer is the open generation of a customer, ready to seal. It is meant for one request or batch: one that is kept
// longer goes on sealing under a key that may have been destroyed since, so that nothing can open what it sealed.
type Customer struct {
	Token      payment.Token // HMAC of customer id and generation; the stream's partition key
	Generation uint32        // 1 for a customer who was never erased
	// Opened is when the generation before was closed by an erasure, UTC to the millisecond; zero for the first.
	Opened time.Time

	closed payment.Token // of the generation before
	keyed  bool
	keys   customerKeys
	vault  *Vault
}

// Erased tells whether an event that occurred at the given time belongs to what an erasure closed, and under which
// token it is then stored: without personal fields (payment.SealErased) and without windows. After several erasures the
// token is that of the generation closed last.
func (c *Customer) Erased(occurredAt time.Time) (payment.Token, bool) {
	if c.Opened.IsZero() || occurredAt.After(c.Opened) {
		return payment.Token{}, false
	}
	return c.closed, true
}

// Customers returns the customers of the ids, 1 to MaxCustomerID bytes each, in order; an id may occur more than once.
// A customer who is seen for the first time, or for the first time after an erasure, gets a key; all new keys of the
// call are durable, in one commit, when it returns.
//
// During an emergency stop customers come without keys (they get them later, under the same token) and Seal drops the
// personal fields. Errors: [ErrUnavailable] when the key store is out of reach or the KEK has been for too long,
// [ErrKey], [ErrInput].
func (v *Vault) Customers(ctx context.Context, ids []string) ([]Customer, error) {
	handles := make([]Handle, len(ids))
	for i, id := range ids {
		if id == "" || len(id) > MaxCustomerID {
			return nil, fmt.Errorf("%w: a customer id has 1 to %d bytes", ErrInput, MaxCustomerID)
		}
		handles[i] = v.tokens.handleOf(id)
	}
	if err := v.lookAtErasures(ctx); err != nil {
		return nil, err
	}
	err := v.personal.refresh(ctx)
	if err == nil {
		customers, err := v.customers(ctx, ids, handles, true)
		if !errors.Is(err, ErrKeyDisabled) {
			return customers, err
		}
	} else if !errors.Is(err, ErrKeyDisabled) {
		return nil, err
	}
	return v.customers(ctx, ids, handles, false)
}

func (v *Vault) customers(ctx context.Context, ids []string, handles []Handle, keyed bool) ([]Customer, error) {
	out := make([]Customer, len(ids))
	missing, changes := v.cache.fill(handles, keyed, func(i int, e *entry) { v.set(&out[i], e) })
	if len(missing) > 0 {
		loaded, err := v.load(ctx, ids, handles, missing, keyed)
		if err != nil {
			return nil, err
		}
		v.cache.put(changes, loaded.entries)
		for _, i := range missing {
			v.set(&out[i], &loaded.entries[loaded.index[handles[i]]])
		}
	}
	for i := range out {
		if c := &out[i]; c.Generation > 1 {
			c.closed = v.tokens.customerToken(ids[i], c.Generation-1)
		}
	}
	return out, nil
}

func (v *Vault) set(c *Customer, e *entry) {
	c.Token, c.Generation, c.Opened = e.token, e.generation, fromMillis(e.opened)
	c.keyed, c.keys, c.vault = e.keyed, e.keys, v
}

// loading are customers on their way from the key store into the cache.
type loading struct {
	index   map[Handle]int // place in the slices below
	ids     []string
	handles []Handle
	entries []entry
}

// maxRounds bounds how often a call loses the race for a generation to an erasure before it gives up.
const maxRounds = 8

// load reads the missing customers and creates what is not there.
func (v *Vault) load(ctx context.Context, ids []string, handles []Handle, missing []int, keyed bool) (*loading, error) {
	l := &loading{index: make(map[Handle]int, len(missing))}
	for _, i := range missing {
		if _, twice := l.index[handles[i]]; !twice {
			l.index[handles[i]] = len(l.handles)
			l.handles = append(l.handles, handles[i])
			l.ids = append(l.ids, ids[i])
		}
	}
	l.entries = make([]entry, len(l.handles))
	asked := l.handles
	records, err := v.keys.Find(ctx, asked)
	for range maxRounds {
		if err == nil && len(records) != len(asked) {
			err = fmt.Errorf("%w: the key store left customers out", ErrKey)
		}
		if err != nil {
			return nil, fmt.Errorf("load customers: %w", err)
		}
		var create []Record
		create, err = v.step(ctx, l, asked, records, keyed)
		if err != nil {
			return nil, fmt.Errorf("load customers: %w", err)
		}
		if len(create) == 0 {
			return l, nil
		}
		asked = make([]Handle, len(create))
		for i := range create {
			asked[i] = create[i].Handle
		}
		records, err = v.keys.Create(ctx, create)
	}
	return nil, fmt.Errorf("%w: customers are being erased as fast as they come", ErrUnavailable)
}

// step takes over the records that are ready and returns those that have to be created.
func (v *Vault) step(ctx context.Context, l *loading, asked []Handle, records []Record, keyed bool) (create []Record, err error) {
	for i := range records {
		r, at := &records[i], l.index[asked[i]]
		if r.Generation > 0 && r.Handle != asked[i] {
			return nil, fmt.Errorf("%w: the key store returned a customer that nobody asked for", ErrKey)
		}
		if r.IsOpen() && (!keyed || len(r.Wrapped) > 0) {
			if l.entries[at], err = v.take(ctx, l.ids[at], r, keyed); err != nil {
				return nil, err
			}
			continue
		}
		next := Record{Handle: asked[i], Generation: r.Generation, Opened: r.Opened}
		if !r.IsOpen() {
			next.Generation, next.Opened = r.Generation+1, r.Closed
		}
		next.Token = v.tokens.customerToken(l.ids[at], next.Generation)
		if keyed {
			if err := v.addKey(&next); err != nil {
				return nil, err
			}
		}
		create = append(create, next)
	}
	return create, nil
}

// take makes a cache entry of an open record. A token that is not the customer's own means that the key store belongs to
// another ring of token keys, or was tampered with.
func (v *Vault) take(ctx context.Context, id string, r *Record, keyed bool) (e entry, err error) {
	own := v.tokens.customerToken(id, r.Generation)
	if subtle.ConstantTimeCompare(own[:], r.Token[:]) != 1 {
		return e, fmt.Errorf("%w: the customer token is not of this key ring", ErrKey)
	}
	e = entry{handle: r.Handle, token: r.Token, generation: r.Generation, opened: millis(r.Opened), keyed: keyed, used: true}
	if keyed {
		e.keys, err = v.openKey(ctx, r)
	}
	return e, err
}
