package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/fastshop/pipeline/internal/httpapi"
	"github.com/fastshop/pipeline/internal/lambda"
	"github.com/fastshop/pipeline/internal/pipeline"
	"github.com/fastshop/pipeline/internal/stream"
	"github.com/fastshop/pipeline/internal/stream/kinesisstream"
)

type lambdaCommand struct {
	Settings
	Function string `arg:"" optional:"" help:"ingest (HTTP API events), process (Kinesis events) or admin (command lines); that of _HANDLER if empty."`
	Callers  string `help:"What callers behind IAM may do, when they bring no API key: ARN-pattern=scope+scope, separated by commas. Empty: all but the lists, where IAM lets them." placeholder:"LIST"`
}

func (c *lambdaCommand) Help() string {
	return "Serves AWS Lambda until it takes the environment away. The settings come from the environment that infra/ writes (infra/settings.golden)."
}

// The limits of a batch over Lambda: an event has 6 MB at most.
const (
	lambdaBatchBytes = 4 << 20
	lambdaBatchLines = 500
)

// How much of a function's memory copies of windows may take, and all the rest before the Go runtime collects harder.
const (
	windowShare = 0.4
	memoryShare = 0.4
)

func (c *lambdaCommand) Run(ctx context.Context, out streams) error {
	log, err := c.logger(out.err)
	if err != nil {
		return err
	}
	name, err := lambda.Which(c.Function, os.Getenv("_HANDLER"))
	if err != nil {
		return err
	}
	if size, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64); err == nil {
		c.MemoryLimit, c.WindowCache = int64(float64(size)*memoryShare), int64(float64(size)*windowShare)
	}
	open := map[lambda.Name]lambda.Open{
		lambda.Ingest:  func(ctx context.Context) (any, func() error, error) { return c.ingest(ctx, log, out.err) },
		lambda.Process: func(ctx context.Context) (any, func() error, error) { return c.process(ctx, log, out.err) },
		lambda.Administration: func(context.Context) (any, func() error, error) {
			return c.admin(log), func() error { return nil }, nil
		},
	}[name]
	return lambda.Start(ctx, open, lambda.StartOptions{RuntimeAPI: os.Getenv("AWS_LAMBDA_RUNTIME_API"), Log: log})
}

// remote refuses places that end with the function's environment.
func (c *lambdaCommand) remote(needed ...string) error {
	var faults []error
	for name, place := range c.urls() {
		if slices.Contains(needed, name) && embedded(name, *place) {
			faults = append(faults, fmt.Errorf("--%s must be in the cloud: a function keeps nothing", name))
		}
	}
	return errors.Join(faults...)
}

// functionConns is how many connections one environment of a function opens to the database; infra/sizing counts with it.
const functionConns = 4

func (c *lambdaCommand) backends(log *slog.Logger) *backends {
	c.limitMemory()
	b := newBackends(&c.Settings, log)
	b.maxConns = functionConns
	return b
}

// syncChains is how many audit chains the synchronous path has between all processes; see pipeline.Config.Chain.
const syncChains = 16

func (c *lambdaCommand) ingest(ctx context.Context, log *slog.Logger, w io.Writer) (any, func() error, error) {
	if err := c.remote("store", "velocity", "stream", "keys", "kek", "token-kek"); err != nil {
		return nil, nil, err
	}
	b := c.backends(log)
	handler, err := c.api(ctx, b, w)
	if err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	return lambda.HTTP(handler, lambda.HTTPOptions{Options: lambda.Options{Log: log}, Body: lambdaBatchBytes}), b.Close, nil
}

// api is the API as serve has it, for callers that IAM let in.
func (c *lambdaCommand) api(ctx context.Context, b *backends, w io.Writer) (http.Handler, error) {
	if err := b.openVault(ctx); err != nil {
		return nil, err
	}
	if err := b.openStream(ctx); err != nil {
		return nil, err
	}
	if err := b.openSealed(ctx, w, hooks{}, b.stream.ID()); err != nil {
		return nil, err
	}
	b.common.Chain = pipeline.SyncChain + "/" + strconv.Itoa(rand.IntN(syncChains))
	if err := b.openPaths(ctx, hooks{}); err != nil {
		return nil, err
	}
	callers, err := lambda.NewCallers(c.Callers, nil, nil)
	if err != nil {
		return nil, err
	}
	config, err := b.apiConfig(callers)
	if err != nil {
		return nil, err
	}
	config.Limits.BatchBody, config.Limits.BatchLines = lambdaBatchBytes, lambdaBatchLines
	config.Checks = b.checks()
	api, err := httpapi.New(config)
	if err != nil {
		return nil, err
	}
	return callers.Handler(b.refreshing(api)), nil
}

// refreshing takes in what others changed before a request is served: between two requests nothing runs in a function.
func (b *backends) refreshing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.lists.refresh(r.Context()); err != nil {
			b.log.WarnContext(r.Context(), "block and allow lists not refreshed", slog.Any("error", err))
		}
		next.ServeHTTP(w, r)
		b.common.Healer.Tend(r.Context())
	})
}

// process sees no personal data and holds no key.
func (c *lambdaCommand) process(ctx context.Context, log *slog.Logger, w io.Writer) (any, func() error, error) {
	if err := c.remote("store", "velocity"); err != nil {
		return nil, nil, err
	}
	b := c.backends(log)
	if err := b.openSealed(ctx, w, hooks{}, ""); err != nil {
		return nil, nil, errors.Join(err, b.Close())
	}
	carry := func(ctx context.Context, p stream.Partition, records []stream.Record) (int, error) {
		done, err := b.common.Carry(ctx, p, records)
		b.common.Healer.Tend(ctx)
		return done, err
	}
	return lambda.Stream(carry, fromEvent, lambda.Options{Log: log}), b.Close, nil
}

// fromEvent is what a record of an event holds, as a reader of the stream would see it.
func fromEvent(r events.KinesisEventRecord) ([]stream.Record, error) {
	shard := stream.Partition(r.EventID[:max(0, len(r.EventID)-len(r.Kinesis.SequenceNumber)-1)])
	return kinesisstream.FromEvent(string(shard), r.Kinesis.SequenceNumber, r.Kinesis.PartitionKey, r.Kinesis.Data,
		r.Kinesis.ApproximateArrivalTimestamp.UTC()), nil
}

// exitError is a command that did not end well. What it said is in the output.
type exitError struct {
	command string
	code    int
}

func (e exitError) Error() string {
	return fmt.Sprintf("command %s ended with exit code %d", e.command, e.code)
}

// ExitCode is the command's, for package lambda.
func (e exitError) ExitCode() int { return e.code }

// administrative are the commands that the function admin may be told to run.
var administrative = []string{"migrate", "doctor", "windows", "deadletters", "verify", "explain", "version"}

// admin runs command lines of this very program, with the settings of the function's environment.
func (c *lambdaCommand) admin(log *slog.Logger) lambda.Administrator {
	return lambda.Admin(func(ctx context.Context, command []string, out io.Writer) error {
		if len(command) == 0 || !slices.Contains(administrative, command[0]) {
			return fmt.Errorf("run command: it must be one of %v", administrative)
		}
		began := time.Now()
		var said bytes.Buffer
		code := run(ctx, command, streams{out, &said})
		if code == exitUsage {
			// What is wrong with a command line is told by quoting it. It may name a person, and Lambda logs errors.
			said.Reset()
			fmt.Fprintf(&said, "fastshop: %s is not called like this, see: fastshop %s --help\n", command[0], command[0])
		}
		if _, err := said.WriteTo(out); err != nil {
			return err
		}
		log.InfoContext(ctx, "command ended", slog.String("command", command[0]), slog.Int("code", code), slog.Duration("took", time.Since(began)))
		if code != exitDone {
			return exitError{command[0], code}
		}
		return nil
	}, lambda.Options{Log: log})
}
