package sqlitekeys

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/fastshop/pipeline/internal/vault"
)

// Secret implements [vault.Secrets].
func (s *Store) Secret(ctx context.Context, id vault.SecretID) ([]byte, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	if err := s.healthy(); err != nil {
		return nil, err
	}
	return secretOf(ctx, s.readers, id)
}

// Keep implements [vault.Secrets].
func (s *Store) Keep(ctx context.Context, id vault.SecretID, wrapped []byte) (kept []byte, err error) {
	s.write.Lock()
	defer s.write.Unlock()
	err = s.transact(ctx, func(tx *sql.Tx) (err error) {
		_, err = tx.ExecContext(ctx, `INSERT INTO secrets (purpose, epoch, wrapped) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			string(id.Purpose), id.Epoch, wrapped)
		if err != nil {
			return err
		}
		kept, err = secretOf(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keep secret: %w", err)
	}
	return kept, nil
}

func secretOf(ctx context.Context, q querier, id vault.SecretID) ([]byte, error) {
	read := func(rows *sql.Rows) (wrapped []byte, err error) { return wrapped, rows.Scan(&wrapped) }
	wrapped, ok, err := one(ctx, q, read, `SELECT wrapped FROM secrets WHERE purpose = ? AND epoch = ?`, string(id.Purpose), id.Epoch)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", cause(ctx, err))
	}
	if !ok {
		return nil, vault.ErrUnknown
	}
	return wrapped, nil
}
