package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	runtime "github.com/aws/aws-lambda-go/lambda"
)

// Open opens all that a function needs and returns its handler, an [Endpoint], a [Consumer] or an [Administrator], and
// what closes it all again. It ends soon after ctx does. Its error says in words what stands in the way.
type Open func(ctx context.Context) (handler any, closeAll func() error, err error)

// StartOptions are what a function takes from its environment.
type StartOptions struct {
	// RuntimeAPI is the variable AWS_LAMBDA_RUNTIME_API, host and port. That variable must be set as well: the runtime's
	// own client reads it.
	RuntimeAPI string
	// OpenTime is how long opening may take: 9 s if zero, for Lambda gives 10.
	OpenTime time.Duration
	// EndTime is how long an event may go on after SIGTERM: 300 ms if zero, for Lambda gives 500.
	EndTime time.Duration
	Log     *slog.Logger // nil logs nothing
}

// ErrNotLambda is returned outside of Lambda.
var ErrNotLambda = errors.New("this is not AWS Lambda: AWS_LAMBDA_RUNTIME_API is not set")

// Start opens, and then handles events until ctx ends, which is to be on SIGTERM; it then waits for the event that is
// being handled, closes, and returns nil. Lambda sends SIGTERM before it takes an environment away because Start asks for
// it; SIGKILL at any moment is no harm to anything but its time.
//
// When opening fails, Lambda is told why, in words and without credentials, and Start returns the same error: the caller
// must exit with a status other than 0, and Lambda tries again with a new process. When the runtime's API fails, the
// process ends by itself, as Lambda wants.
func Start(ctx context.Context, open Open, o StartOptions) error {
	if o.RuntimeAPI == "" {
		return ErrNotLambda
	}
	if o.OpenTime <= 0 {
		o.OpenTime = 9 * time.Second
	}
	if o.EndTime <= 0 {
		o.EndTime = 300 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	handler, closeAll, err := o.open(ctx, open)
	if err != nil {
		err = &openError{newRedactor().err(err)}
		return errors.Join(err, reportInit(context.WithoutCancel(ctx), o.RuntimeAPI, err))
	}
	busy := &busy{inner: runtime.NewHandler(handler)}
	go runtime.StartWithOptions(busy, runtime.WithEnableSIGTERM())
	<-ctx.Done()
	if !busy.end(o.EndTime) {
		o.Log.Warn("an event was still being handled at the end")
	}
	if err := closeAll(); err != nil {
		return fmt.Errorf("close function: %w", err)
	}
	return nil
}

func (o *StartOptions) open(ctx context.Context, open Open) (handler any, closeAll func() error, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.OpenTime)
	defer cancel()
	err = contained(func() (err error) {
		handler, closeAll, err = open(ctx)
		return err
	})
	return handler, closeAll, err
}

// openError is an opening that failed, without credentials. Lambda's metrics know it by its type.
type openError struct{ text string }

func (e *openError) Error() string { return "open function: " + e.text }

// reportInit tells Lambda why there will be no events.
func reportInit(ctx context.Context, api string, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]any{"errorMessage": cause.Error(), "errorType": "OpenError", "stackTrace": []string{}})
	if err != nil {
		return fmt.Errorf("encode init error: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("report init error: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Lambda-Runtime-Function-Error-Type", "Function.OpenError")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // not by a proxy
	answer, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("report init error: %w", err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("report init error: %w", err)
	}
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("report init error: the runtime answered %d", answer.StatusCode)
	}
	return nil
}

// busy knows whether an event is being handled.
type busy struct {
	inner runtime.Handler
	mu    sync.Mutex // held while an event is handled; Lambda hands over one at a time
	ended time.Time  // when the last event was handled
}

// sending is how long the runtime's client may need to send an answer, to the same machine, after it has it.
const sending = 50 * time.Millisecond

// Invoke implements the runtime's Handler.
func (b *busy) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer, err := b.inner.Invoke(ctx, payload)
	b.ended = time.Now()
	return bytes.Clone(answer), err // it lies in a buffer that the next event uses again
}

// end keeps the next event from being handled once the present one is over and its answer sent, and reports whether that
// came in time.
func (b *busy) end(within time.Duration) bool {
	idle := make(chan struct{})
	go func() {
		b.mu.Lock() // for good: the process ends
		time.Sleep(sending - time.Since(b.ended))
		close(idle)
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}
