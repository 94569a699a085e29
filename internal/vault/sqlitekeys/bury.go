package sqlitekeys

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/vault"
)

// ErrTorn is returned by Bury for tombstones that contradict the store.
var ErrTorn = errors.New("tombstones do not fit the key store")

// Bury erases again what an older copy of the file has brought back: a restored store is given all tombstones there are,
// from any source that outlived it, before the program starts. Of each, the generation is closed, the bytes of the key are
// gone from the files and the tombstone is in its place; what is so already stays as it is, so that Bury may be repeated.
// The tombstones are in ascending order without a gap, and begin with the first, or with one that follows on what the store
// has. They are written in one transaction.
//
// [vault.ErrInput] for tombstones that are out of order or range; [ErrTorn] if they contradict the store.
func (s *Store) Bury(ctx context.Context, stones []vault.Tombstone) error {
	for i := range stones {
		t := &stones[i]
		if t.Seq == 0 || t.Generation == 0 || t.Token.IsZero() || t.At.IsZero() || i > 0 && t.Seq != stones[i-1].Seq+1 {
			return fmt.Errorf("bury tombstones: %w", vault.ErrInput)
		}
	}
	s.write.Lock()
	defer s.write.Unlock()
	s.files.Lock()
	defer s.files.Unlock()
	last := s.erased.Load()
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for i := range stones {
			if err := s.enforce(ctx, tx, &stones[i], &last); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("bury tombstones: %w", err)
	}
	s.erased.Store(last)
	if err := s.truncateLog(ctx); err != nil {
		return fmt.Errorf("truncate log of key store: %w", err)
	}
	return nil
}

// enforce brings one tombstone into force; last is the greatest number that the store has.
func (s *Store) enforce(ctx context.Context, tx *sql.Tx, t *vault.Tombstone, last *uint64) error {
	if t.Seq <= *last {
		there, ok, err := one(ctx, tx, scanTombstone, `SELECT seq, handle, generation, token, at FROM tombstones WHERE seq = ?`, int64(t.Seq))
		if err == nil && (!ok || there != *t) {
			err = fmt.Errorf("%w: it has another one under the number %d", ErrTorn, t.Seq)
		}
		return err // what a tombstone says was done in the same transaction
	}
	if t.Seq != *last+1 {
		return fmt.Errorf("%w: those before number %d are missing; begin with the first", ErrTorn, t.Seq)
	}
	found, err := s.latest(ctx, tx, t.Handle)
	if err != nil {
		return err
	}
	switch r := found; {
	case r.Generation > t.Generation, !r.IsOpen() && r.Generation+1 != t.Generation, r.IsOpen() && (r.Generation != t.Generation || r.Token != t.Token):
		return fmt.Errorf("%w: number %d is about another generation than the store is in", ErrTorn, t.Seq)
	}
	*last = t.Seq
	return inter(ctx, tx, t)
}

// latest is the latest generation of a handle in the transaction, whose tombstones s.erased does not count yet.
func (s *Store) latest(ctx context.Context, tx *sql.Tx, h vault.Handle) (vault.Record, error) {
	r, ok, err := one(ctx, tx, scanOpen, selectOpen+"handle = ?", h[:])
	if err != nil || ok {
		return r, err
	}
	r, _, err = one(ctx, tx, scanClosed,
		`SELECT handle, generation, token, at FROM tombstones WHERE handle = ? ORDER BY generation DESC LIMIT 1`, h[:])
	return r, err
}
