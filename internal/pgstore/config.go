package pgstore

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Auth is how a connection proves who it is.
type Auth int

// The ways.
const (
	// Password is a password in the URL, a certificate, or trust.
	Password Auth = iota
	// IAM is a token of the cloud's identity service, made for each connection.
	IAM
	// Secret is user and password from the cloud's secret store.
	Secret
)

// Config says where a database is and who connects to it. Make one with [ParseURL].
type Config struct {
	// Auth is how the password is come by; for IAM and Secret the caller supplies it, see Options.Password.
	Auth Auth
	// Region is that of IAM or Secret.
	Region string
	// Secret is the ARN of the secret.
	Secret string

	conn *pgx.ConnConfig
}

// ParseURL reads postgres://user:password@host:port/database?sslmode=…&sslrootcert=…&auth=…&region=…&secret=…
//
// Without sslmode it is verify-full. With auth=iam or secret the roots of RDS in us-east-1 are trusted beside the system's,
// unless sslrootcert names others. With auth=secret the URL may be without a user: see [Config.WithUser]. The
// environment (PGPASSWORD, PGSSLMODE and so on) and files in the home folder have no say. Errors name no part of the URL
// that could be secret.
func ParseURL(text string) (Config, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Config{}, errors.New("store URL is malformed") // err would quote it
	}
	var c Config
	q := u.Query()
	switch auth := q.Get("auth"); auth {
	case "", "password":
	case "iam":
		c.Auth = IAM
	case "secret":
		c.Auth = Secret
	default:
		return c, fmt.Errorf("store URL: auth=%s is not password, iam or secret", auth)
	}
	c.Region, c.Secret = q.Get("region"), q.Get("secret")
	database := strings.TrimPrefix(u.Path, "/")
	switch {
	case u.Scheme != "postgres" && u.Scheme != "postgresql", u.Host == "", database == "":
		return c, errors.New("store URL is not postgres://user@host:port/database")
	case u.User.Username() == "" && c.Auth != Secret:
		return c, errors.New("store URL has no user")
	case c.Auth == Secret && c.Secret == "":
		return c, errors.New("store URL: auth=secret without secret")
	}
	for _, name := range []string{"auth", "region", "secret"} {
		q.Del(name)
	}
	if !q.Has("sslmode") {
		q.Set("sslmode", "verify-full")
	}
	q.Set("passfile", "/dev/null")
	u.RawQuery = q.Encode()
	c.conn, err = pgx.ParseConfig(u.String())
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil { // err itself quotes the URL
			return c, fmt.Errorf("store URL: %w", inner)
		}
		return c, errors.New("store URL has a setting that is not known, or with a value that is not")
	}
	if c.Auth != Password && !q.Has("sslrootcert") { // so it is a server of AWS
		if err := trustRDS(c.conn); err != nil {
			return c, fmt.Errorf("store URL: %w", err)
		}
	}
	c.conn.User = u.User.Username()
	c.conn.Password, _ = u.User.Password()
	return c, nil
}

// WithUser is the config with the user and password that a secret names.
func (c Config) WithUser(user, password string) Config {
	c.conn = c.conn.Copy()
	c.conn.User, c.conn.Password = user, password
	return c
}

// User is the role that connects.
func (c Config) User() string { return c.conn.User }

// Endpoint is host:port of the server.
func (c Config) Endpoint() string { return fmt.Sprintf("%s:%d", c.conn.Host, c.conn.Port) }

// Database is the database's name.
func (c Config) Database() string { return c.conn.Database }

// String is where the database is, without user and password.
func (c Config) String() string { return "postgres://" + c.Endpoint() + "/" + c.Database() }

// GoString is String, so that no format shows a password.
func (c Config) GoString() string { return c.String() }
