package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// maxWraps is how many data keys one process wraps under one epoch key. NIST SP 800-38D, 8.3, allows 2³² random nonces
// under a key; this leaves room for sixteen processes.
const maxWraps = 1 << 28

// epochKey is an unwrapped epoch key.
type epochKey struct {
	epoch   Epoch
	wrapped []byte // as it is kept, to ask the KEK again without reading the store
	aead    cipher.AEAD
	wraps   atomic.Uint64
}

// kek holds the epoch keys that the personal-data KEK unwrapped, and knows how the KEK fares.
//
// At most every check the KEK is asked to unwrap the newest epoch key again. An answer proves it alive; all unwrapped
// keys may then be used until cache has passed without another answer. "Disabled" drops them at once.
type kek struct {
	wrapper Wrapper
	secrets Secrets
	bound   WrapContext // with purpose; the epoch is filled in
	now     func() time.Time
	rand    io.Reader
	life    time.Duration
	cache   time.Duration
	check   time.Duration
	onDrop  func() // drops the data keys, which go with the epoch keys

	// turn is held by the one caller that talks to the KEK. It is a channel so that waiting ends with a context.
	turn chan struct{}

	aliveUntil atomic.Int64 // Unix nanoseconds: the keys' limit; 0 while the KEK has not answered yet
	checked    atomic.Int64 // when the KEK was last asked; 0 never
	stopped    atomic.Bool  // the KEK said that it is disabled

	mu     sync.RWMutex
	epochs map[Epoch]*epochKey
	newest *epochKey
	fault  error // the last answer that was neither yes nor "disabled"
}

func newKEK(c *Config, onDrop func()) *kek {
	return &kek{
		wrapper: c.Personal, secrets: c.Secrets, bound: WrapContext{App: c.App, Env: c.Env, Purpose: PurposeEpoch},
		now: c.Now, rand: c.Rand, life: c.EpochLife, cache: c.EpochCache, check: c.KEKCheck, onDrop: onDrop,
		turn: make(chan struct{}, 1), epochs: make(map[Epoch]*epochKey),
	}
}

// usable reports, without asking the KEK, whether unwrapped keys may be used: nil, ErrKeyDisabled, or the fault that
// has lasted too long.
func (k *kek) usable() error {
	if k.stopped.Load() {
		return ErrKeyDisabled
	}
	if k.now().UnixNano() < k.aliveUntil.Load() {
		return nil
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.fault != nil {
		return k.fault
	}
	return fmt.Errorf("%w: the personal-data key has not answered", ErrUnavailable)
}

// refresh asks the KEK if it is time to, and returns what usable does. While one caller asks, the others go on with the
// keys there are; they wait only if there are none.
func (k *kek) refresh(ctx context.Context) error {
	if !k.due() {
		return k.usable()
	}
	select {
	case k.turn <- struct{}{}:
	default:
		if k.usable() == nil {
			return nil
		}
		select {
		case k.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-k.turn }()
	if k.due() {
		k.ask(ctx)
	}
	if err := k.usable(); err == nil || ctx.Err() == nil {
		return err
	}
	return ctx.Err()
}

func (k *kek) due() bool {
	now, checked := k.now().UnixNano(), k.checked.Load()
	return checked == 0 || now-checked >= int64(k.check) || now < checked
}

// ask unwraps the key of the epoch that is now, making it first if need be. The caller has the turn.
func (k *kek) ask(ctx context.Context) {
	epoch := k.epochAt(k.now())
	k.mu.RLock()
	have := k.epochs[epoch]
	k.mu.RUnlock()
	var err error
	var wrapped []byte
	if have != nil {
		wrapped = have.wrapped
	} else {
		wrapped, err = k.wrapped(ctx, epoch)
	}
	if err == nil {
		_, err = k.unwrap(ctx, epoch, wrapped)
	}
	if err != nil && ctx.Err() != nil {
		return // the caller gave up: says nothing about the KEK
	}
	k.note(err)
}

// note records an answer of the KEK.
func (k *kek) note(err error) {
	now := k.now()
	k.checked.Store(now.UnixNano())
	switch {
	case err == nil:
		k.aliveUntil.Store(now.Add(k.cache).UnixNano())
		k.stopped.Store(false)
	case errors.Is(err, ErrKeyDisabled):
		k.stopped.Store(true)
		k.forget()
	case now.UnixNano() >= k.aliveUntil.Load():
		k.forget()
	}
	k.mu.Lock()
	k.fault = err
	k.mu.Unlock()
}

// forget drops every unwrapped key.
func (k *kek) forget() {
	k.aliveUntil.Store(0)
	k.mu.Lock()
	clear(k.epochs)
	k.newest = nil
	k.mu.Unlock()
	k.onDrop()
}

func (k *kek) epochAt(t time.Time) Epoch {
	life := int64(k.life / time.Second)
	unix := t.Unix()
	return Epoch(unix - ((unix%life)+life)%life)
}

func (k *kek) secretID(e Epoch) SecretID { return SecretID{Purpose: PurposeEpoch, Epoch: e.String()} }

// wrapped returns the wrapped key of an epoch, making it if there is none.
func (k *kek) wrapped(ctx context.Context, e Epoch) ([]byte, error) {
	wrapped, err := k.secrets.Secret(ctx, k.secretID(e))
	if err == nil {
		return wrapped, nil
	}
	if !errors.Is(err, ErrUnknown) {
		return nil, fmt.Errorf("read epoch key: %w", err)
	}
	key := make([]byte, 32)
	defer clear(key)
	if _, err := io.ReadFull(k.rand, key); err != nil {
		return nil, fmt.Errorf("draw epoch key: %w", err)
	}
	bound := k.bound
	bound.Epoch = e.String()
	if wrapped, err = k.wrapper.Wrap(ctx, bound, key); err != nil {
		return nil, fmt.Errorf("wrap epoch key: %w", err)
	}
	if wrapped, err = k.secrets.Keep(ctx, k.secretID(e), wrapped); err != nil {
		return nil, fmt.Errorf("keep epoch key: %w", err)
	}
	return wrapped, nil
}

// unwrap asks the KEK for an epoch key and caches it. A key that is cached already is kept, with its count of uses.
func (k *kek) unwrap(ctx context.Context, e Epoch, wrapped []byte) (*epochKey, error) {
	bound := k.bound
	bound.Epoch = e.String()
	key, err := k.wrapper.Unwrap(ctx, bound, wrapped)
	if err != nil {
		return nil, fmt.Errorf("unwrap epoch key: %w", err)
	}
	defer clear(key)
	if len(key) != 32 {
		return nil, fmt.Errorf("unwrap epoch key: %w", ErrKey)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if have := k.epochs[e]; have != nil {
		return have, nil
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	made := &epochKey{epoch: e, wrapped: wrapped, aead: aead}
	k.epochs[e] = made
	if k.newest == nil || e > k.newest.epoch {
		k.newest = made
	}
	return made, nil
}

// current is the key that wraps new data keys: the newest there is, which is the last epoch's while an outage keeps the
// KEK from making the next.
func (k *kek) current() (*epochKey, error) {
	k.mu.RLock()
	e := k.newest
	k.mu.RUnlock()
	if e == nil {
		return nil, k.lost()
	}
	if e.wraps.Add(1) > maxWraps {
		return nil, fmt.Errorf("%w: the epoch key is used up", ErrUnavailable)
	}
	return e, nil
}

// of returns the key of an epoch for unwrapping data keys.
func (k *kek) of(ctx context.Context, e Epoch) (*epochKey, error) {
	k.mu.RLock()
	have := k.epochs[e]
	k.mu.RUnlock()
	if have != nil {
		return have, nil
	}
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-k.turn }()
	k.mu.RLock()
	have = k.epochs[e]
	k.mu.RUnlock()
	if have != nil {
		return have, nil
	}
	wrapped, err := k.secrets.Secret(ctx, k.secretID(e))
	if errors.Is(err, ErrUnknown) {
		return nil, fmt.Errorf("%w: its epoch key is missing", ErrKey)
	}
	if err != nil {
		return nil, fmt.Errorf("read epoch key: %w", err)
	}
	key, err := k.unwrap(ctx, e, wrapped)
	if errors.Is(err, ErrKeyDisabled) {
		k.note(err)
	}
	return key, err
}

// lost is the error for keys that were dropped after the caller had found them usable.
func (k *kek) lost() error {
	if err := k.usable(); err != nil {
		return err
	}
	return fmt.Errorf("%w: the epoch keys were dropped", ErrUnavailable)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("set up AES: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("set up GCM: %w", err)
	}
	return aead, nil
}
