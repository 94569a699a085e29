package localkey_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/localkey"
)

var bound = vault.WrapContext{App: "fastshop", Env: "test", Purpose: vault.PurposeEpoch, Epoch: "2026-11-21T00:00:00Z"}

func open(t *testing.T, path string) *localkey.Key {
	t.Helper()
	k, err := localkey.Open(path, rand.Reader)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return k
}

func TestFirstStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "personal.key")
	k := open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 || info.Size() != 32 {
		t.Fatalf("key file: %v, %v", info, err)
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
	blob, err := k.Wrap(context.Background(), bound, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, path).Unwrap(context.Background(), bound, blob); err != nil || string(got) != "key" {
		t.Errorf("unwrap at the second start: %q, %v", got, err)
	}
	if text := fmt.Sprintf("%v %+v %s", k, k, k); strings.Count(text, "key file "+path) != 3 {
		t.Errorf("prints as %q", text)
	}
}

func TestStartsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "personal.key")
	keys := make([]*localkey.Key, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			k, err := localkey.Open(path, rand.Reader)
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	blob, err := keys[0].Wrap(context.Background(), bound, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if _, err := k.Unwrap(context.Background(), bound, blob); err != nil {
			t.Errorf("process %d has another key: %v", i, err)
		}
	}
}

func TestRefused(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, size int, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		path string
		hint string
	}{
		"readable by the group": {write("group", 32, 0o640), "chmod 600"},
		"readable by all":       {write("all", 32, 0o604), "chmod 600"},
		"writable by others":    {write("write", 32, 0o602), "chmod 600"},
		"empty":                 {write("empty", 0, 0o600), "0 bytes"},
		"too short":             {write("short", 31, 0o600), "31 bytes"},
		"too long":              {write("long", 33, 0o600), "33 bytes"},
		"a folder":              {folder, "regular file"},
	} {
		_, err := localkey.Open(c.path, rand.Reader)
		if !errors.Is(err, localkey.ErrRefused) || !strings.Contains(err.Error(), c.hint) {
			t.Errorf("%s: %v, want ErrRefused with %q", name, err, c.hint)
		}
	}
	if _, err := localkey.Open(filepath.Join(folder, "none", "personal.key"), rand.Reader); err == nil {
		t.Error("no folder: no error")
	}
	if _, err := localkey.Open(filepath.Join(folder, "unlucky"), iotest.ErrReader(errors.New("no entropy"))); err == nil {
		t.Error("no randomness: no error")
	}
	if _, err := os.Stat(filepath.Join(folder, "unlucky")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no randomness, but a file: %v", err)
	}
}

// TestObstructed: what stands where a file should be is reported, not replaced.
func TestObstructed(t *testing.T) {
	folder := t.TempDir()
	dangling := filepath.Join(folder, "dangling.key")
	if err := os.Symlink(filepath.Join(folder, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := localkey.Open(dangling, rand.Reader); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link to nowhere: %v", err)
	}
	path := filepath.Join(folder, "personal.key")
	k := open(t, path)
	if err := os.MkdirAll(filepath.Join(path+".disabled", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if disabled, err := k.Disabled(); !disabled || err != nil {
		t.Errorf("a folder as marker: %v, %v, want disabled", disabled, err)
	}
	if k.Enable() == nil || k.Disable() == nil {
		t.Error("a folder in the place of the marker: no error")
	}
}

func TestReplacedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "personal.key")
	blob, err := open(t, path).Wrap(context.Background(), bound, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_, err = open(t, path).Unwrap(context.Background(), bound, blob)
	if !errors.Is(err, vault.ErrKey) || !strings.Contains(err.Error(), "replaced?") {
		t.Errorf("unwrap under another file: %v", err)
	}
}

func TestDisabledByHand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "personal.key")
	k := open(t, path)
	if err := k.Enable(); err != nil {
		t.Errorf("enable of an enabled key: %v", err)
	}
	if err := os.WriteFile(path+".disabled", []byte("incident 7"), 0o644); err != nil {
		t.Fatal(err)
	}
	if disabled, err := k.Disabled(); !disabled || err != nil {
		t.Errorf("disabled: %v, %v", disabled, err)
	}
	if _, err := k.Wrap(context.Background(), bound, []byte("key")); !errors.Is(err, vault.ErrKeyDisabled) {
		t.Errorf("wrap: %v, want ErrKeyDisabled", err)
	}
	if err := k.Disable(); err != nil {
		t.Errorf("disable of a disabled key: %v", err)
	}
	if err := os.Remove(path + ".disabled"); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Wrap(context.Background(), bound, []byte("key")); err != nil {
		t.Errorf("wrap after the marker is gone: %v", err)
	}
}

func TestOutOfReach(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "personal.key")
	k := open(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Wrap(context.Background(), bound, []byte("key")); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("wrap without the file: %v, want ErrUnavailable", err)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(context.Background(), bound, []byte("blob")); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("unwrap without the folder: %v, want ErrUnavailable", err)
	}
	if err := k.Disable(); err == nil {
		t.Error("disable without the folder: no error")
	}
	if err := k.Enable(); err == nil {
		t.Error("enable without the folder: no error")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := k.Wrap(ctx, bound, []byte("key")); !errors.Is(err, context.Canceled) {
		t.Errorf("wrap after the context ended: %v", err)
	}
}

// TestGolden pins the layout of a wrapped key.
func TestGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "personal.key")
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	if err := os.WriteFile(path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := localkey.Open(path, bytes.NewReader(bytes.Repeat([]byte{0xa5}, 12)))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := k.Wrap(context.Background(), bound, []byte("sixteen byte key"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "011a3cd64bdcdab240a5a5a5a5a5a5a5a5a5a5a5a5" + // header and nonce
		"522ee4d457f946a94ad5d7878848125c" + "11f3379d1d17ed6162d606efd97c136c"
	if got := fmt.Sprintf("%x", blob); got != want {
		t.Errorf("wrapped key has changed its layout:\n got %s\nwant %s", got, want)
	}
	if _, err := k.Wrap(context.Background(), bound, []byte("key")); err == nil {
		t.Error("wrap without randomness: no error")
	}
}
