package sqlitestore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fastshop/pipeline/internal/ledger"
	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/sqlitestore"
	"github.com/fastshop/pipeline/internal/storetest"
)

const file = "store.db"

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Subject{
		Open: func(t *testing.T, s storetest.Setting) storetest.Store {
			store, err := sqlitestore.Open(t.Context(), filepath.Join(s.Dir, file), sqlitestore.Options{Now: s.Now, Crash: s.Crash})
			if err != nil {
				t.Fatal(err)
			}
			return store
		},
		Erase: func(t *testing.T, s storetest.Store, customer payment.Token) int {
			n, err := s.(*sqlitestore.Store).Erase(t.Context(), customer)
			if err != nil {
				t.Fatal(err)
			}
			return int(n)
		},
		DeadLetters: deadLetters,
		Alerts:      alerts,
		Verify:      verify,
		Copy:        copyFiles,
		Before:      "store.commit.before",
		Inserted:    "store.commit.inserted",
		After:       "store.commit.after",
	})
}

func open(t testing.TB, dir string, o sqlitestore.Options) *sqlitestore.Store {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), filepath.Join(dir, file), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func deadLetters(t *testing.T, s storetest.Store) (letters []pipeline.DeadLetter) {
	t.Helper()
	var after int64
	for {
		page, err := s.(*sqlitestore.Store).DeadLetters(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return letters
		}
		for _, l := range page {
			letters, after = append(letters, l.DeadLetter), l.Seq
		}
	}
}

func alerts(t *testing.T, s storetest.Store) (ids []string) {
	t.Helper()
	recent, err := s.(*sqlitestore.Store).Recent(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recent {
		if r.Alert != nil {
			ids = append(ids, r.Alert.TransactionID)
		}
	}
	return ids
}

// verify checks the chains and the rows, and that the running totals are those of the rows.
func verify(t *testing.T, s storetest.Store) map[string]int64 {
	t.Helper()
	store := s.(*sqlitestore.Store)
	heads, err := store.VerifyChains(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[string]int64)
	for _, h := range heads {
		entries[h.Chain] = h.Seq
	}
	counted, err := store.VerifyRows(t.Context(), nil, func(f *ledger.RowFault) { t.Error(f) })
	if err != nil {
		t.Fatal(err)
	}
	totals, err := store.Totals(t.Context())
	if open := len(deadLetters(t, s)); err != nil || totals != counted || totals.DeadLetters != int64(open) {
		t.Fatalf("totals %+v, rows %+v, %d dead letters, %v", totals, counted, open, err)
	}
	return entries
}

// copyFiles copies the file and its log; the shared-memory index is rebuilt from them.
func copyFiles(t *testing.T, from, to string) {
	for _, name := range []string{file, file + "-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Errorf("copy: %v", err)
		}
	}
}
