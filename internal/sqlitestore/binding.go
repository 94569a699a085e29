package sqlitestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/fastshop/pipeline/internal/sqlitefile"
)

// ErrForeign is wrapped by the error of Bind for a store that belongs to something else.
var ErrForeign = errors.New("the store belongs to another")

const (
	insertBinding = "INSERT INTO bindings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
	selectBinding = "SELECT value FROM bindings WHERE name = ?"
)

// Bind ties the store to something by its value, such as the ring of token keys that its rows were tokenized with: the
// first call writes it, every later one compares. Another value is ErrForeign.
func (s *Store) Bind(ctx context.Context, name, value string) error {
	err := s.update(ctx, 1, func(t *tx) error {
		bound := ""
		err := t.conn.Query(selectBinding, func(r sqlitefile.Row) error { bound = r.Text(0); return nil }, name)
		switch {
		case err != nil || bound == value:
			return err
		case bound != "":
			return fmt.Errorf("%w %s", ErrForeign, name)
		}
		_, err = t.exec(insertBinding, name, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("bind store: %w", err)
	}
	return nil
}
