package sqlitekeys

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/fastshop/pipeline/internal/vault"
)

// transact runs fn in a transaction that is durable when it returns. fn returns the driver's errors as they are. The
// caller holds s.write.
func (s *Store) transact(ctx context.Context, fn func(*sql.Tx) error) error {
	if err := s.healthy(); err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return cause(ctx, err)
	}
	if err := fn(tx); err != nil {
		return errors.Join(s.failure(ctx, err), rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return s.failure(ctx, err)
	}
	return nil
}

func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// failure leaves the vault's errors and the caller's own context alone and checks all others.
func (s *Store) failure(ctx context.Context, err error) error {
	if errors.Is(err, vault.ErrUnknown) || ctx.Err() != nil {
		return cause(ctx, err)
	}
	return s.check(err)
}

// cause is the error of a read: the context's if it ended, else classified.
func cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, vault.ErrUnknown):
		return err
	}
	return classify(err)
}

// classify wraps a driver's error in vault.ErrUnavailable unless it will come again.
func classify(err error) error {
	if errors.Is(err, ErrTorn) {
		return err
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH:
			return err
		case sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrSchema, err)
		}
	}
	return fmt.Errorf("%w: %w", vault.ErrUnavailable, err)
}

// check is classify for errors of a write. After a failed write or fsync nobody knows what the disk holds, and a later
// fsync may claim success for pages that were lost, so the store refuses everything until it is opened again.
func (s *Store) check(err error) error {
	if err == nil {
		return nil
	}
	classified := classify(err)
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_IOERR {
		broken := fmt.Errorf("key store stopped after a failed write: %w", classified)
		s.broken.CompareAndSwap(nil, &broken)
	}
	return classified
}

// healthy returns the error that broke the store, if one did.
func (s *Store) healthy() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}
