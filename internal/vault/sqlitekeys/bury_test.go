package sqlitekeys_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/fastshop/pipeline/internal/vault"
)

// TestBuryLeavesNoBytes: a backup that was restored and buried has no byte of an erased key in any file.
func TestBuryLeavesNoBytes(t *testing.T) {
	folder, backup := t.TempDir(), t.TempDir()
	path := filepath.Join(folder, "keys.db")
	s := openStore(t, path)
	ctx := t.Context()
	var all []vault.Record
	for i := range 200 {
		all = append(all, record(i))
	}
	if _, err := s.Create(ctx, all); err != nil {
		t.Fatal(err)
	}
	copyStore(t, path, backup)
	gone, kept := all[:50], all[50:]
	for _, r := range gone {
		if _, err := s.Shred(ctx, r.Handle, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	stones, err := s.Tombstones(ctx, 0, 100)
	if err != nil || len(stones) != len(gone) {
		t.Fatalf("tombstones: %d, %v", len(stones), err)
	}
	closeStore(t, s)
	copyStore(t, filepath.Join(backup, "keys.db"), folder)
	s = openStore(t, path)
	found, err := s.Find(ctx, []vault.Handle{gone[0].Handle})
	if err != nil || !found[0].IsOpen() {
		t.Fatalf("the backup brings nothing back: %v, %v", found, err)
	}
	if err := s.Bury(ctx, stones); err != nil {
		t.Fatal(err)
	}
	scan(t, folder, gone, kept)
	closeStore(t, s)
	scan(t, folder, gone, kept)
}
