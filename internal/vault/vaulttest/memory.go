package vaulttest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
)

// Memory is a key store in memory: the model that the others are compared with, and a quick one for the tests of
// packages that use a vault. Its zero value is empty. All methods may be called at once.
type Memory struct {
	mu         sync.Mutex
	latest     map[vault.Handle]vault.Record
	tombstones []vault.Tombstone
	secrets    map[vault.SecretID][]byte
	down       bool
	calls      int
}

var (
	_ vault.KeyStore = (*Memory)(nil)
	_ vault.Secrets  = (*Memory)(nil)
)

// SetDown puts the store out of reach, or back.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// Calls returns how many calls the store has answered.
func (m *Memory) Calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// enter locks the store and makes its maps.
func (m *Memory) enter(ctx context.Context) error {
	m.mu.Lock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.down {
		return fmt.Errorf("%w: key store is down", vault.ErrUnavailable)
	}
	if m.latest == nil {
		m.latest, m.secrets = make(map[vault.Handle]vault.Record), make(map[vault.SecretID][]byte)
	}
	m.calls++
	return nil
}

// Find implements [vault.KeyStore].
func (m *Memory) Find(ctx context.Context, handles []vault.Handle) ([]vault.Record, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	records := make([]vault.Record, len(handles))
	for i, h := range handles {
		records[i] = m.latest[h]
	}
	return records, nil
}

// Create implements [vault.KeyStore].
func (m *Memory) Create(ctx context.Context, offered []vault.Record) ([]vault.Record, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	for i := range offered {
		if !offered[i].Valid() {
			return nil, vault.ErrInput
		}
	}
	records := make([]vault.Record, len(offered))
	for i, r := range offered {
		kept, changed := m.latest[r.Handle].Take(r)
		if changed {
			m.latest[r.Handle] = kept
		}
		records[i] = kept
	}
	return records, nil
}

// ByToken implements [vault.KeyStore].
func (m *Memory) ByToken(ctx context.Context, token payment.Token) (vault.Record, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return vault.Record{}, err
	}
	for _, r := range m.latest {
		if r.Token == token {
			return r, nil
		}
	}
	for _, t := range m.tombstones {
		if t.Token == token {
			return closed(t), nil
		}
	}
	return vault.Record{}, vault.ErrUnknown
}

func closed(t vault.Tombstone) vault.Record {
	return vault.Record{Handle: t.Handle, Generation: t.Generation, Token: t.Token, Closed: t.At}
}

// Shred implements [vault.KeyStore].
func (m *Memory) Shred(ctx context.Context, h vault.Handle, at time.Time) (vault.Tombstone, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return vault.Tombstone{}, err
	}
	r, ok := m.latest[h]
	if !ok {
		return vault.Tombstone{}, vault.ErrUnknown
	}
	if !r.IsOpen() {
		for _, t := range m.tombstones {
			if t.Token == r.Token {
				return t, nil
			}
		}
	}
	t := vault.Tombstone{
		Seq: uint64(len(m.tombstones) + 1), Handle: h, Generation: r.Generation, Token: r.Token,
		At: at.UTC().Truncate(time.Millisecond),
	}
	m.tombstones = append(m.tombstones, t)
	m.latest[h] = closed(t)
	return t, nil
}

// Tombstones implements [vault.KeyStore].
func (m *Memory) Tombstones(ctx context.Context, after uint64, limit int) ([]vault.Tombstone, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	rest := m.tombstones[min(after, uint64(len(m.tombstones))):]
	return append([]vault.Tombstone(nil), rest[:min(max(limit, 0), len(rest))]...), nil
}

// Secret implements [vault.Secrets].
func (m *Memory) Secret(ctx context.Context, id vault.SecretID) ([]byte, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	if wrapped, ok := m.secrets[id]; ok {
		return wrapped, nil
	}
	return nil, vault.ErrUnknown
}

// Keep implements [vault.Secrets].
func (m *Memory) Keep(ctx context.Context, id vault.SecretID, wrapped []byte) ([]byte, error) {
	defer m.mu.Unlock()
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	if _, ok := m.secrets[id]; !ok {
		m.secrets[id] = bytes.Clone(wrapped)
	}
	return m.secrets[id], nil
}

// KEK is a key-encryption key in memory that can be disabled. All methods may be called at once.
type KEK struct {
	aead cipher.AEAD

	mu       sync.Mutex
	disabled bool
}

var _ vault.Wrapper = (*KEK)(nil)

// NewKEK returns a KEK made of 32 bytes. It panics if there are not 32.
func NewKEK(key []byte) *KEK {
	if len(key) != 32 {
		panic("vaulttest: a KEK has 32 bytes")
	}
	block, _ := aes.NewCipher(key)                 // cannot fail: the size is right
	aead, _ := cipher.NewGCMWithRandomNonce(block) // cannot fail: AES has blocks of 16 bytes
	return &KEK{aead: aead}
}

// RandomKEK returns a KEK with a random key.
func RandomKEK() *KEK {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return NewKEK(key)
}

// SetDisabled disables the KEK, or enables it again.
func (k *KEK) SetDisabled(disabled bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.disabled = disabled
}

func (k *KEK) usable(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.disabled {
		return vault.ErrKeyDisabled
	}
	return ctx.Err()
}

// Wrap implements [vault.Wrapper].
func (k *KEK) Wrap(ctx context.Context, c vault.WrapContext, key []byte) ([]byte, error) {
	if err := k.usable(ctx); err != nil {
		return nil, err
	}
	if len(key) == 0 || len(key) > 1024 {
		return nil, vault.ErrInput
	}
	return k.aead.Seal(nil, nil, key, c.Append(nil)), nil
}

// Unwrap implements [vault.Wrapper].
func (k *KEK) Unwrap(ctx context.Context, c vault.WrapContext, blob []byte) ([]byte, error) {
	if err := k.usable(ctx); err != nil {
		return nil, err
	}
	key, err := k.aead.Open(nil, nil, blob, c.Append(nil))
	if err != nil {
		return nil, vault.ErrKey
	}
	return key, nil
}

// Outage puts a wrapper out of reach at will and counts the questions it is asked.
type Outage struct {
	Wrapper vault.Wrapper

	mu    sync.Mutex
	down  bool
	asked int
}

var _ vault.Wrapper = (*Outage)(nil)

// SetDown begins or ends the outage.
func (o *Outage) SetDown(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

// Asked returns how many calls there were, answered or not.
func (o *Outage) Asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked
}

func (o *Outage) ask() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if o.down {
		return fmt.Errorf("%w: key-encryption key is out of reach", vault.ErrUnavailable)
	}
	return nil
}

// Wrap implements [vault.Wrapper].
func (o *Outage) Wrap(ctx context.Context, c vault.WrapContext, key []byte) ([]byte, error) {
	if err := o.ask(); err != nil {
		return nil, err
	}
	return o.Wrapper.Wrap(ctx, c, key)
}

// Unwrap implements [vault.Wrapper].
func (o *Outage) Unwrap(ctx context.Context, c vault.WrapContext, blob []byte) ([]byte, error) {
	if err := o.ask(); err != nil {
		return nil, err
	}
	return o.Wrapper.Unwrap(ctx, c, blob)
}
