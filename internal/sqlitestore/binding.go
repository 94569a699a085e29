package sqlitestore

import (
	"context"
	"fmt"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/sqlitefile"
)

const (
	insertBinding = "INSERT INTO bindings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
	selectBinding = "SELECT value FROM bindings WHERE name = ?"
)

// Bind ties the store to something by its value, such as the ring of token keys that its rows were tokenized with: the
// first call writes it, every later one compares. Another value is ledger.ErrForeign.
func (s *Store) Bind(ctx context.Context, name, value string) error {
	err := s.update(ctx, 1, func(t *tx) error {
		bound := ""
		err := t.conn.Query(selectBinding, func(r sqlitefile.Row) error { bound = r.Text(0); return nil }, name)
		switch {
		case err != nil || bound == value:
			return err
		case bound != "":
			return fmt.Errorf("%w %s", ledger.ErrForeign, name)
		}
		_, err = t.exec(insertBinding, name, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("bind store: %w", err)
	}
	return nil
}

// Bound returns what the store was tied to by Bind under a name, or "" if by nothing.
func (s *Store) Bound(ctx context.Context, name string) (value string, err error) {
	err = s.file.Read(ctx, func(c *sqlitefile.Conn) error {
		return c.Query(selectBinding, func(r sqlitefile.Row) error { value = r.Text(0); return nil }, name)
	})
	if err != nil {
		return "", fmt.Errorf("read binding: %w", unavailable(err))
	}
	return value, nil
}
