package sqlitekeys_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/localkey"
	"github.com/fastshop/pipeline/internal/vault/sqlitekeys"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

// TestContract runs the suite on the embedded pair: this key store and local key files.
func TestContract(t *testing.T) {
	vaulttest.Run(t, func(t *testing.T) vaulttest.Backends {
		store := filepath.Join(t.TempDir(), "keys", "keys.db")
		folder := t.TempDir()
		var current *sqlitekeys.Store
		t.Cleanup(func() { closeStore(t, current) })
		var open func(t *testing.T) vaulttest.Backends
		open = func(t *testing.T) vaulttest.Backends {
			if current != nil {
				closeStore(t, current)
			}
			current = openStore(t, store)
			personal, tokens := openKey(t, filepath.Join(folder, "personal.key")), openKey(t, filepath.Join(folder, "token.key"))
			return vaulttest.Backends{
				Keys: current, Secrets: current, Personal: personal, Tokens: tokens,
				Stop: personal.Disable, Resume: personal.Enable, Reopen: open,
				Snapshot: func(t *testing.T) func(*testing.T) vaulttest.Backends {
					backup := t.TempDir()
					copyStore(t, store, backup)
					return func(t *testing.T) vaulttest.Backends {
						closeStore(t, current)
						current = nil
						copyStore(t, filepath.Join(backup, filepath.Base(store)), filepath.Dir(store))
						return open(t)
					}
				},
			}
		}
		return open(t)
	})
}

// copyStore copies a store in which nothing is going on into a folder, over what is there.
func copyStore(t *testing.T, store, folder string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		to := filepath.Join(folder, filepath.Base(store)+suffix)
		data, err := os.ReadFile(store + suffix)
		if errors.Is(err, os.ErrNotExist) {
			err = os.RemoveAll(to)
		} else if err == nil {
			err = os.WriteFile(to, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func openStore(t testing.TB, path string) *sqlitekeys.Store {
	t.Helper()
	s, err := sqlitekeys.Open(path)
	if err != nil {
		t.Fatalf("open key store: %v", err)
	}
	return s
}

func closeStore(t testing.TB, s *sqlitekeys.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close key store: %v", err)
	}
}

func openKey(t testing.TB, path string) *localkey.Key {
	t.Helper()
	k, err := localkey.Open(path, rand.Reader)
	if err != nil {
		t.Fatalf("open key file: %v", err)
	}
	return k
}

func record(n int) vault.Record {
	r := vault.Record{Generation: 1, Epoch: 86400, Wrapped: make([]byte, 61)}
	rand.Read(r.Handle[:])
	rand.Read(r.Token[:])
	rand.Read(r.Wrapped)
	r.Token[0] = 1
	binary.BigEndian.PutUint32(r.Handle[:], uint32(n)^0x5bd1e995)
	return r
}

// TestShredLeavesNoBytes shreds customers out of a store that grew in random order, with erasures in between, and then
// looks for their wrapped keys in every file, as somebody with the disk would.
func TestShredLeavesNoBytes(t *testing.T) {
	folder := t.TempDir()
	s := openStore(t, filepath.Join(folder, "keys.db"))
	random := mathrand.New(mathrand.NewPCG(3, 4))
	ctx := context.Background()
	var kept, gone []vault.Record
	for range 60 {
		offers := make([]vault.Record, 1+random.IntN(90))
		for i := range offers {
			offers[i] = record(random.Int())
			if random.IntN(10) == 0 { // the key comes in another commit
				bare := offers[i]
				bare.Epoch, bare.Wrapped = 0, nil
				if _, err := s.Create(ctx, []vault.Record{bare}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := s.Create(ctx, offers); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, offers...)
		for range random.IntN(4) {
			i := random.IntN(len(kept))
			if _, err := s.Shred(ctx, kept[i].Handle, time.Now()); err != nil {
				t.Fatal(err)
			}
			gone = append(gone, kept[i])
			kept[i] = kept[len(kept)-1]
			kept = kept[:len(kept)-1]
		}
	}
	if len(gone) < 50 || len(kept) < 1000 {
		t.Fatalf("only %d shredded and %d kept: the test proves little", len(gone), len(kept))
	}
	// One more shred, so that the log is empty while the store is still open.
	if _, err := s.Shred(ctx, kept[0].Handle, time.Now()); err != nil {
		t.Fatal(err)
	}
	gone, kept = append(gone, kept[0]), kept[1:]
	scan(t, folder, gone, kept)
	closeStore(t, s)
	scan(t, folder, gone, kept)
}

func scan(t *testing.T, folder string, gone, kept []vault.Record) {
	t.Helper()
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	for i, r := range gone {
		for _, part := range [][]byte{r.Wrapped[:16], r.Wrapped[20:36], r.Wrapped[45:]} {
			if bytes.Contains(all, part) {
				t.Fatalf("shredded key %d is still on disk", i)
			}
		}
	}
	for i, r := range kept {
		if i%4 != 0 { // a sample is enough, and quicker
			continue
		}
		if bytes.Count(all, r.Wrapped) != 1 {
			t.Fatalf("kept key %d is on disk %d times, want once: rows of data_keys have moved", i, bytes.Count(all, r.Wrapped))
		}
	}
}

func TestFileModes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	s := openStore(t, filepath.Join(folder, "keys.db"))
	defer closeStore(t, s)
	if _, err := s.Create(context.Background(), []vault.Record{record(1)}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, mode %v, want 0700", err, info.Mode())
	}
	files, err := os.ReadDir(folder)
	if err != nil || len(files) != 4 { // file, -wal, -shm, .lock
		t.Fatalf("files: %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v, want 0600", f.Name(), err, info.Mode())
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.db")
	s := openStore(t, path)
	if _, err := sqlitekeys.Open(path); !errors.Is(err, sqlitekeys.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	closeStore(t, s)

	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		chmod(t, path, mode)
		if _, err := sqlitekeys.Open(path); !errors.Is(err, sqlitekeys.ErrExposed) {
			t.Errorf("open with mode %o: %v, want ErrExposed", mode, err)
		}
	}
	chmod(t, path, 0o600)
	chmod(t, folder, 0o770)
	if _, err := sqlitekeys.Open(path); !errors.Is(err, sqlitekeys.ErrExposed) {
		t.Errorf("open in a folder that others may write to: %v, want ErrExposed", err)
	}
	chmod(t, folder, 0o700)
	closeStore(t, openStore(t, path)) // it is only the modes that were wrong

	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("no database "), 500), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitekeys.Open(text); !errors.Is(err, sqlitekeys.ErrSchema) {
		t.Errorf("open of a text: %v, want ErrSchema", err)
	}
	for name, statement := range map[string]string{
		"foreign.db": "CREATE TABLE t (a)", "newer.db": "PRAGMA application_id=0x46534b59; PRAGMA user_version=2",
	} {
		other := filepath.Join(folder, name)
		makeDatabase(t, other, statement)
		if _, err := sqlitekeys.Open(other); !errors.Is(err, sqlitekeys.ErrSchema) {
			t.Errorf("open of %s: %v, want ErrSchema", name, err)
		}
	}
	if _, err := sqlitekeys.Open(filepath.Join(text, "keys.db")); err == nil {
		t.Error("open below a file: no error")
	}
	if _, err := sqlitekeys.Open(folder); err == nil {
		t.Error("open of a folder: no error")
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func makeDatabase(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o600)
}

func TestClosed(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "a name? with #signs & spaces.db"))
	if _, err := s.Create(context.Background(), []vault.Record{record(1)}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	closeStore(t, s) // does nothing
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"find":   func() error { _, err := s.Find(ctx, []vault.Handle{{1}}); return err },
		"create": func() error { _, err := s.Create(ctx, []vault.Record{record(2)}); return err },
		"token":  func() error { _, err := s.ByToken(ctx, record(1).Token); return err },
		"shred":  func() error { _, err := s.Shred(ctx, vault.Handle{1}, time.Now()); return err },
		"secret": func() error { _, err := s.Secret(ctx, vault.SecretID{}); return err },
		"keep":   func() error { _, err := s.Keep(ctx, vault.SecretID{}, []byte("x")); return err },
	} {
		if err := call(); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s on a closed store: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestTokenTaken: a token belongs to one customer; a second one is refused for good, and the batch leaves no trace.
func TestTokenTaken(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "keys.db"))
	defer closeStore(t, s)
	ctx := context.Background()
	a, b, c := record(1), record(2), record(3)
	b.Token = a.Token
	if _, err := s.Create(ctx, []vault.Record{a}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(ctx, []vault.Record{c, b}); err == nil || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("a token twice: %v, want an error that stays", err)
	}
	found, err := s.Find(ctx, []vault.Handle{c.Handle})
	if err != nil || found[0].Generation != 0 {
		t.Errorf("the batch left %v, %v", found, err)
	}
	if _, err := s.Create(ctx, []vault.Record{c}); err != nil {
		t.Errorf("create after a failed batch: %v", err)
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openStore(b, filepath.Join(b.TempDir(), "keys.db"))
			defer closeStore(b, s)
			b.ReportAllocs()
			for b.Loop() {
				offers := make([]vault.Record, size)
				for i := range offers {
					offers[i] = record(i)
				}
				if _, err := s.Create(context.Background(), offers); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/customer")
		})
	}
}

func BenchmarkFind(b *testing.B) {
	s := openStore(b, filepath.Join(b.TempDir(), "keys.db"))
	defer closeStore(b, s)
	offers := make([]vault.Record, 20_000)
	handles := make([]vault.Handle, len(offers))
	for i := range offers {
		offers[i] = record(i)
		handles[i] = offers[i].Handle
	}
	if _, err := s.Create(context.Background(), offers); err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{1, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			at := 0
			for b.Loop() {
				if _, err := s.Find(context.Background(), handles[at:at+size]); err != nil {
					b.Fatal(err)
				}
				at = (at + size) % (len(handles) - size)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/customer")
		})
	}
}
