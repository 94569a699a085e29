package sqlitekeys

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
)

// Shred implements [vault.KeyStore]: it overwrites the key in place, and truncates the write-ahead log before it returns.
// A repetition truncates the log as well, in case the first one did not get that far.
func (s *Store) Shred(ctx context.Context, h vault.Handle, at time.Time) (vault.Tombstone, error) {
	s.write.Lock()
	defer s.write.Unlock()
	s.files.Lock() // waits for queries under way, and lets none see the erasure before it is counted
	defer s.files.Unlock()
	var t vault.Tombstone
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		t, err = s.bury(ctx, tx, h, at)
		return err
	})
	if err != nil {
		return vault.Tombstone{}, fmt.Errorf("destroy customer key: %w", err)
	}
	s.erased.Store(max(s.erased.Load(), t.Seq))
	if err := s.truncateLog(ctx); err != nil {
		return vault.Tombstone{}, fmt.Errorf("truncate log of key store: %w", err)
	}
	return t, nil
}

// bury closes the open generation of h and returns its tombstone, or the last one if none is open.
func (s *Store) bury(ctx context.Context, tx *sql.Tx, h vault.Handle, at time.Time) (vault.Tombstone, error) {
	found, err := s.find(ctx, tx, []vault.Handle{h})
	if err != nil {
		return vault.Tombstone{}, err
	}
	r, ok := found[h]
	if !ok {
		return vault.Tombstone{}, vault.ErrUnknown
	}
	if !r.IsOpen() {
		t, _, err := one(ctx, tx, scanTombstone,
			`SELECT seq, handle, generation, token, at FROM tombstones WHERE handle = ? AND generation = ?`, h[:], int64(r.Generation))
		return t, err
	}
	t := vault.Tombstone{Seq: s.erased.Load() + 1, Handle: h, Generation: r.Generation, Token: r.Token, At: fromMillis(toMillis(at))}
	return t, inter(ctx, tx, &t)
}

// inter destroys the key of the tombstone's generation, removes the customer, and writes the tombstone.
func inter(ctx context.Context, tx *sql.Tx, t *vault.Tombstone) error {
	h := t.Handle[:]
	for _, step := range []struct {
		query string
		args  []any
	}{
		{`UPDATE data_keys SET wrapped = zeroblob(length(wrapped)) WHERE id = (SELECT key FROM customers WHERE handle = ?)`, []any{h}},
		{`DELETE FROM customers WHERE handle = ?`, []any{h}},
		{`INSERT INTO tombstones (seq, handle, generation, token, at) VALUES (?, ?, ?, ?, ?)`,
			[]any{int64(t.Seq), h, int64(t.Generation), t.Token[:], toMillis(t.At)}},
	} {
		if _, err := tx.ExecContext(ctx, step.query, step.args...); err != nil {
			return err
		}
	}
	return nil
}

// truncateLog writes the write-ahead log back into the file and cuts it to nothing. The caller holds both locks.
func (s *Store) truncateLog(ctx context.Context) error {
	var busy, inLog, written int
	if err := s.writer.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &inLog, &written); err != nil {
		return s.failure(ctx, err)
	}
	if busy != 0 {
		return fmt.Errorf("%w: a reader is in the way", vault.ErrUnavailable)
	}
	return nil
}

// Tombstones implements [vault.KeyStore]. When there is nothing new it does not touch the file: this process alone writes.
func (s *Store) Tombstones(ctx context.Context, after uint64, limit int) ([]vault.Tombstone, error) {
	if err := s.healthy(); err != nil {
		return nil, err
	}
	if after >= s.erased.Load() || limit <= 0 {
		return nil, nil
	}
	s.files.RLock()
	defer s.files.RUnlock()
	rows, err := s.readers.QueryContext(ctx,
		`SELECT seq, handle, generation, token, at FROM tombstones WHERE seq > ? ORDER BY seq LIMIT ?`, int64(after), limit)
	if err != nil {
		return nil, fmt.Errorf("read tombstones: %w", cause(ctx, err))
	}
	defer rows.Close()
	var tombstones []vault.Tombstone
	for rows.Next() {
		t, err := scanTombstone(rows)
		if err != nil {
			return nil, fmt.Errorf("read tombstones: %w", cause(ctx, err))
		}
		tombstones = append(tombstones, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read tombstones: %w", cause(ctx, err))
	}
	return tombstones, nil
}

func scanTombstone(rows *sql.Rows) (t vault.Tombstone, err error) {
	var seq, at int64
	var handle, token []byte
	if err := rows.Scan(&seq, &handle, &t.Generation, &token, &at); err != nil {
		return t, err
	}
	copy(t.Handle[:], handle)
	copy(t.Token[:], token)
	t.Seq, t.At = uint64(seq), fromMillis(at)
	return t, nil
}
