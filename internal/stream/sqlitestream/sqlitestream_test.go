package sqlitestream_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/sqlitefile"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/sqlitestream"
	"github.com/fastshop/pipeline/internal/stream/streamtest"
)

func TestContract(t *testing.T) {
	streamtest.Run(t, streamtest.Subject{
		Open: func(t *testing.T, s streamtest.Setting) streamtest.Log {
			return open(t, s.Dir, sqlitestream.Options{MaxBytes: s.MaxBytes, MinFree: -1, Now: s.Now, Crash: s.Crash})
		},
		Copy:   copyFiles,
		Before: "stream.append.before_commit",
		After:  "stream.append.after_commit",
	})
}

func open(t *testing.T, dir string, o sqlitestream.Options) *sqlitestream.Log {
	t.Helper()
	l, err := sqlitestream.Open(t.Context(), filepath.Join(dir, "stream.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// copyFiles copies the file and its log; the shared-memory index is rebuilt from them.
func copyFiles(t *testing.T, from, to string) {
	for _, name := range []string{"stream.db", "stream.db-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Errorf("copy: %v", err)
		}
	}
}

func TestIDIsTheLogsOwn(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, sqlitestream.Options{})
	id := l.ID()
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		t.Errorf("id %q is not 128 bits in hexadecimal", id)
	}
	if other := open(t, t.TempDir(), sqlitestream.Options{}).ID(); other == id {
		t.Error("two logs have one id")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if again := open(t, dir, sqlitestream.Options{}).ID(); again != id {
		t.Errorf("reopened with id %q, was %q", again, id)
	}
}

func TestPartitionsAreFixed(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, sqlitestream.Options{Partitions: 3})
	if names, err := l.Partitions(t.Context()); err != nil || len(names) != 3 || names[2] != "2" {
		t.Errorf("partitions %v, %v", names, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "stream.db")
	if _, err := sqlitestream.Open(t.Context(), path, sqlitestream.Options{Partitions: 4}); !errors.Is(err, sqlitestream.ErrPartitions) {
		t.Errorf("open with 4 partitions: %v, want ErrPartitions", err)
	}
	if _, err := sqlitestream.Open(t.Context(), path, sqlitestream.Options{Partitions: 5000}); err == nil {
		t.Error("opened with 5000 partitions")
	}
}

// TestKeysKeepTheirPartition pins the hash: were it to change, keys of stored records would move.
func TestKeysKeepTheirPartition(t *testing.T) {
	l := open(t, t.TempDir(), sqlitestream.Options{Partitions: 8})
	for key, want := range map[string]stream.Partition{"": "5", "a": "4", "customer": "1"} {
		if err := l.Append(t.Context(), []stream.Entry{{Key: []byte(key), Data: []byte(key)}}); err != nil {
			t.Fatal(err)
		}
		records, err := l.Read(t.Context(), want, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range records {
			found = found || string(r.Key) == key
		}
		if !found {
			t.Errorf("key %q is not in partition %s", key, want)
		}
	}
}

func TestRetentionHoldsWhateverTheCallerAsks(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := open(t, t.TempDir(), sqlitestream.Options{Partitions: 1, Retention: time.Hour, Now: func() time.Time { return now }})
	if err := l.Append(t.Context(), []stream.Entry{{Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	checkpoints := map[stream.Partition]stream.Position{"0": "1"}
	now = now.Add(59 * time.Minute)
	if n, err := l.Trim(t.Context(), now.Add(time.Hour), checkpoints); n != 0 || err != nil {
		t.Errorf("within the retention: trimmed %d, %v", n, err)
	}
	now = now.Add(2 * time.Minute)
	if n, err := l.Trim(t.Context(), now, checkpoints); n != 1 || err != nil {
		t.Errorf("past the retention: trimmed %d, %v", n, err)
	}
	trimmed, kept, err := l.Kept(t.Context(), "0")
	if trimmed != "1" || kept != 0 || err != nil {
		t.Errorf("kept %d after %q, %v", kept, trimmed, err)
	}
	if held, room := l.Bytes(); held != 0 || room != 64<<30 {
		t.Errorf("holds %d of %d bytes", held, room)
	}
}

func TestAFullDiskIsFull(t *testing.T) {
	l := open(t, t.TempDir(), sqlitestream.Options{MinFree: 1 << 60})
	if err := l.Append(t.Context(), []stream.Entry{{Data: []byte("x")}}); !errors.Is(err, stream.ErrFull) {
		t.Errorf("append with the disk past its bound: %v, want ErrFull", err)
	}
}

func TestACorruptChunkIsNamed(t *testing.T) {
	for name, damage := range map[string]string{
		"changed": "UPDATE chunks SET data = CAST(data || x'00' AS BLOB)",
		"cut":     "UPDATE chunks SET data = x'00'",
		"short":   "UPDATE chunks SET count = count + 1",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, dir, sqlitestream.Options{Partitions: 1})
			if err := l.Append(t.Context(), []stream.Entry{{Data: []byte("x")}}); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			tamper(t, dir, damage)
			l = open(t, dir, sqlitestream.Options{})
			if _, err := l.Read(t.Context(), "0", "", 10); err == nil || !strings.Contains(err.Error(), "corrupt") {
				t.Errorf("read: %v, want a corrupt chunk", err)
			}
		})
	}
}

// tamper runs a statement on the closed file.
func tamper(t *testing.T, dir, sql string) {
	t.Helper()
	migrations := os.DirFS("migrations")
	f, err := sqlitefile.Open(t.Context(), sqlitefile.Options{Path: filepath.Join(dir, "stream.db"), Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Writer().Script(sql), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAppendFailsWithTheFile(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, sqlitestream.Options{Partitions: 1})
	if err := l.Append(t.Context(), []stream.Entry{{Data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	tamper(t, dir, "DROP TABLE chunks")
	if err := l.Append(t.Context(), []stream.Entry{{Data: []byte("x")}}); err == nil {
		t.Error("append to a file without its table succeeded")
	}
	if _, err := l.Read(t.Context(), "0", "", 1); err == nil {
		t.Error("read from a file without its table succeeded")
	}
}
