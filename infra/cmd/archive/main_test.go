package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func put(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func archived(t *testing.T, out string, files ...string) []byte {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := run(append([]string{"-o", out}, files...), &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr.String())
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x  %s\n", sha256.Sum256(content), out); stdout.String() != want {
		t.Errorf("printed %q, want %q", stdout.String(), want)
	}
	return content
}

func TestSameFilesMakeTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	program := strings.Repeat("the program ", 1000)
	first := archived(t, filepath.Join(dir, "1.zip"),
		put(t, filepath.Join(dir, "a", "bootstrap"), program, 0o755),
		put(t, filepath.Join(dir, "a", "rules.yaml"), "rules", 0o644))

	// Another folder, another order, another time and other modes.
	rules := put(t, filepath.Join(dir, "b", "rules.yaml"), "rules", 0o600)
	bootstrap := put(t, filepath.Join(dir, "b", "bootstrap"), program, 0o644)
	later := time.Date(2031, time.March, 4, 5, 6, 7, 0, time.UTC)
	if err := os.Chtimes(bootstrap, later, later); err != nil {
		t.Fatal(err)
	}
	second := archived(t, filepath.Join(dir, "2.zip"), rules, bootstrap)
	if !bytes.Equal(first, second) {
		t.Error("the same files made two different archives")
	}
	if len(first) > len(program)/10 {
		t.Errorf("%d bytes for %d of repeated text: not compressed", len(first), len(program))
	}

	changed := archived(t, filepath.Join(dir, "3.zip"), put(t, filepath.Join(dir, "b", "bootstrap"), program+"!", 0o755), rules)
	if bytes.Equal(first, changed) {
		t.Error("another program made the same archive")
	}
}

func TestMembersAreExecutableAndWhole(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.zip")
	archived(t, out, put(t, filepath.Join(dir, "z"), "last", 0o600), put(t, filepath.Join(dir, "bootstrap"), "first", 0o600))

	archive, err := zip.OpenReader(out)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	want := []struct{ name, content string }{{"bootstrap", "first"}, {"z", "last"}}
	if len(archive.File) != len(want) {
		t.Fatalf("%d members, want %d", len(archive.File), len(want))
	}
	for i, file := range archive.File {
		reader, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if file.Name != want[i].name || string(content) != want[i].content {
			t.Errorf("member %d is %s with %q, want %s with %q", i, file.Name, content, want[i].name, want[i].content)
		}
		if file.Mode() != 0o755 {
			t.Errorf("%s has mode %v, want 0755", file.Name, file.Mode())
		}
		if epoch := time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC); !file.Modified.Equal(epoch) {
			t.Errorf("%s was modified %v, want %v", file.Name, file.Modified, epoch)
		}
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	good := put(t, filepath.Join(dir, "bootstrap"), "program", 0o755)
	out := filepath.Join(dir, "out.zip")
	put(t, out, "the archive of before", 0o644)
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no output", []string{good}, 2, "usage: archive -o out.zip file..."},
		{"no input", []string{"-o", out}, 2, "usage: archive -o out.zip file..."},
		{"unknown flag", []string{"-q"}, 2, "flag provided but not defined: -q"},
		{"help", []string{"-h"}, 0, "usage: archive -o out.zip file..."},
		{"missing", []string{"-o", out, filepath.Join(dir, "none")}, 1, "none does not exist: build it first"},
		{"beneath a file", []string{"-o", out, filepath.Join(good, "x")}, 1, "look at the input"},
		{"empty", []string{"-o", out, put(t, filepath.Join(dir, "empty"), "", 0o755)}, 1, "empty is empty: its build failed"},
		{"folder", []string{"-o", out, dir}, 1, "is not a file"},
		{"one name twice", []string{"-o", out, good, put(t, filepath.Join(dir, "b", "bootstrap"), "p", 0o755)}, 1, "rename one"},
		{"no such folder", []string{"-o", filepath.Join(dir, "no", "out.zip"), good}, 1, "make the archive"},
		{"output is a folder", []string{"-o", filepath.Join(dir, "b"), good}, 1, "put the archive in place"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr strings.Builder
			if code := run(c.args, &stdout, &stderr); code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			if !strings.Contains(stderr.String(), c.says) {
				t.Errorf("stderr %q does not say %q", stderr.String(), c.says)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout %q, want nothing", stdout.String())
			}
		})
	}
	if kept, err := os.ReadFile(out); err != nil || string(kept) != "the archive of before" {
		t.Errorf("a refused run left %q (%v) in place of the archive of before", kept, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.zip.*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestFailingReadsAndWritesAreTold(t *testing.T) {
	dir := t.TempDir()
	gone := []member{{name: "bootstrap", path: filepath.Join(dir, "gone")}}
	if err := pack(io.Discard, gone); err == nil || !strings.Contains(err.Error(), "pack "+gone[0].path) {
		t.Errorf("error %v, want one that names %s", err, gone[0].path)
	}
	full := put(t, filepath.Join(dir, "bootstrap"), strings.Repeat("x", 1<<16), 0o755)
	if err := pack(brokenWriter{}, []member{{"bootstrap", full}}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want %v", err, io.ErrClosedPipe)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
