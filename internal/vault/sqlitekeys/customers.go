package sqlitekeys

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// chunk is how many handles one query asks for. Shorter ones are filled up with repetitions, in two sizes, so that the
// statements are few and their plans stay the same.
const (
	chunk      = 256
	smallChunk = 8
)

const (
	selectOpen = `SELECT c.handle, c.generation, c.token, c.opened, coalesce(k.epoch, 0), k.wrapped
		FROM customers c LEFT JOIN data_keys k ON k.id = c.key WHERE c.`
	// With max() SQLite takes the other columns from the row of the maximum.
	selectClosed = `SELECT handle, max(generation), token, at FROM tombstones WHERE handle IN `
)

// querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Find implements [vault.KeyStore].
func (s *Store) Find(ctx context.Context, handles []vault.Handle) ([]vault.Record, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	if err := s.healthy(); err != nil {
		return nil, err
	}
	found, err := s.find(ctx, s.readers, handles)
	if err != nil {
		return nil, fmt.Errorf("find customers: %w", cause(ctx, err))
	}
	records := make([]vault.Record, len(handles))
	for i, h := range handles {
		records[i] = found[h]
	}
	return records, nil
}

// find reads the latest generation of each handle that was ever seen.
func (s *Store) find(ctx context.Context, q querier, handles []vault.Handle) (map[vault.Handle]vault.Record, error) {
	found := make(map[vault.Handle]vault.Record, len(handles))
	for rest := handles; len(rest) > 0; {
		n := min(len(rest), chunk)
		err := scan(ctx, q, rest[:n], selectOpen+"handle IN ", "", found, scanOpen)
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if len(found) == len(handles) || s.erased.Load() == 0 {
		return found, nil
	}
	var absent []vault.Handle
	for _, h := range handles {
		if _, ok := found[h]; !ok {
			absent = append(absent, h)
		}
	}
	for len(absent) > 0 {
		n := min(len(absent), chunk)
		err := scan(ctx, q, absent[:n], selectClosed, " GROUP BY handle", found, scanClosed)
		if err != nil {
			return nil, err
		}
		absent = absent[n:]
	}
	return found, nil
}

// scan runs a query for a chunk of handles and adds its rows to found.
func scan(ctx context.Context, q querier, handles []vault.Handle, query, tail string,
	found map[vault.Handle]vault.Record, read func(*sql.Rows) (vault.Record, error),
) error {
	size := smallChunk
	if len(handles) > size {
		size = chunk
	}
	args := make([]any, size)
	for i := range args {
		args[i] = handles[min(i, len(handles)-1)][:]
	}
	rows, err := q.QueryContext(ctx, query+"(?"+strings.Repeat(",?", size-1)+")"+tail, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r, err := read(rows)
		if err != nil {
			return err
		}
		found[r.Handle] = r
	}
	return rows.Err()
}

func scanOpen(rows *sql.Rows) (r vault.Record, err error) {
	var handle, token []byte
	var opened int64
	if err := rows.Scan(&handle, &r.Generation, &token, &opened, &r.Epoch, &r.Wrapped); err != nil {
		return r, err
	}
	copy(r.Handle[:], handle)
	copy(r.Token[:], token)
	r.Opened = fromMillis(opened)
	return r, nil
}

func scanClosed(rows *sql.Rows) (r vault.Record, err error) {
	var handle, token []byte
	var at int64
	if err := rows.Scan(&handle, &r.Generation, &token, &at); err != nil {
		return r, err
	}
	copy(r.Handle[:], handle)
	copy(r.Token[:], token)
	r.Closed = fromMillis(at)
	return r, nil
}

// ByToken implements [vault.KeyStore].
func (s *Store) ByToken(ctx context.Context, token payment.Token) (vault.Record, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	if err := s.healthy(); err != nil {
		return vault.Record{}, err
	}
	for _, look := range []struct {
		query string
		read  func(*sql.Rows) (vault.Record, error)
	}{
		{selectOpen + "token = ?", scanOpen},
		{`SELECT handle, generation, token, at FROM tombstones WHERE token = ?`, scanClosed},
	} {
		r, ok, err := one(ctx, s.readers, look.read, look.query, token[:])
		if err != nil {
			return vault.Record{}, fmt.Errorf("find customer by token: %w", cause(ctx, err))
		}
		if ok {
			return r, nil
		}
	}
	return vault.Record{}, vault.ErrUnknown
}

// one reads the row of a query that has at most one.
func one[T any](ctx context.Context, q querier, read func(*sql.Rows) (T, error), query string, args ...any) (r T, ok bool, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return r, false, err
	}
	defer rows.Close()
	if ok = rows.Next(); ok {
		if r, err = read(rows); err != nil {
			return r, false, err
		}
	}
	return r, ok, rows.Err()
}

// Create implements [vault.KeyStore]. Calls that come while a commit is under way share the next one.
func (s *Store) Create(ctx context.Context, records []vault.Record) ([]vault.Record, error) {
	for i := range records {
		if !records[i].Valid() {
			return nil, fmt.Errorf("create customers: %w", vault.ErrInput)
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	created, err := s.group.do(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("create customers: %w", err)
	}
	return created, nil
}

// commit writes a batch of creations in one transaction.
func (s *Store) commit(batch []*creation) {
	s.write.Lock()
	defer s.write.Unlock()
	err := s.transact(context.Background(), func(tx *sql.Tx) error { return s.create(tx, batch) })
	if err != nil {
		for _, c := range batch {
			c.records, c.err = nil, err
		}
	}
}

func (s *Store) create(tx *sql.Tx, batch []*creation) error {
	ctx := context.Background()
	var handles []vault.Handle
	for _, c := range batch {
		for i := range c.offered {
			handles = append(handles, c.offered[i].Handle)
		}
	}
	stored, err := s.find(ctx, tx, handles)
	if err != nil {
		return err
	}
	w, err := newWriting(tx, s.nextKey)
	if err != nil {
		return err
	}
	defer w.close()
	for _, c := range batch {
		c.records = make([]vault.Record, len(c.offered))
		for i, offered := range c.offered {
			before := stored[offered.Handle]
			kept, changed := before.Take(offered)
			if changed {
				if err := w.put(&before, &kept); err != nil {
					return err
				}
				stored[offered.Handle] = kept
			}
			c.records[i] = kept
		}
	}
	s.nextKey = w.nextKey // ids of a transaction that fails in its commit are left out: they need no order but to grow
	return nil
}

// writing are the statements of a transaction that creates customers.
type writing struct {
	key, customer, assign *sql.Stmt
	nextKey               int64
}

func newWriting(tx *sql.Tx, nextKey int64) (*writing, error) {
	w := &writing{nextKey: nextKey}
	for _, p := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&w.key, `INSERT INTO data_keys (id, epoch, wrapped) VALUES (?, ?, ?)`},
		{&w.customer, `INSERT INTO customers (handle, generation, token, opened, key) VALUES (?, ?, ?, ?, ?)`},
		{&w.assign, `UPDATE customers SET key = ? WHERE handle = ?`},
	} {
		var err error
		if *p.to, err = tx.Prepare(p.query); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// put writes a change that [vault.Record.Take] made.
func (w *writing) put(before, kept *vault.Record) error {
	var key any
	if len(kept.Wrapped) > 0 {
		if _, err := w.key.Exec(w.nextKey, int64(kept.Epoch), kept.Wrapped); err != nil {
			return err
		}
		key = w.nextKey
		w.nextKey++
	}
	if before.IsOpen() {
		_, err := w.assign.Exec(key, kept.Handle[:])
		return err
	}
	_, err := w.customer.Exec(kept.Handle[:], int64(kept.Generation), kept.Token[:], toMillis(kept.Opened), key)
	return err
}

func (w *writing) close() {
	for _, stmt := range []*sql.Stmt{w.key, w.customer, w.assign} {
		if stmt != nil {
			stmt.Close()
		}
	}
}

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
