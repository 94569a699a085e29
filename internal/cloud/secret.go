package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

var (
	// ErrUnavailable is wrapped by errors of Secrets that may go away by themselves.
	ErrUnavailable = errors.New("AWS out of reach")
	// ErrSecret is wrapped by errors about a secret that is not there, or is no login.
	ErrSecret = errors.New("secret refused")
)

// Secrets reads logins from AWS Secrets Manager and remembers each for a while: a pool that opens twenty connections at
// once asks once. All methods may be called at once. It prints as nothing of what it holds.
type Secrets struct {
	api  *secretsmanager.Client
	keep time.Duration
	now  func() time.Time

	mu    sync.Mutex // held while asking
	known map[string]login
}

type login struct {
	username, password string
	until              time.Time
}

// NewSecrets returns a reader that remembers a login for keep; 0 asks every time. AWS rotates a managed secret while the
// old password goes on working for nobody, so a caller whose login is refused calls [Secrets.Forget] and asks again.
func NewSecrets(cfg aws.Config, keep time.Duration, now func() time.Time) *Secrets {
	return &Secrets{api: secretsmanager.NewFromConfig(cfg), keep: keep, now: now, known: make(map[string]login)}
}

// Login returns the user name and the password in the secret with the ARN (or name): a JSON object with the members
// username and password, as RDS writes it. It retries nothing. Errors: [ErrUnavailable], [ErrConfig] for a permission that
// is missing, [ErrSecret]; none tells anything of the secret.
func (s *Secrets) Login(ctx context.Context, arn string) (username, password string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if l, ok := s.known[arn]; ok && now.Before(l.until) {
		return l.username, l.password, nil
	}
	out, err := s.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return "", "", s.failure(ctx, err)
	}
	var content struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	// The decoder's errors are left out: they quote what they did not like.
	if json.Unmarshal([]byte(aws.ToString(out.SecretString)), &content) != nil || content.Username == "" || content.Password == "" {
		return "", "", fmt.Errorf("%w: it is no JSON object with a username and a password", ErrSecret)
	}
	s.known[arn] = login{content.Username, content.Password, now.Add(s.keep)}
	return content.Username, content.Password, nil
}

// Forget drops what is remembered of a secret.
func (s *Secrets) Forget(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, arn)
}

func (s *Secrets) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch kind := FaultOf(err); {
	case kind == FaultDenied:
		return fmt.Errorf("read secret: %w: secretsmanager:GetSecretValue, or kms:Decrypt on its key: %w", ErrConfig, Tidy(err))
	case kind == FaultOutage, kind == FaultThrottled:
		return fmt.Errorf("read secret: %w: %w", ErrUnavailable, Tidy(err))
	case Code(err) == "ResourceNotFoundException":
		return fmt.Errorf("read secret: %w: there is none of this name in the region: %w", ErrSecret, Tidy(err))
	}
	return fmt.Errorf("read secret: %w: %w", ErrSecret, Tidy(err))
}

// Format implements fmt.Formatter: it is full of passwords.
func (s *Secrets) Format(f fmt.State, _ rune) { fmt.Fprint(f, "secrets [redacted]") }
