// Package cli finds the Pulumi command line.
package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrMissing is what Find answers when there is no Pulumi command line.
var ErrMissing = errors.New("no Pulumi command line: run scripts/pulumi")

// Find finds bin/pulumi in the first of the folders that has it, else pulumi in PATH. The folders are those in which
// infra/ may be, seen from the caller. It returns an absolute path, or ErrMissing.
func Find(dirs ...string) (string, error) {
	for _, dir := range dirs {
		path, err := filepath.Abs(filepath.Join(dir, "bin", "pulumi"))
		if err != nil {
			return "", fmt.Errorf("find the Pulumi command line: %w", err)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	path, err := exec.LookPath("pulumi")
	if err != nil {
		return "", ErrMissing
	}
	return filepath.Abs(path)
}
