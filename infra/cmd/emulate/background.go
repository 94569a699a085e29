package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fastshop/pipeline/infra/emulator/moto"
)

const (
	// answerLimit is how long an emulator may take to answer a question; it answers in milliseconds when it is there.
	answerLimit = 10 * time.Second
	// stopLimit is how long one of our own may take to end after it was told; it kills itself well before.
	stopLimit = 30 * time.Second
	pollEvery = 50 * time.Millisecond
)

// announcement is what serve prints when the emulator answers.
type announcement struct {
	Endpoint string `json:"endpoint"`
}

// keepLine is what up writes to serve's standard input once the state names the emulator.
const keepLine = "keep\n"

// serve runs an emulator until ctx ends; a tied one also when standard input ends before the line that keeps it.
func serve(ctx context.Context, chosen settings, s surroundings) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if chosen.tied {
		go func() {
			if !kept(s.stdin) {
				cancel()
			}
		}()
	}
	m, err := moto.Start(ctx)
	if err != nil {
		return err
	}
	defer m.Stop()
	// One line, because up reads it from a pipe.
	if err := json.NewEncoder(s.stdout).Encode(announcement{Endpoint: m.Endpoint()}); err != nil {
		return fmt.Errorf("tell the endpoint: %w", err)
	}
	<-ctx.Done()
	return nil
}

// kept waits for the line that keeps a tied emulator, and tells whether it came.
func kept(input io.Reader) bool {
	line, err := bufio.NewReader(input).ReadString('\n')
	return err == nil && line == keepLine
}

// newborn is an emulator of our own that no state names yet. It ends when this process does, however that dies, unless it
// is kept.
type newborn struct {
	host
	log   string // path
	cord  io.WriteCloser
	ended chan struct{} // closed when its process is gone
}

// startHost runs this program as serve, in a session of its own so that it can outlive this process and its terminal.
func startHost(ctx context.Context, state, executable string) (n *newborn, err error) {
	log, err := os.Create(filepath.Join(state, logName))
	if err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	child := exec.Command(executable, "serve", "--tied")
	child.Stderr = log
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cord, err := child.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	output, err := child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the emulator: %w", err)
	}
	started := context.AfterFunc(ctx, func() { _ = cord.Close() })
	defer started() // from here on it does not end with ctx
	var said announcement
	if err := json.NewDecoder(output).Decode(&said); err != nil {
		_ = cord.Close()
		_ = child.Wait() // it printed why
		return nil, errors.Join(fmt.Errorf("start the emulator: %s", tail(log.Name())), ctx.Err())
	}
	n = &newborn{host{Endpoint: said.Endpoint, PID: child.Process.Pid}, log.Name(), cord, make(chan struct{})}
	go func() {
		defer close(n.ended)
		_ = child.Wait() // it ends by being told to
	}()
	return n, nil
}

// keep lets the emulator outlive this process. The state must name it by then.
func (n *newborn) keep() error {
	_, err := io.WriteString(n.cord, keepLine)
	if err = errors.Join(err, n.cord.Close()); err != nil {
		return fmt.Errorf("keep the emulator: %w: %s", err, tail(n.log))
	}
	return nil
}

// drop ends the emulator.
func (n *newborn) drop() {
	_ = n.cord.Close() // closed already if it has ended, which is what we want
	<-n.ended
}

// tail is what an emulator of our own printed last.
func tail(path string) string {
	const length = 2 << 10
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(content[max(0, len(content)-length):])
}

// stopHost ends an emulator of our own and waits until it is gone. The process is told only while its emulator answers:
// after that the number may be another's.
func stopHost(ctx context.Context, h host) error {
	if h.PID == 0 {
		return nil
	}
	switch err := probe(ctx, h.Endpoint); {
	case errors.Is(err, errEnded):
		return nil
	case err != nil:
		return fmt.Errorf("stop the emulator: %w", err)
	}
	if err := syscall.Kill(h.PID, syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the emulator: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	for !errors.Is(probe(ctx, h.Endpoint), errEnded) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("stop the emulator: process %d still listens at %s", h.PID, h.Endpoint)
		case <-time.After(pollEvery):
		}
	}
	return nil
}

// errEnded is wrapped by probe when nobody listens any more.
var errEnded = errors.New("the emulator has ended, and all that was in it is lost")

// probe asks whether there is an emulator at the endpoint. Only a refused connection says that it has ended; whatever else
// goes wrong says nothing of the kind. It asks for moto's front page, because its data fails to print with some resources.
func probe(ctx context.Context, endpoint string) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/moto-api/", nil)
	if err != nil {
		return fmt.Errorf("ask the emulator: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	if err != nil {
		return fmt.Errorf("ask the emulator: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("ask the emulator: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("ask the emulator: %s answers %s", request.URL, answer.Status)
	}
	return nil
}
