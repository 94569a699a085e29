package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// alone hides the settings and credentials of whoever runs the tests.
func alone(t *testing.T, set map[string]string) {
	t.Helper()
	nowhere := filepath.Join(t.TempDir(), "none")
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
	} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	t.Setenv("AWS_CONFIG_FILE", nowhere)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", nowhere)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for name, value := range set {
		t.Setenv(name, value)
	}
}

var login = map[string]string{"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

func load(t *testing.T, o cloud.Options) aws.Config {
	t.Helper()
	cfg, err := cloud.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// ask makes a call of AWS.
func ask(ctx context.Context, cfg aws.Config) error {
	_, err := secretsmanager.NewFromConfig(cfg).ListSecrets(ctx, &secretsmanager.ListSecretsInput{})
	return err
}

func TestLoad(t *testing.T) {
	alone(t, login)
	for name, o := range map[string]cloud.Options{
		"no region": {}, "negative": {Region: "us-east-1", Timeout: -1}, "negative connections": {Region: "us-east-1", Connections: -1},
		"no URL": {Region: "us-east-1", Endpoint: "127.0.0.1:5000"}, "no host": {Region: "us-east-1", Endpoint: "http://"},
		"another scheme": {Region: "us-east-1", Endpoint: "ftp://host"},
	} {
		if _, err := cloud.Load(t.Context(), o); !errors.Is(err, cloud.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
	url := testenv.SharedMoto(t).URL()
	if err := ask(t.Context(), load(t, cloud.Options{Region: "us-east-1", Endpoint: url})); err != nil {
		t.Errorf("with an endpoint: %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL", url)
	t.Setenv("AWS_REGION", "sa-east-1")
	cfg := load(t, cloud.Options{})
	if err := ask(t.Context(), cfg); err != nil || cfg.Region != "sa-east-1" {
		t.Errorf("with what the environment says: %v, region %s", err, cfg.Region)
	}
	if cfg := load(t, cloud.Options{Region: "us-east-1"}); cfg.Region != "us-east-1" {
		t.Errorf("region %s, the option goes first", cfg.Region)
	}
	if err := cloud.Check(t.Context(), cfg); err != nil {
		t.Errorf("check: %v", err)
	}
	t.Setenv("AWS_CA_BUNDLE", filepath.Join(t.TempDir(), "missing.pem"))
	if _, err := cloud.Load(t.Context(), cloud.Options{}); !errors.Is(err, cloud.ErrConfig) {
		t.Errorf("a bundle of certificates that is not there: %v, want ErrConfig", err)
	}
}

func TestNoCredentials(t *testing.T) {
	alone(t, nil)
	cfg := load(t, cloud.Options{Region: "us-east-1", Endpoint: "http://127.0.0.1:1"})
	if err := cloud.Check(t.Context(), cfg); !errors.Is(err, cloud.ErrConfig) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("check: %v, want ErrConfig with advice", err)
	}
	if err := ask(t.Context(), cfg); cloud.FaultOf(err) != cloud.FaultDenied {
		t.Errorf("a call: fault %v of %v, want denied", cloud.FaultOf(err), err)
	}
	for name, cfg := range map[string]aws.Config{"no region": {Credentials: cfg.Credentials}, "no source": {Region: "us-east-1"}} {
		if err := cloud.Check(t.Context(), cfg); !errors.Is(err, cloud.ErrConfig) {
			t.Errorf("%s: %v, want ErrConfig", name, err)
		}
	}
}

// TestFaults: what kind of failure an answer is, that it is asked for once, and that its text tells nothing of the call.
func TestFaults(t *testing.T) {
	alone(t, login)
	var calls atomic.Int64
	var code atomic.Value
	var status atomic.Int64
	server := testenv.Intercept(t, "http://127.0.0.1:1", func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		calls.Add(1)
		cloudtest.Refuse(w, int(status.Load()), code.Load().(string))
		return true
	})
	cfg := load(t, cloud.Options{Region: "us-east-1", Endpoint: server})
	for _, c := range []struct {
		code   string
		status int64
		want   cloud.Fault
	}{
		{"ThrottlingException", 400, cloud.FaultThrottled}, {"ProvisionedThroughputExceededException", 400, cloud.FaultThrottled},
		{"LimitExceededException", 400, cloud.FaultThrottled}, {"AccessDeniedException", 400, cloud.FaultDenied},
		{"ExpiredTokenException", 403, cloud.FaultDenied}, {"UnrecognizedClientException", 400, cloud.FaultDenied},
		{"InternalServerError", 500, cloud.FaultOutage}, {"InternalServerErrorException", 400, cloud.FaultOutage}, {"Anything", 503, cloud.FaultOutage},
		{"ValidationException", 400, cloud.FaultOther}, {"ResourceNotFoundException", 404, cloud.FaultOther},
	} {
		code.Store(c.code)
		status.Store(c.status)
		calls.Store(0)
		err := ask(t.Context(), cfg)
		if got := cloud.FaultOf(fmt.Errorf("wrapped: %w", err)); got != c.want || cloud.Code(err) != c.code {
			t.Errorf("%s: fault %v, code %q, want %v", c.code, got, cloud.Code(err), c.want)
		}
		if calls.Load() != 1 {
			t.Errorf("%s: asked %d times, want once", c.code, calls.Load())
		}
		tidy := cloud.Tidy(err)
		if said := strings.Contains(tidy.Error(), "by the test"); !strings.Contains(tidy.Error(), fmt.Sprintf("%s (HTTP %d", c.code, c.status)) || said != (c.want == cloud.FaultDenied) {
			t.Errorf("%s: text %q", c.code, tidy)
		}
		if cloud.FaultOf(tidy) != c.want {
			t.Errorf("%s: fault %v once tidy", c.code, cloud.FaultOf(tidy))
		}
	}
	if cloud.Tidy(nil) != nil || cloud.FaultOf(nil) != cloud.FaultOther || cloud.Code(nil) != "" {
		t.Error("no error is one")
	}
	var names []string
	for f := range cloud.FaultDenied + 2 {
		names = append(names, f.String())
	}
	if got := strings.Join(names, " "); got != "other outage throttled denied other" {
		t.Errorf("names: %s", got)
	}
}

// TestOutages: answers that are none.
func TestOutages(t *testing.T) {
	alone(t, login)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var connections atomic.Int64
	go func() { // hangs up on everybody who has asked
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			c.Read(make([]byte, 1))
			c.Close()
		}
	}()
	hangsUp := "http://" + listener.Addr().String()
	silent := testenv.Intercept(t, "http://127.0.0.1:1", func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		<-r.Context().Done()
		return true
	})
	page := testenv.Intercept(t, "http://127.0.0.1:1", func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, "<html>")
		return true
	})
	redirect := testenv.Intercept(t, "http://127.0.0.1:1", func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		http.Redirect(w, r, page, http.StatusTemporaryRedirect)
		return true
	})
	for name, c := range map[string]struct {
		endpoint string
		word     string
	}{
		"nobody there": {"http://127.0.0.1:1", "refused"}, "hangs up": {hangsUp, "connection"}, "silence": {silent, "no answer in time"},
		"a page": {page, "HTTP 502"}, "sent elsewhere": {redirect, "HTTP 307"},
	} {
		cfg := load(t, cloud.Options{Region: "us-east-1", Endpoint: c.endpoint, Timeout: 300 * time.Millisecond})
		err := ask(t.Context(), cfg)
		if tidy := cloud.Tidy(err); cloud.FaultOf(err) != cloud.FaultOutage || !strings.Contains(tidy.Error(), c.word) {
			t.Errorf("%s: fault %v, %v, want an outage with %q", name, cloud.FaultOf(err), tidy, c.word)
		}
	}
	connections.Store(0)
	if err := ask(t.Context(), load(t, cloud.Options{Region: "us-east-1", Endpoint: hangsUp, Reconnect: true})); err == nil || connections.Load() != 2 {
		t.Errorf("with Reconnect: %v, %d connections, want 2", err, connections.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = ask(ctx, load(t, cloud.Options{Region: "us-east-1", Endpoint: silent}))
	if cloud.FaultOf(err) != cloud.FaultOther || cloud.Tidy(err).Error() != "context canceled" {
		t.Errorf("canceled: fault %v, %v", cloud.FaultOf(err), cloud.Tidy(err))
	}
}

// TestEarlyAnswer: a server that answers before it has read everything costs no connection.
func TestEarlyAnswer(t *testing.T) {
	alone(t, login)
	var connections atomic.Int64
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }),
		ConnState: func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Close()
	cfg := load(t, cloud.Options{Region: "us-east-1", Endpoint: "http://" + listener.Addr().String()})
	const calls = 2000
	for range calls {
		if err := ask(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n > 5 {
		t.Errorf("%d connections for %d calls, one after the other", n, calls)
	}
}

func TestFromURL(t *testing.T) {
	parse := func(raw string) *url.URL {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	o, err := cloud.FromURL(parse("kinesis://name?region=us-east-1&endpoint=http://127.0.0.1:5000"))
	if want := (cloud.Options{Region: "us-east-1", Endpoint: "http://127.0.0.1:5000"}); err != nil || o != want {
		t.Errorf("%+v, %v", o, err)
	}
	for _, raw := range []string{"s://h?region=a&region=b", "s://h?regoin=secret-value", "s://h?region=%zz"} {
		if o, err := cloud.FromURL(parse(raw)); !errors.Is(err, cloud.ErrConfig) || strings.Contains(err.Error(), "secret-value") {
			t.Errorf("%s: %+v, %v, want ErrConfig without the value", raw, o, err)
		}
	}
}
