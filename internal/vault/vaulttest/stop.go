package vaulttest

import (
	"context"
	"errors"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

var stopCases = []testCase{
	{"emergency stop drops the fields and keeps the tokens", emergencyStop},
	{"customers who first come during the stop get a key later", firstDuringStop},
	{"a stop is noticed within the stated bound", stopNoticed},
	{"an outage of the KEK is bridged for the stated time", outageBridged},
	{"an outage over midnight goes on with yesterday's key", outageAtMidnight},
	{"a vault that starts in an outage waits", startsInOutage},
	{"epochs follow one another and old ones open", epochsFollow},
}

func isUnknown(err error) bool { return errors.Is(err, vault.ErrUnknown) }

// state seals some fields and returns what became of them.
func (r *rig) state(c *vault.Customer) payment.Seal {
	r.Helper()
	blob, state, err := c.Seal("t-9", someFields)
	r.must(err, "seal")
	r.that((blob != nil) == (state == payment.Sealed), "a blob comes with the state sealed only")
	return state
}

func emergencyStop(r *rig) {
	v := r.open()
	before := r.customer(v, ana)
	blob := r.seal(before, "t-1", someFields...)
	r.must(r.Stop(), "stop")
	r.clock.Move(time.Second)
	during := r.customer(v, ana)
	r.that(during.Token == before.Token, "the token stays")
	r.that(r.state(during) == payment.SealDropped, "the fields are dropped")
	r.that(r.state(before) == payment.SealDropped, "also by who held the customer before")
	r.refuses(vault.ErrKeyDisabled, v, before.Token, "t-1", blob)
	fresh := r.open()
	r.that(r.customer(fresh, ana).Token == before.Token, "a process that starts now makes the same token")
	r.that(r.state(r.customer(fresh, ana)) == payment.SealDropped, "and drops the fields")

	r.must(r.Resume(), "resume")
	r.clock.Move(time.Second)
	for _, v := range []*vault.Vault{v, fresh} {
		c := r.customer(v, ana)
		r.opens(v, c.Token, "t-2", r.seal(c, "t-2", someFields...), someFields...)
		r.opens(v, c.Token, "t-1", blob, someFields...)
	}
}

func firstDuringStop(r *rig) {
	r.must(r.Stop(), "stop")
	v := r.open()
	c := r.customer(v, ana)
	gone := r.customer(v, rui)
	r.that(r.state(c) == payment.SealDropped, "the fields are dropped")
	_, err := v.Shred(context.Background(), rui)
	r.must(err, "shred of a customer without a key")

	r.must(r.Resume(), "resume")
	other := r.open()
	r.that(r.customer(other, rui).Token != gone.Token, "who was erased without a key comes back as somebody else")
	r.clock.Move(time.Second)
	_, err = other.Open(context.Background(), c.Token, "t-1", r.seal(r.customer(other, "third"), "t-1", someFields...))
	r.that(err != nil, "without a key nothing opens")
	for _, v := range []*vault.Vault{v, other} {
		again := r.customer(v, ana)
		r.that(again.Token == c.Token && again.Generation == 1, "the token is the one from before")
		r.opens(other, c.Token, "t-1", r.seal(again, "t-1", someFields...), someFields...)
	}
}

func stopNoticed(r *rig) {
	asked := &Outage{Wrapper: r.Personal}
	v := r.open(func(c *vault.Config) { c.Personal, c.KEKCheck = asked, 10*time.Second })
	c := r.customer(v, ana)
	r.that(r.state(c) == payment.Sealed, "sealed before the stop")
	before := asked.Asked()
	r.must(r.Stop(), "stop")
	r.clock.Move(9 * time.Second)
	for range 5 {
		r.that(r.state(r.customer(v, ana)) == payment.Sealed, "cached keys are used until the next look")
	}
	r.that(asked.Asked() == before, "the KEK is not asked before its time")
	r.clock.Move(time.Second)
	r.that(r.state(r.customer(v, ana)) == payment.SealDropped, "then they are dropped")
	r.that(asked.Asked() == before+1, "the KEK is asked once")
	r.must(r.Resume(), "resume")
	r.clock.Move(10 * time.Second)
	r.that(r.state(r.customer(v, ana)) == payment.Sealed, "and after the stop there are keys again")
}

func outageBridged(r *rig) {
	out := &Outage{Wrapper: r.Personal}
	v := r.open(func(c *vault.Config) { c.Personal, c.EpochCache = out, time.Hour })
	known := r.customer(v, ana)
	blob := r.seal(known, "t-1", someFields...)
	out.SetDown(true)
	r.clock.Move(59 * time.Minute)
	r.that(r.state(r.customer(v, ana)) == payment.Sealed, "a known customer is sealed for")
	r.that(r.state(r.customer(v, rui)) == payment.Sealed, "and a new one")
	r.opens(v, known.Token, "t-1", blob, someFields...)

	r.clock.Move(time.Minute)
	_, err := v.Customers(context.Background(), []string{ana})
	r.want(err, vault.ErrUnavailable, "customers past the limit")
	_, _, err = known.Seal("t-2", someFields)
	r.want(err, vault.ErrUnavailable, "seal past the limit")
	r.refuses(vault.ErrUnavailable, v, known.Token, "t-1", blob)

	out.SetDown(false)
	r.clock.Move(time.Second)
	r.opens(v, known.Token, "t-1", blob, someFields...)
	r.that(r.state(r.customer(v, ana)) == payment.Sealed, "after the outage all is as before")
}

func outageAtMidnight(r *rig) {
	out := &Outage{Wrapper: r.Personal}
	v := r.open(func(c *vault.Config) { c.Personal, c.EpochCache = out, 14*time.Hour })
	r.customer(v, ana)
	out.SetDown(true)
	r.clock.Move(13 * time.Hour)
	c := r.customer(v, rui)
	blob := r.seal(c, "t-1", someFields...)
	out.SetDown(false)
	r.clock.Move(time.Second)
	r.opens(v, c.Token, "t-1", blob, someFields...)
	r.opens(r.open(), c.Token, "t-1", blob, someFields...)
}

func startsInOutage(r *rig) {
	out := &Outage{Wrapper: r.Personal}
	out.SetDown(true)
	v := r.open(func(c *vault.Config) { c.Personal = out })
	for range 3 {
		_, err := v.Customers(context.Background(), []string{ana})
		r.want(err, vault.ErrUnavailable, "customers")
	}
	r.that(out.Asked() == 1, "the KEK is asked once a second")
	out.SetDown(false)
	r.clock.Move(time.Second)
	r.that(r.state(r.customer(v, ana)) == payment.Sealed, "after the outage it seals")
}

func epochsFollow(r *rig) {
	ctx := context.Background()
	v := r.open()
	var blobs [][]byte
	ids := []string{"day-1", "day-2", "day-3"}
	epochs := make(map[vault.Epoch]bool)
	for _, id := range ids {
		c := r.customer(v, id)
		blobs = append(blobs, r.seal(c, "t-1", someFields...))
		stored, err := r.Keys.ByToken(ctx, c.Token)
		r.must(err, "by token")
		epochs[stored.Epoch] = true
		r.that(int64(stored.Epoch)%86400 == 0, "an epoch begins at midnight, UTC")
		r.clock.Move(24 * time.Hour)
	}
	r.that(len(epochs) == 3, "every day has an epoch key of its own")
	fresh := r.open()
	customers, err := fresh.Customers(ctx, ids)
	r.must(err, "customers")
	for i := range ids {
		r.opens(fresh, customers[i].Token, "t-1", blobs[i], someFields...)
		r.opens(fresh, customers[i].Token, "t-2", r.seal(&customers[i], "t-2", someFields...), someFields...)
	}
}
