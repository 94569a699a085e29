package lambdatest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// environment is a process of a function with the runtime API that it alone uses.
type environment struct {
	command *exec.Cmd
	api     *runtimeAPI
	gone    chan struct{} // closed when the process has ended
	state   *os.ProcessState
}

// answer is what became of an event.
type answer struct {
	body   []byte
	failed bool
}

func startEnvironment(program, env []string, o Options, out *logs) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	e := &environment{api: newRuntimeAPI(), gone: make(chan struct{})}
	go e.api.serve(listener)
	e.command = exec.Command(program[0], program[1:]...)
	e.command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(),
		"AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "_HANDLER=" + o.Handler,
		"AWS_LAMBDA_FUNCTION_NAME=test", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "TZ=:UTC",
	}, env...)
	e.command.Stdout, e.command.Stderr = out, out
	e.command.WaitDelay = time.Second // a grandchild may hold the pipes
	if err := e.command.Start(); err != nil {
		e.api.close()
		return nil, fmt.Errorf("start process: %w", err)
	}
	go func() {
		_ = e.command.Wait() // how it ended is in the state
		e.state = e.command.ProcessState
		close(e.gone)
	}()
	return e, nil
}

// invoke hands an event to the process once it asks for one, and waits for what becomes of it. Opening counts as time of
// its own, of which Lambda gives ten seconds.
func (e *environment) invoke(ctx context.Context, id string, event []byte, timeout time.Duration) (answer, error) {
	opening := time.NewTimer(initTime)
	defer opening.Stop()
	select {
	case <-e.api.asked:
	case <-e.gone:
		return e.died(id), nil
	case <-opening.C:
		e.kill()
		return problem("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: init timed out after %s", id, initTime)), nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	i := &invocation{id: id, event: event, deadline: time.Now().Add(timeout), done: make(chan answer, 1)}
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case e.api.next <- i:
	case <-e.gone:
		return e.died(id), nil
	case <-late.C:
		e.kill()
		return problem("Sandbox.Timedout", "RequestId: "+id+" Error: the function asked for no event"), nil
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	select {
	case a := <-i.done:
		return a, nil
	case <-e.gone:
	case <-late.C:
		e.kill()
		return problem("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, timeout.Seconds())), nil
	case <-ctx.Done():
		e.kill() // nobody waits for the answer, and the process is not idle
		return answer{}, ctx.Err()
	}
	select {
	case a := <-i.done: // it answered and then ended
		return a, nil
	default:
		return e.died(id), nil
	}
}

// initTime is how long Lambda lets a function open.
const initTime = 10 * time.Second

// died is Lambda's description of a process that ended without an answer.
func (e *environment) died(id string) answer {
	if reported := e.api.initError(); reported != nil {
		return answer{body: reported, failed: true}
	}
	reason := "exited without providing a reason"
	if e.state != nil && !e.state.Success() {
		reason = "exited with error: " + e.state.String()
	}
	return problem("Runtime.ExitError", "RequestId: "+id+" Error: Runtime "+reason)
}

func problem(kind, message string) answer {
	body, err := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	if err != nil {
		panic("encode error: " + err.Error()) // texts
	}
	return answer{body: body, failed: true}
}

func (e *environment) ended() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

func (e *environment) kill() {
	_ = e.command.Process.Kill() // it may be gone already
	<-e.gone
}

// shutdown ends the process, within a time of SIGTERM, and returns its exit code.
func (e *environment) shutdown(within time.Duration) int {
	if e.api.wantsTerm() {
		_ = e.command.Process.Signal(syscall.SIGTERM)
		patience := time.NewTimer(within)
		defer patience.Stop()
		select {
		case <-e.gone:
		case <-patience.C:
		}
	}
	e.kill()
	return e.state.ExitCode()
}

func (e *environment) close() { e.api.close() }
