package vault

import (
	"context"
	"errors"
)

// Ready returns why nothing personal could be sealed now, or nil. A personal-data key that was disabled on purpose is no
// reason: payments are then taken in without their personal fields, as the emergency stop wants it.
func (v *Vault) Ready(ctx context.Context) error {
	if err := v.personal.refresh(ctx); err != nil && !errors.Is(err, ErrKeyDisabled) {
		return err
	}
	return nil
}
