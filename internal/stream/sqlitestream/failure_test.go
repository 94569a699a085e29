package sqlitestream

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/stream"
)

func openAt(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(t.Context(), path, Options{Partitions: 1, MinFree: -1, Retention: time.Nanosecond})
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

func TestAFileWithoutRoomIsFullAndRecovers(t *testing.T) {
	l := openAt(t, filepath.Join(t.TempDir(), "stream.db"))
	large := []stream.Entry{{Data: make([]byte, stream.MaxData)}}
	for _, c := range []struct {
		pages string
		want  error
	}{{"10", stream.ErrFull}, {"1000000", nil}} {
		if err := l.file.Writer().Script("PRAGMA max_page_count = " + c.pages); err != nil {
			t.Fatal(err)
		}
		if err := l.Append(t.Context(), large); !errors.Is(err, c.want) {
			t.Errorf("append to a file of at most %s pages: %v, want %v", c.pages, err, c.want)
		}
	}
	if last, n, err := l.End(t.Context(), "0"); last != "1" || n != 1 || err != nil {
		t.Errorf("log ends at %q with %d records, %v: a refused append used a position", last, n, err)
	}
}

// TestAFailedCommitStopsTheLog makes COMMIT itself fail, as a broken disk would.
func TestAFailedCommitStopsTheLog(t *testing.T) {
	for _, doing := range []string{"append", "trim"} {
		t.Run(doing, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stream.db")
			l := openAt(t, path)
			entries := []stream.Entry{{Data: []byte("x")}}
			if err := l.Append(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			table, operation := "chunks", "INSERT"
			if doing == "trim" {
				table, operation = "partitions", "UPDATE"
			}
			err := l.file.Writer().Script(`PRAGMA foreign_keys = ON; CREATE TABLE parent (n INTEGER PRIMARY KEY);
				CREATE TABLE child (n INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
				CREATE TEMP TRIGGER fail AFTER ` + operation + " ON main." + table + " BEGIN INSERT INTO child VALUES (1); END;")
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond) // past the retention
			end := map[stream.Partition]stream.Position{"0": "1"}
			act := func() error {
				if doing == "append" {
					return l.Append(t.Context(), entries)
				}
				_, err := l.Trim(t.Context(), time.Now(), end)
				return err
			}
			for range 2 {
				if err := act(); !errors.Is(err, ErrBroken) {
					t.Errorf("%s: %v, want ErrBroken until reopened", doing, err)
				}
			}
			if _, err := l.Read(t.Context(), "0", "", 1); err != nil {
				t.Errorf("reads go on: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if err := openAt(t, path).Append(t.Context(), entries); err != nil {
				t.Errorf("append after the reopen: %v", err)
			}
		})
	}
}
