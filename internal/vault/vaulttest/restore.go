package vaulttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fastshop/pipeline/internal/vault"
)

var restoreCases = []testCase{
	{"a restored store that buries the tombstones has no erased key", restoredHasNoKey},
	{"bury goes on where the restored store ends", burySuffix},
	{"bury again changes nothing", buryAgain},
	{"tombstones that do not fit are refused", buryRefuses},
	{"a vault over a restored store opens nothing that was erased", restoredVault},
}

// burier is a key store that can be brought back from a backup.
type burier interface {
	Bury(ctx context.Context, tombstones []vault.Tombstone) error
}

func (r *rig) snapshot() (restore func()) {
	r.Helper()
	if r.Snapshot == nil {
		r.Skip("NOT TESTED: this key store has no backups")
	}
	put := r.Snapshot(r.T)
	return func() { r.Backends = put(r.T) }
}

func (r *rig) bury(tombstones ...vault.Tombstone) error {
	r.Helper()
	b, ok := r.Keys.(burier)
	if !ok {
		r.Fatal("a key store with backups has to have Bury")
	}
	return b.Bury(context.Background(), tombstones)
}

// history makes customers, of whom some are erased before a snapshot, some after it, and restores the snapshot. It returns
// all tombstones.
func (r *rig) history() []vault.Tombstone {
	r.Helper()
	r.create(record(1, 1, 5), record(2, 1, 6), record(3, 1, 7), record(4, 1, 0))
	r.shred(1)
	restore := r.snapshot()
	r.shred(2)
	r.create(record(1, 2, 8), record(5, 1, 9))
	r.shred(1)
	r.shred(5)
	r.shred(4)
	all := r.tombstones(0, 100)
	restore()
	r.same(r.find(2), record(2, 1, 6), "what the backup brings back")
	r.that(len(all) == 5 && len(r.tombstones(0, 100)) == 1, "the backup is from before the erasures")
	return all
}

// erased checks that the store is as if the erasures of history had happened in it.
func (r *rig) erased(all []vault.Tombstone) {
	r.Helper()
	r.same(r.tombstones(0, 100), all, "tombstones")
	for _, t := range all {
		closed := vault.Record{Handle: t.Handle, Generation: t.Generation, Token: t.Token, Closed: t.At}
		found, err := r.Keys.ByToken(context.Background(), t.Token)
		r.must(err, "by token")
		r.same(found, closed, "found by token, of tombstone %d", t.Seq)
	}
	for n, g := range map[int]uint32{1: 2, 2: 1, 4: 1, 5: 1} {
		latest := r.find(n)
		r.that(latest.Generation == g && !latest.IsOpen() && len(latest.Wrapped) == 0, "customer %d is closed, without a key", n)
	}
	r.same(r.find(3), record(3, 1, 7), "who was not erased")
}

func restoredHasNoKey(r *rig) {
	all := r.history()
	r.must(r.bury(all...), "bury")
	r.erased(all)
	r.Backends = r.Reopen(r.T)
	r.erased(all)
	r.that(r.shred(3).Seq == uint64(len(all)+1), "the counter goes on")
	r.same(r.create(record(5, 2, 3))[0], record(5, 2, 3), "who was never in the backup opens the next generation")
	r.same(r.create(record(2, 1, 6))[0].Wrapped, []byte(nil), "the buried generation offered again")
}

func burySuffix(r *rig) {
	all := r.history()
	r.must(r.bury(all[1:3]...), "bury the next two")
	r.must(r.bury(all[3:]...), "bury the rest")
	r.erased(all)
	r.must(r.bury(), "bury nothing")
	r.erased(all)
}

func buryAgain(r *rig) {
	all := r.history()
	r.must(r.bury(all...), "bury")
	r.create(record(2, 2, 4))
	r.must(r.bury(all...), "bury again")
	r.same(r.find(2), record(2, 2, 4), "who came back")
	r.same(r.tombstones(0, 100), all, "tombstones")
	r.must(together(4, func(int) error { return r.bury(all...) }), "bury at once")
	r.same(r.find(2), record(2, 2, 4), "who came back")
}

func buryRefuses(r *rig) {
	all := r.history()
	other := slices.Clone(all)
	other[0].Token = tokenNo(9, 9)
	another := slices.Clone(all)
	another[1].Token = tokenNo(9, 9)
	early := all[1]
	early.Generation = 2
	for name, c := range map[string]struct {
		stones []vault.Tombstone
		input  bool
	}{
		"out of order":                  {[]vault.Tombstone{all[1], all[0]}, true},
		"with a gap":                    {[]vault.Tombstone{all[0], all[2]}, true},
		"without a number":              {[]vault.Tombstone{{Handle: all[0].Handle, Generation: 1, Token: all[0].Token, At: all[0].At}}, true},
		"without a token":               {[]vault.Tombstone{{Seq: 2, Handle: all[1].Handle, Generation: 1, At: all[1].At}}, true},
		"with the next one missing":     {all[2:], false},
		"another one under a number":    {other, false},
		"another token":                 {another, false},
		"a generation that never began": {[]vault.Tombstone{early}, false},
	} {
		err := r.bury(c.stones...)
		r.that(err != nil && errors.Is(err, vault.ErrInput) == c.input && !errors.Is(err, vault.ErrUnavailable), "refused: tombstones %s (%v)", name, err)
	}
	r.same(r.find(2), record(2, 1, 6), "a customer of whom nothing was buried")
	r.must(r.bury(all...), "bury what fits")
	r.erased(all)
}

func restoredVault(r *rig) {
	v := r.open()
	blobs := make(map[string][]byte)
	customers := make(map[string]*vault.Customer)
	for _, id := range []string{ana, rui} {
		customers[id] = r.customer(v, id)
		blobs[id] = r.seal(customers[id], "t-1", someFields...)
	}
	restore := r.snapshot()
	_, err := v.Shred(context.Background(), ana)
	r.must(err, "shred")
	after := r.customer(v, ana)
	all, err := v.Tombstones(context.Background(), 0, 10)
	r.must(err, "tombstones")
	restore()
	r.opens(r.open(), customers[ana].Token, "t-1", blobs[ana], someFields...) // the danger
	r.must(r.bury(all...), "bury")
	v = r.open()
	r.refuses(vault.ErrErased, v, customers[ana].Token, "t-1", blobs[ana])
	r.opens(v, customers[rui].Token, "t-1", blobs[rui], someFields...)
	again := r.customer(v, ana)
	r.that(again.Token == after.Token && again.Generation == 2, "she comes back as whom she had become")
}

// snapshot copies the store and returns what puts the copy back.
func (m *Memory) snapshot() (restore func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	latest, tombstones, secrets := maps.Clone(m.latest), slices.Clone(m.tombstones), maps.Clone(m.secrets)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.latest, m.tombstones, m.secrets = latest, tombstones, secrets
	}
}

// Bury erases again what a backup has brought back; the stores of production say more about it.
func (m *Memory) Bury(ctx context.Context, stones []vault.Tombstone) error {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return err
	}
	latest, tombstones := maps.Clone(m.latest), slices.Clone(m.tombstones)
	for i, t := range stones {
		if t.Seq == 0 || t.Generation == 0 || t.Token.IsZero() || t.At.IsZero() || i > 0 && t.Seq != stones[i-1].Seq+1 {
			return vault.ErrInput
		}
		if t.Seq <= uint64(len(tombstones)) {
			if tombstones[t.Seq-1] != t {
				return fmt.Errorf("another tombstone has the number %d", t.Seq)
			}
			continue
		}
		r := latest[t.Handle]
		fits := !r.IsOpen() && r.Generation+1 == t.Generation || r.IsOpen() && r.Generation == t.Generation && r.Token == t.Token
		if !fits || t.Seq != uint64(len(tombstones)+1) {
			return fmt.Errorf("tombstone %d does not fit", t.Seq)
		}
		tombstones = append(tombstones, t)
		latest[t.Handle] = closed(t)
	}
	m.latest, m.tombstones = latest, tombstones
	return nil
}
