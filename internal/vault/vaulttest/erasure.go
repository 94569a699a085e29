package vaulttest

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

var erasureCases = []testCase{
	{"after a shred nothing opens, anywhere", nothingOpens},
	{"who comes back is somebody else", comesBack},
	{"events from before the erasure belong to what was closed", lateEvents},
	{"other processes drop the key before their next batch", otherProcess},
	{"a stated time between two looks at the counter", statedTime},
	{"seals racing with a shred", sealAgainstShred},
	{"nobody to erase", nobody},
	{"shred works without the KEK", shredWithoutKEK},
}

// nothingOpens is pitfall P2: a copy of the data, and the key store as it is after the erasure, give nothing.
func nothingOpens(r *rig) {
	v := r.open()
	a, b := r.customer(v, ana), r.customer(v, rui)
	blob, kept := r.seal(a, "t-1", someFields...), r.seal(b, "t-2", someFields...)
	backup := bytes.Clone(blob)
	t, err := v.Shred(context.Background(), ana)
	r.must(err, "shred")
	r.that(t.Seq == 1 && t.Generation == 1 && t.Token == a.Token && t.At.Equal(r.clock.Now()), "the tombstone says what was erased")

	late, state, err := a.Seal("t-3", someFields) // by somebody who still held the customer
	r.must(err, "seal after shred")
	r.that(state == payment.Sealed, "who still holds the customer can seal")
	r.customer(v, ana) // comes back
	for range 2 {      // the second time with everything opened afresh
		for _, copied := range [][]byte{blob, backup, late} {
			r.refuses(vault.ErrErased, v, a.Token, "t-1", copied)
		}
		r.opens(v, b.Token, "t-2", kept, someFields...)
		stored, err := r.Keys.ByToken(context.Background(), a.Token)
		r.must(err, "by token")
		r.that(len(stored.Wrapped) == 0, "the key store has no key")
		tombstones, err := v.Tombstones(context.Background(), 0, 10)
		r.must(err, "tombstones")
		r.that(len(tombstones) == 1 && tombstones[0].Token == a.Token, "the tombstone survives")
		r.Backends = r.Reopen(r.T)
		v = r.open()
	}
}

func comesBack(r *rig) {
	v := r.open()
	before := r.customer(v, ana)
	old := r.seal(before, "t-1", someFields...)
	tokens := map[payment.Token]bool{before.Token: true}
	for generation := uint32(2); generation <= 4; generation++ {
		_, err := v.Shred(context.Background(), ana)
		r.must(err, "shred")
		c := r.customer(v, ana)
		r.that(!tokens[c.Token], "the token is new")
		tokens[c.Token] = true
		r.that(c.Generation == generation, "it is generation %d", generation)
		r.that(c.Opened.Equal(r.clock.Now()), "opened when the one before was closed")
		r.opens(v, c.Token, "t-2", r.seal(c, "t-2", someFields...), someFields...)
		r.refuses(vault.ErrBlob, v, c.Token, "t-1", old)
		r.that(r.customer(r.open(), ana).Token == c.Token, "another process makes the same token")
		r.clock.Move(time.Hour)
	}
}

func lateEvents(r *rig) {
	v := r.open()
	first := r.customer(v, ana)
	_, is := first.Erased(r.clock.Now().Add(-time.Hour))
	r.that(!is, "nothing is erased in the first generation")
	t, err := v.Shred(context.Background(), ana)
	r.must(err, "shred")
	second := r.customer(v, ana)
	for _, at := range []time.Time{t.At.Add(-time.Hour), t.At} {
		token, is := second.Erased(at)
		r.that(is && token == first.Token, "an event from up to the erasure is the old customer's")
	}
	_, is = second.Erased(t.At.Add(time.Millisecond))
	r.that(!is, "a later event is the new customer's")
}

func otherProcess(r *rig) {
	a, b := r.open(), r.open()
	first := r.customer(a, ana)
	r.that(r.customer(b, ana).Token == first.Token, "both know the customer")
	r.customer(b, rui)
	_, err := a.Shred(context.Background(), ana)
	r.must(err, "shred")
	again := r.customer(b, ana)
	r.that(again.Token != first.Token && again.Generation == 2, "the other process opens the next generation")
	counter, err := b.Erasures(context.Background())
	r.must(err, "erasures")
	r.that(counter == 1, "the counter counts one erasure")
	r.that(r.customer(a, ana).Token == again.Token, "and this one follows")
}

func statedTime(r *rig) {
	a := r.open()
	b := r.open(func(c *vault.Config) { c.ErasureCheck = 5 * time.Second })
	first := r.customer(b, ana)
	_, err := a.Shred(context.Background(), ana)
	r.must(err, "shred")
	r.that(r.customer(b, ana).Token == first.Token, "until the next look the old generation is used")
	r.clock.Move(5 * time.Second)
	r.that(r.customer(b, ana).Token != first.Token, "from then on it is not")
}

func sealAgainstShred(r *rig) {
	a, b := r.open(), r.open()
	type sealed struct {
		token payment.Token
		blob  []byte
	}
	const writers = 6
	var results [writers][]sealed
	var stop atomic.Bool
	r.must(together(writers+1, func(i int) error {
		if i == writers {
			defer stop.Store(true)
			for range 5 {
				if _, err := a.Shred(context.Background(), ana); err != nil && !isUnknown(err) {
					return err
				}
			}
			return nil
		}
		v := []*vault.Vault{a, b}[i%2]
		for n := 0; n < 200 && !stop.Load(); n++ {
			customers, err := v.Customers(context.Background(), []string{ana, rui})
			if err != nil {
				return err
			}
			blob, _, err := customers[0].Seal(fmt.Sprint(i), someFields)
			if err != nil {
				return err
			}
			results[i] = append(results[i], sealed{customers[0].Token, blob})
		}
		return nil
	}), "seal and shred at once")
	if _, err := a.Shred(context.Background(), ana); !isUnknown(err) {
		r.must(err, "last shred")
	}
	v := r.open()
	for i := range results {
		for _, s := range results[i] {
			r.refuses(vault.ErrErased, v, s.token, fmt.Sprint(i), s.blob)
		}
	}
	tombstones, err := v.Tombstones(context.Background(), 0, 100)
	r.must(err, "tombstones")
	for _, v := range []*vault.Vault{a, b} {
		c := r.customer(v, ana)
		r.that(int(c.Generation) == len(tombstones)+1, "every vault is in the generation after the last tombstone")
		r.opens(v, c.Token, "t-1", r.seal(c, "t-1", someFields...), someFields...)
	}
}

func nobody(r *rig) {
	v := r.open()
	_, err := v.Shred(context.Background(), ana)
	r.want(err, vault.ErrUnknown, "shred of a customer never seen")
	counter, err := v.Erasures(context.Background())
	r.must(err, "erasures")
	r.that(counter == 0, "nothing is counted")
	r.customer(v, ana)
	first, err := v.Shred(context.Background(), ana)
	r.must(err, "shred")
	again, err := v.Shred(context.Background(), ana)
	r.must(err, "shred again")
	r.that(first == again, "a repetition returns the same tombstone")
}

func shredWithoutKEK(r *rig) {
	v := r.open()
	c := r.customer(v, ana)
	blob := r.seal(c, "t-1", someFields...)
	r.must(r.Stop(), "stop")
	_, err := v.Shred(context.Background(), ana)
	r.must(err, "shred during an emergency stop")
	r.must(r.Resume(), "resume")
	r.refuses(vault.ErrErased, r.open(), c.Token, "t-1", blob)
}
