// Package load is a client that plays a shop's checkout: it sends transactions and
// labels over HTTP, keeps at it until they are acknowledged, and measures how long
// verdicts take.
//
// Latency is measured from the moment at which a request was due, not from when it
// could be sent, so a server that stalls is charged for everybody who had to wait
// (Gil Tene calls the other way coordinated omission).
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Client sends to one server. It is safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

// NewClient makes a client for a server's base URL ("http://127.0.0.1:8080") and API key, with at most connections at
// once.
func NewClient(base, key string, connections int) *Client {
	return &Client{base: base, key: key, http: &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		},
	}}
}

// StatusError is an answer other than the expected one. It holds no body: a body may quote what was sent.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // zero if the server named none
}

func (e *StatusError) Error() string { return "server answered " + strconv.Itoa(e.Status) }

// Temporary reports whether the same request may succeed later.
func (e *StatusError) Temporary() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusGatewayTimeout
}

// call posts a body and hands the answer to read if it has the wanted status.
func (c *Client) call(ctx context.Context, method, path, media string, body []byte, want int, read func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	req.Header.Set("X-Api-Key", c.key)
	answer, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != want {
		_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // so that the connection can be used again
		seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		return &StatusError{Status: answer.StatusCode, RetryAfter: time.Duration(seconds) * time.Second}
	}
	if read == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return read(answer.Body)
}

// Verdict is what a synchronous decision answers, as far as load looks at it.
type Verdict struct {
	TransactionID string `json:"transaction_id"`
	Outcome       string `json:"outcome"`
	Score         int    `json:"score"`
}

// Decide asks for a verdict on one submission.
func (c *Client) Decide(ctx context.Context, submission []byte) (Verdict, error) {
	var v Verdict
	err := c.call(ctx, http.MethodPost, "/v1/decisions", "application/json", submission, http.StatusOK, func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&v)
	})
	return v, err
}

// Decision reads a stored decision; an answer of 404 is a StatusError.
func (c *Client) Decision(ctx context.Context, id string) (Verdict, error) {
	var v Verdict
	err := c.call(ctx, http.MethodGet, "/v1/decisions/"+id, "", nil, http.StatusOK, func(r io.Reader) error {
		return json.NewDecoder(r).Decode(&v)
	})
	return v, err
}

// Line is what became of one line of a batch.
type Line struct {
	Line          int    `json:"line"`
	TransactionID string `json:"transaction_id"`
	Status        string `json:"status"` // accepted, duplicate, or what was wrong
}

// Acknowledged reports whether the server has the transaction for good.
func (l Line) Acknowledged() bool { return l.Status == "accepted" || l.Status == "duplicate" }

// Batch sends submissions, one a line, and calls each for every line of the answer, in order; nil looks at none.
func (c *Client) Batch(ctx context.Context, ndjson []byte, each func(Line)) error {
	return c.call(ctx, http.MethodPost, "/v1/transactions:batch", "application/x-ndjson", ndjson, http.StatusOK, func(r io.Reader) error {
		if each == nil {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		lines := json.NewDecoder(r)
		for {
			var l Line
			err := lines.Decode(&l)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("read batch answer: %w", err)
			}
			each(l)
		}
	})
}

// Label sends one label.
func (c *Client) Label(ctx context.Context, label []byte) error {
	return c.call(ctx, http.MethodPost, "/v1/labels", "application/json", label, http.StatusOK, nil)
}

// Ready reports whether the server takes traffic.
func (c *Client) Ready(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/readyz", "", nil, http.StatusOK, nil)
}

// WaitReady waits until the server takes traffic, or ctx ends.
func (c *Client) WaitReady(ctx context.Context) error {
	for {
		err := c.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Insist calls f until it succeeds, fails for good, or ctx ends. An answer that may pass and a broken connection are
// tried again after a pause: ids make repeats harmless.
func Insist(ctx context.Context, f func(context.Context) error) error {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := f(ctx)
		var status *StatusError
		if err == nil || errors.As(err, &status) && !status.Temporary() {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
