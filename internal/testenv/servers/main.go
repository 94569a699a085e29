// Command servers runs PostgreSQL, Redis, a Redis cluster and an emulator of AWS for development, until it is interrupted,
// and then removes them with all they hold. It prints their URLs once all of them answer: one per line, or as JSON.
//
//	go run ./internal/testenv/servers [--json]
//
// It also ends when its standard input is a pipe and that is closed, so that whoever runs it need not end it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/fastshop/pipeline/internal/testenv"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it
			cancel()
		}()
	}
	switch err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintf(os.Stderr, "servers: %v\n", err)
		os.Exit(1)
	}
}

// addresses are the URLs of the servers.
type addresses struct {
	Postgres     string `json:"postgres"`
	Redis        string `json:"redis"`
	RedisCluster string `json:"redis_cluster"`
	AWS          string `json:"aws"`
}

// run starts the servers, prints their URLs and ends them when ctx is done.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("servers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print one JSON object instead of lines")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	var a addresses
	var s session
	defer s.end()
	err := s.start(
		func() {
			p := testenv.StartPostgres(&s)
			p.Exec(&s, "CREATE DATABASE fastshop")
			a.Postgres = p.URL("fastshop", "postgres")
		},
		func() { a.Redis = testenv.StartRedis(&s).URL() },
		func() { a.RedisCluster = testenv.StartRedisCluster(&s).URL() },
		func() { a.AWS = testenv.StartMoto(&s).URL() },
	)
	if err != nil {
		return err
	}
	if err := a.print(stdout, *asJSON); err != nil {
		return fmt.Errorf("print the URLs: %w", err)
	}
	<-ctx.Done()
	return nil
}

func (a addresses) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(a)
	}
	_, err := fmt.Fprintf(w, "%s\n%s\n%s\n%s\n", a.Postgres, a.Redis, a.RedisCluster, a.AWS)
	return err
}

// session stands in for the test that the servers believe to be started by.
type session struct {
	mu       sync.Mutex
	errs     []error
	cleanups []func()
}

var _ testenv.T = (*session)(nil)

// start runs the functions at the same time. Each is left where it calls Fatalf, which makes the error.
func (s *session) start(functions ...func()) error {
	var work sync.WaitGroup
	for _, f := range functions {
		work.Go(f)
	}
	work.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs...)
}

// end removes what was started, the latest first.
func (s *session) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// Helper does nothing.
func (s *session) Helper() {}

// Cleanup is done by end.
func (s *session) Cleanup(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleanups = append(s.cleanups, f)
}

// Logf tells the developer.
func (s *session) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Skipf is called when a program is missing, which is an error here.
func (s *session) Skipf(format string, args ...any) { s.Fatalf(format, args...) }

// Fatalf leaves the function that was started.
func (s *session) Fatalf(format string, args ...any) {
	s.mu.Lock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
	s.mu.Unlock()
	runtime.Goexit()
}
