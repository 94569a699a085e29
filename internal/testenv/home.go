package testenv

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// home is the folder of this process's servers.
var home = sync.OnceValues(openHouse)

// house is a folder that is removed when this process and all its servers are gone.
type house struct {
	dir   string
	broom *os.File // open in this process and in each server; once it is open nowhere the folder is swept away
	rooms atomic.Int64
}

// sweep waits until nobody has the other end of its standard input any more.
const sweep = `cat >/dev/null; rm -rf -- "$1"`

func openHouse() (*house, error) {
	h := &house{}
	parent := os.TempDir()
	if os.Getuid() == 0 && !enterable(parent) {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "testenv-")
	if err != nil {
		return nil, fmt.Errorf("make the servers' folder: %w", err)
	}
	h.dir = dir
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guard the servers' folder: %w", err), os.RemoveAll(dir))
	}
	command := exec.Command("/bin/sh", "-c", sweep, "sweep", dir)
	command.Stdin = reader
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the terminal is not for it
	err = errors.Join(os.Chmod(dir, 0o711), command.Start(), reader.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guard the servers' folder: %w", err), writer.Close(), os.RemoveAll(dir))
	}
	h.broom = writer
	return h, nil
}

// enterable tells whether any user may enter the folder.
func enterable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		return true
	}
}

// room makes an empty folder for one server. It belongs to the given user; nil means ours.
func (h *house) room(name string, owner *syscall.Credential) (string, error) {
	dir := filepath.Join(h.dir, fmt.Sprintf("%s-%d", name, h.rooms.Add(1)))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", name, err)
	}
	if err := give(dir, owner); err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", name, err)
	}
	return dir, nil
}

// give makes a file the user's; nil means ours, which it is already.
func give(path string, owner *syscall.Credential) error {
	if owner == nil {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// unprivileged is the user to run a server as that refuses to be root's. It is nil when we are not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("run a server: neither a user postgres nor a user nobody, and it refuses to be root's")
}

// Ports are below those that systems hand out by themselves (from 32768 on), so that a server that is started again
// finds its port as it left it.
const (
	firstPort = 15000
	lastPort  = 31999
	portTries = 50
)

// freePort finds a port of the loopback interface that nobody has at the moment.
func freePort() (int, error) {
	var last error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		listener, err := net.Listen("tcp", local(port))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// startTries is how many ports are tried for a server: another process may take one after we saw it free.
const startTries = 4

// settle starts something on a free port, and on another one while that ends early.
func settle(start func(port int) error) error {
	var err error
	for range startTries {
		port, failure := freePort()
		if failure != nil {
			return failure
		}
		if err = start(port); !errors.Is(err, errEnded) {
			return err
		}
	}
	return err
}
