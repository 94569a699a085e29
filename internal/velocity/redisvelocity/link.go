package redisvelocity

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/velocity"
	"github.com/redis/rueidis"
)

type client = rueidis.Client

// link is the client, made when it is first needed and made anew when it follows the wrong server.
type link struct {
	mu      sync.Mutex
	client  client
	attempt chan struct{} // closed when the attempt that is under way has ended
	err     error         // of the last attempt
	closed  bool
}

// Connect makes the connections now instead of at the first call, and waits for longer than a call would. It is not an
// error that matters: later calls try again.
func (w *Windows) Connect(ctx context.Context) error {
	return w.call(ctx, 2*w.o.ConnectTimeout, func(ctx context.Context, c client) error {
		return w.marks.look(ctx, w, c)
	})
}

// get returns the client; it waits for a connection no longer than ctx, while the attempt goes on.
func (l *link) get(ctx context.Context, o *Options) (client, error) {
	l.mu.Lock()
	if l.client != nil || l.closed {
		defer l.mu.Unlock()
		if l.closed {
			return nil, errors.New("closed")
		}
		return l.client, nil
	}
	if l.attempt == nil {
		l.attempt = make(chan struct{})
		go l.connect(o)
	}
	attempt := l.attempt
	l.mu.Unlock()
	select {
	case <-attempt:
	case <-ctx.Done():
		return nil, fmt.Errorf("connect: %w", ctx.Err())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return nil, fmt.Errorf("connect: %w", l.err)
	}
	return l.client, nil
}

func (l *link) connect(o *Options) {
	c, err := rueidis.NewClient(o.client())
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.attempt)
	l.attempt, l.err = nil, err
	switch {
	case err != nil:
	case l.closed:
		c.Close()
	default:
		l.client = c
	}
}

// drop gives up a client, so that the address is resolved again.
func (l *link) drop(c client) {
	l.mu.Lock()
	same := l.client == c
	if same {
		l.client = nil
	}
	l.mu.Unlock()
	if same {
		go c.Close() // which waits for calls that are under way
	}
}

func (l *link) close() {
	l.mu.Lock()
	c := l.client
	l.client, l.closed = nil, true
	l.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// client are rueidis's options: no cache of its own, no retries of its own, and nothing that waits for long.
func (o *Options) client() rueidis.ClientOption {
	option := rueidis.ClientOption{
		InitAddress: o.Addresses, TLSConfig: o.TLS, Username: o.Username, Password: o.Password,
		ClientName: "fastshop", DisableCache: true, DisableRetry: true,
		ForceSingleClient: o.Shape != Cluster, ShuffleInit: o.Shape == Cluster,
		Dialer:           net.Dialer{Timeout: o.ConnectTimeout, KeepAlive: 5 * time.Second},
		ConnWriteTimeout: max(2*o.BatchTimeout, time.Second),
		ClusterOption:    rueidis.ClusterOption{ShardsRefreshInterval: 10 * time.Second, MaxMovedRedirections: 5},
	}
	option.DialCtxFn = func(ctx context.Context, address string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout) // of the handshake too
		defer cancel()
		if t == nil {
			return d.DialContext(ctx, "tcp", address)
		}
		return (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, "tcp", address)
	}
	if o.Credentials != nil {
		option.AuthCredentialsFn = func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			username, password, err := o.Credentials()
			return rueidis.AuthCredentials{Username: username, Password: password}, err
		}
	}
	return option
}

// call does something with the client under a deadline, unless the breaker is open.
func (w *Windows) call(ctx context.Context, timeout time.Duration, do func(context.Context, client) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !w.breaker.allow(w.o.Now()) {
		return fmt.Errorf("%w: it failed lately", velocity.ErrUnavailable)
	}
	w.calls.Add(1)
	inner, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := w.link.get(inner, &w.o)
	if err == nil {
		err = do(inner, c)
	}
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err() // the caller's wish, and no failure
	}
	if w.breaker.done(err == nil, w.o.Now()) {
		w.o.Log.Warn("windows on redis", slog.Bool("reachable", err == nil), slog.Any("error", err))
	}
	if err == nil {
		return nil
	}
	w.failures.Add(1)
	if failed, ok := rueidis.IsRedisErr(err); ok && strings.HasPrefix(failed.Error(), "READONLY") {
		w.link.drop(c) // it was the primary once
	}
	return fmt.Errorf("%w: %w", velocity.ErrUnavailable, err)
}
