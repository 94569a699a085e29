package cli

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// program puts a file where a command line may be.
func program(t *testing.T, path string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	none, plain, first, second := filepath.Join(dir, "0"), filepath.Join(dir, "1"), filepath.Join(dir, "2"), filepath.Join(dir, "3")
	program(t, filepath.Join(plain, "bin", "pulumi"), 0o600) // not executable
	inFirst := program(t, filepath.Join(first, "bin", "pulumi"), 0o700)
	program(t, filepath.Join(second, "bin", "pulumi"), 0o700)
	inPath := program(t, filepath.Join(dir, "path", "pulumi"), 0o700)

	t.Setenv("PATH", filepath.Join(dir, "path"))
	for _, c := range []struct {
		name string
		dirs []string
		want string
	}{
		{"first of the folders that has it", []string{none, plain, first, second}, inFirst},
		{"PATH when no folder has it", []string{none, plain}, inPath},
		{"PATH without folders", nil, inPath},
	} {
		if got, err := Find(c.dirs...); err != nil || got != c.want {
			t.Errorf("%s: %q (%v), want %q", c.name, got, err, c.want)
		}
	}

	t.Chdir(first)
	if got, err := Find("."); err != nil || !filepath.IsAbs(got) {
		t.Errorf("from its own folder: %q (%v), want an absolute path", got, err)
	}

	t.Setenv("PATH", none)
	if got, err := Find(none, plain); !errors.Is(err, ErrMissing) || got != "" {
		t.Errorf("nowhere: %q (%v), want %v", got, err, ErrMissing)
	}
}
