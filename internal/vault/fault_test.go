package vault_test

import (
	"context"
	"errors"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fastshop/pipeline/internal/payment"
	"github.com/fastshop/pipeline/internal/vault"
	"github.com/fastshop/pipeline/internal/vault/vaulttest"
)

func TestNoRandomness(t *testing.T) {
	c := config()
	c.Rand = iotest.ErrReader(errors.New("no entropy"))
	if _, err := vault.New(context.Background(), c); err == nil {
		t.Error("a ring without randomness")
	}
	good := config()
	open(t, good)
	good.Rand = c.Rand
	if _, err := open(t, good).Customers(context.Background(), []string{"ana"}); err == nil {
		t.Error("an epoch key without randomness")
	}
	good.Rand = nil
	customer(t, open(t, good), "ana")
	good.Rand = c.Rand
	v := open(t, good)
	if _, err := v.Customers(context.Background(), []string{"rui"}); err == nil {
		t.Error("a data key without randomness")
	}
	if _, _, err := customer(t, v, "ana").Seal("t-1", []vault.Field{{Name: vault.FieldCity, Value: []byte("Recife")}}); err == nil {
		t.Error("a nonce without randomness")
	}
}

func TestKeyStoreDown(t *testing.T) {
	store := new(vaulttest.Memory)
	c := config()
	c.Keys, c.Secrets = store, store
	v := open(t, c)
	known := customer(t, v, "ana")
	blob, _, err := known.Seal("t-1", []vault.Field{{Name: vault.FieldCity, Value: []byte("Recife")}})
	if err != nil {
		t.Fatal(err)
	}
	store.SetDown(true)
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"customers":  func() error { _, err := v.Customers(ctx, []string{"ana"}); return err },
		"open":       func() error { _, err := v.Open(ctx, known.Token, "t-1", blob); return err },
		"shred":      func() error { _, err := v.Shred(ctx, "ana"); return err },
		"erasures":   func() error { _, err := v.Erasures(ctx); return err },
		"tombstones": func() error { _, err := v.Tombstones(ctx, 0, 1); return err },
		"start":      func() error { _, err := vault.New(ctx, c); return err },
	} {
		if err := call(); !errors.Is(err, vault.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// wrongStore answers Find in ways that no key store should.
type wrongStore struct {
	vault.KeyStore
	change func([]vault.Record) []vault.Record
}

func (s wrongStore) Find(ctx context.Context, handles []vault.Handle) ([]vault.Record, error) {
	records, err := s.KeyStore.Find(ctx, handles)
	return s.change(records), err
}

func (s wrongStore) Create(ctx context.Context, records []vault.Record) ([]vault.Record, error) {
	records, err := s.KeyStore.Create(ctx, records)
	return s.change(records), err
}

type stoppedKEK struct{ vault.Wrapper }

func (stoppedKEK) Wrap(context.Context, vault.WrapContext, []byte) ([]byte, error) {
	return nil, vault.ErrKeyDisabled
}

func (stoppedKEK) Unwrap(context.Context, vault.WrapContext, []byte) ([]byte, error) {
	return nil, vault.ErrKeyDisabled
}

func TestTamperedKeyStore(t *testing.T) {
	c := config()
	good := open(t, c)
	customer(t, good, "ana")
	customer(t, good, "rui")
	keys := c.Keys
	for name, change := range map[string]func([]vault.Record) []vault.Record{
		"leaves one out":     func(r []vault.Record) []vault.Record { return r[1:] },
		"swaps two":          func(r []vault.Record) []vault.Record { r[0], r[1] = r[1], r[0]; return r },
		"another token":      func(r []vault.Record) []vault.Record { r[0].Token[5] ^= 1; return r },
		"another generation": func(r []vault.Record) []vault.Record { r[0].Generation = 2; return r },
		"another epoch":      func(r []vault.Record) []vault.Record { r[0].Epoch -= 86400; return r },
		"a short key":        func(r []vault.Record) []vault.Record { r[0].Wrapped = r[0].Wrapped[:60]; return r },
		"another version":    func(r []vault.Record) []vault.Record { r[0].Wrapped = append([]byte{2}, r[0].Wrapped[1:]...); return r },
	} {
		c.Keys = wrongStore{keys, change}
		if _, err := open(t, c).Customers(context.Background(), []string{"ana", "rui"}); !errors.Is(err, vault.ErrKey) {
			t.Errorf("a key store that %s: %v, want ErrKey", name, err)
		}
	}
	// Without a key there is nothing but the token itself to tell.
	stopped := c
	stopped.Personal = stoppedKEK{}
	stopped.Keys = wrongStore{keys, func(r []vault.Record) []vault.Record { r[0].Token[5] ^= 1; return r }}
	if _, err := open(t, stopped).Customers(context.Background(), []string{"ana"}); !errors.Is(err, vault.ErrKey) {
		t.Errorf("another token during a stop: %v, want ErrKey", err)
	}
	// A store that says of everything that it was closed just now.
	c.Keys = wrongStore{keys, func(r []vault.Record) []vault.Record {
		for i := range r {
			r[i].Generation++
			r[i].Closed = time.Now()
		}
		return r
	}}
	if _, err := open(t, c).Customers(context.Background(), []string{"ana"}); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("a race that is always lost: %v, want ErrUnavailable", err)
	}
}

// wrongKEK unwraps to something that is no epoch key or ring.
type wrongKEK struct{ vault.Wrapper }

func (wrongKEK) Unwrap(context.Context, vault.WrapContext, []byte) ([]byte, error) {
	return []byte("short"), nil
}

func TestWrongKEK(t *testing.T) {
	c := config()
	open(t, c)
	personal := c.Personal
	c.Personal = wrongKEK{personal}
	if _, err := open(t, c).Customers(context.Background(), []string{"ana"}); !errors.Is(err, vault.ErrKey) {
		t.Errorf("an epoch key of the wrong size: %v, want ErrKey", err)
	}
	c.Personal, c.Tokens = personal, wrongKEK{c.Tokens}
	if _, err := vault.New(context.Background(), c); !errors.Is(err, vault.ErrKey) {
		t.Errorf("a ring of the wrong size: %v, want ErrKey", err)
	}
}

// flakySecrets loses epoch keys, or fails.
type flakySecrets struct {
	vault.Secrets
	read, write error
}

func (s flakySecrets) Secret(ctx context.Context, id vault.SecretID) ([]byte, error) {
	if s.read != nil && id.Purpose == vault.PurposeEpoch {
		return nil, s.read
	}
	return s.Secrets.Secret(ctx, id)
}

func (s flakySecrets) Keep(ctx context.Context, id vault.SecretID, wrapped []byte) ([]byte, error) {
	if s.write != nil {
		return nil, s.write
	}
	return s.Secrets.Keep(ctx, id, wrapped)
}

func TestEpochKeysLost(t *testing.T) {
	clock := vaulttest.NewClock()
	c := config()
	c.Now = clock.Now
	customer(t, open(t, c), "ana")
	clock.Move(24 * time.Hour)
	customer(t, open(t, c), "rui")
	secrets := c.Secrets
	for name, test := range map[string]struct {
		secrets flakySecrets
		want    error
	}{
		"store fails":    {flakySecrets{secrets, vault.ErrUnavailable, nil}, vault.ErrUnavailable},
		"epoch key lost": {flakySecrets{secrets, vault.ErrUnknown, nil}, vault.ErrKey},
		"cannot be kept": {flakySecrets{secrets, vault.ErrUnknown, vault.ErrUnavailable}, vault.ErrUnavailable},
	} {
		c.Secrets = test.secrets
		_, err := open(t, c).Customers(context.Background(), []string{"ana"})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	// Today's key is read, and then the store fails for yesterday's.
	failing := &flakySecrets{Secrets: secrets}
	c.Secrets = failing
	v := open(t, c)
	customer(t, v, "rui")
	failing.read = vault.ErrUnavailable
	if _, err := v.Customers(context.Background(), []string{"ana"}); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("yesterday's key out of reach: %v, want ErrUnavailable", err)
	}
	failing.read = vault.ErrUnknown
	if _, err := v.Customers(context.Background(), []string{"ana"}); !errors.Is(err, vault.ErrKey) {
		t.Errorf("yesterday's key lost: %v, want ErrKey", err)
	}
}

// TestStopBetweenLooks: the KEK is disabled after the vault has looked, and an old epoch key is needed.
func TestStopBetweenLooks(t *testing.T) {
	clock, b := vaulttest.NewClock(), vaulttest.InMemory()
	c := vault.Config{Keys: b.Keys, Secrets: b.Secrets, Personal: b.Personal, Tokens: b.Tokens, Env: "test", Now: clock.Now}
	old := customer(t, open(t, c), "ana").Token
	clock.Move(24 * time.Hour)
	v := open(t, c)
	customer(t, v, "rui")
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	during := customer(t, v, "ana")
	if during.Token != old {
		t.Error("the token has changed")
	}
	_, state, err := during.Seal("t-1", []vault.Field{{Name: vault.FieldCity, Value: []byte("Recife")}})
	if err != nil || state != payment.SealDropped {
		t.Errorf("seal: state %d, %v, want dropped", state, err)
	}
}
