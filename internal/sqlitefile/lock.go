package sqlitefile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrLocked is wrapped by the error of a [Lock] that another process holds.
var ErrLocked = errors.New("data directory in use")

// DirLock is the sign that this process owns a data directory.
type DirLock struct{ file *os.File }

// Lock takes the data directory for this process, which it makes if it does not exist. The error of a directory that is
// taken wraps [ErrLocked] and names the process to stop. The kernel drops the lock when the process ends, however it ends.
func Lock(dir string) (*DirLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := readHolder(file)
		if closeErr := file.Close(); closeErr != nil {
			return nil, fmt.Errorf("close lock file: %w", closeErr)
		}
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w by process %s: stop it, or choose another directory", dir, ErrLocked, holder)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := writeHolder(file); err != nil {
		return nil, errors.Join(fmt.Errorf("write lock file: %w", err), file.Close())
	}
	return &DirLock{file: file}, nil
}

// Unlock gives the directory free.
func (l *DirLock) Unlock() error { return l.file.Close() }

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readHolder is the number of the process that holds the lock, as far as its file can tell.
func readHolder(file *os.File) string {
	buf := make([]byte, 32)
	n, _ := file.ReadAt(buf, 0)
	text := strings.TrimSpace(string(buf[:n]))
	if _, err := strconv.Atoi(text); err != nil {
		return "unknown"
	}
	return text
}

// Free is the number of bytes that an ordinary user may still write to the disk of path.
func Free(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("ask for free disk space: %w", err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}
