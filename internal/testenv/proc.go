package testenv

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// status is what the system knows of a process.
type status struct {
	alive   bool // and not a zombie
	stopped bool // by SIGSTOP
	parent  int
}

// state reads a process's status. It is the zero value when there is no such process.
func state(pid int) status {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return status{}
	}
	// The program's name, in parentheses, may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 || bytes.ContainsAny(fields[0], "ZXx") {
		return status{}
	}
	parent, err := strconv.Atoi(string(fields[1]))
	return status{alive: err == nil, stopped: fields[0][0] == 'T', parent: parent}
}

// halt has a process stand still, and returns when it does or is gone. Until then it may go on, and even have children.
func halt(pid int) {
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it may be gone already
	for s := state(pid); s.alive && !s.stopped; s = state(pid) {
		time.Sleep(time.Millisecond)
	}
}

// children are the ids of the processes that a process started and that live.
func children(pid int) (found []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if s := state(id); s.alive && s.parent == pid {
			found = append(found, id)
		}
	}
	return found
}
