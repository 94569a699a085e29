package deployment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrLocked is wrapped by the error of an operation that found the state in use by another run. The error names the lock.
// Locks of runs that were killed on this machine are removed, and never seen.
var ErrLocked = errors.New("state is in use by another run")

// lock is what the command line writes into the file by which it claims a stack.
type lock struct {
	PID  int    `json:"pid"`
	Host string `json:"hostname"`
}

// unlock removes the locks in a folder whose runs are dead. Its error is that of the first lock that may be alive.
func unlock(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return fmt.Errorf("look for locks: %w", err)
	}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // its run has ended in the meantime
		}
		if err != nil {
			return fmt.Errorf("read the lock: %w", err)
		}
		if !stale(content) {
			return fmt.Errorf("%w: if there is none, remove its lock %s: %s", ErrLocked, path, bytes.TrimSpace(content))
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove the lock of a run that was killed: %w", err)
		}
	}
	return nil
}

// stale tells whether a lock is certainly of a dead run: what happens on other machines cannot be known here.
func stale(content []byte) bool {
	var held lock
	if err := json.Unmarshal(content, &held); err != nil || held.PID <= 0 {
		return false
	}
	host, err := os.Hostname()
	return err == nil && host == held.Host && !alive(held.PID)
}

// alive tells whether a process is there, and not merely waiting for its parent to notice its end, for which there may be
// nobody in a container.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return true // no such file system: the signal's word counts
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return !bytes.HasPrefix(state, []byte("Z"))
}
