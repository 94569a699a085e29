// Command emulate brings the stack up against an emulator of AWS, shows its outputs and takes it down again: the real
// Pulumi engine and the real component, no AWS account. The end-to-end tests of the program use it as a process, one
// for each step.
//
//	emulate up | outputs | status | destroy [flags]
//	emulate serve
//
// Results are JSON on standard output, progress and errors go to standard error. Exit codes: 0 done, 1 failed, 2 the
// command line is wrong.
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
	"syscall"

	"github.com/fastshop/pipeline/infra/tapstack"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// errUsage is wrapped by what is wrong with the command line.
var errUsage = errors.New("wrong command line")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	executable, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, "emulate:", err)
		os.Exit(exitFailed)
	}
	os.Exit(run(ctx, os.Args[1:], surroundings{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, executable: executable,
		program: tapstack.Program, checkKeys: tapstack.CheckKeys,
	}))
}

// surroundings are what a command needs beside its arguments.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	executable     string               // this program, which up starts again as serve
	program        pulumi.RunFunc       // what is deployed
	checkKeys      func([]string) error // refuses configuration keys that program does not know
}

// command is one subcommand.
type command struct {
	name, summary string
	flags         func(*flag.FlagSet, *settings)
	do            func(context.Context, settings, surroundings) error
}

func commands() []command {
	return []command{
		{"up", "deploy the stack, or change it; prints its outputs", upFlags, up},
		{"outputs", "print the outputs of the last up", outputsFlags, outputs},
		{"status", "print where the emulator is and which stacks there are", stateFlags, status},
		{"destroy", "remove the stack; prints how many resources went and what is left", destroyFlags, destroy},
		{"serve", "run an emulator until interrupted; prints its endpoint", serveFlags, serve},
	}
}

func run(ctx context.Context, args []string, s surroundings) int {
	if len(args) == 0 {
		printUsage(s.stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		printUsage(s.stdout)
		return exitDone
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], s)
		}
	}
	fmt.Fprintf(s.stderr, "emulate: there is no command %q\n", args[0])
	printUsage(s.stderr)
	return exitUsage
}

func (c command) run(ctx context.Context, args []string, s surroundings) int {
	var chosen settings
	flags := flag.NewFlagSet("emulate "+c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // each outcome has its own place to be told, below
	c.flags(flags, &chosen)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(s.stdout, "usage: emulate %s [flags]\n\n%s\n\n", c.name, c.summary)
		flags.SetOutput(s.stdout)
		flags.PrintDefaults()
		return exitDone
	}
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", errUsage, err)
	case flags.NArg() > 0:
		err = fmt.Errorf("%w: %q is one word too many", errUsage, flags.Arg(0))
	default:
		err = c.do(ctx, chosen, s)
	}
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprintf(s.stderr, "emulate %s: %v\nSee: emulate %s --help\n", c.name, err, c.name)
		return exitUsage
	default:
		fmt.Fprintf(s.stderr, "emulate %s: %v\n", c.name, err)
		return exitFailed
	}
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "usage: emulate COMMAND [flags]\n\nThe stack against an emulator of AWS, with no AWS account.\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nResults are JSON on standard output. See: emulate COMMAND --help\n")
}

// printJSON writes a result for people and programs: indented, one value.
func printJSON(w io.Writer, result any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(result); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}
