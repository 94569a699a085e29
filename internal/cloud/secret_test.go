package cloud_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
)

// safe is a Secrets Manager that counts what is asked of it, and may refuse.
type safe struct {
	cfg    aws.Config
	api    *secretsmanager.Client
	asked  atomic.Int64
	refuse atomic.Value
}

func newSafe(t *testing.T) *safe {
	t.Helper()
	alone(t, login)
	s := &safe{}
	s.refuse.Store("")
	url := testenv.Intercept(t, testenv.SharedMoto(t).URL(), func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetSecretValue") {
			return false
		}
		s.asked.Add(1)
		code := s.refuse.Load().(string)
		if code != "" {
			cloudtest.Refuse(w, http.StatusBadRequest, code)
		}
		return code != ""
	})
	s.cfg = load(t, cloud.Options{Region: "us-east-1", Endpoint: url})
	s.api = secretsmanager.NewFromConfig(s.cfg)
	return s
}

// keep stores a secret and returns its ARN.
func (s *safe) keep(t *testing.T, name, content string) string {
	t.Helper()
	out, err := s.api.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &content})
	if err != nil {
		t.Fatal(err)
	}
	return *out.ARN
}

func TestSecretsRemembered(t *testing.T) {
	manager := newSafe(t)
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := cloud.NewSecrets(manager.cfg, time.Minute, func() time.Time { return now })
	arn := manager.keep(t, "rds!db-1", `{"username":"master","password":"hunter-2"}`)
	is := func(password string, questions int64) {
		t.Helper()
		user, got, err := s.Login(t.Context(), arn)
		if err != nil || user != "master" || got != password || manager.asked.Load() != questions {
			t.Errorf("login: %q, %q, %v after %d questions, want %q after %d", user, got, err, manager.asked.Load(), password, questions)
		}
	}
	is("hunter-2", 1)
	rotated := `{"username":"master","password":"hunter-3"}`
	if _, err := manager.api.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: &rotated}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { s.Login(context.Background(), arn) })
	}
	all.Wait()
	is("hunter-2", 1)
	now = now.Add(time.Minute)
	is("hunter-3", 2)
	s.Forget(arn)
	is("hunter-3", 3)
	if text := fmt.Sprintf("%v %+v %s", s, s, s); strings.Contains(text, "hunter") {
		t.Errorf("prints as %q", text)
	}
}

func TestSecretsRefused(t *testing.T) {
	manager := newSafe(t)
	s := cloud.NewSecrets(manager.cfg, 0, time.Now)
	for content, name := range map[string]string{
		"hunter-2": "no JSON", `{"username":"master"}`: "no password", `{"password":"hunter-2"}`: "no user", `["hunter-2"]`: "a list",
		`{"username":"master","password":{"hunter-2":1}}`: "an object",
	} {
		_, _, err := s.Login(t.Context(), manager.keep(t, name, content))
		if !errors.Is(err, cloud.ErrSecret) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v, want ErrSecret that tells nothing", name, err)
		}
	}
	if _, _, err := s.Login(t.Context(), "nowhere"); !errors.Is(err, cloud.ErrSecret) || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("a secret that is not there: %v, want ErrSecret", err)
	}
	for code, want := range map[string]error{
		"AccessDeniedException": cloud.ErrConfig, "ThrottlingException": cloud.ErrUnavailable, "DecryptionFailure": cloud.ErrSecret,
	} {
		manager.refuse.Store(code)
		if _, _, err := s.Login(t.Context(), "any"); !errors.Is(err, want) {
			t.Errorf("Secrets Manager answers %s: %v, want %v", code, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Login(ctx, "any"); !errors.Is(err, context.Canceled) {
		t.Errorf("login with an ended context: %v", err)
	}
}
