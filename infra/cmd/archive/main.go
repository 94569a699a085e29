// Command archive packs files into a zip that has the same bytes whenever the files have the same bytes: names sorted,
// one fixed time, one fixed mode (executable, as the Lambda runtime wants its bootstrap), strongest compression. So an
// unchanged program is an unchanged deployment.
//
//	archive -o out.zip file...
//
// It prints the archive's SHA-256 as sha256sum does. Exit codes: 0 done, 1 failed, 2 the command line is wrong.
package main

import (
	"archive/zip"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: archive -o out.zip file...")
		flags.PrintDefaults()
	}
	out := flags.String("o", "", "write the archive to this `file`; it is replaced only when all went well")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case *out == "" || flags.NArg() == 0:
		flags.Usage()
		return 2
	}
	sum, err := write(*out, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "archive:", err)
		return 1
	}
	fmt.Fprintf(stdout, "%s  %s\n", sum, *out)
	return 0
}

// write packs the files and moves the finished archive to out, so that nobody ever sees half of one. It returns the
// archive's SHA-256 in hexadecimal.
func write(out string, files []string) (sum string, err error) {
	members, err := list(files)
	if err != nil {
		return "", err
	}
	temp, err := os.CreateTemp(filepath.Dir(out), filepath.Base(out)+".*")
	if err != nil {
		return "", fmt.Errorf("make the archive: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}()
	digest := sha256.New()
	err = errors.Join(pack(io.MultiWriter(temp, digest), members), temp.Chmod(0o644), temp.Close())
	if err != nil {
		return "", err
	}
	if err = os.Rename(temp.Name(), out); err != nil {
		return "", fmt.Errorf("put the archive in place: %w", err)
	}
	return hex.EncodeToString(digest.Sum(nil)), nil
}

// member is one file of the archive.
type member struct {
	name string // in the archive
	path string
}

// list names the members, sorted, and refuses what would make an archive that cannot work: files that are missing, empty
// or no files, and two of one name.
func list(files []string) ([]member, error) {
	members := make([]member, 0, len(files))
	for _, path := range files {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("%s does not exist: build it first", path)
		case err != nil:
			return nil, fmt.Errorf("look at the input: %w", err)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is not a file: name the files one by one", path)
		case info.Size() == 0:
			return nil, fmt.Errorf("%s is empty: its build failed or was cut short", path)
		}
		members = append(members, member{name: filepath.Base(path), path: path})
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.name, b.name) })
	for i := 1; i < len(members); i++ {
		if members[i].name == members[i-1].name {
			return nil, fmt.Errorf("%s and %s would both be %s in the archive: rename one",
				members[i-1].path, members[i].path, members[i].name)
		}
	}
	return members, nil
}

// pack writes the zip.
func pack(w io.Writer, members []member) error {
	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	for _, m := range members {
		if err := add(archive, m); err != nil {
			return fmt.Errorf("pack %s: %w", m.path, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("finish the archive: %w", err)
	}
	return nil
}

func add(archive *zip.Writer, m member) error {
	file, err := os.Open(m.path)
	if err != nil {
		return err
	}
	defer file.Close() // only read: nothing can be lost
	header := &zip.FileHeader{
		Name:     m.name,
		Method:   zip.Deflate,
		Modified: time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC), // the earliest a zip can say
	}
	header.SetMode(0o755)
	entry, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(entry, file)
	return err
}
