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

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
)

func TestSecrets(t *testing.T) {
	alone(t, login)
	moto := testenv.SharedMoto(t).URL()
	var asked atomic.Int64
	var refuse atomic.Value
	refuse.Store("")
	counted := testenv.Intercept(t, moto, func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetSecretValue") {
			asked.Add(1)
			if code := refuse.Load().(string); code != "" {
				cloudtest.Refuse(w, http.StatusBadRequest, code)
				return true
			}
		}
		return false
	})
	cfg := load(t, cloud.Options{Region: "us-east-1", Endpoint: counted})
	api := secretsmanager.NewFromConfig(cfg)
	keep := func(name, content string) string {
		t.Helper()
		out, err := api.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &content})
		if err != nil {
			t.Fatal(err)
		}
		return *out.ARN
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := cloud.NewSecrets(cfg, time.Minute, func() time.Time { return now })
	arn := keep("rds!db-1", `{"username":"master","password":"hunter-2"}`)
	is := func(password string, questions int64) {
		t.Helper()
		user, got, err := s.Login(t.Context(), arn)
		if err != nil || user != "master" || got != password || asked.Load() != questions {
			t.Errorf("login: %q, %q, %v after %d questions, want %q after %d", user, got, err, asked.Load(), password, questions)
		}
	}
	is("hunter-2", 1)
	rotated := `{"username":"master","password":"hunter-3"}`
	if _, err := api.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: &rotated}); err != nil {
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

	for content, name := range map[string]string{
		"hunter-2": "no JSON", `{"username":"master"}`: "no password", `{"password":"hunter-2"}`: "no user", `["hunter-2"]`: "a list",
		`{"username":"master","password":{"hunter-2":1}}`: "an object",
	} {
		_, _, err := s.Login(t.Context(), keep(name, content))
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
		refuse.Store(code)
		s.Forget(arn)
		if _, _, err := s.Login(t.Context(), arn); !errors.Is(err, want) {
			t.Errorf("Secrets Manager answers %s: %v, want %v", code, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Login(ctx, arn); !errors.Is(err, context.Canceled) {
		t.Errorf("login with an ended context: %v", err)
	}
}
