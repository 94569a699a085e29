package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// HTTPOptions are what an API takes.
type HTTPOptions struct {
	Options       // Margin is 500 ms if zero
	Body    int64 // bytes of a request's body, decoded; MaxBody if zero
}

// MaxBody is the largest body of a request, in bytes: what still fits an event in base64, with its headers.
const MaxBody = 4 << 20

// MaxAnswer is the largest answer that Lambda takes, in bytes of its JSON.
const MaxAnswer = 6 << 20

const httpMargin = 500 * time.Millisecond

// Endpoint handles an event of an HTTP API, payload format 2.0. It never returns an error: what goes wrong is an answer.
type Endpoint func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// HTTP serves h. It sees what it would see behind a listener, and the [Caller] in the request's context; ContentLength is
// known and the context ends before Lambda does. A body over the limit reads as [http.MaxBytesError], like one that
// [http.MaxBytesReader] cut off, so that h answers it its own way.
//
// A handler that has not answered by then is given up with 504 and whatever it writes later is dropped. A panic, and an
// answer that is larger than MaxAnswer or than its own Content-Length, is answered 500; the log has what happened.
func HTTP(h http.Handler, o HTTPOptions) Endpoint {
	o.Options = o.or(httpMargin)
	if o.Body <= 0 {
		o.Body = MaxBody
	}
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		ctx, cancel, margin := o.work(ctx)
		defer cancel()
		r, err := request(ctx, &event, o.Body)
		if err != nil {
			o.Log.WarnContext(ctx, "event refused", slog.String("request_id", event.RequestContext.RequestID), slog.Any("error", err))
			return malformed(event.RequestContext.RequestID), nil
		}
		a := newAnswer(r.Method)
		if err := serve(h, a, r, margin); err != nil {
			o.Log.ErrorContext(ctx, "request failed", slog.String("request_id", event.RequestContext.RequestID), slog.Any("error", err))
			if errors.Is(err, errGivenUp) {
				return tooLong(event.RequestContext.RequestID), nil
			}
			return internal(event.RequestContext.RequestID), nil
		}
		response, err := a.response()
		if err != nil {
			o.Log.ErrorContext(ctx, "answer cannot be sent", slog.String("request_id", event.RequestContext.RequestID), slog.Any("error", err))
			return internal(event.RequestContext.RequestID), nil
		}
		return response, nil
	}
}

var errGivenUp = errors.New("no answer by the deadline")

// panicked is a panic of a handler. Its value may quote the request, so only the type is kept.
type panicked struct {
	value string
	stack string
}

func (p *panicked) Error() string { return "panic of type " + p.value + "\n" + p.stack }

// contained calls f and turns a panic into an error.
func contained(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicked{fmt.Sprintf("%T", value), string(debug.Stack())}
		}
	}()
	return f()
}

// serve runs h until it is done, or until half of the margin behind the end of the request's context is over: h has then
// had the time to answer that it ran out of it.
func serve(h http.Handler, a *answer, r *http.Request, margin time.Duration) error {
	done := make(chan error, 1)
	go func() {
		done <- contained(func() error { h.ServeHTTP(a, r); return nil })
	}()
	select {
	case err := <-done:
		return err
	case <-r.Context().Done():
	}
	grace := time.NewTimer(margin / 2)
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C:
		return errGivenUp
	}
}
