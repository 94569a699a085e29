package kmswrap_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
)

var bound = vault.WrapContext{App: "fastshop", Env: "test", Purpose: vault.PurposeEpoch, Epoch: "2026-11-21T00:00:00Z"}

// load returns a configuration for an endpoint, with credentials that mean nothing.
func load(t *testing.T, endpoint string, change ...func(*cloud.Options)) aws.Config {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	o := cloud.Options{Region: "us-east-1", Endpoint: endpoint}
	for _, f := range change {
		f(&o)
	}
	cfg, err := cloud.Load(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// createKey makes a key and returns its ARN.
func createKey(t *testing.T, cfg aws.Config, change ...func(*kms.CreateKeyInput)) string {
	t.Helper()
	in := &kms.CreateKeyInput{}
	for _, f := range change {
		f(in)
	}
	out, err := kms.NewFromConfig(cfg).CreateKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

// keyID is the id in a key's ARN: moto does not know ARNs everywhere.
func keyID(arn string) *string {
	_, id, _ := strings.Cut(arn, "key/")
	return &id
}

func open(t *testing.T, cfg aws.Config, arn string) *kmswrap.Key {
	t.Helper()
	k, err := kmswrap.Open(cfg, arn, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// asked is what a request to KMS said.
type asked struct {
	action  string
	KeyId   string
	KeySpec string

	EncryptionContext map[string]string
}

// TestRights: what is asked of KMS is what the key's policy allows, and no more.
func TestRights(t *testing.T) {
	var mu sync.Mutex
	var seen []asked
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	watched := testenv.Intercept(t, front, func(_ http.ResponseWriter, r *http.Request, body []byte) bool {
		a := asked{action: strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")}
		if err := json.Unmarshal(body, &a); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, a)
		return false
	})
	arn := createKey(t, load(t, front))
	k := open(t, load(t, watched), arn)
	blob, err := k.Wrap(t.Context(), bound, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := k.Unwrap(t.Context(), bound, blob); err != nil || string(key) != "key" {
		t.Fatalf("unwrap: %q, %v", key, err)
	}
	pairs := map[string]string{"app": "fastshop", "env": "test", "purpose": "epoch", "epoch": "2026-11-21T00:00:00Z"}
	if len(seen) != 2 || seen[0].action != "GenerateDataKey" || seen[0].KeySpec != "AES_256" || seen[1].action != "Decrypt" {
		t.Fatalf("asked %+v", seen)
	}
	for _, a := range seen {
		if a.KeyId != arn || !maps.Equal(a.EncryptionContext, pairs) {
			t.Errorf("%s of key %s with %v", a.action, a.KeyId, a.EncryptionContext)
		}
	}
	if text := fmt.Sprintf("%v %+v %s", k, k, k); strings.Count(text, "KMS key "+arn) != 3 {
		t.Errorf("prints as %q", text)
	}
}

// TestErrors: what KMS answers, and what the caller learns of it.
func TestErrors(t *testing.T) {
	var code atomic.Value
	var status atomic.Int64
	var calls atomic.Int64
	url := testenv.Intercept(t, "http://127.0.0.1:1", func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		calls.Add(1)
		cloudtest.Refuse(w, int(status.Load()), code.Load().(string))
		return true
	})
	k := open(t, load(t, url, func(o *cloud.Options) { o.Reconnect = true }), "arn:aws:kms:us-east-1:123456789012:key/k")
	blob := append([]byte{2, 0, 1, 'c'}, make([]byte, 60)...)
	for _, c := range []struct {
		code   string
		status int64
		want   []error
		not    []error
	}{
		{"DisabledException", 400, []error{vault.ErrKeyDisabled}, []error{vault.ErrUnavailable}},
		{"KMSInvalidStateException", 400, []error{vault.ErrKeyDisabled}, []error{vault.ErrUnavailable}},
		{"InvalidCiphertextException", 400, []error{vault.ErrKey}, []error{vault.ErrUnavailable}},
		{"IncorrectKeyException", 400, []error{vault.ErrKey}, []error{vault.ErrUnavailable}},
		{"ThrottlingException", 400, []error{vault.ErrUnavailable}, []error{kmswrap.ErrDenied, vault.ErrKeyDisabled}},
		{"LimitExceededException", 400, []error{vault.ErrUnavailable}, []error{kmswrap.ErrDenied}},
		{"KMSInternalException", 500, []error{vault.ErrUnavailable}, []error{kmswrap.ErrDenied}},
		{"DependencyTimeoutException", 503, []error{vault.ErrUnavailable}, []error{kmswrap.ErrDenied}},
		{"KeyUnavailableException", 500, []error{vault.ErrUnavailable}, []error{vault.ErrKeyDisabled}},
		{"AccessDeniedException", 400, []error{vault.ErrUnavailable, kmswrap.ErrDenied}, []error{vault.ErrKey, vault.ErrKeyDisabled}},
		{"ExpiredTokenException", 400, []error{vault.ErrUnavailable, kmswrap.ErrDenied}, []error{vault.ErrKey}},
		{"NotFoundException", 400, []error{vault.ErrUnavailable, kmswrap.ErrMissing}, []error{vault.ErrKey}},
		{"InvalidKeyUsageException", 400, []error{vault.ErrUnavailable, kmswrap.ErrMissing}, []error{vault.ErrKey}},
	} {
		code.Store(c.code)
		status.Store(c.status)
		calls.Store(0)
		_, wrapped := k.Wrap(t.Context(), bound, []byte("key"))
		_, unwrapped := k.Unwrap(t.Context(), bound, blob)
		for action, err := range map[string]error{"wrap": wrapped, "unwrap": unwrapped} {
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("%s, KMS answers %s: %v, want %v", action, c.code, err, want)
				}
			}
			for _, not := range c.not {
				if errors.Is(err, not) {
					t.Errorf("%s, KMS answers %s: %v is %v", action, c.code, err, not)
				}
			}
			if !strings.Contains(fmt.Sprint(err), c.code) {
				t.Errorf("%s: %v does not name %s", action, err, c.code)
			}
		}
		if calls.Load() != 2 {
			t.Errorf("%s: %d calls, want one each: nothing is retried", c.code, calls.Load())
		}
	}
}

// TestNetwork: nobody there, no answer, half an answer.
func TestNetwork(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	arn := createKey(t, load(t, front))
	proxy := testenv.Proxy(t, strings.TrimPrefix(front, "http://"))
	quick := func(o *cloud.Options) { o.Timeout, o.Reconnect = 1500*time.Millisecond, true }
	k := open(t, load(t, "http://"+proxy.Addr(), quick), arn)
	blob, err := k.Wrap(t.Context(), bound, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	works := func(after string) {
		t.Helper()
		if key, err := k.Unwrap(t.Context(), bound, blob); err != nil || string(key) != "key" {
			t.Errorf("unwrap after %s: %q, %v", after, key, err)
		}
	}
	fails := func(during string) {
		t.Helper()
		if _, err := k.Unwrap(t.Context(), bound, blob); !errors.Is(err, vault.ErrUnavailable) || errors.Is(err, kmswrap.ErrDenied) {
			t.Errorf("unwrap during %s: %v, want ErrUnavailable", during, err)
		}
	}
	proxy.Cut() // idle connections die unnoticed, as those of a function that was frozen
	works("the connections died")
	proxy.Blackhole(true)
	fails("silence")
	proxy.Blackhole(false)
	works("silence")
	proxy.Refuse(true)
	proxy.Cut()
	fails("refusal")
	proxy.Refuse(false)
	works("refusal")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Unwrap(ctx, bound, blob); !errors.Is(err, context.Canceled) || errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("unwrap with an ended context: %v", err)
	}
}

// TestDamaged: what cannot have been wrapped is refused without asking KMS.
func TestDamaged(t *testing.T) {
	url := testenv.Intercept(t, "http://127.0.0.1:1", func(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
		t.Errorf("asked KMS: %s", r.Header.Get("X-Amz-Target"))
		return false
	})
	k := open(t, load(t, url), "arn:aws:kms:us-east-1:123456789012:key/k")
	for name, blob := range map[string][]byte{
		"nothing": nil, "a version": {2}, "another version": append([]byte{1, 0, 1, 'c'}, make([]byte, 60)...),
		"no data key": append([]byte{2, 0, 0}, make([]byte, 60)...), "a data key too long": append([]byte{2, 255, 255}, make([]byte, 70_000)...),
		"cut in the data key": {2, 0, 9, 'c'}, "no ciphertext": append([]byte{2, 0, 1, 'c'}, make([]byte, 28)...),
	} {
		if _, err := k.Unwrap(t.Context(), bound, blob); !errors.Is(err, vault.ErrKey) {
			t.Errorf("%s: %v, want ErrKey", name, err)
		}
	}
}

// decrypt does what a request asks for.
func decrypt(t *testing.T, cfg aws.Config, body []byte) []byte {
	var in struct{ CiphertextBlob []byte }
	if err := json.Unmarshal(body, &in); err != nil {
		t.Error(err)
	}
	out, err := kms.NewFromConfig(cfg).Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: in.CiphertextBlob, EncryptionContext: map[string]string{
		"app": bound.App, "env": bound.Env, "purpose": string(bound.Purpose), "epoch": bound.Epoch,
	}})
	if err != nil {
		t.Error(err)
		return nil
	}
	return out.Plaintext
}

// TestShared: calls at once share one that began after they did, and no call gets an answer from before a stop.
func TestShared(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	setup := load(t, front)
	arn := createKey(t, setup)
	var calls atomic.Int64
	begun, hold := make(chan struct{}, 100), make(chan struct{})
	slow := testenv.Intercept(t, front, func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		if r.Header.Get("X-Amz-Target") != "TrentService.Decrypt" || calls.Add(1) != 1 {
			return false
		}
		plaintext := decrypt(t, setup, body)
		begun <- struct{}{}
		<-hold // the answer is given while the key was enabled, and arrives later
		json.NewEncoder(w).Encode(map[string]string{"Plaintext": base64.StdEncoding.EncodeToString(plaintext), "KeyId": arn})
		return true
	})
	release := sync.OnceFunc(func() { close(hold) })
	defer release() // or the server would wait for its handler
	k := open(t, load(t, slow), arn)
	blob, err := k.Wrap(t.Context(), bound, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		key, err := k.Unwrap(context.Background(), bound, blob)
		if err == nil && string(key) != "key" {
			err = fmt.Errorf("key %q", key)
		}
		first <- err
	}()
	<-begun
	if _, err := kms.NewFromConfig(setup).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: keyID(arn)}); err != nil {
		t.Fatal(err)
	}
	const later = 20
	results := make(chan error, later)
	for range later {
		go func() { _, err := k.Unwrap(context.Background(), bound, blob); results <- err }()
	}
	gaveUp, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := k.Unwrap(gaveUp, bound, blob); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a caller who does not wait: %v", err)
	}
	release()
	if err := <-first; err != nil {
		t.Errorf("the call from before the stop: %v", err)
	}
	for range later {
		if err := <-results; !errors.Is(err, vault.ErrKeyDisabled) {
			t.Errorf("a call from after the stop: %v, want ErrKeyDisabled", err)
		}
	}
	if n := calls.Load(); n < 2 || n > 1+later/2 {
		t.Errorf("%d calls of KMS for %d callers: they do not share", n, later+1)
	}
}
