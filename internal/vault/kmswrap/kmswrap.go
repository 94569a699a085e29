// Package kmswrap wraps keys under a key of AWS KMS: the [vault.Wrapper] of a deployment on AWS. The key-encryption key
// never leaves KMS, and every use of it is in CloudTrail with its encryption context, which names no person.
//
// # Wrapped keys
//
// Wrap asks KMS for a fresh data key (GenerateDataKey, AES_256) and encrypts under it with AES-256-GCM; Unwrap has KMS open
// the data key (Decrypt). Those are all the rights it needs; the key's policy fixes app, env and purpose, and allows a
// fourth pair, epoch. A wrapped key is
//
//	0        1   version of this layout, 2 (1 is localkey's)
//	1        2   length of the next part, big-endian: 1 to 6144
//	3        …   the data key as KMS encrypted it (CiphertextBlob)
//	…       12   nonce, random
//	…        …   ciphertext, as long as the key
//	…       16   tag
//
// The additional data is all that stands before the nonce, then [vault.WrapContext.Append]. KMS binds the data key to the
// same context by itself.
//
// # Emergency stop
//
// Disabling the key in KMS, or scheduling its deletion, is the emergency stop: every call fails with
// [vault.ErrKeyDisabled]. KMS may take some seconds to put it in force everywhere; nothing is remembered here, so the very
// next call notices. Callers who ask for the same wrapped key at once share an answer, but only one that was asked for
// after they had come.
//
// # Errors
//
// Whatever is neither "disabled" nor "this is not what I wrapped" counts as [vault.ErrUnavailable], so that nobody
// mistakes a lost permission for a damaged key and throws records away: callers bridge it like an outage, for as long as
// they may use what they hold, and then stop. Two of them take a person and can be told apart: [ErrDenied], [ErrMissing].
// A permission that is taken away on purpose is therefore no emergency stop: disable the key.
//
// # Limits
//
// Nothing is retried, but a call whose connection broke (cloud.Options.Reconnect). Nothing is throttled on this side
// either: a vault asks at most once per Config.KEKCheck, a few calls a second for a whole deployment, where KMS allows
// thousands.
package kmswrap

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/fastshop/pipeline/internal/cloud"
	"github.com/fastshop/pipeline/internal/vault"
)

var (
	// ErrDenied is wrapped, beside [vault.ErrUnavailable], when the role or the key's policy does not allow the call.
	ErrDenied = errors.New("not allowed to use the KMS key")
	// ErrMissing is wrapped, beside [vault.ErrUnavailable], when there is no such key, or it is no key for this use.
	ErrMissing = errors.New("no such KMS key")
	// ErrURL is wrapped by ParseURL's errors.
	ErrURL = errors.New("URL of a KMS key refused")
)

const (
	version       = 2
	headerSize    = 1 + 2
	nonceSize     = 12
	tagSize       = 16
	maxKey        = 1024 // the longest key that is wrapped, in bytes
	maxCiphertext = 6144 // of a data key, by the API of KMS

	callTimeout = 3 * time.Second // KMS answers in milliseconds; who waits longer holds others up
)

// Settings are what a URL says.
type Settings struct {
	ARN   string        // of the key
	Cloud cloud.Options // to load the configuration with
}

// ParseURL reads awskms:///arn:aws:kms:REGION:ACCOUNT:key/ID, with an optional ?region=…&endpoint=…. The region is the
// ARN's. The error wraps [ErrURL].
func ParseURL(raw string) (Settings, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "awskms" || u.Host != "" || u.User != nil || u.Fragment != "" {
		return Settings{}, fmt.Errorf("%w: it is awskms:///ARN, with three slashes", ErrURL)
	}
	s := Settings{ARN: strings.TrimPrefix(u.Path, "/")}
	region, err := regionOf(s.ARN)
	if err != nil {
		return Settings{}, err
	}
	if s.Cloud, err = cloud.FromURL(u); err != nil {
		return Settings{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if s.Cloud.Region != "" && s.Cloud.Region != region {
		return Settings{}, fmt.Errorf("%w: the key is in %s, the URL says region=%s", ErrURL, region, s.Cloud.Region)
	}
	s.Cloud.Region, s.Cloud.Timeout, s.Cloud.Reconnect = region, callTimeout, true
	return s, nil
}

// regionOf checks an ARN. An alias is refused: whoever may move it could make old wrapped keys unreadable unnoticed.
func regionOf(arn string) (string, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "kms" || parts[3] == "" || parts[4] == "" {
		return "", fmt.Errorf("%w: a key is named by its ARN, arn:aws:kms:REGION:ACCOUNT:key/ID", ErrURL)
	}
	if id, ok := strings.CutPrefix(parts[5], "key/"); !ok || id == "" {
		return "", fmt.Errorf("%w: the ARN is not a key's (an alias can be moved to another key)", ErrURL)
	}
	return parts[3], nil
}

// Key is a key-encryption key in KMS. All methods may be called at once.
type Key struct {
	arn     string
	api     *kms.Client
	random  io.Reader
	flights flights
}

var _ vault.Wrapper = (*Key)(nil)

// Open returns the key with the ARN. It asks nobody; [Key.Check] does. random gives the nonces; it is crypto/rand.Reader
// but in tests. The error wraps [ErrURL].
func Open(cfg aws.Config, arn string, random io.Reader) (*Key, error) {
	region, err := regionOf(arn)
	if err != nil {
		return nil, err
	}
	if cfg.Region != region {
		return nil, fmt.Errorf("%w: the key is in %s, the configuration is for %s", ErrURL, region, cfg.Region)
	}
	return &Key{arn: arn, api: kms.NewFromConfig(cfg), random: random}, nil
}

// pairs is the encryption context.
func pairs(c vault.WrapContext) map[string]string {
	return map[string]string{"app": c.App, "env": c.Env, "purpose": string(c.Purpose), "epoch": c.Epoch}
}

// Wrap implements [vault.Wrapper].
func (k *Key) Wrap(ctx context.Context, c vault.WrapContext, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(key) == 0 || len(key) > maxKey {
		return nil, fmt.Errorf("%w: a key to wrap has 1 to %d bytes", vault.ErrInput, maxKey)
	}
	out, err := k.api.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &k.arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: pairs(c),
	})
	if err != nil {
		return nil, failure(ctx, "GenerateDataKey", err)
	}
	defer clear(out.Plaintext)
	if len(out.CiphertextBlob) == 0 || len(out.CiphertextBlob) > maxCiphertext {
		return nil, fmt.Errorf("%w: KMS returned no data key", vault.ErrUnavailable)
	}
	aead, err := newAEAD(out.Plaintext)
	if err != nil {
		return nil, err
	}
	header := headerSize + len(out.CiphertextBlob)
	blob := make([]byte, 0, header+nonceSize+len(key)+tagSize)
	blob = binary.BigEndian.AppendUint16(append(blob, version), uint16(len(out.CiphertextBlob)))
	blob = append(blob, out.CiphertextBlob...)
	blob = blob[:header+nonceSize]
	if _, err := io.ReadFull(k.random, blob[header:]); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	return aead.Seal(blob, blob[header:], key, c.Append(blob[:header:header])), nil
}

// Unwrap implements [vault.Wrapper].
func (k *Key) Unwrap(ctx context.Context, c vault.WrapContext, blob []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(blob) < headerSize || blob[0] != version {
		return nil, fmt.Errorf("%w: not wrapped by KMS", vault.ErrKey)
	}
	header := headerSize + int(binary.BigEndian.Uint16(blob[1:]))
	if header == headerSize || header > headerSize+maxCiphertext || len(blob) <= header+nonceSize+tagSize {
		return nil, fmt.Errorf("%w: cut short, or damaged", vault.ErrKey)
	}
	dataKey, err := k.dataKey(ctx, c, blob[headerSize:header])
	if err != nil {
		return nil, err
	}
	defer clear(dataKey)
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	nonce := blob[header : header+nonceSize]
	key, err := aead.Open(nil, nonce, blob[header+nonceSize:], c.Append(blob[:header:header]))
	if err != nil {
		return nil, fmt.Errorf("%w: damaged", vault.ErrKey)
	}
	return key, nil
}

// dataKey has KMS open a data key. KeyId is said although KMS could tell by itself: it is to refuse what another key
// encrypted.
func (k *Key) dataKey(ctx context.Context, c vault.WrapContext, ciphertext []byte) ([]byte, error) {
	return k.flights.do(ctx, string(c.Append(nil))+string(ciphertext), func(ctx context.Context) ([]byte, error) {
		out, err := k.api.Decrypt(ctx, &kms.DecryptInput{
			KeyId: &k.arn, CiphertextBlob: ciphertext, EncryptionContext: pairs(c),
			EncryptionAlgorithm: types.EncryptionAlgorithmSpecSymmetricDefault,
		})
		if err != nil {
			return nil, failure(ctx, "Decrypt", err)
		}
		return out.Plaintext, nil
	})
}

func newAEAD(dataKey []byte) (cipher.AEAD, error) {
	if len(dataKey) != 32 {
		return nil, fmt.Errorf("%w: KMS returned a data key of another size", vault.ErrKey)
	}
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("set up GCM: %w", err)
	}
	return aead, nil
}

// Format implements fmt.Formatter: a key prints as its ARN.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, "KMS key "+k.arn) }
