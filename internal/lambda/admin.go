package lambda

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	stdjson "encoding/json"

	"github.com/go-json-experiment/json"
)

// AdminResult is what a command that succeeded answers.
type AdminResult struct {
	Status  int    `json:"status"`            // the exit status: 0
	Output  string `json:"output"`            // what it printed, or the end of it
	Omitted int64  `json:"omitted,omitempty"` // bytes before Output that it printed as well
}

// AdminError is a command that failed. Lambda reports its text, so it names the command by its first word only: the
// others may name a person.
type AdminError struct {
	Status int    // the exit status, not 0
	Text   string // the error and the last lines of the output, without credentials
}

// Error is the text.
func (e *AdminError) Error() string { return e.Text }

// Run runs a command line, prints to out alone, and returns when it is done or soon after ctx ends. An error may say its
// exit status with a method ExitCode() int; else it is 1. Neither errors nor out hold secrets that their reader has not
// asked for.
type Run func(ctx context.Context, command []string, out io.Writer) error

// Administrator handles an event that names a command line.
type Administrator func(ctx context.Context, event stdjson.RawMessage) (AdminResult, error)

const (
	adminMargin = 10 * time.Second
	outputBytes = 64 << 10 // of the output that are kept
	tailLines   = 20       // of the output that an error repeats
	tailBytes   = 4 << 10
	maxWords    = 64
	maxWord     = 4 << 10 // bytes
)

// Admin runs the commands of events such as {"command":["retention","run"]}; an event of any other shape is refused.
// Margin is 10 s if zero. A command that fails is an error of the invocation, an [AdminError].
func Admin(run Run, o Options) Administrator {
	o = o.or(adminMargin)
	secrets := newRedactor()
	return func(ctx context.Context, event stdjson.RawMessage) (AdminResult, error) {
		command, err := parseCommand(event)
		if err != nil {
			return AdminResult{}, err
		}
		ctx, cancel, _ := o.work(ctx)
		defer cancel()
		out := &tail{room: outputBytes}
		if err := contained(func() error { return run(ctx, command, out) }); err != nil {
			o.Log.ErrorContext(ctx, "command failed", slog.String("command", firstWord(command)), slog.String("error", secrets.err(err)))
			return AdminResult{}, failure(command, err, out, secrets)
		}
		text, omitted := out.text()
		return AdminResult{Output: text, Omitted: omitted}, nil
	}
}

// ErrCommand is wrapped by what is wrong with an event of Admin.
var ErrCommand = errors.New(`the event is not {"command":["word",...]}`)

// parseCommand reads an event strictly, so that a slip does not run half of what was meant.
func parseCommand(event []byte) ([]string, error) {
	var e struct {
		Command []string `json:"command"`
	}
	if err := json.Unmarshal(event, &e, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read command: %w", ErrCommand) // its text may quote the event
	}
	if len(e.Command) == 0 || len(e.Command) > maxWords {
		return nil, fmt.Errorf("read command: %w, with 1 to %d words", ErrCommand, maxWords)
	}
	for _, word := range e.Command {
		if word == "" || len(word) > maxWord || strings.ContainsFunc(word, control) {
			return nil, fmt.Errorf("read command: %w, with words of 1 to %d bytes and without control characters", ErrCommand, maxWord)
		}
	}
	if firstWord(e.Command) == "" {
		return nil, fmt.Errorf("read command: %w, where the first word is a command", ErrCommand)
	}
	return e.Command, nil
}

// firstWord is the name of a command, or empty if it is none.
func firstWord(command []string) string {
	word := command[0]
	if word[0] == '-' || len(word) > 32 || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz-") != "" {
		return ""
	}
	return word
}

func failure(command []string, err error, out *tail, secrets *redactor) *AdminError {
	e := &AdminError{Status: 1}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) && coded.ExitCode() != 0 {
		e.Status = coded.ExitCode()
	}
	e.Text = "command " + firstWord(command) + " ended with status " + strconv.Itoa(e.Status) + ": " + secrets.err(err)
	// Looked through as a whole: a line or a limit may cut a secret's name from its value.
	text, _ := out.text()
	if lines := lastLines(secrets.text(text)); lines != "" {
		e.Text += "\n" + lines
	}
	return e
}

// lastLines is the end of a text: at most tailLines whole lines and tailBytes bytes.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	text = strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
	if len(text) > tailBytes {
		text = validStart(text[len(text)-tailBytes:])
	}
	return text
}

// validStart drops the rest of a character at the start of a text that was cut.
func validStart(text string) string {
	for i := range min(utf8.UTFMax, len(text)+1) {
		if i == len(text) || utf8.RuneStart(text[i]) {
			return text[i:]
		}
	}
	return text // it was no UTF-8 before it was cut
}
