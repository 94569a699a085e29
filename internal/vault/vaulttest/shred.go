package vaulttest

import (
	"context"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
)

func shredCloses(r *rig) {
	r.create(record(1, 1, 5), record(2, 1, 6))
	t := r.shred(1)
	r.same(t, vault.Tombstone{Seq: 1, Handle: handleNo(1), Generation: 1, Token: tokenNo(1, 1), At: moment}, "tombstone")
	closed := vault.Record{Handle: handleNo(1), Generation: 1, Token: tokenNo(1, 1), Closed: moment}
	r.same(r.find(1), closed, "found by handle")
	byToken, err := r.Keys.ByToken(context.Background(), tokenNo(1, 1))
	r.must(err, "by token")
	r.same(byToken, closed, "found by token")
	r.same(r.create(record(1, 1, 7))[0], closed, "the closed generation offered again")
	r.same(r.find(2), record(2, 1, 6), "a neighbor")

	r.same(r.create(record(1, 2, 8))[0], record(1, 2, 8), "the next generation")
	r.same(r.find(1), record(1, 2, 8), "found by handle, after coming back")
	byToken, err = r.Keys.ByToken(context.Background(), tokenNo(1, 1))
	r.must(err, "by token")
	r.same(byToken, closed, "found by the old token, after coming back")
	r.that(r.shred(1).Seq == 2, "the second erasure has the next number")
	latest := r.find(1)
	r.that(latest.Generation == 2 && !latest.IsOpen(), "the latest of two closed generations is found")
}

func shredAgain(r *rig) {
	r.create(record(1, 1, 5), record(2, 1, 6))
	first := r.shred(1)
	r.shred(2)
	again, err := r.Keys.Shred(context.Background(), handleNo(1), moment.Add(time.Hour))
	r.must(err, "shred again")
	r.same(again, first, "tombstone of the repetition")
	r.that(len(r.tombstones(0, 10)) == 2, "a repetition is not counted")
}

func tombstonePages(r *rig) {
	for n := range 7 {
		r.create(record(n, 1, 5))
		r.shred(n)
	}
	var all []vault.Tombstone
	for {
		next := r.tombstones(uint64(len(all)), 3)
		r.that(len(next) <= 3, "a page has at most as many as asked for")
		if len(next) == 0 {
			break
		}
		all = append(all, next...)
	}
	r.that(len(all) == 7, "all pages together have all")
	for i, t := range all {
		r.that(t.Seq == uint64(i+1) && t.Token == tokenNo(i, 1), "tombstone %d is in its place", i)
	}
	r.that(len(r.tombstones(0, 0)) == 0, "a page of none")
}

func shredsAtOnce(r *rig) {
	const n = 16
	for i := range n {
		r.create(record(i, 1, 5))
	}
	r.must(together(2*n, func(i int) error {
		_, err := r.Keys.Shred(context.Background(), handleNo(i%n), moment)
		return err
	}), "shred at once")
	all := r.tombstones(0, 2*n)
	r.that(len(all) == n, "each erasure is counted once")
	for i, t := range all {
		r.that(t.Seq == uint64(i+1), "numbers have no gap")
	}
}

func createAgainstShred(r *rig) {
	r.create(record(1, 1, 5))
	r.must(together(20, func(i int) error {
		if i%4 == 0 {
			_, err := r.Keys.Shred(context.Background(), handleNo(1), moment)
			return err
		}
		for g := 1; g <= 6; g++ {
			if _, err := r.Keys.Create(context.Background(), []vault.Record{record(1, g, byte(i+1))}); err != nil {
				return err
			}
		}
		return nil
	}), "create and shred at once")
	all := r.tombstones(0, 100)
	for i, t := range all {
		r.that(t.Generation == uint32(i+1), "generations are closed one after the other")
	}
	latest := r.find(1)
	closed := uint32(len(all))
	r.that(latest.Generation == closed && !latest.IsOpen() || latest.Generation == closed+1 && latest.IsOpen(),
		"the latest generation fits the tombstones")
}
