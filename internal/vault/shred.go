package vault

import (
	"context"
	"fmt"
	"time"
)

// tombstonePage is how many tombstones are read at once.
const tombstonePage = 1000

// Shred erases a customer: it destroys the key of the open generation, closes the generation and writes its tombstone.
// Events that occurred up to then belong to the closed generation ([Customer.Erased]); the next one opens the next
// generation, under another token. When it returns, the key is gone from the files of the key store and from this
// vault; other processes drop it with their next look at the erasure counter.
//
// A repeated Shred returns the same tombstone, until the customer has come back. [ErrUnknown]: the customer was never
// seen, nothing was stored. It works without the KEK.
func (v *Vault) Shred(ctx context.Context, customerID string) (Tombstone, error) {
	if customerID == "" || len(customerID) > MaxCustomerID {
		return Tombstone{}, fmt.Errorf("%w: a customer id has 1 to %d bytes", ErrInput, MaxCustomerID)
	}
	at := v.now().UTC().Truncate(time.Millisecond)
	t, err := v.keys.Shred(ctx, v.tokens.handleOf(customerID), at)
	if err != nil {
		return Tombstone{}, fmt.Errorf("shred: %w", err)
	}
	// The counter stays where it is: tombstones of other processes may lie between.
	v.cache.forget(t)
	return t, nil
}

// Erasures returns the erasure counter, after dropping from the cache every customer that was erased since the last
// look. Customers looks by itself, as often as Config.ErasureCheck says.
func (v *Vault) Erasures(ctx context.Context) (uint64, error) {
	v.erasures.Lock()
	defer v.erasures.Unlock()
	now := v.now().UnixNano()
	for {
		tombstones, err := v.keys.Tombstones(ctx, v.cache.counter(), tombstonePage)
		if err != nil {
			return 0, fmt.Errorf("look at erasures: %w", err)
		}
		if len(tombstones) > 0 {
			v.cache.drop(tombstones)
		}
		if len(tombstones) < tombstonePage {
			break
		}
	}
	v.erasuresAt.Store(now)
	return v.cache.counter(), nil
}

// lookAtErasures looks at the erasure counter if it is time to.
func (v *Vault) lookAtErasures(ctx context.Context) error {
	since := v.now().UnixNano() - v.erasuresAt.Load()
	if since >= 0 && since < int64(v.erasureCheck) { // a clock that went back proves nothing
		return nil
	}
	_, err := v.Erasures(ctx)
	return err
}

// Tombstones returns up to limit tombstones whose number is greater than after, in ascending order: what a restore has
// to replay before it opens for traffic.
func (v *Vault) Tombstones(ctx context.Context, after uint64, limit int) ([]Tombstone, error) {
	tombstones, err := v.keys.Tombstones(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", err)
	}
	return tombstones, nil
}
