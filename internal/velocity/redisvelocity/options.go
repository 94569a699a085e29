package redisvelocity

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/fastshop/pipeline/internal/velocity"
)

// Shape is how the servers are arranged. The zero value is [Single].
type Shape string

const (
	// Single is one server.
	Single Shape = "single"
	// Replicated is one primary, at an address that follows it, and replicas that are never asked.
	Replicated Shape = "replicated"
	// Cluster is cluster mode.
	Cluster Shape = "cluster"
)

// ErrURL is wrapped by the error of [ParseURL]. It never quotes the URL.
var ErrURL = errors.New("redisvelocity: malformed URL")

// Server is where the logs are, and how to sign in.
type Server struct {
	Addresses []string // host:port; of a cluster any of its nodes
	Shape     Shape
	TLS       *tls.Config // nil: none
	Prefix    string      // of all keys; "fs:" if empty
	Username  string
	Password  string
	// Credentials, if not nil, is asked at every new connection in place of Username and Password: for tokens that expire.
	Credentials func() (username, password string, err error)
}

// URL is what [ParseURL] found.
type URL struct {
	Server
	IAM    bool   // sign in with a token that the caller makes for Username
	Group  string // the replication group that such a token is for
	Region string // of the group
}

// ParseURL reads redis://[user[:password]@]host[:port][?shape=…&prefix=…&auth=iam&group=…&region=…]; rediss:// is the same
// over TLS, with certificates checked against the host and the system's roots. Its error wraps ErrURL.
func ParseURL(text string) (URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return URL{}, fmt.Errorf("%w: not a URL", ErrURL) // err quotes the text, and so the password
	}
	out := URL{Server: Server{Shape: Single, Username: u.User.Username()}}
	out.Password, _ = u.User.Password()
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	switch {
	case u.Scheme != "redis" && u.Scheme != "rediss":
		return URL{}, fmt.Errorf("%w: want redis:// or rediss://", ErrURL)
	case u.Hostname() == "":
		return URL{}, fmt.Errorf("%w: no host", ErrURL)
	case u.Path != "" && u.Path != "/", u.Fragment != "":
		return URL{}, fmt.Errorf("%w: nothing may follow the host but ?settings", ErrURL)
	case u.Scheme == "rediss":
		out.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	}
	out.Addresses = []string{net.JoinHostPort(u.Hostname(), port)}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return URL{}, fmt.Errorf("%w: settings cannot be read", ErrURL)
	}
	for name, values := range query {
		if err := out.set(name, values); err != nil {
			return URL{}, err
		}
	}
	if out.IAM && (out.Username == "" || out.Group == "" || out.Region == "" || out.TLS == nil) {
		return URL{}, fmt.Errorf("%w: auth=iam needs rediss://, a user, group and region", ErrURL)
	}
	return out, nil
}

func (u *URL) set(name string, values []string) error {
	if len(values) != 1 {
		return fmt.Errorf("%w: a setting is there twice", ErrURL)
	}
	value := values[0]
	switch name {
	case "shape":
		u.Shape = Shape(value)
		if u.Shape != Single && u.Shape != Replicated && u.Shape != Cluster {
			return fmt.Errorf("%w: shape is single, replicated or cluster", ErrURL)
		}
	case "prefix":
		u.Prefix = value
	case "auth":
		if u.IAM = value == "iam"; !u.IAM {
			return fmt.Errorf("%w: auth can only be iam", ErrURL)
		}
	case "group":
		u.Group = value
	case "region":
		u.Region = value
	default:
		return fmt.Errorf("%w: unknown setting", ErrURL)
	}
	return nil
}

// Options are what windows on Redis need. The zero value of each field that has a default means that.
type Options struct {
	Server
	Plan   velocity.Plan
	Bounds velocity.Options
	// MirrorBytes is about how much memory copies of entities may take in this process. Default 192 MiB.
	MirrorBytes int64
	// Timeout bounds every call for one event. Default 50 ms.
	Timeout time.Duration
	// BatchTimeout bounds every call for more. Default 500 ms.
	BatchTimeout time.Duration
	// ConnectTimeout bounds a connection attempt. Default 1 s.
	ConnectTimeout time.Duration
	Now            func() time.Time // required
	Random         io.Reader        // of generations, locks and names of processes; required
	Log            *slog.Logger     // required
}

// breakers and rates that nobody has had a reason to set.
const (
	breakAfter   = 5                // failures one after the other
	breakFor     = time.Second      // then nothing is tried for so long
	markEvery    = time.Second      // how often a process looks at the markers
	refreshEvery = time.Hour        // how often a log in use is told to live on
	healLease    = 30 * time.Second // how long a healer may be silent
	fetchBlocks  = 1000             // of a log that are read at once
)

func (o *Options) resolve() error {
	if o.Now == nil || o.Random == nil || o.Log == nil || len(o.Addresses) == 0 {
		return errors.New("make windows on redis: addresses, clock, randomness and log are required")
	}
	o.Shape = orElse(o.Shape, Single)
	o.Prefix = orElse(o.Prefix, "fs:")
	o.MirrorBytes = orElse(o.MirrorBytes, 192<<20)
	o.Timeout = orElse(o.Timeout, 50*time.Millisecond)
	o.BatchTimeout = orElse(o.BatchTimeout, 500*time.Millisecond)
	o.ConnectTimeout = orElse(o.ConnectTimeout, time.Second)
	return nil
}

func orElse[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
