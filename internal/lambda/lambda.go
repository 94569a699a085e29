// Package lambda stands between AWS Lambda and the program: each of its handlers
// turns an event into a call of what runs everywhere else, and the result into what
// Lambda understands.
//
//   - [HTTP] serves the API behind an API Gateway HTTP API (payload format 2.0).
//   - [Stream] carries records that a Kinesis event source mapping hands over.
//   - [Admin] runs a command line that an event names.
//   - [Redrive] carries what the event source mapping had given up.
//   - [Start] opens the backends, reports what stands in the way, and serves events.
//
// # What is guaranteed
//
// Every event is answered before Lambda's deadline while there is anything to answer:
// the work's context ends a margin earlier. A panic costs one event, not the process.
// Of a batch that was handled in part, exactly the rest is asked for again, and what
// is asked for twice changes nothing, which is the promise of whoever carries it.
//
// # Who calls
//
// [Caller] is what API Gateway found out with IAM, from the event's request context
// alone; nothing that a client can send sets it. Whoever may invoke the function
// without API Gateway may claim to be anybody, so the function's policy must let in
// nobody else. [Callers] gives callers their scopes.
//
// # Limits
//
// An event and an answer have 6 MB, and base64 takes a third of it: a request body has
// at most 4 MiB. Answers are whole: nothing is streamed, and no trailer, hijack or
// informational status passes. API Gateway hands over paths decoded, so that "%2F" in
// one cannot be told from "/", and repeated headers joined by commas.
//
// Logs and errors hold neither bodies nor secrets; what this package did not write
// itself is looked through for credentials before it is reported.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Name is a function of the deployment. All run the same program.
type Name string

// The functions.
const (
	Ingest         Name = "ingest"  // HTTP events
	Process        Name = "process" // Kinesis events
	Administration Name = "admin"   // command lines
)

// ErrName is returned for a name that no function has.
var ErrName = errors.New("unknown function; there are ingest, process and admin")

// Which is the function that the program is to be: the one that the command line names, or that of the deployment's
// handler (the variable _HANDLER) if it names none.
func Which(argument, handler string) (Name, error) {
	name := Name(argument)
	if argument == "" {
		name = Name(handler)
	}
	switch name {
	case Ingest, Process, Administration:
		return name, nil
	case "":
		return "", fmt.Errorf("choose function: neither the command line nor _HANDLER names one: %w", ErrName)
	}
	return "", fmt.Errorf("choose function: %w", ErrName)
}

// Options are what all handlers take.
type Options struct {
	// Margin is how long before Lambda's deadline work must end, so that its result gets out; never more than a quarter
	// of the time that is left. 0 is the handler's own default.
	Margin time.Duration
	Log    *slog.Logger // nil logs nothing
}

func (o Options) or(margin time.Duration) Options {
	if o.Margin <= 0 {
		o.Margin = margin
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// work returns a context that ends a margin before ctx does, and the margin that was taken. Without a deadline there is
// nothing to be early for.
func (o Options) work(ctx context.Context) (context.Context, context.CancelFunc, time.Duration) {
	deadline, ok := ctx.Deadline()
	if !ok {
		inner, cancel := context.WithCancel(ctx)
		return inner, cancel, 0
	}
	margin := max(0, min(o.Margin, time.Until(deadline)/4))
	inner, cancel := context.WithDeadline(ctx, deadline.Add(-margin))
	return inner, cancel, margin
}
