package sqlitekeys_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/sqlitekeys"
)

// TestFailedWriteStops: after a write that the disk refused, the store does nothing more until it is opened again, and
// then has all that it had acknowledged.
func TestFailedWriteStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	s := openStore(t, path)
	ctx := context.Background()
	first := record(1)
	if _, err := s.Create(ctx, []vault.Record{first}); err != nil {
		t.Fatal(err)
	}
	failWrites(t, func() {
		if _, err := s.Create(ctx, []vault.Record{record(2)}); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("create on a disk that refuses: %v, want ErrUnavailable", err)
		}
	})
	for name, call := range map[string]func() error{
		"find":       func() error { _, err := s.Find(ctx, []vault.Handle{first.Handle}); return err },
		"create":     func() error { _, err := s.Create(ctx, []vault.Record{record(3)}); return err },
		"token":      func() error { _, err := s.ByToken(ctx, first.Token); return err },
		"shred":      func() error { _, err := s.Shred(ctx, first.Handle, time.Now()); return err },
		"tombstones": func() error { _, err := s.Tombstones(ctx, 0, 1); return err },
		"secret":     func() error { _, err := s.Secret(ctx, vault.SecretID{}); return err },
		"keep":       func() error { _, err := s.Keep(ctx, vault.SecretID{}, []byte("x")); return err },
	} {
		if err := call(); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s after a failed write: %v, want ErrUnavailable", name, err)
		}
	}
	closeStore(t, s)
	s = openStore(t, path)
	defer closeStore(t, s)
	found, err := s.Find(ctx, []vault.Handle{first.Handle})
	if err != nil || found[0].Token != first.Token {
		t.Errorf("after opening again: %v, %v", found, err)
	}
	if _, err := s.Create(ctx, []vault.Record{record(4)}); err != nil {
		t.Errorf("create after opening again: %v", err)
	}
}

// failWrites lets no file of this process grow while f runs.
func failWrites(t *testing.T, f func()) {
	t.Helper()
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 1
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &none); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

// TestCorrupt: a damaged file is an error that stays, not a reason to try again.
func TestCorrupt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	s := openStore(t, path)
	r := record(1)
	if _, err := s.Create(context.Background(), []vault.Record{r}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(data); i++ { // every page but the schema's
		data[i] = 0xa5
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = sqlitekeys.Open(path); err == nil {
		_, err = s.Find(context.Background(), []vault.Handle{r.Handle})
		closeStore(t, s)
	}
	if err == nil || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("a damaged file: %v, want an error that stays", err)
	}
}
