package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// startLimit is how long a server may take until it answers, on a machine that is busy with other tests.
	startLimit = 90 * time.Second
	// stopLimit is how long it may take to end by itself.
	stopLimit = 60 * time.Second
	pollEvery = 10 * time.Millisecond
	// logLimit is how much of a server's log an error shows, in bytes.
	logLimit = 4 << 10
	logName  = "log"
)

// errEnded is wrapped when a server ended before it answered.
var errEnded = errors.New("the server ended")

const (
	// announce tells its process id on descriptor 3 and becomes the server.
	announce = `echo $$ >&3; exec 3>&-; exec "$@"`
	// watch ends a server's process group with signal $1 when our end of its standard input is closed, which the system
	// does when we are gone. It knows the server before that runs, so that there is no moment to die in without a trace.
	// A frozen server must be thawed to hear the signal.
	watch = `read -r pid || exit 0; read -r _; kill -s "$1" -- "-$pid"; kill -s CONT -- "-$pid"`
)

// blueprint says what to run.
type blueprint struct {
	dir     string   // working folder; its file log gets what the program says
	command []string // program and arguments
	owner   *syscall.Credential
	end     string // the signal that ends it when we are gone, as kill names it
}

// process is a running server.
type process struct {
	command *exec.Cmd // its process id is the program's, and its process group's
	log     string    // path
	ended   chan struct{}
}

// launch starts the program and returns at once.
func launch(b blueprint) (*process, error) {
	h, err := home()
	if err != nil {
		return nil, err
	}
	p := &process{log: filepath.Join(b.dir, logName), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(b.command[0]), err)
	}
	defer log.Close()
	reader, lifeline, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(b.command[0]), err)
	}
	defer reader.Close()
	watcher := exec.Command("/bin/sh", "-c", watch, "watch", b.end)
	watcher.Stdin = reader
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	p.command = exec.Command("/bin/sh", append([]string{"-c", announce, "announce"}, b.command...)...)
	p.command.Dir = b.dir
	p.command.Stdout, p.command.Stderr = log, log
	p.command.ExtraFiles = []*os.File{lifeline, h.broom}
	// A version manager may start the program as a child of its own: the group is ended, not only the first. And an
	// interrupt of the terminal is for us alone.
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: b.owner}
	if err := watcher.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("watch %s: %w", filepath.Base(b.command[0]), err), lifeline.Close())
	}
	if err := p.command.Start(); err != nil {
		err = errors.Join(fmt.Errorf("start %s: %w", filepath.Base(b.command[0]), err), lifeline.Close())
		_ = watcher.Wait() // it read the end of its input
		return nil, err
	}
	go func() {
		defer close(p.ended)
		_ = p.command.Wait() // it is killed in the end, which is no news
		_ = watcher.Process.Kill()
		_ = watcher.Wait()
		_ = lifeline.Close()
	}()
	return p, nil
}

// await polls until the server is ready. A server that is not in time is killed.
func (p *process) await(ready func() bool) error {
	deadline := time.After(startLimit)
	for {
		if ready() {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%w before it answered\n%s", errEnded, p.tail())
		case <-deadline:
			p.kill()
			return fmt.Errorf("the server did not answer within %v\n%s", startLimit, p.tail())
		case <-time.After(pollEvery):
		}
	}
}

// pid is the server's process id.
func (p *process) pid() int { return p.command.Process.Pid }

// running tells whether the server has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal reaches the server's process group, unless that is gone.
func (p *process) signal(s syscall.Signal) {
	if p.running() {
		_ = syscall.Kill(-p.pid(), s) // no error matters: what is gone already is what we want
	}
}

// stop asks the server to end and waits until it has.
func (p *process) stop(s syscall.Signal) error {
	p.signal(s)
	p.signal(syscall.SIGCONT)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopLimit):
		return fmt.Errorf("stop a server: it did not end within %v\n%s", stopLimit, p.tail())
	}
}

// kill ends the server's process group without a chance to do anything.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// tail is the end of what the server has said.
func (p *process) tail() []byte {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(text[max(0, len(text)-logLimit):])
}
