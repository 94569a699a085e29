package pgstore_test

import (
	"errors"
	"testing"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/pgstore"
)

func TestAStoreIsBoundOnce(t *testing.T) {
	s := fresh(t, pgstore.Options{})
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

func TestBoundTellsWhatBindWrote(t *testing.T) {
	s := fresh(t, pgstore.Options{})
	if v, err := s.Bound(t.Context(), "keys"); err != nil || v != "" {
		t.Errorf("unbound: %q, %v", v, err)
	}
	if err := s.Bind(t.Context(), "keys", "k"); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Bound(t.Context(), "keys"); err != nil || v != "k" {
		t.Errorf("bound: %q, %v", v, err)
	}
}
