// Command fastshop judges a shop's payments in real time and keeps what it decided.
//
// It is one program with subcommands, each in a file of its own. This package alone
// reads flags, environment and files, opens and closes the parts, prints, and exits.
// Everything with a business, legal or cryptographic meaning is in the packages
// under internal, which get time, randomness, logger and metrics handed in.
//
// Human text goes to stderr, results to stdout; with --json a result is one JSON
// object. Exit codes: 0 done, 1 failed, 2 the command line or the settings are
// wrong, 3 a check (verify, rules check) found something.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // "night" is a Brazilian hour also where the system has no time zones

	"github.com/alecthomas/kong"
)

// The exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitFound  = 3
)

// errFound is wrapped by the result of a check that found something wrong.
var errFound = errors.New("check failed")

// hinted carries advice for a person beside the error.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hinted{err, hint}
}

// streams are where a command reads and writes.
type streams struct {
	out, err io.Writer
}

// commands is the command line.
type commands struct {
	Serve       serveCommand       `cmd:"" help:"Take transactions in, decide and store them, until told to stop."`
	Demo        demoCommand        `cmd:"" help:"Watch a simulated Brazilian shop being judged, on this machine, with a live page."`
	Simulate    simulateCommand    `cmd:"" help:"Write a simulated shop's transactions and labels as NDJSON."`
	Replay      replayCommand      `cmd:"" help:"Run a file of transactions through the whole durable pipeline and measure the verdicts."`
	Backtest    backtestCommand    `cmd:"" help:"Train and test on labeled history, in time order, with labels that arrive late."`
	Bench       benchCommand       `cmd:"" help:"Measure engine, ingest and synchronous verdicts on this machine."`
	Verify      verifyCommand      `cmd:"" help:"Prove that the stored state is whole."`
	Explain     explainCommand     `cmd:"" help:"Show all that is stored of one decision: rules, points, window values, versions."`
	Rules       rulesCommand       `cmd:"" help:"Work on rule files."`
	Model       modelCommand       `cmd:"" help:"Learn, judge, explain and promote fraud models."`
	Apikey      apikeyCommand      `cmd:"" name:"apikey" help:"Make, list and revoke API keys."`
	Deadletters deadlettersCommand `cmd:"" name:"deadletters" help:"Look at records that were put aside, and try them again."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the schema of a PostgreSQL store up to date, and make its roles."`
	Doctor      doctorCommand      `cmd:"" help:"Check every place, permission and version, and say in words what is wrong."`
	Windows     windowsCommand     `cmd:"" help:"Look after windows in Redis."`
	Lambda      lambdaCommand      `cmd:"" help:"Serve AWS Lambda: ingest, process or admin."`
	Version     versionCommand     `cmd:"" help:"Print the version."`

	Config kong.ConfigFlag `help:"Settings file (YAML); flags and environment win over it." placeholder:"FILE" env:"FASTSHOP_CONFIG"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	code := run(ctx, os.Args[1:], streams{os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run parses the command line, runs the command, and returns the exit code.
func run(ctx context.Context, args []string, io streams) (code int) {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("fastshop"),
		kong.Description("Real-time transaction processing and fraud detection, compliant with the LGPD.\n\nStart with: fastshop demo"),
		kong.DefaultEnvars("FASTSHOP"),
		kong.Configuration(loadSettings),
		kong.Writers(io.out, io.err),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(io),
	)
	if err != nil {
		fmt.Fprintln(io.err, "fastshop:", err)
		return exitUsage
	}
	if len(args) == 0 {
		args = []string{"--help"}
		if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
			args = []string{"lambda"} // the archive's bootstrap is this program, started without arguments
		}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 { // --help printed what was asked for
		return exited
	}
	if err != nil {
		complain(io.err, err)
		fmt.Fprintln(io.err, "  see: fastshop --help")
		return exitUsage
	}
	err = parsed.Run()
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errFound):
		complain(io.err, err)
		return exitFound
	default:
		complain(io.err, err)
		return exitFailed
	}
}

func complain(w io.Writer, err error) {
	fmt.Fprintln(w, "fastshop:", err)
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintln(w, "  hint:", h.hint)
	}
}
