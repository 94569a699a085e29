package sqlitefile_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fastshop/pipeline/internal/sqlitefile"
)

func schema(files ...string) fs.FS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return m
}

var numbers = schema("0001_numbers.sql", "CREATE TABLE numbers (n INTEGER PRIMARY KEY, text TEXT, data BLOB) STRICT;")

func open(t *testing.T, path string, migrations fs.FS) *sqlitefile.File {
	t.Helper()
	f, err := sqlitefile.Open(t.Context(), sqlitefile.Options{Path: path, Migrations: migrations})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func exec(t *testing.T, c *sqlitefile.Conn, sql string, args ...any) int64 {
	t.Helper()
	n, err := c.Exec(sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

func count(t *testing.T, f *sqlitefile.File) (n int64) {
	t.Helper()
	err := f.Read(t.Context(), func(c *sqlitefile.Conn) error {
		return c.Query("SELECT count(*) FROM numbers", func(r sqlitefile.Row) error { n = r.Int(0); return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFileIsDurableAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "odd name? yes#1 %41.db")
	f := open(t, path, numbers)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2"} {
		err := f.Writer().Query("PRAGMA "+pragma, func(r sqlitefile.Row) error {
			got := r.Text(0)
			if got == "" {
				got = strconv.FormatInt(r.Int(0), 10)
			}
			if got != want {
				t.Errorf("%s is %s, want %s", pragma, got, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file %v, %v, want mode 0600 under its very name", info, err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if err := f.Read(t.Context(), func(*sqlitefile.Conn) error { return nil }); !errors.Is(err, sqlitefile.ErrClosed) {
		t.Errorf("read of a closed file: %v, want ErrClosed", err)
	}
}

func TestValuesComeBack(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "f.db"), numbers)
	w := f.Writer()
	insert := "INSERT INTO numbers VALUES (?, ?, ?)"
	exec(t, w, insert, int64(1), "one", []byte{1})
	exec(t, w, insert, int64(2), nil, []byte(nil))
	exec(t, w, insert, int64(3), "", []byte{})
	if n := exec(t, w, "UPDATE numbers SET text = text"); n != 3 {
		t.Errorf("changed %d rows, want 3", n)
	}
	var rows int
	err := w.Query("SELECT n, text, data FROM numbers ORDER BY n", func(r sqlitefile.Row) error {
		rows++
		if r.Int(0) != int64(rows) || r.Null(1) != (rows == 2) || (r.Blob(2) == nil) != (rows == 2) {
			t.Errorf("row %d: %v", rows, r)
		}
		if r.Int(1) != 0 || r.Text(0) != "" || r.Blob(0) != nil {
			t.Errorf("row %d: a column of another type is not its zero value", rows)
		}
		return nil
	})
	if err != nil || rows != 3 {
		t.Errorf("%d rows, %v", rows, err)
	}
	if err := w.Rollback(); err != nil {
		t.Errorf("rollback without a transaction: %v", err)
	}
	boom := errors.New("boom")
	if err := w.Query("SELECT n FROM numbers", func(sqlitefile.Row) error { return boom }); !errors.Is(err, boom) {
		t.Errorf("query: %v, want the callback's error", err)
	}
	for _, bad := range []string{"SELECT nothing FROM nowhere", "INSERT"} {
		if _, err := w.Exec(bad); err == nil {
			t.Errorf("%q succeeded", bad)
		}
		if err := w.Query(bad, nil); err == nil {
			t.Errorf("query %q succeeded", bad)
		}
	}
}

func TestReadersSeeCommitsAndCannotWrite(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "f.db"), numbers)
	w := f.Writer()
	if err := w.BeginWrite(); err != nil {
		t.Fatal(err)
	}
	exec(t, w, "INSERT INTO numbers (n) VALUES (1)")
	if n := count(t, f); n != 0 {
		t.Errorf("%d rows visible before the commit", n)
	}
	err := f.Snapshot(t.Context(), func(c *sqlitefile.Conn) error {
		rows := func() (n int64) {
			if err := c.Query("SELECT count(*) FROM numbers", func(r sqlitefile.Row) error { n = r.Int(0); return nil }); err != nil {
				t.Error(err)
			}
			return n
		}
		before := rows()
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if after := rows(); before != 0 || after != 0 {
			t.Errorf("a snapshot saw %d rows, then %d", before, after)
		}
		_, err := c.Exec("DELETE FROM numbers")
		return err
	})
	if err == nil {
		t.Error("a reader wrote")
	}
	if n := count(t, f); n != 1 {
		t.Errorf("%d rows after the commit, want 1", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var nested func(int) error
	nested = func(depth int) error {
		return f.Read(ctx, func(*sqlitefile.Conn) error { return nested(depth + 1) })
	}
	if err := nested(0); !errors.Is(err, context.Canceled) {
		t.Errorf("read with no reader free and a dead context: %v", err)
	}
}

func TestMigrationsRunOnceInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.db")
	first := []string{"0001_numbers.sql", "CREATE TABLE numbers (n INTEGER PRIMARY KEY); INSERT INTO numbers VALUES (1);"}
	both := append(first, "0002_more.sql", "INSERT INTO numbers SELECT n + 1 FROM numbers;")
	for _, files := range [][]string{first, first, both, both} {
		f := open(t, path, schema(files...))
		if n := count(t, f); n != int64(len(files)/2) {
			t.Errorf("%d rows after %d migrations", n, len(files)/2)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := sqlitefile.Open(t.Context(), sqlitefile.Options{Path: path, Migrations: schema(first...)})
	if !errors.Is(err, sqlitefile.ErrNewer) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("open by an older program: %v, want ErrNewer", err)
	}
}

func TestABadMigrationLeavesTheSchemaAsItWas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.db")
	good := []string{"0001_numbers.sql", "CREATE TABLE numbers (n INTEGER PRIMARY KEY);"}
	for _, bad := range [][]string{
		{"0002_bad.sql", "INSERT INTO numbers VALUES (1); NONSENSE;"},
		{"0003_gap.sql", "SELECT 1;"},
		{"two_words.sql", "SELECT 1;"},
	} {
		if _, err := sqlitefile.Open(t.Context(), sqlitefile.Options{Path: path, Migrations: schema(append(good, bad...)...)}); err == nil {
			t.Errorf("opened with migration %s", bad[0])
		}
	}
	if n := count(t, open(t, path, schema(good...))); n != 0 {
		t.Error("a failed migration left something")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlitefile.Open(ctx, sqlitefile.Options{Path: filepath.Join(t.TempDir(), "f.db"), Migrations: numbers}); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a dead context: %v", err)
	}
}

func TestOpenRefusesWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, dir, filepath.Join(dir, "no", "such", "folder.db")} {
		if f, err := sqlitefile.Open(t.Context(), sqlitefile.Options{Path: p, Migrations: numbers}); err == nil {
			t.Errorf("opened %s", filepath.Base(p))
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestErrorsAreSorted(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "f.db"), numbers)
	w := f.Writer()
	exec(t, w, "INSERT INTO numbers (n) VALUES (1)")
	_, constraint := w.Exec("INSERT INTO numbers (n) VALUES (1)")
	if constraint == nil || sqlitefile.Unavailable(constraint) || sqlitefile.Broken(constraint) {
		t.Errorf("a constraint: %v should fail for good", constraint)
	}
	if err := w.Script("PRAGMA max_page_count = 4"); err != nil {
		t.Fatal(err)
	}
	_, full := w.Exec("INSERT INTO numbers (n, data) VALUES (2, zeroblob(100000))")
	if !sqlitefile.NoRoom(full) || !sqlitefile.Unavailable(full) || sqlitefile.Broken(full) {
		t.Errorf("a full file: %v should be no room", full)
	}
	if err := w.BeginWrite(); err != nil {
		t.Fatal(err)
	}
	exec(t, w, "INSERT INTO numbers (n) VALUES (3)")
	if _, err := w.Exec("INSERT INTO numbers (n, data) VALUES (4, zeroblob(100000))"); !sqlitefile.NoRoom(err) {
		t.Errorf("a full file in a transaction: %v", err)
	}
	if err := w.Rollback(); err != nil {
		t.Errorf("rollback of what SQLite rolled back: %v", err)
	}
	if n := count(t, f); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if sqlitefile.Unavailable(nil) || sqlitefile.Unavailable(errors.New("other")) || !sqlitefile.Unavailable(sqlitefile.ErrClosed) {
		t.Error("errors that are not SQLite's are sorted wrongly")
	}
}

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "inner")
	first, err := sqlitefile.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlitefile.Lock(dir)
	if !errors.Is(err, sqlitefile.ErrLocked) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second lock: %v, want ErrLocked that names process %d", err, os.Getpid())
	}
	if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitefile.Lock(dir); !errors.Is(err, sqlitefile.ErrLocked) || !strings.Contains(err.Error(), "unknown") {
		t.Errorf("lock without a name in it: %v", err)
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := sqlitefile.Lock(dir)
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitefile.Lock(filepath.Join(dir, "lock")); err == nil {
		t.Error("locked a file as if it were a folder")
	}
	if free, err := sqlitefile.Free(dir); err != nil || free <= 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	if _, err := sqlitefile.Free(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist has free space")
	}
}
