// Package cloud is what every client of AWS in this program starts from: the configuration with its time limits, what an
// error of AWS means, the tokens that sign in to a database and a cache, and the passwords that AWS keeps.
//
// # Retries
//
// The SDK's retries are off. Each port of the program says who retries, and a retry that nobody asked for doubles the
// load of a service that is already throttling, and hides from the caller how long it has been waiting. The one
// exception is [Options.Reconnect], for services all of whose calls are safe to repeat.
//
// # Time limits
//
// Connecting, TLS, and the whole of one attempt are bounded, whatever the caller's context says: a call never hangs.
//
// # Limits
//
// Credentials come from the SDK's default chain (environment, shared files, container, instance), which this package
// neither narrows nor logs.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The time limits of a connection, and the defaults of [Options].
const (
	connectTimeout = 2 * time.Second
	tlsTimeout     = 3 * time.Second
	idleTimeout    = 50 * time.Second // AWS closes what has been idle for about a minute; we are to be first

	defaultTimeout     = 10 * time.Second
	defaultConnections = 64
)

// ErrConfig is wrapped by errors about settings that have to be changed by a person: an address that cannot be read, a
// region that is missing, an account without credentials.
var ErrConfig = errors.New("AWS configuration refused")

// Options are the settings of [Load].
type Options struct {
	// Region is such as us-east-1. Empty takes what the SDK finds (AWS_REGION, the shared files); if that is nothing,
	// Load fails.
	Region string
	// Endpoint is the URL of a server that stands in for AWS, such as http://127.0.0.1:5000. Empty is AWS itself, or what
	// AWS_ENDPOINT_URL says.
	Endpoint string
	// Timeout bounds one attempt of a call, from connecting to the last byte; default 10 s.
	Timeout time.Duration
	// Connections is how many idle connections to a host are kept; default 64.
	Connections int
	// Reconnect repeats a call once, at once, when its connection broke before an answer had come. It is for services all
	// of whose calls are safe to repeat, and spares a function that was frozen the failure of its first call: it finds
	// its connections dead.
	Reconnect bool
}

// Load returns a configuration for the SDK's clients. It opens no connection: whether there are credentials, and what they
// are good for, shows with the first call, or with [Check]. The error wraps [ErrConfig].
func Load(ctx context.Context, o Options) (aws.Config, error) {
	if err := o.complete(); err != nil {
		return aws.Config{}, err
	}
	client := awshttp.NewBuildableClient().WithTimeout(o.Timeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout, t.IdleConnTimeout = tlsTimeout, idleTimeout
			t.MaxIdleConns, t.MaxIdleConnsPerHost = 2*o.Connections, o.Connections
		})
	settings := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client), // the SDK adds AWS_CA_BUNDLE to it
		config.WithRetryer(o.retryer()),
		config.WithLogger(logging.Nop{}), // it would write to stderr, past the program's own log
	}
	if o.Region != "" {
		settings = append(settings, config.WithRegion(o.Region))
	}
	cfg, err := config.LoadDefaultConfig(ctx, settings...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if cfg.Region == "" {
		return aws.Config{}, fmt.Errorf("%w: no region; add region=us-east-1 to the URL, or set AWS_REGION", ErrConfig)
	}
	if o.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(o.Endpoint)
	}
	if built, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		client = built
	}
	cfg.HTTPClient = &http.Client{
		Transport: readOnly{client.GetTransport()}, Timeout: o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return cfg, nil
}

func (o *Options) complete() error {
	if o.Timeout < 0 || o.Connections < 0 {
		return fmt.Errorf("%w: a negative time limit or number of connections", ErrConfig)
	}
	if o.Endpoint != "" {
		if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%w: an endpoint is a URL such as http://127.0.0.1:5000", ErrConfig)
		}
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	return nil
}

// retryer returns the SDK's retryer: none, or one that repeats a call once if its connection broke.
func (o *Options) retryer() func() aws.Retryer {
	if !o.Reconnect {
		return func() aws.Retryer { return aws.NopRetryer{} }
	}
	return func() aws.Retryer {
		return retry.NewStandard(func(s *retry.StandardOptions) {
			s.MaxAttempts = 2
			s.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			s.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				return aws.BoolTernary(isBroken(err))
			})}
		})
	}
}

// isBroken tells whether a connection went away under a call, rather than was refused or fell silent.
func isBroken(err error) bool {
	var timeout net.Error
	var network *net.OpError
	var send *smithyhttp.RequestSendError
	switch {
	case errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return false
	case errors.As(err, &network) && network.Op == "dial":
		return false
	}
	return errors.As(err, &send) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// readOnly is a transport that hides from net/http that the SDK's request bodies can write themselves (io.WriterTo). The
// SDK closes a body as soon as an answer begins, while net/http may still be asking it whether there is more; asked through
// WriteTo, a closed body answers with an error instead of its end, and net/http closes the connection under the answer
// (smithy-go 1.28). A server that is quick enough for it is not only one on the same machine.
type readOnly struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		r = r.WithContext(r.Context()) // a shallow copy: a transport changes no request
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return t.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client close what is idle.
func (t readOnly) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// FromURL reads the settings region and endpoint from the query of a URL. Any other name in it is refused, so that a
// misspelled setting does not go unnoticed. The error wraps [ErrConfig] and does not repeat values.
func FromURL(u *url.URL) (Options, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, fmt.Errorf("%w: the part of the URL after the question mark cannot be read", ErrConfig)
	}
	var o Options
	for name, values := range query {
		switch {
		case len(values) > 1:
			return Options{}, fmt.Errorf("%w: %q occurs twice in the URL", ErrConfig, name)
		case name == "region":
			o.Region = values[0]
		case name == "endpoint":
			o.Endpoint = values[0]
		default:
			return Options{}, fmt.Errorf("%w: the URL has %q, known are region and endpoint", ErrConfig, name)
		}
	}
	return o, nil
}

// Check asks the chain for credentials, as the first call would, and says in words what is wrong. It asks no service
// whether they are good. The error wraps [ErrConfig].
func Check(ctx context.Context, cfg aws.Config) error {
	if cfg.Region == "" {
		return fmt.Errorf("%w: no region", ErrConfig)
	}
	if cfg.Credentials == nil {
		return fmt.Errorf("%w: no source of credentials", ErrConfig)
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("%w: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the function a role: %w", ErrConfig, err)
	}
	return nil
}
