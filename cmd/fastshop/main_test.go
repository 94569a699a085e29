package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fastshop/pipeline/internal/load"
)

// asProgram makes the test binary behave as fastshop itself: tests that kill processes start it anew.
const asProgram = "FASTSHOP_TESTONLY_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	testscript.Main(m, map[string]func(){"fastshop": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

// process is a server that tests start, kill and start again.
type process struct {
	t       *testing.T
	command *exec.Cmd
	URL     string `json:"url"`
	Metrics string `json:"metrics"`
	Key     string `json:"api_key"`
	ended   chan error
}

// start starts a server on dir; crash names the point where it kills itself, or is empty.
func start(t *testing.T, dir, crash string, args ...string) *process {
	t.Helper()
	return startIn(t, dir, []string{"FASTSHOP_TESTONLY_CRASH=" + crash}, args...)
}

// startIn starts a server on dir with more in its environment.
func startIn(t *testing.T, dir string, environment []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, ended: make(chan error, 1)}
	p.command = exec.Command(os.Args[0], append([]string{
		"serve", "--json", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-level", "error",
		"--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys"), "--batch-size", "50", "--partitions", "3",
		"--key-rate", "1000000", "--key-burst", "1000000", "--page", "open",
	}, args...)...)
	p.command.Env = append(append(os.Environ(), asProgram+"=1"), environment...)
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.command.Stderr = log
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() { p.ended <- p.command.Wait() }()
	if err != nil { // it may have crashed on its way up, as it was told
		return p
	}
	if err := json.Unmarshal([]byte(line), p); err != nil {
		t.Fatalf("the server said %q: %v", line, err)
	}
	keyFile := filepath.Join(dir, "api-key")
	if p.Key != "" {
		if err := os.WriteFile(keyFile, []byte(p.Key), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if key, err := os.ReadFile(keyFile); err == nil {
		p.Key = strings.TrimSpace(string(key))
	}
	return p
}

// kill ends the server as a power cut would, as far as a process can.
func (p *process) kill() {
	p.t.Helper()
	_ = p.command.Process.Signal(syscall.SIGKILL) // it may be gone already
	<-p.ended
}

// dead reports whether the server has ended by itself.
func (p *process) dead() bool {
	select {
	case err := <-p.ended:
		p.ended <- err
		return true
	default:
		return false
	}
}

// stop ends the server as an operator does, and checks that it ends well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Fatalf("the server ended with %v", err)
		}
	case <-time.After(60 * time.Second):
		p.t.Fatal("the server does not end")
	}
}

func (p *process) client() *load.Client { return load.NewClient(p.URL, p.Key, 16) }

// verify runs fastshop verify on dir and fails the test if anything is wrong.
func verify(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "verify", "--data-dir", filepath.Join(dir, "data"), "--keys-dir", filepath.Join(dir, "keys"))
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}
}
