package cloud_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fastshop/pipeline/internal/cloud"
)

const (
	keyID  = "AKIDEXAMPLE"
	secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)

var moment = time.Date(2026, 11, 21, 12, 0, 0, 0, time.FixedZone("BRT", -3*3600))

func signer(session string) aws.Config {
	return aws.Config{Region: "sa-east-1", Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, session)}
}

func TestTokens(t *testing.T) {
	ctx := context.Background()
	database, err := cloud.RDSToken(ctx, signer(""), "db.abc.us-east-1.rds.amazonaws.com:6432", "us-east-1", "fastshop ingest", moment)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := cloud.CacheToken(ctx, signer("session/+="), "Redis-Golden", "redis-app", "us-east-1", moment)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token, host, service string
		query                map[string]string
	}{
		{database, "db.abc.us-east-1.rds.amazonaws.com:6432", "rds-db", map[string]string{"DBUser": "fastshop ingest"}},
		{cache, "redis-golden", "elasticache", map[string]string{"User": "redis-app", "X-Amz-Security-Token": "session/+="}},
	} {
		u, err := url.Parse("http://" + c.token)
		if err != nil || u.Host != c.host || u.Path != "/" {
			t.Errorf("%s: %v, host %q, path %q", c.service, err, u.Host, u.Path)
		}
		c.query["Action"], c.query["X-Amz-Expires"], c.query["X-Amz-Date"] = "connect", "900", "20261121T150000Z"
		c.query["X-Amz-Algorithm"], c.query["X-Amz-SignedHeaders"] = "AWS4-HMAC-SHA256", "host"
		c.query["X-Amz-Credential"] = keyID + "/20261121/us-east-1/" + c.service + "/aws4_request"
		c.query["X-Amz-Signature"] = signature(u, c.service)
		for name, want := range c.query {
			if got := u.Query()[name]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", c.service, name, got, want)
			}
		}
		if len(u.Query()) != len(c.query) {
			t.Errorf("%s: query %v has more than was looked for", c.service, u.Query())
		}
	}
}

// signature computes SigV4 (presigned, of a GET without body and with host as the only header) afresh, from AWS's
// description of it.
func signature(u *url.URL, service string) string {
	query := u.Query()
	query.Del("X-Amz-Signature")
	canonical := strings.Join([]string{
		"GET", u.Path, strings.ReplaceAll(query.Encode(), "+", "%20"), "host:" + u.Host, "", "host", hash(""),
	}, "\n")
	scope := "20261121/us-east-1/" + service + "/aws4_request"
	text := strings.Join([]string{"AWS4-HMAC-SHA256", "20261121T150000Z", scope, hash(canonical)}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range append(strings.Split(scope, "/"), text) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestTokensRefused(t *testing.T) {
	ctx := context.Background()
	failing := aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no role")
	})}
	for name, make := range map[string]func() (string, error){
		"no port":        func() (string, error) { return cloud.RDSToken(ctx, signer(""), "host", "us-east-1", "u", moment) },
		"no user":        func() (string, error) { return cloud.RDSToken(ctx, signer(""), "host:1", "us-east-1", "", moment) },
		"no region":      func() (string, error) { return cloud.RDSToken(ctx, signer(""), "host:1", "", "u", moment) },
		"no credentials": func() (string, error) { return cloud.RDSToken(ctx, failing, "host:1", "us-east-1", "u", moment) },
		"no source":      func() (string, error) { return cloud.CacheToken(ctx, aws.Config{}, "g", "u", "us-east-1", moment) },
		"an address":     func() (string, error) { return cloud.CacheToken(ctx, signer(""), "g:6379", "u", "us-east-1", moment) },
		"no group":       func() (string, error) { return cloud.CacheToken(ctx, signer(""), "", "u", "us-east-1", moment) },
	} {
		if token, err := make(); !errors.Is(err, cloud.ErrConfig) || token != "" {
			t.Errorf("%s: %q, %v, want ErrConfig", name, token, err)
		}
	}
}
