package sqlitestore

import (
	"context"
	"fmt"
	"time"

	"github.com/fastshop/pipeline/internal/audit"
	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	upsertListEntry = `INSERT INTO list_entries (list, kind, token, seq, expires_at, reason, added_by, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (list, kind, token) DO UPDATE
		SET expires_at = excluded.expires_at, reason = excluded.reason, added_by = excluded.added_by, added_at = excluded.added_at`
	selectListEntry   = "SELECT seq FROM list_entries WHERE list = ? AND kind = ? AND token = ?"
	deleteListEntry   = "DELETE FROM list_entries WHERE list = ? AND kind = ? AND token = ?"
	selectListEntries = "SELECT list, kind, token, seq, expires_at, reason, added_by, added_at FROM list_entries ORDER BY seq"
	insertListChange  = "INSERT INTO list_changes (seq, removed, list, kind, expires_at, at) VALUES (?, ?, ?, ?, ?, ?)"
)

// PutListEntry adds an identifier to a list, or replaces the entry that it has there, with an audit entry. It returns
// the entry as it is stored and whether it is new.
func (s *Store) PutListEntry(ctx context.Context, e ledger.ListEntry) (stored ledger.ListEntry, added bool, err error) {
	if err := e.Check(); err != nil {
		return e, false, fmt.Errorf("put list entry: %w", err)
	}
	err = s.update(ctx, 1, func(t *tx) error {
		stored, added = e, true
		if stored.AddedAt.IsZero() {
			stored.AddedAt = t.now
		}
		stored.Seq = t.change + 1
		err := t.conn.Query(selectListEntry, func(r sqlitefile.Row) error { stored.Seq, added = r.Int(0), false; return nil },
			int64(e.List), int64(e.Kind), e.Token[:])
		if err != nil {
			return err
		}
		_, err = t.exec(upsertListEntry, int64(e.List), int64(e.Kind), e.Token[:], stored.Seq, millis(e.ExpiresAt), e.Reason,
			e.AddedBy, stored.AddedAt.UnixMilli())
		if err != nil {
			return err
		}
		return t.listChange(false, e.List, e.Kind, e.ExpiresAt)
	})
	if err != nil {
		return e, false, fmt.Errorf("put list entry: %w", err)
	}
	return stored, added, nil
}

// DeleteListEntry takes an identifier off a list, with an audit entry. One that is not on it is ledger.ErrNotFound.
func (s *Store) DeleteListEntry(ctx context.Context, list payment.Lists, kind ledger.ListKind, token payment.Token) error {
	missing := false
	err := s.update(ctx, 1, func(t *tx) error {
		n, err := t.exec(deleteListEntry, int64(list), int64(kind), token[:])
		if missing = n == 0; err != nil || missing {
			return err
		}
		return t.listChange(true, list, kind, time.Time{})
	})
	if err == nil && missing {
		err = ledger.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("delete list entry: %w", err)
	}
	return nil
}

// listChange records that a list changed.
func (t *tx) listChange(removed bool, list payment.Lists, kind ledger.ListKind, expiresAt time.Time) error {
	t.change++
	_, err := t.exec(insertListChange, t.change, number(removed), int64(list), int64(kind), millis(expiresAt), t.now.UnixMilli())
	if err != nil {
		return err
	}
	covered := audit.NewRows()
	covered.ListChange(removed, list, uint8(kind), expiresAt, t.now)
	return t.audit(ledger.ListChain, audit.Lists, covered, span{t.change, t.change}, span{t.dead + 1, t.dead}, noTime)
}

func number(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

// ListEntries returns all entries, expired ones as well, in the order of adding.
func (s *Store) ListEntries(ctx context.Context) (entries []ledger.ListEntry, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectListEntries, func(r sqlitefile.Row) error {
			e := ledger.ListEntry{
				List: payment.Lists(r.Int(0)), Kind: ledger.ListKind(r.Int(1)), Seq: r.Int(3), ExpiresAt: moment(r, 4),
				Reason: r.Text(5), AddedBy: r.Text(6), AddedAt: moment(r, 7),
			}
			copy(e.Token[:], r.Blob(2))
			entries = append(entries, e)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read list entries: %w", unavailable(err))
	}
	return entries, nil
}
