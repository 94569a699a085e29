package vaulttest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

var keyStoreCases = []testCase{
	{"a handle never seen", neverSeen},
	{"created, then found in the order asked for", createdThenFound},
	{"the loser of a race reads what the winner wrote", loserReads},
	{"creators at once get the same key", creatorsAtOnce},
	{"a generation opened without a key gets it later", keyComesLater},
	{"an offer out of turn or out of range changes nothing", offerOutOfTurn},
	{"shred closes the generation and leaves a tombstone", shredCloses},
	{"shred again returns the same tombstone", shredAgain},
	{"tombstones come in pages, in order", tombstonePages},
	{"shreds at once are numbered without a gap", shredsAtOnce},
	{"create against shred", createAgainstShred},
	{"everything is there after reopening", reopened},
	{"any sequence of calls does what the model does", likeTheModel},
	{"a context that has ended", endedContext},
}

var moment = time.Date(2026, 11, 21, 12, 0, 0, 123e6, time.UTC)

func handleNo(n int) (h vault.Handle) {
	binary.BigEndian.PutUint64(h[:], uint64(n)*0x9e3779b97f4a7c15) // spread like the output of a MAC
	h[15] = 1
	return h
}

func tokenNo(n, generation int) (t payment.Token) {
	t[0] = 1
	binary.BigEndian.PutUint64(t[1:], uint64(n)*0xbf58476d1ce4e5b9)
	binary.BigEndian.PutUint32(t[9:], uint32(generation))
	t[16] = 1
	return t
}

// record is an offer; key tells the keys of several offers apart, 0 is none.
func record(n, generation int, key byte) vault.Record {
	r := vault.Record{Handle: handleNo(n), Generation: uint32(generation), Token: tokenNo(n, generation)}
	if generation > 1 {
		r.Opened = moment
	}
	if key != 0 {
		r.Epoch, r.Wrapped = vault.Epoch(key)*86400, slices.Repeat([]byte{key}, 61)
		binary.BigEndian.PutUint64(r.Wrapped, uint64(n))
	}
	return r
}

func (r *rig) find(n int) vault.Record {
	r.Helper()
	records, err := r.Keys.Find(context.Background(), []vault.Handle{handleNo(n)})
	r.must(err, "find")
	r.that(len(records) == 1, "one record for one handle")
	return records[0]
}

func (r *rig) create(offers ...vault.Record) []vault.Record {
	r.Helper()
	records, err := r.Keys.Create(context.Background(), offers)
	r.must(err, "create")
	r.that(len(records) == len(offers), "one record for each offer")
	return records
}

func (r *rig) shred(n int) vault.Tombstone {
	r.Helper()
	t, err := r.Keys.Shred(context.Background(), handleNo(n), moment)
	r.must(err, "shred")
	return t
}

func (r *rig) tombstones(after uint64, limit int) []vault.Tombstone {
	r.Helper()
	t, err := r.Keys.Tombstones(context.Background(), after, limit)
	r.must(err, "tombstones")
	return t
}

// same compares what came with what should have; empty and nil slices are the same.
func (r *rig) same(got, wanted any, what string, args ...any) {
	r.Helper()
	if reflect.DeepEqual(got, wanted) { // much faster
		return
	}
	if diff := cmp.Diff(wanted, got, cmpopts.EquateEmpty()); diff != "" {
		r.Errorf("%s (-want +got):\n%s", fmt.Sprintf(what, args...), diff)
	}
}

func neverSeen(r *rig) {
	r.same(r.find(1), vault.Record{}, "record of an unknown handle")
	_, err := r.Keys.ByToken(context.Background(), tokenNo(1, 1))
	r.want(err, vault.ErrUnknown, "by token")
	_, err = r.Keys.Shred(context.Background(), handleNo(1), moment)
	r.want(err, vault.ErrUnknown, "shred")
	r.that(len(r.tombstones(0, 10)) == 0, "there is no tombstone")
	records, err := r.Keys.Find(context.Background(), nil)
	r.that(err == nil && len(records) == 0, "nothing asked, nothing found")
	r.that(len(r.create()) == 0, "nothing offered, nothing created")
}

func createdThenFound(r *rig) {
	const n = 700
	var offers []vault.Record
	var handles []vault.Handle
	var wanted []vault.Record
	for i := range n {
		offers = append(offers, record(i, 1, byte(1+i%200)))
	}
	r.same(r.create(offers...), offers, "what was created")
	for i := range 2 * n { // backwards, every one twice, with unknown ones between
		no := n - 1 - i/2
		if i%5 == 0 {
			no += 10_000
		}
		handles = append(handles, handleNo(no))
		if no < n {
			wanted = append(wanted, offers[no])
		} else {
			wanted = append(wanted, vault.Record{})
		}
	}
	found, err := r.Keys.Find(context.Background(), handles)
	r.must(err, "find")
	r.same(found, wanted, "what was found")
	one, err := r.Keys.ByToken(context.Background(), tokenNo(77, 1))
	r.must(err, "by token")
	r.same(one, offers[77], "what was found by token")
}

func loserReads(r *rig) {
	winner, loser := record(1, 1, 7), record(1, 1, 8)
	r.create(winner)
	r.same(r.create(loser)[0], winner, "what the loser gets")
	r.same(r.create(record(2, 1, 1), record(2, 1, 2))[1], record(2, 1, 1), "what the second of one call gets")
	r.same(r.find(1), winner, "what is stored")
}

func creatorsAtOnce(r *rig) {
	const creators, customers = 12, 40
	got := make([][]vault.Record, creators)
	r.must(together(creators, func(i int) error {
		var offers []vault.Record
		for n := range customers {
			offers = append(offers, record(n, 1, byte(i+1)))
		}
		var err error
		got[i], err = r.Keys.Create(context.Background(), offers)
		return err
	}), "create at once")
	for i := range got {
		r.same(got[i], got[0], "what one creator got, compared with the first")
	}
	for n := range customers {
		r.same(r.find(n), got[0][n], "what is stored")
	}
}

func keyComesLater(r *rig) {
	r.same(r.create(record(1, 1, 0))[0], record(1, 1, 0), "opened without a key")
	r.same(r.find(1), record(1, 1, 0), "found without a key")
	r.same(r.create(record(1, 1, 0))[0], record(1, 1, 0), "offered again without a key")
	r.same(r.create(record(1, 1, 5))[0], record(1, 1, 5), "the key added")
	r.same(r.create(record(1, 1, 6))[0], record(1, 1, 5), "another key offered")
	r.same(r.create(record(1, 1, 0))[0], record(1, 1, 5), "no key offered")
	r.create(record(2, 1, 0))
	r.that(r.shred(2).Generation == 1, "a generation without a key can be shredded")
	r.that(!r.find(2).IsOpen(), "and is closed then")
}

func offerOutOfTurn(r *rig) {
	r.same(r.create(record(1, 2, 5))[0], vault.Record{}, "generation 2 of a handle never seen")
	r.create(record(1, 1, 5))
	r.same(r.create(record(1, 2, 6))[0], record(1, 1, 5), "generation 2 while 1 is open")
	other := record(3, 1, 0)
	r.create(other)
	other = record(3, 1, 9)
	other.Token = tokenNo(4, 1)
	r.same(r.create(other)[0], record(3, 1, 0), "a key for another token")
	for name, spoil := range map[string]func(*vault.Record){
		"no generation": func(r *vault.Record) { r.Generation = 0 },
		"no token":      func(r *vault.Record) { r.Token = payment.Token{} },
		"closed":        func(r *vault.Record) { r.Closed = moment },
		"a short key":   func(r *vault.Record) { r.Wrapped = r.Wrapped[:60] },
	} {
		bad := record(9, 1, 5)
		spoil(&bad)
		_, err := r.Keys.Create(context.Background(), []vault.Record{record(8, 1, 5), bad})
		r.want(err, vault.ErrInput, "create with %s", name)
	}
	r.same(r.find(8), vault.Record{}, "neighbor of an offer out of range")
}

func reopened(r *rig) {
	r.create(record(1, 1, 5), record(2, 1, 6), record(3, 1, 0))
	first := r.shred(2)
	r.create(record(2, 2, 7))
	r.Backends = r.Reopen(r.T)
	r.same(r.find(1), record(1, 1, 5), "a customer")
	r.same(r.find(2), record(2, 2, 7), "a customer who came back")
	r.same(r.find(3), record(3, 1, 0), "a customer without a key")
	r.same(r.tombstones(0, 10), []vault.Tombstone{first}, "tombstones")
	r.same(r.create(record(3, 1, 8))[0], record(3, 1, 8), "a key added after reopening")
	r.that(r.shred(1).Seq == 2, "the counter goes on")
	r.same(r.find(3), record(3, 1, 8), "a neighbor")
}

func likeTheModel(r *rig) {
	const handles = 6
	model := &rig{T: r.T, Backends: InMemory()}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := random.IntN(handles)
		switch random.IntN(4) {
		case 0:
			a, errA := r.Keys.Shred(context.Background(), handleNo(n), moment)
			b, errB := model.Keys.Shred(context.Background(), handleNo(n), moment)
			r.same(a, b, "shred")
			r.that((errA == nil) == (errB == nil), "shred fails where the model does")
		default:
			var offers []vault.Record
			for range 1 + random.IntN(3) {
				n := random.IntN(handles)
				g := int(model.find(n).Generation) + random.IntN(3) - 1
				offers = append(offers, record(n, max(g, 1), byte(random.IntN(3))))
			}
			r.same(r.create(offers...), model.create(offers...), "create")
		}
		r.same(r.find(n), model.find(n), "find")
		for g := 1; g <= 3; g++ {
			a, _ := r.Keys.ByToken(context.Background(), tokenNo(n, g))
			b, _ := model.Keys.ByToken(context.Background(), tokenNo(n, g))
			r.same(a, b, "by token")
		}
	}
	r.same(r.tombstones(0, 1000), model.tombstones(0, 1000), "tombstones")
}

func endedContext(r *rig) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.Keys.Find(ctx, []vault.Handle{handleNo(1)})
	r.want(err, context.Canceled, "find")
	_, err = r.Keys.Create(ctx, []vault.Record{record(1, 1, 5)})
	r.that(err == nil || ctx.Err() != nil, "create may go through")
	_, err = r.Keys.ByToken(ctx, tokenNo(1, 1))
	r.want(err, context.Canceled, "by token")
	_, err = r.Keys.Shred(ctx, handleNo(1), moment)
	r.want(err, context.Canceled, "shred")
	_, err = r.Secrets.Secret(ctx, vault.SecretID{Purpose: vault.PurposeEpoch, Epoch: "x"})
	r.want(err, context.Canceled, "secret")
	_, err = r.Secrets.Keep(ctx, vault.SecretID{Purpose: vault.PurposeEpoch, Epoch: "x"}, []byte("w"))
	r.want(err, context.Canceled, "keep")
}
