package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrUnavailable is wrapped by errors that may go away by themselves: the key store or a KEK is out of reach.
	ErrUnavailable = errors.New("vault unavailable")
	// ErrKeyDisabled is returned while the personal-data KEK is disabled on purpose: the emergency stop.
	ErrKeyDisabled = errors.New("personal-data key disabled")
	// ErrErased is returned when the customer's key was destroyed: nothing will ever open what it sealed.
	ErrErased = errors.New("customer erased")
	// ErrUnknown is returned for a customer, a token or a secret that the key store has never seen.
	ErrUnknown = errors.New("unknown to the key store")
	// ErrBlob is returned for a sealed blob that was not sealed for this customer and record, or was changed.
	ErrBlob = errors.New("sealed blob refused")
	// ErrKey is returned for a wrapped key that does not authenticate: it was changed, moved to another row, or wrapped
	// under another KEK or context.
	ErrKey = errors.New("wrapped key refused")
	// ErrInput is returned for an argument out of range; the error never repeats its value.
	ErrInput = errors.New("invalid input")
)

// Config is what a vault is made of. Keys, Secrets, Personal, Tokens and Env are required.
type Config struct {
	Keys    KeyStore
	Secrets Secrets

	// Personal wraps the epoch keys; disabling it is the emergency stop. Tokens wraps the ring of token keys and is
	// asked only by New. They are two KEKs, so that one can be disabled without the other.
	Personal, Tokens Wrapper

	// App and Env go into every WrapContext; App is "fastshop" by default. They never change for a key store: keys
	// wrapped under other names are refused.
	App, Env string

	// Now is the clock, time.Now by default. Rand gives keys and nonces, crypto/rand.Reader by default; it has to stand
	// calls at once.
	Now  func() time.Time
	Rand io.Reader

	// EpochLife is how long an epoch key wraps new data keys before the next one does; default 24 h, at least 1 s.
	EpochLife time.Duration
	// EpochCache is how long unwrapped keys are used after the personal-data KEK last answered: the longest outage of
	// the KEK that nobody notices. Default 12 h.
	EpochCache time.Duration
	// KEKCheck is the shortest time between two questions to the personal-data KEK, and so the bound within which an
	// emergency stop takes hold in a vault under load; default 1 s. A vault without load holds keys until it is next
	// used, and then asks before it uses them.
	KEKCheck time.Duration
	// ErasureCheck is the shortest time between two looks at the erasure counter. 0, the default, looks before every
	// batch; a certificate of erasure has to wait this long.
	ErasureCheck time.Duration
	// CacheCustomers bounds the cache of data keys; default 200,000, about 150 bytes each.
	CacheCustomers int
}

func (c *Config) complete() error {
	switch {
	case c.Keys == nil, c.Secrets == nil, c.Personal == nil, c.Tokens == nil:
		return fmt.Errorf("%w: a vault needs a key store, secrets and two wrappers", ErrInput)
	case c.Env == "" || len(c.Env) > 255 || len(c.App) > 255:
		return fmt.Errorf("%w: the environment's name is missing, or a name is over 255 bytes", ErrInput)
	case c.EpochLife < 0 || c.EpochCache < 0 || c.KEKCheck < 0 || c.ErasureCheck < 0 || c.CacheCustomers < 0:
		return fmt.Errorf("%w: negative duration or size", ErrInput)
	case c.EpochLife > 0 && c.EpochLife < time.Second:
		return fmt.Errorf("%w: an epoch is at least a second", ErrInput)
	}
	setDefault(&c.App, "fastshop")
	setDefault(&c.EpochLife, 24*time.Hour)
	setDefault(&c.EpochCache, 12*time.Hour)
	setDefault(&c.KEKCheck, time.Second)
	setDefault(&c.CacheCustomers, 200_000)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Vault seals, opens and shreds personal data and makes tokens. All methods may be called at once.
type Vault struct {
	keys     KeyStore
	now      func() time.Time
	rand     io.Reader
	personal *kek
	tokens   *tokenKeys
	cache    *cache
	scratch  sync.Pool // of *scratch: buffers of a seal

	erasureCheck time.Duration
	erasures     sync.Mutex   // held while looking at the erasure counter
	erasuresAt   atomic.Int64 // when it was last looked at, Unix nanoseconds
}

// New returns a vault over c. It loads the ring of token keys, or makes it at the first start of a key store; when
// several processes start at once, all end up with the same ring. The personal-data KEK is not asked yet: a vault can
// start, and make tokens, while it is disabled or out of reach.
func New(ctx context.Context, c Config) (*Vault, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	tokens, err := loadTokenKeys(ctx, &c)
	if err != nil {
		return nil, err
	}
	v := &Vault{
		keys: c.Keys, now: c.Now, rand: c.Rand, tokens: tokens, cache: newCache(c.CacheCustomers),
		erasureCheck: c.ErasureCheck,
	}
	v.scratch.New = func() any { return new(scratch) }
	v.personal = newKEK(&c, v.cache.stop)
	if _, err := v.Erasures(ctx); err != nil {
		return nil, err
	}
	return v, nil
}
