package dynamokeys

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/vault"
)

// buryChunk is how many tombstones are compared at once: three items each.
const buryChunk = getChunk / 3

// Bury erases again what an older state of the table has brought back: a restored table is given all tombstones there
// are, from any source that outlived it, before the program starts. Of each, the generation is closed, the key is gone and
// the tombstone is in its place; what is so already stays as it is, so that Bury may be repeated, also after it failed half
// way. The tombstones are in ascending order without a gap, and begin with the first, or with one that follows on what the
// table has. Nobody else should be using the table.
//
// [vault.ErrInput] for tombstones that are out of order or range; [ErrTorn] if they contradict the table.
func (s *Store) Bury(ctx context.Context, stones []vault.Tombstone) error {
	for i := range stones {
		t := &stones[i]
		if t.Seq == 0 || t.Generation == 0 || t.Token.IsZero() || t.At.IsZero() || i > 0 && t.Seq != stones[i-1].Seq+1 {
			return fmt.Errorf("bury tombstones: %w", vault.ErrInput)
		}
	}
	for from := 0; from < len(stones); from += buryChunk {
		if err := s.buryAgain(ctx, stones[from:min(from+buryChunk, len(stones))]); err != nil {
			return fmt.Errorf("bury tombstones: %w", err)
		}
	}
	return nil
}

// buryAgain compares some tombstones with the table and writes those that are not in force.
func (s *Store) buryAgain(ctx context.Context, stones []vault.Tombstone) error {
	for round := 1; round <= maxRounds; round++ {
		table, err := s.around(ctx, stones)
		if err != nil {
			return err
		}
		settled := true
		for i := range stones {
			done, err := s.enforce(ctx, table, &stones[i])
			if err != nil {
				return err
			}
			if !done {
				settled = false
				break
			}
		}
		if settled {
			return nil
		}
		if err := s.pause(ctx, round); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: others write the same customers all the time", vault.ErrUnavailable)
}

// around reads the items that the tombstones are about, by name, and that of the tombstone before the first.
func (s *Store) around(ctx context.Context, stones []vault.Tombstone) (map[string]item, error) {
	table := make(map[string]item, 3*len(stones)+1)
	var keys []item
	want := func(key item) {
		if _, twice := table[key.name()]; !twice {
			table[key.name()] = nil
			keys = append(keys, key)
		}
	}
	if before := stones[0].Seq - 1; before > 0 {
		want(tombstoneKey(before))
	}
	for i := range stones {
		want(customerKey(stones[i].Handle))
		want(tokenKey(stones[i].Token))
		want(tombstoneKey(stones[i].Seq))
	}
	err := s.get(ctx, keys, func(i item) error {
		table[i.name()] = i
		return nil
	})
	return table, err
}

// enforce brings one tombstone into force, and the table in memory up to date.
func (s *Store) enforce(ctx context.Context, table map[string]item, t *vault.Tombstone) (done bool, err error) {
	customer, token, stone := buried(t)
	r, _, err := table[customer.name()].record()
	if err != nil {
		return false, err
	}
	found := table[stone.name()]
	if found != nil {
		if there, err := found.tombstone(); err != nil || there != *t {
			return false, fmt.Errorf("%w: it has another tombstone under the number %d", ErrTorn, t.Seq)
		}
	} else if t.Seq > 1 && table[tombstoneKey(t.Seq-1).name()] == nil {
		return false, fmt.Errorf("%w: tombstones before number %d are missing; begin with the first", ErrTorn, t.Seq)
	}
	switch {
	case r.Generation == t.Generation && r.Token != t.Token:
		return false, fmt.Errorf("%w: tombstone %d has another token than its customer", ErrTorn, t.Seq)
	case r.Generation < t.Generation && (r.IsOpen() || r.Generation+1 != t.Generation):
		return false, fmt.Errorf("%w: tombstones of the generations before that of number %d are missing; begin with the first", ErrTorn, t.Seq)
	}
	if found != nil && table[token.name()].has("c") && (r.Generation > t.Generation || r.Generation == t.Generation && !r.IsOpen()) {
		return true, nil
	}
	if done, err = s.bury(ctx, t, &r, found == nil); err != nil || !done {
		return false, err
	}
	if r.Generation <= t.Generation {
		table[customer.name()] = customer
	}
	table[token.name()], table[stone.name()] = token, stone
	return true, nil
}
