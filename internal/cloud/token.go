package cloud

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TokenLife is for how long RDSToken and CacheToken let somebody sign in; AWS allows no more. Connections that were made
// with a token outlive it: a database's for good, a cache's for twelve hours, unless it signs in again. Temporary
// credentials end their tokens with themselves.
const TokenLife = 15 * time.Minute

// emptyHash is SHA-256 of nothing, the body of a request that is signed but never sent.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// RDSToken returns a password with which user may sign in, until TokenLife after now, to the PostgreSQL database at
// endpoint, "host:port" with the name that AWS gave the host. The role needs rds-db:connect. It asks nobody but the
// source of the credentials. The error wraps [ErrConfig].
//
// The password is a request to rds-db, signed in its query (SigV4), without its scheme: the form is that of the SDK's
// feature/rds/auth and of `aws rds generate-db-auth-token`.
func RDSToken(ctx context.Context, cfg aws.Config, endpoint, region, user string, now time.Time) (string, error) {
	host, port, err := net.SplitHostPort(endpoint)
	if err != nil || host == "" || port == "" || user == "" {
		return "", fmt.Errorf("%w: a database token takes host:port and a user", ErrConfig)
	}
	return presign(ctx, cfg, signing{
		service: "rds-db", region: region, host: endpoint, query: url.Values{"Action": {"connect"}, "DBUser": {user}},
	}, now)
}

// CacheToken returns a password with which user (the user's id, which has to be its name as well) may sign in, until
// TokenLife after now, to the ElastiCache replication group with the given id. The role needs elasticache:Connect on
// both. It asks nobody but the source of the credentials. The error wraps [ErrConfig].
//
// The password is a request to elasticache, to the group's id in lower case as its host, signed in its query (SigV4),
// without its scheme: the form is that of AWS's auth-iam guide and its demo program.
func CacheToken(ctx context.Context, cfg aws.Config, group, user, region string, now time.Time) (string, error) {
	if group == "" || user == "" || strings.ContainsAny(group, "/:?#@") {
		return "", fmt.Errorf("%w: a cache token takes the id of a replication group and a user", ErrConfig)
	}
	return presign(ctx, cfg, signing{
		service: "elasticache", region: region, host: strings.ToLower(group), query: url.Values{"Action": {"connect"}, "User": {user}},
	}, now)
}

// signing is what a token asks for.
type signing struct {
	service, region, host string
	query                 url.Values
}

func presign(ctx context.Context, cfg aws.Config, s signing, now time.Time) (string, error) {
	if s.region == "" {
		return "", fmt.Errorf("%w: a token takes a region", ErrConfig)
	}
	if cfg.Credentials == nil {
		return "", fmt.Errorf("%w: no source of credentials", ErrConfig)
	}
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: get credentials for a token: %w", ErrConfig, err)
	}
	s.query.Set("X-Amz-Expires", fmt.Sprint(int(TokenLife/time.Second)))
	address := &url.URL{Scheme: "http", Host: s.host, Path: "/", RawQuery: s.query.Encode()}
	r := &http.Request{Method: http.MethodGet, URL: address, Host: s.host, Header: http.Header{}}
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, credentials, r, emptyHash, s.service, s.region, now.UTC())
	if err != nil {
		return "", fmt.Errorf("%w: sign a token: %w", ErrConfig, err)
	}
	return strings.TrimPrefix(signed, "http://"), nil
}
