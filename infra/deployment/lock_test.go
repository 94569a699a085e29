package deployment

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// locked writes the lock of a run in a folder.
func locked(t *testing.T, folder, name string, pid int, host string) string {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name+".json")
	content := fmt.Sprintf(`{"pid":%d,"username":"u","hostname":%q,"timestamp":"2026-01-02T03:04:05Z"}`, pid, host)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// deadProcess is the number of a process that has ended.
func deadProcess(t *testing.T) int {
	t.Helper()
	process := exec.Command("true")
	if err := process.Run(); err != nil {
		t.Fatal(err)
	}
	return process.Process.Pid
}

func here(t *testing.T) string {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return host
}

func TestLockOfAKilledRunIsRemoved(t *testing.T) {
	cloud, port := startCloud(t)
	dir := t.TempDir()
	e := open(t, stackOptions{dir: dir, stack: "kill", port: port, program: two, config: map[string]string{"name": "a", "size": "3"}})
	locks := filepath.Join(dir, "state", ".pulumi", "locks", "organization", Project, "kill")

	living := locked(t, locks, "alive", os.Getpid(), here(t))
	_, _, err := e.up(t.Context())
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "up: state is in use") || !strings.Contains(err.Error(), living) {
		t.Errorf("up beside a run that lives: %v, want %v and the lock %s", err, ErrLocked, living)
	}
	wantThings(t, cloud)
	if err := os.Remove(living); err != nil {
		t.Fatal(err)
	}

	locked(t, locks, "dead", deadProcess(t), here(t))
	if _, _, err := e.up(t.Context()); err != nil {
		t.Errorf("up after a run that was killed: %v", err)
	}
	wantThings(t, cloud, "a", "second")
}

func TestUnlock(t *testing.T) {
	folder, dead := t.TempDir(), deadProcess(t)
	if err := unlock(filepath.Join(folder, "none")); err != nil {
		t.Errorf("no folder: %v", err)
	}
	gone := locked(t, folder, "a", dead, here(t))
	for name, path := range map[string]string{
		"another machine": locked(t, folder, "b", dead, here(t)+"-2"),
		"no process":      locked(t, folder, "c", 0, here(t)),
		"the parent":      locked(t, folder, "d", os.Getppid(), here(t)),
	} {
		if err := unlock(folder); !errors.Is(err, ErrLocked) {
			t.Errorf("%s: %v, want %v", name, err, ErrLocked)
		}
		if err := os.Remove(path); err != nil {
			t.Errorf("%s: its lock is gone: %v", name, err)
		}
	}
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("lock of the dead run: %v, want it removed", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "e.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unlock(folder); !errors.Is(err, ErrLocked) {
		t.Errorf("damaged: %v, want %v", err, ErrLocked)
	}
}

// A process that has ended and that nobody has asked about is as dead as any.
func TestUnreapedProcessIsDead(t *testing.T) {
	process := exec.Command("cat")
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	if !alive(process.Process.Pid) {
		t.Error("a running process is taken for dead")
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	for alive(process.Process.Pid) { // the test's own time limit ends the wait
	}
	if err := process.Wait(); err != nil {
		t.Error(err)
	}
}
