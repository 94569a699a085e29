package sqlitestore_test

import (
	"errors"
	"testing"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/sqlitestore"
)

func TestAStoreIsBoundOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, sqlitestore.Options{})
	for range 2 {
		if err := s.Bind(t.Context(), "keys", "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Bind(t.Context(), "keys", "b"); !errors.Is(err, ledger.ErrForeign) {
		t.Errorf("another value: %v, want ErrForeign", err)
	}
	if err := s.Bind(t.Context(), "other", "b"); err != nil {
		t.Errorf("another name: %v", err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("a healthy store is not ready: %v", err)
	}
}
