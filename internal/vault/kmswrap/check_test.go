package kmswrap_test

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/cloud/cloudtest"
	"github.com/fastshop/pipeline/internal/testenv"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/kmswrap"
)

// TestCheck: the doctor hears in words what is wrong.
func TestCheck(t *testing.T) {
	front := cloudtest.Front(t, testenv.SharedMoto(t).URL())
	cfg := load(t, front)
	api := kms.NewFromConfig(cfg)
	arn := createKey(t, cfg)
	probe := bound
	probe.Epoch = "check"
	if err := open(t, cfg, arn).Check(t.Context(), probe); err != nil {
		t.Errorf("a key that is well: %v", err)
	}
	refused := func(actions ...string) *kmswrap.Key {
		return open(t, load(t, testenv.Intercept(t, front, func(w http.ResponseWriter, r *http.Request, _ []byte) bool {
			for _, a := range actions {
				if r.Header.Get("X-Amz-Target") == "TrentService."+a {
					cloudtest.Refuse(w, http.StatusBadRequest, "AccessDeniedException")
					return true
				}
			}
			return false
		})), arn)
	}
	if err := refused("DescribeKey").Check(t.Context(), probe); err != nil {
		t.Errorf("without a look at the key itself: %v", err)
	}
	signing := createKey(t, cfg, func(in *kms.CreateKeyInput) {
		in.KeyUsage, in.KeySpec = types.KeyUsageTypeSignVerify, types.KeySpecRsa2048
	})
	stopped, doomed := createKey(t, cfg), createKey(t, cfg)
	if _, err := api.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: keyID(stopped)}); err != nil {
		t.Fatal(err)
	}
	if _, err := api.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: keyID(doomed)}); err != nil {
		t.Fatal(err)
	}
	missing := strings.Replace(arn, *keyID(arn), "00000000-0000-4000-8000-000000000000", 1)
	for name, c := range map[string]struct {
		key  *kmswrap.Key
		want error
		word string
	}{
		"may not wrap":   {refused("GenerateDataKey"), kmswrap.ErrDenied, "kms:GenerateDataKey"},
		"may not unwrap": {refused("Decrypt"), kmswrap.ErrDenied, "kms:Decrypt"},
		"for signing":    {open(t, cfg, signing), kmswrap.ErrMissing, "not a symmetric key"},
		"missing":        {open(t, cfg, missing), kmswrap.ErrMissing, "NotFoundException"},
		"disabled":       {open(t, cfg, stopped), vault.ErrKeyDisabled, "emergency stop"},
		"doomed":         {open(t, cfg, doomed), vault.ErrKeyDisabled, "deleted"},
	} {
		err := c.key.Check(t.Context(), probe)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v, want %v with %q", name, err, c.want, c.word)
		}
	}
	if _, err := open(t, cfg, doomed).Wrap(t.Context(), bound, []byte("key")); !errors.Is(err, vault.ErrKeyDisabled) {
		t.Errorf("wrap under a key about to be deleted: %v, want ErrKeyDisabled", err)
	}
}

func TestParseURL(t *testing.T) {
	const arn = "arn:aws:kms:us-east-1:123456789012:key/696bca2c-f313-1539-0ca4-03530838c9f5"
	for raw, endpoint := range map[string]string{
		"awskms:///" + arn:                       "",
		"awskms:///" + arn + "?region=us-east-1": "",
		"awskms:///" + arn + "?region=us-east-1&endpoint=http://127.0.0.1:5000": "http://127.0.0.1:5000",
	} {
		s, err := kmswrap.ParseURL(raw)
		want := kmswrap.Settings{ARN: arn, Cloud: cloud.Options{Region: "us-east-1", Endpoint: endpoint, Timeout: 3 * time.Second, Reconnect: true}}
		if err != nil || s != want {
			t.Errorf("%s: %+v, %v", raw, s, err)
		}
	}
	for _, raw := range []string{
		"", "file:", "awskms://" + arn, "awskms:///", "awskms:///alias/pii", "awskms:///" + strings.Replace(arn, "kms", "s3", 1),
		"awskms:///arn:aws:kms:us-east-1:123456789012:alias/pii-key", "awskms:///arn:aws:kms::123456789012:key/k",
		"awskms:///" + arn + "?region=sa-east-1", "awskms:///" + arn + "?regoin=us-east-1", "awskms:///" + arn + "?region=a&region=b",
		"awskms:///" + arn + "#part", "awskms://user@/" + arn, "awskms:///" + arn + "?region=%zz",
	} {
		if s, err := kmswrap.ParseURL(raw); !errors.Is(err, kmswrap.ErrURL) {
			t.Errorf("%q: %+v, %v, want ErrURL", raw, s, err)
		}
	}
	cfg := load(t, "http://127.0.0.1:1", func(o *cloud.Options) { o.Region = "sa-east-1" })
	if _, err := kmswrap.Open(cfg, arn, rand.Reader); !errors.Is(err, kmswrap.ErrURL) {
		t.Errorf("a configuration for another region: %v, want ErrURL", err)
	}
	if _, err := kmswrap.Open(cfg, "alias/pii", rand.Reader); !errors.Is(err, kmswrap.ErrURL) {
		t.Errorf("an alias: %v, want ErrURL", err)
	}
}
